"""What the ledgers of a bundle say, for a report: events of the messages shown, keys, witnesses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from sesn_node.audit.report_case import MAX_HEADS, MAX_OTHER, Case, Event, Gap, LedgerNote
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import AgencyId, Origin, parse_origin
from sesn_node.errors import MalformedError, SesnError
from sesn_node.ledger.note import NoteSignature, parse_note, parse_signature_lines
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sesn_node.audit.records import BundleCheckpoint, ProvenElsewhere
    from sesn_node.audit.report_case import MessageKey, Source, Told
    from sesn_node.domain.entries import Entry

Key = TypeVar("Key")

_MAX_TOKENS: Final = 50
_TIME_BYTES: Final = 8
_TIMED: Final = (_TIME_BYTES + 64, _TIME_BYTES + 2_420)
"""Bytes of the payloads that begin with a time: types 0x04 and 0x06."""
_MAX_TIME_S: Final = 253_402_300_799
"""9999-12-31T23:59:59Z."""
_BY_RECIPIENT: Final = frozenset({EntryKind.RECEIVED, EntryKind.REFUSED})
"""Kinds whose entry names the sender; the ledger's owner is the recipient."""
_OF_CONTENT: Final = frozenset(
    {EntryKind.VIEWED, EntryKind.DISCLOSED, EntryKind.ERASED, EntryKind.LEGAL_HOLD}
)


def witnessed(told: Told, proven: ProvenElsewhere, kind: EntryKind) -> None:
    """Note an entry of a partner's ledger that a receipt, or a delivery, brought along."""
    try:
        entry = decode_entry(proven.entry)
        owner, _ = parse_origin(proven.origin)
    except MalformedError:
        return
    if entry.kind is kind and entry.message_id == told.header.message_id:
        told.add(_event(entry, owner, proven.origin, proven.index))


def read_entries(case: Case, source: Source, shown: dict[MessageKey, Told]) -> None:
    """Read the entries of a bundle: count them, and give those of messages shown to these."""
    by_id: dict[bytes, list[Told]] = {}
    for told in shown.values():
        by_id.setdefault(told.header.message_id, []).append(told)
    for ledger in source.bundle.manifest.ledgers:
        for index, entry in _entries(source, ledger.origin):
            source.kinds[entry.kind] += 1
            event = _event(entry, source.agency, ledger.origin, index)
            if entry.message_id is None:
                if len(source.other) < MAX_OTHER:
                    source.other.append(event)
                continue
            if entry.kind is EntryKind.REFUSED:
                _turned_away(case, entry, source.agency)
            for told in by_id.get(entry.message_id, ()):
                if _is_about(entry, source.agency, told):
                    told.add(event)


def read_checkpoints(source: Source) -> None:
    """Find the newest checkpoint of each ledger, and the newest cosignature of each witness."""
    own = frozenset(ledger.origin for ledger in source.bundle.manifest.ledgers)
    try:
        for one in source.bundle.checkpoints():
            _read_checkpoint(source, one, own)
    except MalformedError:
        source.broken.append("checkpoints.pb")


def read_timestamps(source: Source) -> None:
    """Read the time-stamps: how many there are, and the first."""
    try:
        for token in source.bundle.timestamps():
            source.token_count += 1
            if len(source.tokens) < _MAX_TOKENS:
                source.tokens.append(token)
    except MalformedError:
        source.broken.append("timestamps.pb")


def _entries(source: Source, origin: Origin) -> Iterator[tuple[int, Entry]]:
    try:
        for record in source.bundle.entries(origin):
            try:
                yield record.index, decode_entry(record.entry)
            except MalformedError:
                continue
    except MalformedError:
        source.broken.append(f"entries of {origin}")


def _turned_away(case: Case, entry: Entry, owner: AgencyId) -> None:
    """Note a message that came and was refused; its sender's bundle, if it is here, has a copy."""
    sender, message_id = entry.agency, entry.message_id
    if sender is None or message_id is None or (sender, message_id) in case.keys:
        return
    case.gap(Gap("turned away", sender, message_id, entry.time_ms, owner, entry.code))


def _is_about(entry: Entry, owner: AgencyId, told: Told) -> bool:
    """Tell which of several messages of one id an entry is about; ids are unique per sender."""
    if entry.object_sha256 == told.header_sha256:
        return True
    if entry.kind is EntryKind.CASE:
        return entry.commitment == told.header.commitment
    if entry.kind in _OF_CONTENT:
        return False
    return (entry.agency if entry.kind in _BY_RECIPIENT else owner) == told.header.sender


def _event(entry: Entry, owner: AgencyId, origin: Origin, index: int) -> Event:
    return Event(entry.kind, entry.time_ms, owner, entry.agency, entry.code, origin, index)


def _read_checkpoint(source: Source, one: BundleCheckpoint, own: frozenset[Origin]) -> None:
    try:
        note = parse_note(one.note)
    except SesnError:
        return
    _newest(source.heads, one.origin, one.size, note.signatures)
    if one.origin not in own:
        return
    for cosignature in one.cosignatures:
        try:
            lines = parse_signature_lines(cosignature.lines)
        except SesnError:
            continue
        _newest(source.cosignatures, (one.origin, cosignature.agency), one.size, lines)


def _newest(
    notes: dict[Key, LedgerNote], key: Key, size: int, signatures: Iterable[NoteSignature]
) -> None:
    held = notes.get(key)
    if held is None and len(notes) >= MAX_HEADS:
        return
    count = 1 if held is None else held.count + 1
    if held is not None and held.size > size:
        held.count = count
        return
    lines = tuple(signatures)
    ids = tuple(f"{one.name}+{one.key_id.hex()}" for one in lines)
    notes[key] = LedgerNote(size, ids, _time_s(lines), count)


def _time_s(lines: Iterable[NoteSignature]) -> int:
    """Return the newest time that signature lines state (tlog-cosignature); 0 if they state none.

    Where lines of both schemes state one, it must be the same.
    """
    stated: list[set[int]] = []
    for length in _TIMED:
        times = {
            int.from_bytes(one.payload[:_TIME_BYTES], "big")
            for one in lines
            if len(one.payload) == length
        }
        if times:
            stated.append({time for time in times if time <= _MAX_TIME_S})
    return max(set.intersection(*stated), default=0) if stated else 0
