"""Groups: named recipients, so that an officer need not list them each time.

A group is ours alone and stands for its members at the moment of sending: nobody else learns that
there is one. `@name` in the place of an agency means all its members.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.ids import AgencyId, agency_id
from sesn_node.domain.messages import MAX_RECIPIENTS
from sesn_node.errors import MalformedError, PolicyError
from sesn_node.exchange.naming import not_a_partner
from sesn_node.trust.directory import NOT_TRUSTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work

MARK: Final = "@"
MAX_GROUPS: Final = 100

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Group:
    """A named group: who is in it, in order of their ids."""

    name: str
    members: tuple[AgencyId, ...]


def group_name(text: str) -> str:
    """Check the name of a group, with or without its `@`.

    Raises:
        MalformedError: Not 1 to 40 of a-z, 0-9 and hyphens within.
    """
    name = text.removeprefix(MARK)
    if _NAME.fullmatch(name) is None:
        raise MalformedError(
            f"group {text[:60]!a}: expected a name of a-z, 0-9 and '-', such as west-africa"
        )
    return name


def groups(office: Office) -> tuple[Group, ...]:
    """List the groups by name."""
    with office.store.read() as transaction:
        found = transaction.groups.every()
    return tuple(
        Group(name, tuple(AgencyId(one) for one in members)) for name, members in found.items()
    )


def extend_group(office: Office, name: str, agencies: Sequence[AgencyId]) -> Group:
    """Put partners into a group, which begins with its first; return it.

    Raises:
        MalformedError: Not a name.
        PolicyError: One of them is not a partner or not trusted, or there are too many groups or
            members.
    """
    name = group_name(name)
    directory, now_ms = office.directory(), office.clock()
    for agency in agencies:
        if agency == office.agency:
            raise PolicyError(f"{agency} is our own agency", code=NOT_TRUSTED)
        if agency not in directory.peers:
            raise not_a_partner(agency)
        directory.trusted(agency, now_ms)
    office.sequencer.run(partial(_extend, name=name, agencies=agencies))
    return _group(office, name)


def shrink_group(office: Office, name: str, agencies: Sequence[AgencyId]) -> Group:
    """Take agencies out of a group, or all if none is named; return who is left.

    Raises:
        MalformedError: Not a name.
        PolicyError: No such group, or one of them is not in it.
    """
    name = group_name(name)
    members = _group(office, name).members
    missing = [one for one in agencies if one not in members]
    if missing:
        raise PolicyError(
            f"{missing[0]} is not in the group {MARK}{name}; 'sesn group list' shows who is",
            code="NOT_IN_GROUP",
        )

    def operation(work: Work) -> None:
        work.transaction.groups.remove(name, agencies or members)

    office.sequencer.run(operation)
    with office.store.read() as transaction:
        left = transaction.groups.members(name)
    return Group(name, tuple(AgencyId(one) for one in left))


def resolve(office: Office, names: Sequence[str]) -> tuple[AgencyId, ...]:
    """Return the agencies that recipients as officers write them stand for, each once.

    Args:
        office: Ours.
        names: Agency ids, and groups with an `@` in front.

    Raises:
        MalformedError: Neither.
        PolicyError: No such group, or a member that is not trusted any more.
    """
    found: dict[AgencyId, None] = {}
    for text in names:
        if not text.startswith(MARK):
            found[agency_id(text)] = None
            continue
        group = _group(office, group_name(text))
        _require_trusted(office, group)
        found |= dict.fromkeys(group.members)
    return tuple(found)


def _require_trusted(office: Office, group: Group) -> None:
    directory, now_ms = office.directory(), office.clock()
    for agency in group.members:
        try:
            directory.trusted(agency, now_ms)
        except PolicyError as error:
            raise PolicyError(
                f"{agency}, of the group {MARK}{group.name}: {error.message}; or take it out: "
                f"'sesn group remove {group.name} {agency}'",
                code=error.code,
            ) from error


def _group(office: Office, name: str) -> Group:
    with office.store.read() as transaction:
        members = transaction.groups.members(name)
    if not members:
        raise PolicyError(
            f"there is no group {MARK}{name}; 'sesn group list' shows them, and 'sesn group add "
            f"{name} AGENCY' makes it",
            code="UNKNOWN_GROUP",
        )
    return Group(name, tuple(AgencyId(one) for one in members))


def _extend(work: Work, name: str, agencies: Sequence[AgencyId]) -> None:
    table = work.transaction.groups
    members = set(table.members(name))
    if not members and table.count() >= MAX_GROUPS:
        raise PolicyError(
            f"there are {MAX_GROUPS} groups already; 'sesn group remove NAME' makes room",
            code="TOO_MANY_GROUPS",
        )
    fresh = sorted(set(agencies) - members)
    if len(members) + len(fresh) > MAX_RECIPIENTS:
        raise PolicyError(
            f"a message has at most {MAX_RECIPIENTS} recipients, and so a group as many members",
            code="TOO_MANY_MEMBERS",
        )
    table.add(name, fresh)
