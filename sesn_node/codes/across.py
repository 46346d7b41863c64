"""What several messages cannot both be right about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sesn_node.codes.places import check_port
from sesn_node.domain.alert import Consignment
from sesn_node.domain.findings import Field, Finding, Rule
from sesn_node.domain.identifiers import check_container, check_seal


@dataclass(frozen=True, slots=True)
class Told:
    """A consignment as one message tells of it.

    Args:
        source: The message, as findings shall name it.
        consignment: The consignment.
    """

    source: str
    consignment: Consignment


def across(messages: Sequence[Told]) -> tuple[Finding, ...]:
    """Tell what messages contradict each other in.

    A container at two ports on one day (UTC); one seal on two containers. A finding stands at the
    later message of the two, in the order given: its field is `SOURCE: PATH`.
    """
    return (*_two_ports(messages), *_two_containers(messages))


def _two_ports(messages: Sequence[Told]) -> Iterator[Finding]:
    seen: dict[tuple[str, date], dict[str, str]] = {}
    for told in messages:
        numbers = _containers(told)
        for index, call in enumerate(told.consignment.route):
            port = check_port(call.port).normalised
            if call.at is None or not port:
                continue
            day = call.at.date()
            for number in numbers:
                known = seen.setdefault((number, day), {})
                other = _elsewhere(known, port, told.source)
                known.setdefault(port, told.source)
                if other is not None:
                    here = Field(f"{told.source}: consignment.route[{index}].port", call.port)
                    reason = f"{number} is at {other} on {day}, says {known[other]}"
                    yield here.warn(Rule.ACROSS_SAME_DAY, reason, port)


def _two_containers(messages: Sequence[Told]) -> Iterator[Finding]:
    seen: dict[str, tuple[str, str]] = {}
    for told in messages:
        for index, container in enumerate(told.consignment.containers):
            number = check_container(container.number).normalised
            seal = check_seal(container.seal).normalised
            if not number or not seal:
                continue
            other, source = seen.setdefault(seal, (number, told.source))
            if other != number and source != told.source:
                path = f"{told.source}: consignment.containers[{index}].seal"
                reason = f"the same seal is on {other}, says {source}"
                yield Field(path, container.seal).warn(Rule.ACROSS_SEAL, reason, seal)


def _containers(told: Told) -> list[str]:
    """Return the containers of a message in normal form, each once."""
    forms = (check_container(one.number).normalised for one in told.consignment.containers)
    return [form for form in dict.fromkeys(forms) if form]


def _elsewhere(known: dict[str, str], port: str, source: str) -> str | None:
    """Return another port that another message has named."""
    return next((one for one, said in known.items() if one != port and said != source), None)
