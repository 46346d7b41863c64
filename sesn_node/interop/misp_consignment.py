"""The consignment of a draft that is made of a MISP event."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from sesn_node.domain.alert import (
    CallKind,
    Consignment,
    Container,
    Goods,
    Party,
    PartyRole,
    PortCall,
    Regime,
    Vessel,
)
from sesn_node.interop import misp_templates as templates
from sesn_node.interop.drafts import built, goods_of, required
from sesn_node.interop.misp_objects import Thing
from sesn_node.interop.misp_write import STAGES, relationship
from sesn_node.interop.notes import Notes

_SHIPS: Final = {
    templates.SHIP.name: ("name", "imoNumber"),
    "ais": ("name", "IMO-number"),
    "ais-observation": ("name", "IMO-number"),
}
"""Standard templates that name a ship: where its name is, and its number."""

_ROLES: Final = {relationship(role.value): role for role in PartyRole}


def consignment_of(found: list[Thing], ours: Thing | None, notes: Notes) -> Consignment | None:
    """Return what the objects of an event tell of a consignment; None if they tell nothing.

    Raises:
        MalformedError: A value out of its bounds.
    """
    goods = _goods(found)
    known = None if ours is None else ours.values
    parts = {
        "containers": _containers(found, notes),
        "vessel": _vessel(found, ours),
        "bill_of_lading": "" if known is None else known.text("bill-of-lading"),
        "route": _route(found),
        **{stage: goods.get(stage) for stage in STAGES},
        "parties": _parties(found, ours),
    }
    regime = None if known is None else known.choice("regime", Regime)
    if any(parts.values()):
        return built("Event", Consignment, **parts, regime=regime)
    if regime is not None:
        notes.drop("alert.consignment.regime", "nothing else of a consignment is told")
    return None


def _containers(found: list[Thing], notes: Notes) -> tuple[Container, ...]:
    made: dict[str, Container] = {}
    for one in found:
        if one.name != templates.CONTAINER.name:
            continue
        told = one.values
        number = required(told, "number")
        if number in made:
            told.text("seal")
            notes.drop(told.path, "a container that was told before")
            continue
        made[number] = built(told.path, Container, number, told.text("seal"))
    return tuple(made.values())


def _vessel(found: list[Thing], ours: Thing | None) -> Vessel | None:
    voyage = "" if ours is None else ours.values.text("voyage")
    for one in found:
        if one.name in _SHIPS:
            name, imo = (one.values.text(relation) for relation in _SHIPS[one.name])
            if name or imo:
                return built(one.values.path, Vessel, imo, name, voyage)
    imo = "" if ours is None else ours.values.text("vessel-imo")
    if ours is None or not imo:
        return None
    return built(ours.values.path, Vessel, imo, "", voyage)


def _route(found: list[Thing]) -> tuple[PortCall, ...]:
    calls = []
    for one in found:
        if one.name == templates.CALL.name:
            told = one.values
            required(told, "kind")
            position = told.text("position")
            place = int(position) if position.isdecimal() and len(position) < _DIGITS else 0
            kind = told.choice("kind", CallKind)
            made = built(told.path, PortCall, told.text("port"), kind, told.moment("time"))
            calls.append((place, made))
    calls.sort(key=lambda pair: pair[0])
    return tuple(call for _, call in calls)


_DIGITS: Final = 9


def _relation(field: str) -> str:
    """Spell a field as our templates do."""
    return field.replace("_", "-")


def _goods(found: list[Thing]) -> dict[str, Goods]:
    made: dict[str, Goods] = {}
    for one in found:
        told = one.values
        if one.name != templates.GOODS.name or told.fields.get("stage") not in STAGES:
            continue
        stage = told.fields["stage"]
        if not isinstance(stage, str) or stage in made:
            continue
        told.text("stage")
        made[stage] = goods_of(told, _relation)
    return made


def _parties(found: list[Thing], ours: Thing | None) -> tuple[Party, ...]:
    roles: dict[str, list[PartyRole]] = defaultdict(list)
    for kind, other in () if ours is None else ours.references:
        if kind in _ROLES:
            roles[other].append(_ROLES[kind])
    made = []
    for one in found:
        told = one.values
        if one.name != templates.LEGAL_ENTITY.name:
            continue
        made += [
            built(
                told.path,
                Party,
                told.text("name"),
                role,
                told.text("address"),
                told.text("country"),
                told.text("idNumber"),
                told.text("vatCode"),
            )
            for role in roles.get(one.uuid, ())
        ]
    return tuple(made)
