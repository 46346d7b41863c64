"""Alerts for people. Everything that a message says is shown as text, never as markup."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.alert_json import decision_of
from sesn_node.cli.body_text import DECISION_STYLES, URGENCY, body_text
from sesn_node.cli.findings_text import findings_part
from sesn_node.cli.forward_text import add_forward
from sesn_node.cli.handling_text import allowed_text, marks_text
from sesn_node.cli.show import STATE_STYLES, facts, short_ids, table
from sesn_node.cli.versions_text import history_part, keeping_rows, updates_part
from sesn_node.domain.alert import Alert
from sesn_node.domain.case_messages import CaseStep
from sesn_node.domain.conversation import Update
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.handling import allowed
from sesn_node.domain.ids import AgencyId, show_message_id
from sesn_node.domain.markings import Tlp
from sesn_node.domain.payload import Payload
from sesn_node.domain.times import instant, minute_of, utc_minute, utc_second
from sesn_node.exchange.copyviews import CopyView
from sesn_node.exchange.open import ERASED
from sesn_node.exchange.requests import is_over
from sesn_node.exchange.views import AlertFile, AlertView, ResponseView
from sesn_node.exchange.watchlist import Marks
from sesn_node.store.numbers import index_of
from sesn_node.trust.card import TrustedCard


def list_text(found: Sequence[AlertView], marked: Marks, now_ms: int) -> Table:
    """Show a list of alerts, each in two lines: what it is about, and with whom.

    A third says what of it is watched for.
    """
    listing = table("message", "alert", "", flexible=("alert",))
    listing.leading = 1
    ids = short_ids([view.message_id for view in found])
    for view in found:
        alert = view.stands
        subject = Text(alert.subject) if alert else _unread(view)
        watched = [
            Text(f"watched for: {words}", "bold magenta")
            for words in marked.get((view.sender, view.message_id), ())
        ]
        listing.add_row(
            Text(f"{ids[view.message_id]}\n{utc_minute(view.at_ms)}"),
            Text("\n").join([subject, _sent_to(view) if view.ours else _from(view), *watched]),
            Text("\n").join(
                [
                    URGENCY[alert.urgency] if alert else Text(),
                    _state(view),
                    *_due(view, now_ms),
                ]
            ),
        )
    return listing


def _unread(view: AlertView) -> Text:
    if view.erased is not None:
        return Text(f"erased {utc_minute(view.erased.erased_ms)}", "dim")
    return Text(f"cannot be read: {view.problem}", "red")


def _from(view: AlertView) -> Text:
    origin = f", first from {view.forward.originator}" if view.forward else ""
    return Text.assemble((f"from {view.sender}{origin}", "dim"), _strict(view))


def _strict(view: AlertView) -> Text:
    """Show the marks of an alert in a list, if they keep it close."""
    if view.payload is None:
        return Text()
    markings = view.payload.markings
    if not markings.handling and markings.tlp not in {Tlp.RED, Tlp.AMBER_STRICT}:
        return Text()
    return Text.assemble("  ", marks_text(markings))


def _sent_to(view: AlertView) -> Text:
    """Name the recipients, each with its decision, or else with the state of its copy."""
    decided = {one.agency: one.decision for one in view.responses}
    parts = []
    for copy in view.copies:
        decision = decided.get(copy.agency)
        if decision is None:
            state = (copy.state.value, STATE_STYLES[copy.state])
        else:
            state = (decision.value.lower(), DECISION_STYLES[decision])
        parts.append(Text.assemble((f"{copy.agency} ", "dim"), state))
    return Text.assemble(("to ", "dim"), Text(", ").join(parts))


def _due(view: AlertView, now_ms: int) -> list[Text]:
    """Say until when an answer is asked for, as long as there is none."""
    alert = view.stands
    if alert is None or alert.respond_by is None or not _is_open(view):
        return []
    over = is_over(alert.respond_by, now_ms)
    words = f"overdue since {minute_of(alert.respond_by)}" if over else minute_of(alert.respond_by)
    return [Text(words if over else f"by {words}", "bold red" if over else "dim")]


def _is_open(view: AlertView) -> bool:
    if view.recalled_ms is not None:
        return False
    if not view.ours:
        return decision_of(view) is None
    decided = {one.agency for one in view.responses}
    return any(agency not in decided for agency in view.recipients)


def _state(view: AlertView) -> Text:
    """Say what there is to do here."""
    if view.ours:
        return Text("sent", "dim") if view.recalled_ms is None else Text("recalled", "yellow")
    decision = decision_of(view)
    if decision is None and view.erased is not None:
        return Text("nothing to decide", "dim")
    if decision is None:
        return Text("to decide", "bold")
    return Text(decision.value.lower(), DECISION_STYLES[decision])


def show_text(
    found: AlertFile,
    names: Mapping[AgencyId, str],
    collecting: Collection[AgencyId],
    *,
    history: bool = False,
) -> Group:
    """Show an alert with all that is known about it.

    Args:
        found: What is known.
        names: What agencies are called.
        collecting: Partners that have no address, and collect what is for them.
        history: Show what every version said, and not only the newest.
    """
    view = found.alert
    stands = view.newest
    parts: list[RenderableType] = [_outside(view, names)]
    if view.erased is not None:
        erased = view.erased
        entry = index_of(erased.entry_index)
        when = f"{utc_second(erased.erased_ms)} UTC (entry {entry} of our ledger)"
        parts += ["", Text(f"The content was erased at {when}: {erased.reason}", "yellow")]
    elif view.payload is None:
        parts += ["", Text(f"The content cannot be read: {view.problem}", "red")]
    if stands is not None and view.stands is not None:
        parts += ["", body_text(stands)]
        may = allowed_text(allowed(stands.markings))
        whose = "recipients" if view.ours else "we"
        parts += ["", Text(f"What {whose} may do with it", "bold"), Padding(may, (0, 2))]
        written = instant(view.created_ms)
        parts += findings_part(view.stands, written, whole=True)
    parts += history_part(view) if history else updates_part(view)
    if view.copies:
        parts += [
            "",
            Text("Recipients", "bold"),
            Padding(copies_text(view.copies, collecting), (0, 2)),
        ]
    parts += ["", Text("Decisions", "bold"), Padding(_responses(view), (0, 2))]
    parts += ["", Text("In our ledger", "bold"), Padding(_entries(found), (0, 2))]
    return Group(*parts)


def draft_text(
    payload: Payload, cards: Sequence[TrustedCard], now: datetime, *, whole: bool
) -> Group | None:
    """Show what is about to be sent, or only what is doubtful in it; None if nothing is."""
    said = payload.body.alert if isinstance(payload.body, Update) else payload.body
    doubts: list[RenderableType] = []
    if isinstance(said, Alert | CaseStep):
        doubts = findings_part(said, now, whole=False)
    if not whole:
        return Group(*doubts) if doubts else None
    parts: list[RenderableType] = [body_text(payload), *doubts]
    parts += ["", Text("Who will see it", "bold")]
    listing = Table.grid(padding=(0, 2))
    for card in cards:
        body = card.card
        listing.add_row(Text(card.agency), Text(body.name), f"{body.country}, {body.role.value}")
    parts += [Padding(listing, (0, 2)), "", Text("What they may do with it", "bold")]
    parts += [Padding(allowed_text(allowed(payload.markings)), (0, 2)), ""]
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
    if view.forward is not None:
        add_forward(listing, view.forward)
    keeping_rows(view, listing)
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
    said = Text(response.decision.value.lower(), DECISION_STYLES[response.decision])
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
