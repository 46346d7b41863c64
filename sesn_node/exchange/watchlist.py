"""Watchlist: what officers wait for, and which messages have it.

An entry is a term of the search index, or two that a message must both have. So a message that
came before its entry is marked like one that comes after it, nothing is remembered of a match, and
counting matches needs no key. Owners and ports are no terms to search by: they are indexed with
what arrives while they are watched for. What an entry says in words is encrypted under the storage
key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.secrets import open_secret, seal_secret
from sesn_node.domain.counting import many
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.payload import Payload
from sesn_node.domain.watching import MAX_ENTRIES, Watched, WatchKind
from sesn_node.errors import ConflictError, MalformedError, PolicyError, SesnError
from sesn_node.exchange.office import MOVED
from sesn_node.exchange.search import all_terms, blinded
from sesn_node.exchange.storedkeys import WATCH_TABLE, reading_keys, require_in_use
from sesn_node.store.watch import WatchRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sesn_node.crypto.storage import StorageKeys
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.views import AlertView
    from sesn_node.exchange.work import Work

_ID_DIGITS: Final = 12

Key = tuple[bytes, bytes]
Named = tuple[AgencyId, MessageId]
"""A message, by sender and id."""
Marks = Mapping[Named, tuple[str, ...]]
"""What is watched for, in words, by the message that has it."""


@dataclass(frozen=True, slots=True)
class WatchEntry:
    """An entry of the watchlist.

    Args:
        entry_id: What `sesn watch remove` takes, hexadecimal.
        words: What is watched for; or why that cannot be read.
        added_ms: Since when.
        keys: Its terms in the index.
        readable: Whether the words are those of the officer.
    """

    entry_id: str
    words: str
    added_ms: int
    keys: tuple[Key, ...]
    readable: bool = True


def watch(office: Office, watched: Watched) -> bool:
    """Watch for something from now on; say whether it was not watched for before.

    Raises:
        PolicyError: The watchlist is full.
        StorageError: It could not be stored.
    """
    while True:
        # Wrapped under the storage key in use; if that changes before, once more.
        keys = office.vault.keys(office.directory()).storage
        rows = [_row(office, keys, watched, key) for key in _keys(office, watched)]
        try:
            return office.sequencer.run(partial(_add, rows=rows, tag=keys.tag), writes=True).value
        except ConflictError as error:
            if error.code != MOVED:
                raise


def entries(office: Office) -> tuple[WatchEntry, ...]:
    """List what is watched for, the oldest first."""
    with office.store.read() as transaction:
        rows = transaction.watch.every()
    found: dict[str, WatchEntry] = {}
    for row in rows:
        entry = _entry(office, row)
        known = found.get(entry.words) if entry.readable else None
        if known is not None:
            entry = WatchEntry(
                known.entry_id, known.words, known.added_ms, (*known.keys, *entry.keys)
            )
        found[entry.words if entry.readable else entry.entry_id] = entry
    return tuple(found.values())


def unwatch(office: Office, entry_id: str) -> WatchEntry:
    """Stop watching for something; its marks go with it.

    Raises:
        PolicyError: No such entry.
    """
    found = next((one for one in entries(office) if one.entry_id == entry_id.lower()), None)
    if found is None:
        raise PolicyError(
            f"nothing with the number {entry_id[:40]!a} is watched for; 'sesn watch list' shows "
            "what is",
            code="UNKNOWN_ENTRY",
        )

    def operation(work: Work) -> None:
        for key in found.keys:
            work.transaction.watch.remove(key)

    office.sequencer.run(operation, writes=True)
    return found


def marked_alerts(office: Office, found: Iterable[AlertView]) -> Marks:
    """Say which of some alerts that arrived have something that is watched for, and what."""
    said = []
    for one in found:
        if one.payload is None or one.ours:
            continue
        named = one.sender, one.message_id
        said.append((named, one.payload))
        if one.stands is not None and one.stands != one.alert:
            # An update may name what the first alert did not.
            said.append((named, Payload(one.payload.markings, one.stands)))
    return marks(office, said)


def marks(office: Office, messages: Iterable[tuple[Named, Payload]]) -> Marks:
    """Say which messages have something that is watched for, and what."""
    wanted = {key: one.words for one in entries(office) for key in one.keys}
    if not wanted:
        return {}
    found: dict[Named, set[str]] = {}
    for named, payload in messages:
        terms = all_terms(office, payload)
        words = {text for key, text in wanted.items() if _has(terms, key)}
        if words:
            found.setdefault(named, set()).update(words)
    return {named: tuple(sorted(words)) for named, words in found.items()}


def watched_terms(office: Office, payload: Payload, keys: Collection[Key]) -> frozenset[bytes]:
    """Return which terms of a message are watched for, by these entries."""
    if not keys:
        return frozenset()
    there = all_terms(office, payload)
    return frozenset(term for key in keys if _has(there, key) for term in key if term)


def _has(terms: frozenset[bytes], key: Key) -> bool:
    term, other = key
    return term in terms and (not other or other in terms)


def _keys(office: Office, watched: Watched) -> list[Key]:
    found = []
    for term, other in watched.terms():
        (first,) = blinded(office, [term])
        second = blinded(office, [other]) if other is not None else (b"",)
        found.append((first, second[0]))
    return found


def _row(office: Office, keys: StorageKeys, watched: Watched, key: Key) -> WatchRow:
    written = json.dumps([watched.kind.value, watched.value, watched.other]).encode()
    wrapped, sealed = seal_secret(keys, written, table=WATCH_TABLE, row=_row_id(key))
    return WatchRow(*key, wrapped, sealed, office.clock())


def _row_id(key: Key) -> bytes:
    """Name a row in the additional data of its keys, as `storedkeys.wrapped_row_id` does."""
    return b"\0".join(key)


def _add(work: Work, rows: Sequence[WatchRow], tag: bytes) -> bool:
    require_in_use(work, tag)
    table = work.transaction.watch
    known = table.keys()
    fresh = [row for row in rows if row.key not in known]
    if len(known) + len(fresh) > MAX_ENTRIES:
        raise PolicyError(
            f"the watchlist has {many(len(known), 'entry', 'entries')}, at most {MAX_ENTRIES:,} "
            "are watched for; 'sesn watch remove' makes room",
            code="TOO_MANY_ENTRIES",
        )
    for row in fresh:
        table.add(row)
    return bool(fresh)


def _entry(office: Office, row: WatchRow) -> WatchEntry:
    entry_id = row.term.hex()[:_ID_DIGITS] + (row.other.hex()[:4] if row.other else "")
    try:
        text = open_secret(
            reading_keys(office, row.content_key),
            row.content_key,
            row.ciphertext,
            table=WATCH_TABLE,
            row=_row_id(row.key),
        )
        kind, value, other = json.loads(text)
        words, readable = Watched(WatchKind(kind), value, other).words, True
    except (SesnError, ValueError) as error:
        code = error.code if isinstance(error, SesnError) else MalformedError.code
        words, readable = f"cannot be read: {code}", False
    return WatchEntry(entry_id, words, row.added_ms, (row.key,), readable)
