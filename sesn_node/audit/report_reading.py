"""Reading bundles for a report, in passes: count, choose what is shown, read that, follow it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from sesn_node.audit.bundle import open_bundle
from sesn_node.audit.records import Sent
from sesn_node.audit.report_case import (
    MAX_CARDS,
    MAX_CONVERSATIONS,
    MAX_IN_CONVERSATION,
    MAX_MESSAGES,
    Case,
    Content,
    Conversation,
    Gap,
    MessageKey,
    Source,
    Told,
)
from sesn_node.audit.report_ledgers import (
    read_checkpoints,
    read_entries,
    read_timestamps,
    witnessed,
)
from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.seal import commit
from sesn_node.crypto.signing import body_hash
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.errors import MalformedError, SesnError
from sesn_node.trust.card import open_card
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from sesn_node.audit.records import BundleMessage
    from sesn_node.audit.verdict import Verdict
    from sesn_node.domain.messages import Header

T = TypeVar("T")

_STATES: Final = {
    DeliveryState.REFUSED: "refused",
    DeliveryState.EXPIRED: "undelivered",
    DeliveryState.DEAD: "undelivered",
    DeliveryState.QUEUED: "open",
}


def read_case(verdict: Verdict, files: Sequence[BinaryIO]) -> Case:
    """Read what a report tells of.

    Args:
        verdict: What came of the bundles.
        files: The bundles, in the same order, seekable.
    """
    case = Case()
    for number, (one, file) in enumerate(zip(verdict.bundles, files, strict=True), start=1):
        if one.agency is None:
            continue
        try:
            case.sources.append(Source(number, one, open_bundle(file)))
        except MalformedError:
            continue  # The verdict has the finding.
    for source in case.sources:
        _read_cards(case, source)
    conversations = _survey(case)
    chosen = _choose(case, conversations)
    shown = _read_messages(case, chosen)
    _read_contents(case, shown)
    for source in case.sources:
        read_entries(case, source, shown)
        read_checkpoints(source)
        read_timestamps(source)
    return case


def records(source: Source, member: str, found: Iterator[T]) -> Iterator[T]:
    """Read records to the first that breaks its format."""
    try:
        yield from found
    except MalformedError:
        if member not in source.broken:
            source.broken.append(member)


def _read_cards(case: Case, source: Source) -> None:
    known = {one.sha256 for cards in case.cards.values() for one in cards}
    for record in records(source, "cards.pb", source.bundle.cards()):
        if len(known) >= MAX_CARDS:
            return
        try:
            card = open_card(record.sealed, record.taken_ms)
        except SesnError:
            continue
        if card.sha256 not in known:
            known.add(card.sha256)
            case.cards.setdefault(card.agency, []).append(card)
    for cards in case.cards.values():
        cards.sort(key=lambda one: (one.card.issued_ms, one.card.sequence, one.sha256))


def _messages(source: Source) -> Iterator[tuple[BundleMessage, Header]]:
    """Read the messages whose headers can be read."""
    for message in records(source, "messages.pb", source.bundle.messages()):
        try:
            header = decode_header(message.header)
        except MalformedError:
            continue
        yield message, header


def _survey(case: Case) -> dict[bytes, Conversation]:
    """Count messages, conversations and gaps."""
    conversations: dict[bytes, Conversation] = {}
    seen = case.keys
    ids: set[bytes] = set()
    answered: list[tuple[MessageKey, bytes, int]] = []
    for source in case.sources:
        disclosed = frozenset(source.bundle.manifest.selection.disclosed)
        for message, header in _messages(source):
            key = header.sender, header.message_id
            _count(case, source, message, header)
            if key in seen:
                continue
            seen.add(key)
            ids.add(header.message_id)
            if header.in_reply_to is not None:
                answered.append((key, header.in_reply_to, header.created_ms))
            group = conversations.setdefault(
                header.conversation_id, Conversation(header.conversation_id, header.created_ms)
            )
            group.count += 1
            group.first_ms = min(group.first_ms, header.created_ms)
            group.disclosed += header.message_id in disclosed
    for (sender, message_id), reference, created_ms in answered:
        if reference not in ids:
            case.gap(Gap("unseen", sender, message_id, created_ms))
    case.conversations = len(conversations)
    return conversations


def _count(case: Case, source: Source, message: BundleMessage, header: Header) -> None:
    if message.erased:
        case.gap(Gap("erased", header.sender, header.message_id, None, source.agency))
    if not isinstance(message.way, Sent):
        source.received += 1
        return
    source.sent += 1
    for copy in message.way.copies:
        case.copies[copy.state.value] += 1
        what = _STATES.get(copy.state)
        if what is not None:
            case.gap(
                Gap(
                    what,
                    header.sender,
                    header.message_id,
                    copy.settled_ms,
                    copy.agency,
                    copy.code or copy.state.value.upper(),
                )
            )


def _choose(case: Case, conversations: dict[bytes, Conversation]) -> dict[bytes, int]:
    """Choose the conversations that are shown, and how many messages of each.

    Those with disclosed contents come first, since somebody asked for them; then the earliest.
    """
    ranked = sorted(
        conversations.values(),
        key=lambda one: (one.disclosed == 0, one.first_ms, one.conversation_id),
    )
    left = MAX_MESSAGES
    chosen: dict[bytes, int] = {}
    for one in ranked[:MAX_CONVERSATIONS]:
        if left == 0:
            break
        chosen[one.conversation_id] = min(one.count, MAX_IN_CONVERSATION, left)
        left -= chosen[one.conversation_id]
        case.shown.append(one)
    case.shown.sort(key=lambda one: (one.first_ms, one.conversation_id))
    return chosen


def _read_messages(case: Case, chosen: dict[bytes, int]) -> dict[MessageKey, Told]:
    groups = {one.conversation_id: one for one in case.shown}
    shown: dict[MessageKey, Told] = {}
    for source in case.sources:
        for message, header in _messages(source):
            group = groups.get(header.conversation_id)
            if group is None:
                continue
            key = header.sender, header.message_id
            if key not in group.messages:
                if len(group.messages) >= chosen[group.conversation_id]:
                    continue
                told = Told(header, body_hash(message.header))
                group.messages[key] = shown[key] = told
            _merge(source, group.messages[key], message)
    return shown


def _merge(source: Source, told: Told, message: BundleMessage) -> None:
    if source.number not in told.bundles:
        told.bundles.append(source.number)
    if message.erased:
        told.erased.add(source.agency)
    if isinstance(message.way, Sent):
        for copy in message.way.copies:
            told.copies[copy.agency] = copy
            if copy.receipt is not None:
                witnessed(told, copy.receipt.received, EntryKind.RECEIVED)
    else:
        witnessed(told, message.way.shared, EntryKind.SHARED)


def _read_contents(case: Case, shown: dict[MessageKey, Told]) -> None:
    for source in case.sources:
        for one in records(source, "disclosed.pb", source.bundle.disclosures()):
            source.disclosed += 1
            told = shown.get((one.sender, one.message_id))
            if told is None:
                continue
            matches = commit(one.salt, one.payload) == told.header.commitment
            if told.content is not None and (told.content.matches or not matches):
                continue
            try:
                payload = decode_payload(one.payload)
            except MalformedError:
                payload = None
            told.content = Content(len(one.payload), sha256(one.payload), payload, matches)
