"""Alerts for people. Everything that a message says is shown as text, never as markup."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.alert_json import decision_of
from sesn_node.cli.show import STATE_STYLES, facts, short_ids, table
from sesn_node.domain.alert import (
    Alert,
    Consignment,
    Decision,
    Goods,
    Payload,
    RequestedAction,
    Tlp,
    Urgency,
)
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.identifiers import Finding, Result, findings
from sesn_node.domain.ids import AgencyId, show_message_id
from sesn_node.domain.times import utc_minute, utc_second
from sesn_node.exchange.copyviews import CopyView
from sesn_node.exchange.open import ERASED
from sesn_node.exchange.views import AlertFile, AlertView, ResponseView
from sesn_node.trust.card import TrustedCard

_URGENCY: Final = {
    Urgency.ROUTINE: Text("routine"),
    Urgency.URGENT: Text("urgent", "yellow"),
    Urgency.SHIP_SAILS: Text("immediate", "bold red"),
}
_ACTION: Final = {
    RequestedAction.NONE: "nothing",
    RequestedAction.INFORM: "inform us",
    RequestedAction.HOLD: "hold it",
    RequestedAction.INSPECT: "inspect it",
}
# What FIRST's TLP 2.0 lets a recipient do, in one line each.
_TLP: Final = {
    Tlp.RED: "for the named recipients only; they may pass nothing on",
    Tlp.AMBER_STRICT: "within the recipients' own organisations, on a need-to-know basis",
    Tlp.AMBER: "within the recipients' organisations and their clients, on a need-to-know basis",
    Tlp.GREEN: "within the community of the recipients; not in public",
    Tlp.CLEAR: "no limit: it may be published",
}
_TLP_STYLES: Final = {
    Tlp.RED: "bold red",
    Tlp.AMBER_STRICT: "bold yellow",
    Tlp.AMBER: "bold yellow",
    Tlp.GREEN: "bold green",
    Tlp.CLEAR: "bold",
}
_DECISION_STYLES: Final = {Decision.ACCEPTED: "green", Decision.DECLINED: "red"}
_RESULT_STYLES: Final = {Result.OK: "green", Result.WARN: "yellow", Result.FAIL: "red"}


def list_text(found: Sequence[AlertView]) -> Table:
    """Show a list of alerts, each in two lines: what it is about, and with whom."""
    listing = table("message", "alert", "", flexible=("alert",))
    listing.leading = 1
    ids = short_ids([view.message_id for view in found])
    for view in found:
        alert = view.alert
        subject = Text(alert.subject) if alert else _unread(view)
        listing.add_row(
            Text(f"{ids[view.message_id]}\n{utc_minute(view.at_ms)}"),
            Text("\n").join([subject, _sent_to(view) if view.ours else _from(view)]),
            Text("\n").join([_URGENCY[alert.urgency] if alert else Text(), _state(view)]),
        )
    return listing


def _unread(view: AlertView) -> Text:
    if view.erased is not None:
        return Text(f"erased {utc_minute(view.erased.erased_ms)}", "dim")
    return Text(f"cannot be read: {view.problem}", "red")


def _from(view: AlertView) -> Text:
    return Text(f"from {view.sender}", "dim")


def _sent_to(view: AlertView) -> Text:
    """Name the recipients, each with its decision, or else with the state of its copy."""
    decided = {one.agency: one.decision for one in view.responses}
    parts = []
    for copy in view.copies:
        decision = decided.get(copy.agency)
        if decision is None:
            state = (copy.state.value, STATE_STYLES[copy.state])
        else:
            state = (decision.value.lower(), _DECISION_STYLES[decision])
        parts.append(Text.assemble((f"{copy.agency} ", "dim"), state))
    return Text.assemble(("to ", "dim"), Text(", ").join(parts))


def _state(view: AlertView) -> Text:
    """Say what there is to do here."""
    if view.ours:
        return Text("sent", "dim")
    decision = decision_of(view)
    if decision is None:
        return Text("to decide", "bold")
    return Text(decision.value.lower(), _DECISION_STYLES[decision])


def show_text(
    found: AlertFile, names: Mapping[AgencyId, str], collecting: Collection[AgencyId]
) -> Group:
    """Show an alert with all that is known about it.

    Args:
        found: What is known.
        names: What agencies are called.
        collecting: Partners that have no address, and collect what is for them.
    """
    view = found.alert
    parts: list[RenderableType] = [_outside(view, names)]
    if view.erased is not None:
        erased = view.erased
        when = f"{utc_second(erased.erased_ms)} UTC (entry {erased.entry_index} of our ledger)"
        parts += ["", Text(f"The content was erased at {when}: {erased.reason}", "yellow")]
    elif view.payload is None:
        parts += ["", Text(f"The content cannot be read: {view.problem}", "red")]
    elif view.alert is not None:
        parts += ["", _content(view.payload, view.alert)]
        parts += _findings_part(view.alert, whole=True)
    if view.copies:
        parts += [
            "",
            Text("Recipients", "bold"),
            Padding(copies_text(view.copies, collecting), (0, 2)),
        ]
    parts += ["", Text("Decisions", "bold"), Padding(_responses(view), (0, 2))]
    parts += ["", Text("In our ledger", "bold"), Padding(_entries(found), (0, 2))]
    return Group(*parts)


def draft_text(payload: Payload, cards: Sequence[TrustedCard], *, whole: bool) -> Group | None:
    """Show what is about to be sent, or only what is doubtful in it; None if nothing is."""
    alert = payload.body
    if not isinstance(alert, Alert):
        return None
    doubts = _findings_part(alert, whole=False)
    if not whole:
        return Group(*doubts) if doubts else None
    parts: list[RenderableType] = [_content(payload, alert), *doubts]
    parts += ["", Text("Who will see it", "bold")]
    listing = Table.grid(padding=(0, 2))
    for card in cards:
        body = card.card
        listing.add_row(Text(card.agency), Text(body.name), f"{body.country}, {body.role.value}")
    tlp = payload.markings.tlp
    rule = Text.assemble((f"TLP:{tlp.value}", _TLP_STYLES[tlp]), f": {_TLP[tlp]}.")
    parts += [Padding(listing, (0, 2)), Padding(rule, (0, 2)), ""]
    return Group(*parts)


def copies_text(copies: Sequence[CopyView], collecting: Collection[AgencyId]) -> Table:
    """Show how each recipient's copy stands, and its receipt.

    Args:
        copies: The copies.
        collecting: Partners that have no address, and collect what is for them.
    """
    listing = Table.grid(padding=(0, 2))
    for copy in copies:
        listing.add_row(
            Text(copy.agency),
            Text(copy.state.value, STATE_STYLES[copy.state]),
            _proof(copy, collects=copy.agency in collecting),
        )
    return listing


def _proof(copy: CopyView, *, collects: bool) -> Text:
    if copy.receipt is not None:
        receipt = copy.receipt
        received = utc_second(receipt.received_ms)
        return Text(f"{received} UTC, entry {receipt.index} of {receipt.origin}")
    reason = ": ".join(part for part in (copy.code, copy.detail) if part)
    if copy.state is DeliveryState.QUEUED and not reason:
        when = f"when {copy.agency} collects" if collects else "as soon as its node is reached"
        return Text(f"leaves {when}", "dim")
    return Text(reason)


def _outside(view: AlertView, names: Mapping[AgencyId, str]) -> Table:
    def named(agency: AgencyId) -> str:
        return f"{names[agency]} ({agency})" if agency in names else agency

    listing = facts()
    listing.add_row("alert", show_message_id(view.message_id))
    listing.add_row("from", Text(named(view.sender)))
    listing.add_row("to", Text("\n".join(named(agency) for agency in view.recipients)))
    listing.add_row("written", f"{utc_second(view.created_ms)} UTC")
    if not view.ours:
        listing.add_row("received", f"{utc_second(view.at_ms)} UTC")
    return listing


def _content(payload: Payload, alert: Alert) -> Group:
    tlp = payload.markings.tlp
    listing = facts()
    listing.add_row("subject", Text(alert.subject, "bold"))
    listing.add_row("handling", Text(f"TLP:{tlp.value}", _TLP_STYLES[tlp]))
    listing.add_row("urgency", _URGENCY[alert.urgency])
    asked = _ACTION[alert.requested_action]
    by = f", by {_moment(alert.respond_by)} UTC" if alert.respond_by else ""
    listing.add_row("asks to", f"{asked}{by}")
    if alert.consignment is not None:
        _add_consignment(listing, alert.consignment)
    parts: list[RenderableType] = [listing]
    if alert.narrative:
        parts += ["", Text(alert.narrative)]
    return Group(*parts)


def _add_consignment(listing: Table, consignment: Consignment) -> None:
    containers = [
        f"{one.number}  seal {one.seal}" if one.seal else one.number
        for one in consignment.containers
    ]
    vessel = consignment.vessel
    ship = (
        []
        if vessel is None
        else [
            vessel.name,
            f"IMO {vessel.imo}" if vessel.imo else "",
            f"voyage {vessel.voyage}" if vessel.voyage else "",
        ]
    )
    route = [
        f"{call.port}  {call.kind.value.lower()}" + (f"  {_moment(call.at)}" if call.at else "")
        for call in consignment.route
    ]
    parties = [
        ", ".join(
            part
            for part in (
                f"{one.role.value.lower().replace('_', ' ')}: {one.name}",
                one.address.replace("\n", ", "),
                one.country,
            )
            if part
        )
        for one in consignment.parties
    ]
    for label, lines in (
        ("containers", containers),
        ("vessel", [", ".join(part for part in ship if part)]),
        ("bill of lading", [consignment.bill_of_lading]),
        ("route", route),
        ("declared", _goods(consignment.declared)),
        ("suspected", _goods(consignment.suspected)),
        ("parties", parties),
    ):
        if any(lines):
            listing.add_row(label, Text("\n".join(lines)))


def _goods(goods: Goods | None) -> list[str]:
    if goods is None:
        return []
    code = " ".join(part for part in (goods.hs_edition or "HS", goods.hs_code) if goods.hs_code)
    facts_ = (
        f"{goods.quantity} {goods.unit}" if goods.quantity else "",
        code,
        f"Basel {' '.join(goods.basel_codes)}" if goods.basel_codes else "",
    )
    return [part for part in (goods.description, ", ".join(one for one in facts_ if one)) if part]


def _findings_part(alert: Alert, *, whole: bool) -> list[RenderableType]:
    """Show what the numbers and codes look like: those in doubt, or all."""
    found = findings(alert)
    doubts = [one for one in found if one.result is not Result.OK]
    if not found or not (doubts or whole):
        return []
    fine = len(found) - len(doubts)
    title = f"Numbers and codes: {fine} of {len(found)} are as they should be"
    parts: list[RenderableType] = ["", Text(title, "bold")]
    if doubts:
        parts.append(Padding(_findings(doubts), (0, 2)))
    return parts


def _findings(found: Sequence[Finding]) -> Table:
    listing = Table.grid(padding=(0, 2))
    for one in found:
        listing.add_row(
            Text(one.result.value, _RESULT_STYLES[one.result]),
            Text(one.observed),
            Text(one.reason),
            Text(one.field.removeprefix("consignment."), "dim"),
        )
    return listing


def _responses(view: AlertView) -> RenderableType:
    if not view.responses:
        nobody = "nobody has decided yet" if view.ours else "nobody here has decided yet"
        return Text(nobody, "dim")
    listing = Table.grid(padding=(0, 2))
    for one in view.responses:
        listing.add_row(
            Text(one.agency), _decision(one), f"{utc_second(one.at_ms)} UTC", Text(one.text or "-")
        )
    return listing


def _decision(response: ResponseView) -> Text:
    if response.problem == ERASED:
        return Text("erased", "dim")
    if response.decision is None:
        return Text(f"cannot be read: {response.problem}", "red")
    said = Text(response.decision.value.lower(), _DECISION_STYLES[response.decision])
    if response.copy is not None and response.copy.state is not DeliveryState.ACKNOWLEDGED:
        said.append(f" ({response.copy.state.value})", STATE_STYLES[response.copy.state])
    return said


def _entries(found: AlertFile) -> Table:
    listing = Table.grid(padding=(0, 2))
    for entry in found.entries:
        listing.add_row(
            f"entry {entry.index}",
            entry.kind.value,
            f"{utc_second(entry.time_ms)} UTC",
            Text(entry.agency or ""),
            entry.code,
        )
    return listing


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
