"""Conversations: a timeline of each, and each message with who had it when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from sesn_node.audit.report_case import Case, Conversation, Event, MessageKey, Told
from sesn_node.audit.report_content import content_part
from sesn_node.audit.report_deadlines import deadline_lines
from sesn_node.audit.report_markup import (
    EMPTY,
    NONE,
    Html,
    bullets,
    code,
    facts,
    ident,
    join,
    listed,
    moment,
    quoted,
    span,
    table,
    tag,
)
from sesn_node.audit.report_words import PRIORITIES, SAYS, reason
from sesn_node.domain.alert import Alert
from sesn_node.domain.conversation import Request
from sesn_node.domain.counting import many
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import AgencyId, Origin, parse_origin, show_message_id

if TYPE_CHECKING:
    from sesn_node.audit.verdict import Finding, Verdict

MAX_RECIPIENTS: Final = 40
"""Recipients of a message that are shown."""
_MAX_WARNINGS: Final = 5
_ORDER: Final = {
    EntryKind.SHARED: 0,
    EntryKind.RECEIVED: 1,
    EntryKind.REFUSED: 1,
    EntryKind.ACKNOWLEDGED: 2,
    EntryKind.REFUSED_BY_PEER: 2,
}
"""What comes first of two events of one millisecond."""

Numbers = Mapping[MessageKey, str]


def conversations_part(verdict: Verdict, case: Case) -> Iterator[Html]:
    """Write the conversations that are shown, one by one."""
    if not case.sources:
        return
    yield tag("h2", "Conversations", id="conversations")
    yield tag("p", _scope(case))
    if not case.shown:
        return
    yield tag(
        "p",
        "All times are UTC. Each is by the clock of the agency whose ledger or header says it, and "
        "so a delay between two agencies includes how far their clocks differ. ",
        "“Ledger” names where it is recorded: agency, number of its ledger, and number "
        "of the entry.",
        class_="note",
    )
    if any(check.failed for check in verdict.checks):
        text = "Some checks fail: what stands here is what the files say, and not established."
        yield tag("p", tag("strong", text), class_="warn")
    warnings = _warnings(verdict)
    for number, one in enumerate(case.shown, start=1):
        yield _conversation(number, one, warnings)


def _scope(case: Case) -> str:
    total = f"{many(len(case.keys), 'message')} in {many(case.conversations, 'conversation')}"
    if case.told == len(case.keys):
        return f"{total}; all are shown."
    return (
        f"{total}. Shown here: {many(case.told, 'message')} in "
        f"{many(len(case.shown), 'conversation')}, first those with disclosed contents, then the "
        f"earliest. Left out: {many(len(case.keys) - case.told, 'message')} in "
        f"{many(case.conversations - len(case.shown), 'other conversation')} and these. All were "
        "checked. To see others, have a bundle made with a selection."
    )


def _warnings(verdict: Verdict) -> dict[bytes, list[tuple[int, Finding]]]:
    found: dict[bytes, list[tuple[int, Finding]]] = {}
    for check in verdict.checks:
        for one in check.findings:
            if one.message_id is not None:
                found.setdefault(one.message_id, []).append((check.number, one))
    return found


def _conversation(
    number: int, one: Conversation, warnings: Mapping[bytes, list[tuple[int, Finding]]]
) -> Html:
    messages = one.line()
    numbers = {told.key: f"{number}.{place}" for place, told in enumerate(messages, start=1)}
    subject = next(
        (
            told.content.payload.body.subject
            for told in messages
            if told.content and told.content.payload
            if isinstance(told.content.payload.body, Alert | Request)
        ),
        "",
    )
    title = join(f"Conversation {number}", ": " if subject else "", quoted(subject, 200))
    left_out = one.count - len(messages)
    parties = sorted(
        {told.header.sender for told in messages}
        | {to.agency for told in messages for to in told.header.recipients}
    )
    about = [
        ("between", listed(ident(agency) for agency in parties[:MAX_RECIPIENTS])),
        (
            "messages",
            f"{one.count:,}" + (f"; {left_out:,} of them are left out" if left_out else ""),
        ),
        ("id", code(show_message_id(one.conversation_id))),
    ]
    known = {told.header.message_id for told in messages}
    if one.conversation_id not in known and not left_out:
        about.append(("gap", "its first message is not in these bundles"))
    return tag(
        "section",
        tag("h3", title, id=f"c{number}"),
        facts(about),
        _timeline(messages, numbers),
        *(_message(told, numbers, messages, warnings) for told in messages),
    )


def _timeline(messages: list[Told], numbers: Numbers) -> Html:
    """Write everything that happened in a conversation, in order of time."""
    rows: list[tuple[tuple[int, int], int, str, Html, str, Html]] = []
    for told in messages:
        shared = next(told.found(EntryKind.SHARED), None)
        number = numbers[told.key]
        if shared is None:
            to = _recipients(told)
            text = join(tag("strong", "wrote"), " ", _ref(number), " to ", to)
            at = told.header.created_ms
            rows.append(((at, 0), at, told.header.sender, text, "", join("its header")))
        for event in told.line():
            text, delay = _happened(event, told, number, shared)
            place = event.time_ms, _ORDER.get(event.kind, len(_ORDER))
            rows.append((place, event.time_ms, event.owner, text, delay, _place(event)))
    rows.sort(key=lambda row: row[0])
    cells = ((moment(at), ident(who), *rest) for _, at, who, *rest in rows)
    heads = ("When (UTC)", "Who", "What", "After sending", "Ledger")
    return table("Timeline", heads, cells, "line")


def _happened(event: Event, told: Told, number: str, shared: Event | None) -> tuple[Html, str]:
    """Say what an event was, and how long after the sending."""
    ref = _ref(number)
    agency = ident(event.agency or "")
    why = f": {reason(event.code)}" if event.code else ""
    words: dict[EntryKind, tuple[str, ...]] = {
        EntryKind.SHARED: ("sent", ref, " to ", _recipients(told)),
        EntryKind.RECEIVED: ("received", ref, " from ", agency),
        EntryKind.ACKNOWLEDGED: ("got the receipt", "of ", agency, " for ", ref),
        EntryKind.REFUSED: ("refused", ref, " of ", agency, why),
        EntryKind.REFUSED_BY_PEER: ("learned", "that ", agency, " refused ", ref, why),
        EntryKind.UNDELIVERED: ("gave up", "delivering ", ref, " to ", agency, why),
        EntryKind.OPERATOR: ("acted", "on the copy of ", ref, " for ", agency, why),
        EntryKind.VIEWED: ("viewed", "the content of ", ref),
        EntryKind.DISCLOSED: ("disclosed", "the content of ", ref),
        EntryKind.ERASED: ("erased", "the content of ", ref, why),
        EntryKind.CASE: ("recorded", "for its case: ", ref, why),
        EntryKind.LEGAL_HOLD: ("acted", "on the keeping of ", ref, why),
    }
    verb, *rest = words.get(event.kind, (event.kind.value.lower(), ref))
    text = join(tag("strong", verb), " ", *rest)
    if shared is None or event is shared:
        return text, ""
    return text, span(event.time_ms - shared.time_ms)


def _message(
    told: Told,
    numbers: Numbers,
    messages: list[Told],
    warnings: Mapping[bytes, list[tuple[int, Finding]]],
) -> Html:
    header, number = told.header, numbers[told.key]
    about: list[tuple[str, str]] = [
        ("written", join(moment(header.created_ms), " UTC")),
        ("valid until", join(moment(header.expires_ms), " UTC")),
        ("priority", PRIORITIES[header.priority]),
    ]
    if header.in_reply_to is not None:
        about.append(("answers", _answered(header.in_reply_to, numbers)))
    about.append(("id", code(show_message_id(header.message_id))))
    about.append(("in bundles", ", ".join(str(one) for one in told.bundles)))
    notes: list[str] = list(deadline_lines(told, messages))
    if told.more_events:
        notes.append(f"{many(told.more_events, 'more event')} of this message left out above.")
    found = warnings.get(header.message_id, [])
    return tag(
        "article",
        tag("h4", "Message ", number, ": ", ident(header.sender), " to ", _recipients(told)),
        _warned(found),
        facts(about),
        _copies(told),
        bullets(notes) if notes else EMPTY,
        _content(told),
        class_="message",
        id=f"m{number}",
    )


def _answered(message_id: bytes, numbers: Numbers) -> Html:
    for (_, known), number in numbers.items():
        if known == message_id:
            return _ref(number)
    return join(code(show_message_id(message_id)), ", which is not shown here")


def _warned(found: list[tuple[int, Finding]]) -> Html:
    if not found:
        return EMPTY
    items = (
        join(tag("strong", f"Check {number} fails: "), quoted(one.text))
        for number, one in found[:_MAX_WARNINGS]
    )
    return bullets(items, "warn")


def _copies(told: Told) -> Html:
    """Write who had a message when."""
    shared = next(told.found(EntryKind.SHARED), None)
    received = {one.owner: one for one in told.found(EntryKind.RECEIVED)}
    confirmed = {one.agency: one for one in told.found(EntryKind.ACKNOWLEDGED)}
    agencies = [to.agency for to in told.header.recipients]
    # What did not arrive must not be among those that are left out.
    agencies.sort(key=lambda one: one in received)
    rows = []
    for agency in sorted(agencies[:MAX_RECIPIENTS]):
        at, by = received.get(agency), confirmed.get(agency)
        start = None if shared is None else shared.time_ms
        rows.append(
            (
                ident(agency),
                _outcome(told, agency, at),
                moment(at.time_ms) if at else NONE,
                span(at.time_ms - start) if at and start is not None else NONE,
                moment(by.time_ms) if by else NONE,
            )
        )
    more = len(agencies) - len(rows)
    rest = tag("p", f"{many(more, 'recipient')} more left out.", class_="note") if more else EMPTY
    heads = ("Recipient", "What became of its copy", "Had it (UTC)", "After", "Sender knew (UTC)")
    return join(table("Who had it when", heads, rows), rest)


def _outcome(told: Told, agency: AgencyId, received: Event | None) -> Html:
    copy = told.copies.get(agency)
    if copy is None:
        return _seen_by_recipient(told, agency, received)
    if copy.state is DeliveryState.ACKNOWLEDGED:
        return _state("✓ received", "holds", ", with a receipt")
    if copy.state is DeliveryState.QUEUED:
        return _state("… open", "open", f": {reason('QUEUED')}")
    word = "✗ refused" if copy.state is DeliveryState.REFUSED else "✗ not delivered"
    return _state(word, "fails", f": {reason(copy.code or copy.state.value.upper())}")


def _seen_by_recipient(told: Told, agency: AgencyId, received: Event | None) -> Html:
    """What became of a copy if the sender's bundle is not here."""
    if received is not None:
        return _state("✓ received", "holds", ", says its own ledger")
    refused = next((one for one in told.found(EntryKind.REFUSED) if one.owner == agency), None)
    if refused is not None:
        return _state("✗ refused", "fails", f": {reason(refused.code)}")
    return _state("? not told", "open", ": the sender's bundle is not here")


def _state(word: str, css: str, rest: str) -> Html:
    return join(tag("span", word, class_=f"state {css}"), rest)


def _content(told: Told) -> Html:
    erased = listed(ident(one) for one in sorted(told.erased))
    if told.content is None and told.erased:
        return tag("p", tag("strong", "Content erased"), " by ", erased, "; not disclosed here.")
    if told.content is None:
        return tag("p", "Content not disclosed.", class_="note")
    payload = told.content.payload
    kind = "Content"
    if payload is not None and told.content.matches:
        kind = SAYS[payload.kind]
    also = tag("p", "Since erased by ", erased, ".", class_="note") if told.erased else EMPTY
    return join(content_part(told.content, kind), also)


def _recipients(told: Told) -> Html:
    agencies = [ident(to.agency) for to in told.header.recipients]
    more = len(agencies) - MAX_RECIPIENTS
    return join(listed(agencies[:MAX_RECIPIENTS]), f" and {more:,} more" if more > 0 else "")


def _ref(number: str) -> Html:
    return tag("a", f"message {number}", href=f"#m{number}")


def _place(event: Event) -> Html:
    return ident(f"{event.owner} {_epoch(event.origin)} #{event.index}")


def _epoch(origin: Origin) -> int:
    return parse_origin(origin)[1]
