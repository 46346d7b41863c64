"""What does not go together within one consignment, or within one alert."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Final

from sesn_node.codes.tables import basel
from sesn_node.domain.alert import (
    Alert,
    CallKind,
    Consignment,
    Goods,
    PortCall,
    RequestedAction,
    Urgency,
)
from sesn_node.domain.findings import Field, Finding, Rule

# What happens to a consignment, in the order that it can happen; being seen fits everywhere.
_STAGES: Final = {CallKind.LOADING: 0, CallKind.TRANSHIPMENT: 1, CallKind.DISCHARGE: 2}
_CONTROLLED: Final = frozenset({"I", "II", "VIII"})
"""Annexes of the Convention whose wastes need prior informed consent."""


_FREE: Final = "IX"
_HANDS_ON: Final = frozenset({RequestedAction.HOLD, RequestedAction.INSPECT})
"""What can only be done while the consignment is at hand."""


def contradictions(
    consignment: Consignment, found: Iterable[Finding], root: str
) -> Iterator[Finding]:
    """Tell what of one consignment contradicts another part of it.

    Args:
        consignment: The consignment.
        found: What the checks of its fields said: their normal forms are compared.
        root: Path of the consignment.
    """
    forms = {one.field: one.normalised for one in found}
    yield from _twice(consignment, forms, root)
    yield from _route(consignment.route, forms, root)
    yield from _declared(consignment, forms, root)


def late_answers(alert: Alert, now: datetime) -> Iterator[Finding]:
    """Tell whether the answer that an alert asks for would come too late."""
    if alert.respond_by is None:
        return
    here = Field("respond_by", moment(alert.respond_by))
    if alert.respond_by < now:
        yield here.warn(Rule.RESPOND_BY_PAST, "this moment has passed", here.observed)
        return
    dated = [(call, call.at) for call in _route_of(alert) if call.at is not None]
    sails = [
        (at, call.port)
        for call, at in dated
        if call.kind is CallKind.LOADING and now <= at < alert.respond_by
    ]
    if sails and alert.urgency is Urgency.SHIP_SAILS:
        at, port = min(sails)
        reason = f"after the ship has left {port}, expected {moment(at)}"
        yield here.warn(Rule.RESPOND_BY_LATE, reason, here.observed)
    elif alert.requested_action in _HANDS_ON and dated and dated[-1][0] is _route_of(alert)[-1]:
        # A last call without a time may be after any answer.
        end = max(at for _, at in dated)
        if end < alert.respond_by:
            reason = f"after the last call of the route, {moment(end)}"
            yield here.warn(Rule.RESPOND_BY_LATE, reason, here.observed)


def _twice(consignment: Consignment, forms: dict[str, str], root: str) -> Iterator[Finding]:
    numbers: dict[str, int] = {}
    seals: dict[str, int] = {}
    for index, container in enumerate(consignment.containers):
        path = f"{root}.containers[{index}]"
        number, seal = forms.get(f"{path}.number", ""), forms.get(f"{path}.seal", "")
        if number and (first := numbers.setdefault(number, index)) != index:
            reason = f"the same container as containers[{first}], written in another way"
            here = Field(f"{path}.number", container.number)
            yield here.warn(Rule.CONTAINER_REPEATED, reason, number)
        if seal and (first := seals.setdefault(seal, index)) != index:
            reason = f"the same seal as on containers[{first}]; a seal's number is unique"
            here = Field(f"{path}.seal", container.seal)
            yield here.warn(Rule.SEAL_REPEATED, reason, seal)


def _route(route: Sequence[PortCall], forms: dict[str, str], root: str) -> Iterator[Finding]:
    dated = [(index, call, call.at) for index, call in enumerate(route) if call.at is not None]
    for (_, before, earlier), (index, _, at) in pairwise(dated):
        if at < earlier:
            here = Field(f"{root}.route[{index}].at", moment(at))
            reason = f"before the call at {before.port}, {moment(earlier)}, that it comes after"
            yield here.warn(Rule.ROUTE_ORDER, reason, here.observed)
    staged = [(index, call) for index, call in enumerate(route) if call.kind in _STAGES]
    for (_, before), (index, call) in pairwise(staged):
        if _STAGES[call.kind] < _STAGES[before.kind]:
            here = Field(f"{root}.route[{index}].kind", call.kind.value)
            reason = f"a {call.kind.value.lower()} after the {before.kind.value.lower()}"
            yield here.warn(Rule.ROUTE_KINDS, f"{reason} at {before.port}", here.observed)
    seen: dict[date, tuple[str, str]] = {}
    for index, call, at in dated:
        port = forms.get(f"{root}.route[{index}].port", "")
        first, shown = seen.setdefault(at.date(), (port, call.port))
        if port and first and port != first:
            here = Field(f"{root}.route[{index}].port", call.port)
            reason = f"on {at.date()} also at {shown}"
            yield here.warn(Rule.ROUTE_SAME_DAY, reason, port)


def _declared(consignment: Consignment, forms: dict[str, str], root: str) -> Iterator[Finding]:
    """Compare what is declared with what is suspected, and with what was found."""
    declared = consignment.declared
    if declared is None:
        return
    for name, goods in (("suspected", consignment.suspected), ("found", consignment.found)):
        if goods is not None:
            yield from _other_goods(declared, goods, forms, root, name)


def _other_goods(
    declared: Goods, goods: Goods, forms: dict[str, str], root: str, name: str
) -> Iterator[Finding]:
    hs, other = forms.get(f"{root}.declared.hs_code", ""), forms.get(f"{root}.{name}.hs_code", "")
    # Codes of two editions cannot be compared.
    if hs and other and hs != other and goods.hs_edition == declared.hs_edition:
        here = Field(f"{root}.declared.hs_code", declared.hs_code)
        yield here.warn(Rule.GOODS_HS, f"declared as {hs}, {name} to be {other}", hs)
    free = _annexes(declared, forms, f"{root}.declared")
    others = _annexes(goods, forms, f"{root}.{name}")
    controlled = [code for code, annex in others.values() if annex in _CONTROLLED]
    if free and controlled and all(annex == _FREE for _, annex in free.values()):
        index = min(free)
        code = free[index][0]
        here = Field(f"{root}.declared.basel_codes[{index}]", declared.basel_codes[index])
        reason = f"free of prior consent (Annex IX), and {name} to be {', '.join(controlled)}"
        yield here.warn(Rule.GOODS_BASEL, reason, code)


def _annexes(goods: Goods, forms: dict[str, str], place: str) -> dict[int, tuple[str, str]]:
    """Return the listed Basel codes of goods, by their places: normal form and annex."""
    rows = basel().rows
    codes = {
        index: forms.get(f"{place}.basel_codes[{index}]", "")
        for index in range(len(goods.basel_codes))
    }
    return {index: (code, rows[code][0].group) for index, code in codes.items() if code in rows}


def _route_of(alert: Alert) -> tuple[PortCall, ...]:
    return () if alert.consignment is None else alert.consignment.route


def moment(at: datetime) -> str:
    """Write a time as alerts have it."""
    return at.isoformat().replace("+00:00", "Z")
