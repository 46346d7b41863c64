"""The outbox for people: where each copy stands and why, and the life of one message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.link_text import unconnected
from sesn_node.cli.show import STATE_STYLES, facts, fills_screen, short_ids, table
from sesn_node.domain.counting import many
from sesn_node.domain.delivery import NO_ANSWER, DeliveryState
from sesn_node.domain.entries import CaseCode, UndeliveredCode
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.messages import Priority
from sesn_node.domain.times import DAY_MS, HOUR_MS, MINUTE_MS, utc_minute, utc_second
from sesn_node.exchange.backlog import Backlog, CopyStanding, Reason, RecipientStanding
from sesn_node.exchange.breaker import Circuit
from sesn_node.exchange.life import Life, Step, StepKind

_PRIORITY: Final = {
    Priority.ROUTINE: ("routine", ""),
    Priority.URGENT: ("urgent", "yellow"),
    Priority.IMMEDIATE: ("immediate", "bold red"),
}
_CASE: Final = {
    CaseCode.STEP.value: "recorded as a step of its case",
    CaseCode.FILED.value: "its steps recorded in their case",
    CaseCode.DUE_SOON.value: "the due date of its case is near",
    CaseCode.OVERDUE.value: "the due date of its case has passed",
}
_WHERE: Final = "where it stands (UTC)"
_EXPIRES_WIDTH: Final = len("in 366 days")
_SPANS: Final = (
    (DAY_MS, "days"),
    (HOUR_MS, "h"),
    (MINUTE_MS, "min"),
)


def backlog_text(found: Backlog, attempts: int, now_ms: int, *, serves: bool) -> Group:
    """Show copies by recipient, each with where it stands and why.

    Args:
        found: What to show.
        attempts: How often a copy may be put off.
        now_ms: The time.
        serves: Whether a process may hold connections now.
    """
    copies = [copy for one in found.recipients for copy in one.copies]
    anew = [copy.copy.resealed_as for copy in copies if copy.copy.resealed_as is not None]
    ids = short_ids([*(copy.copy.message_id for copy in copies), *anew])
    words = _Words(attempts, now_ms, ids, serves=serves)
    width = max((len(_what(copy.priority, copy.kind)) for copy in copies), default=0)
    parts: list[RenderableType] = []
    for recipient in found.recipients:
        listing = table("message", "what", _WHERE, "expires", flexible=(_WHERE,))
        # The tables of all recipients look like one.
        listing.expand = fills_screen()
        _, what, where, expires = listing.columns
        what.min_width, where.ratio, expires.min_width = width, 1, _EXPIRES_WIDTH
        for copy in recipient.copies:
            listing.add_row(
                ids[copy.copy.message_id],
                _what(copy.priority, copy.kind),
                words.standing(copy, recipient),
                words.expires(copy),
            )
        parts += [""] if parts else []
        parts += [
            Text(recipient.agency, "bold"),
            *(Padding(one, (0, 0, 0, 2)) for one in words.link(recipient)),
        ]
        parts.append(Padding(listing, (0, 0, 0, 2)))
    return Group(*parts)


def life_text(found: Life, attempts: int, now_ms: int, *, serves: bool) -> Group:
    """Show all that happened to one message, and where its copies stand."""
    words = _Words(attempts, now_ms, serves=serves)
    steps = Table.grid(padding=(0, 2, 0, 0))
    steps.add_column(no_wrap=True)
    steps.add_column(no_wrap=True, style="dim")
    steps.add_column()
    for step in found.steps:
        steps.add_row(utc_second(step.at_ms), f"entry {step.entry}", _step(step))
    now = Table.grid(padding=(0, 2, 0, 0))
    now.add_column(no_wrap=True)
    now.add_column()
    for recipient in found.recipients:
        for copy in recipient.copies:
            parts: list[RenderableType] = [words.standing(copy, recipient)]
            if copy.copy.state is DeliveryState.QUEUED:
                parts += words.link(recipient)
            now.add_row(recipient.agency, Group(*parts))
    return Group(
        _outside(found, now_ms),
        "",
        Text("What happened, in UTC", "bold"),
        Padding(steps, (0, 0, 0, 2)),
        "",
        Text("Where it stands, in UTC", "bold"),
        Padding(now, (0, 0, 0, 2)),
    )


def span(ms: int) -> str:
    """Write a span of time in its largest unit, rounded down."""
    for unit_ms, name in _SPANS:
        if ms >= 2 * unit_ms:
            return f"{ms // unit_ms} {name}"
    return f"{max(ms, 0) // 1000} s"


@dataclass(frozen=True, slots=True)
class _Words:
    """Puts into words where copies stand.

    Args:
        attempts: How often a copy may be put off.
        now_ms: The time.
        ids: Short ids of messages; whole ones are written if it is empty.
        serves: Whether a process may hold connections now.
    """

    attempts: int
    now_ms: int
    ids: Mapping[bytes, str] = field(default_factory=dict)
    serves: bool = field(default=True, kw_only=True)

    def link(self, recipient: RecipientStanding) -> list[Text]:
        """Say how the link to a recipient stands, why it fails, and who delivers."""
        link = recipient.link
        if not link.failures:
            if not link.connected_ms:
                head = "not connected so far"
            elif recipient.is_open and self.serves:
                head = f"connected since {utc_minute(link.connected_ms)} UTC"
            else:
                head = unconnected(link)
            collects = "only collects; " if recipient.collects else ""
            return [Text(f"{collects}{head}{_deliverer(recipient)}", "dim")]
        times = "once" if link.failures == 1 else f"{link.failures} times in a row"
        due = link.next_attempt_ms <= self.now_ms
        wait = "is due" if due else f"in {span(link.next_attempt_ms - self.now_ms)}"
        is_open = recipient.circuit is Circuit.OPEN
        goes_on = f"circuit open, next probe {wait}" if is_open else f"next try {wait}"
        head = f"{unconnected(link)}, failed {times}; {goes_on}"
        return [Text(head, "yellow"), Text(link.error or "no reason is known", "dim")]

    def expires(self, copy: CopyStanding) -> Text:
        """Say when a copy can no longer be delivered."""
        if copy.copy.state is DeliveryState.ACKNOWLEDGED:
            return Text("-", "dim")
        left_ms = copy.expires_ms - self.now_ms
        return Text(f"in {span(left_ms)}") if left_ms > 0 else Text("passed", "red")

    def standing(self, copy: CopyStanding, recipient: RecipientStanding) -> Text:
        """Say where a copy stands, and why."""
        state = copy.copy.state
        said = Text(state.value, STATE_STYLES[state])
        if state is DeliveryState.QUEUED:
            why = self._waits(copy, recipient)
        else:
            why = self._ended(copy, recipient)
        return said.append(f": {why}", "default") if why else said

    def _waits(self, copy: CopyStanding, recipient: RecipientStanding) -> str:
        """Say what a queued copy waits for, and what became of the last attempt."""
        view = copy.copy
        after = ""
        if view.code is not None:
            after = f", after {_last(copy)} (attempt {view.attempts:,} of {self.attempts:,})"
        match copy.reason:
            case Reason.OVERDUE:
                return "past its expiry; a serving node ends it"
            case Reason.NOT_REACHED:
                return f"waits until {recipient.agency} is reached{after}"
            case Reason.PUT_OFF:
                return f"tried again in {span(view.next_attempt_ms - self.now_ms)}{after}"
            case Reason.COLLECTS:
                return f"waits for {recipient.agency} to collect{after}"
            case _:
                return f"{_turn(copy)}{after}"

    def _ended(self, copy: CopyStanding, recipient: RecipientStanding) -> str:
        """Say how a copy ended."""
        view, last = copy.copy, _last(copy)
        match copy.reason:
            case Reason.RESEALED:
                anew = view.resealed_as or b""
                return f"{last}; sealed anew as {self.ids.get(anew) or show_message_id(anew)}"
            case Reason.REFUSED:
                return f"for good, {last}"
            case Reason.DEAD:
                tries = many(view.attempts, "attempt")
                return f"given up after {tries}; the last: {last}"
            case Reason.REVOKED | Reason.ERASED | Reason.RECALLED:
                return {
                    Reason.REVOKED: f"{recipient.agency} was revoked",
                    Reason.ERASED: "its content was erased",
                    Reason.RECALLED: "the message was recalled",
                }[copy.reason]
            case Reason.EXPIRED:
                said = f"; the last: {view.detail}" if view.detail else ""
                return f"not delivered in time{said}"
            case _:
                return "" if view.receipt is None else utc_second(view.receipt.received_ms)


def _deliverer(recipient: RecipientStanding) -> str:
    """Say which process delivers to a recipient, where several share the work."""
    if recipient.delivered_from is None:
        return ""
    if not recipient.delivered_from:
        return "; no process delivers to it now"
    return f"; delivered from {recipient.delivered_from}"


def _what(priority: Priority, kind: str) -> Text:
    name, style = _PRIORITY[priority]
    return Text.assemble((name, style), f" {kind.replace('_', ' ')}")


def _turn(copy: CopyStanding) -> str:
    if not copy.ahead:
        return "leaves next"
    if copy.copy.code == NO_ANSWER:
        return f"is sent alone, after {many(copy.ahead, 'other')}"
    go = "one goes" if copy.ahead == 1 else f"{copy.ahead:,} go"
    return f"waits for its turn; {go} first, more urgent or older"


def _last(copy: CopyStanding) -> str:
    """Return why the last attempt failed: the code, and the words of the recipient's node."""
    view = copy.copy
    if view.code == NO_ANSWER:
        return f"no answer when sent alone: {view.detail}" if view.detail else "no answer"
    return ": ".join(part for part in (view.code, view.detail) if part)


def _outside(found: Life, now_ms: int) -> Table:
    listing = facts()
    listing.add_row("message", show_message_id(found.message_id))
    size = "erased" if found.sealed_bytes is None else f"{many(found.sealed_bytes, 'byte')} sealed"
    listing.add_row("what", _what(found.priority, found.kind).append(f", {size}"))
    if found.in_reply_to is not None:
        listing.add_row("answers", show_message_id(found.in_reply_to))
    if found.resealed_from is not None:
        listing.add_row("says anew", show_message_id(found.resealed_from))
    elif found.conversation_id not in {found.message_id, found.in_reply_to}:
        listing.add_row("conversation", show_message_id(found.conversation_id))
    listing.add_row("to", Text(", ".join(one.agency for one in found.recipients)))
    left_ms = found.expires_ms - now_ms
    left = f"in {span(left_ms)}" if left_ms > 0 else "passed"
    listing.add_row("expires", f"{utc_second(found.expires_ms)} UTC, {left}")
    return listing


def _step(step: Step) -> Text:
    """Tell one thing that happened."""
    if step.kind is StepKind.ACKNOWLEDGED:
        return _acknowledged(step)
    who, why = step.agency, f": {step.detail}" if step.detail else ""
    other = show_message_id(step.other) if step.other else "another message"
    said, style = {
        StepKind.SHARED: ("sealed, recorded as SHARED, and queued", ""),
        StepKind.REFUSED: (f"refused for good by {who}, {step.code}{why}", "red"),
        StepKind.UNDELIVERED: (f"{_undelivered(step)}{why}", "red"),
        StepKind.REQUEUED: (f"queued again for {who} by an operator", "yellow"),
        StepKind.RESEALED: (f"sealed anew for {who} by an operator, as {other}", "yellow"),
        StepKind.VIEWED: ("its content was shown to somebody here", ""),
        StepKind.DISCLOSED: ("its content was given out", "yellow"),
        StepKind.ERASED: (f"its content was erased, {step.code}{why}", "yellow"),
        StepKind.LEGAL_HOLD: (f"a legal hold on it was {step.code.lower()}", "yellow"),
        StepKind.CASE: (_CASE.get(step.code, step.code), ""),
        StepKind.ANSWERED: (f"{who} answered with {step.other_kind} {other}", ""),
    }[step.kind]
    return Text(said, style)


def _undelivered(step: Step) -> str:
    if step.code == UndeliveredCode.EXPIRED:
        return f"expired before {step.agency} had it"
    if step.code == UndeliveredCode.PEER_REVOKED:
        return f"given up, since {step.agency} was revoked"
    if step.code == UndeliveredCode.ERASED:
        return f"given up for {step.agency}, since its content was erased"
    if step.code == UndeliveredCode.RECALLED:
        return f"given up for {step.agency}, since the message was recalled"
    return f"given up, since {step.agency} put it off too often"


def _acknowledged(step: Step) -> Text:
    said = Text(f"acknowledged by {step.agency}", "green")
    receipt = step.receipt
    if receipt is None:
        return said
    entries = many(receipt.size, "entry", "entries")
    proof = (
        f"\nreceived {utc_second(receipt.received_ms)} by its clock: entry {receipt.index} of "
        f"{receipt.origin}, proven under its checkpoint of {entries}"
    )
    if step.cosigned_ms is not None:
        cosigned = utc_second(step.cosigned_ms)
        ours = many(receipt.shared_size, "entry", "entries")
        proof += f"; it cosigned ours of {ours} at {cosigned}"
    return said.append(proof, "dim")
