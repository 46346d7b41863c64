"""Rewrap: wrap stored content keys under the storage key in use, and retire those before it.

Row by row in small transactions, while the node works. Nothing remembers how far it came: what is
left are the rows that begin with the tag of another key. Nobody adds such rows meanwhile, since
whoever stores one compares the storage key in the same transaction (`unmoved` of messages,
`require_in_use` of the rest).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.keys import KeyKind
from sesn_node.domain.entries import KeyCode
from sesn_node.errors import ConflictError, SesnError
from sesn_node.exchange.keyhistory import key_history
from sesn_node.exchange.office import MOVED
from sesn_node.exchange.owncard import append_key_entry
from sesn_node.exchange.storedkeys import require_in_use, wrapped_row_id
from sesn_node.store.wrapped import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sesn_node.crypto.storage import StorageKeys
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.trust.directory import Directory

AT_ONCE: Final = 500
"""Content keys in one transaction; others wait some milliseconds for it."""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What was done.

    Args:
        count: Content keys that were wrapped anew.
        unreadable: Content keys that open under no key; the older keys stay because of them.
        finished: Whether nothing is left to do.
    """

    count: int = 0
    unreadable: int = 0
    finished: bool = True


def rewrap(office: Office, stop: Callable[[], bool]) -> Rewrapped:
    """Wrap anew whatever is wrapped under older storage keys; then record that they are retired.

    Args:
        office: Ours.
        stop: Asked between two transactions whether to leave the rest for later.

    Raises:
        StorageError: The database cannot be written; what is left is done by the next call.
    """
    directory = office.directory()
    keys = office.vault.keys(directory).storage
    older = _older(office, directory)
    if not older:
        return Rewrapped()
    count = unreadable = 0
    try:
        for table in TABLES:
            after: tuple[str | bytes, ...] | None = ()
            while after is not None:
                if stop():
                    return Rewrapped(count, unreadable, finished=False)
                step = partial(_rewrap_some, keys=keys, table=table, after=after)
                done = office.sequencer.run(step).value
                count += done.count
                unreadable += done.unreadable
                after = done.after
        if not unreadable:
            office.sequencer.run(partial(_retire, tag=keys.tag, older=older))
    except ConflictError as error:
        if error.code != MOVED:
            raise
        # Rotated once more meanwhile: what this call did not reach is under an older key still.
        return Rewrapped(count, unreadable, finished=False)
    return Rewrapped(count, unreadable)


@dataclass(frozen=True, slots=True)
class _Done:
    """One transaction's work; `after` is where the next one begins, None at the end."""

    count: int
    unreadable: int
    after: tuple[str | bytes, ...] | None


def _older(office: Office, directory: Directory) -> list[bytes]:
    """Name the storage keys before the one in use that are not retired yet."""
    ring = office.vault.file.ring
    used = ring.find(directory.storage_key_id)
    found = [
        one.key_id
        for one in ring.of_kind(KeyKind.STORAGE)
        if used is not None and one.created_ms < used.created_ms
    ]
    if not found:
        return []
    with office.store.read() as transaction:
        retired = key_history(transaction).retired
    return [name for name in found if name not in retired]


def _rewrap_some(
    work: Work, keys: StorageKeys, table: str, after: tuple[str | bytes, ...]
) -> _Done:
    require_in_use(work, keys.tag)
    stored = work.transaction.wrapped
    rows = stored.under_others(table, keys.tag, after, AT_ONCE)
    fresh = []
    for row in rows:
        name = wrapped_row_id(row)
        try:
            content_key = keys.unwrap(row.content_key, table=table, row=name)
        except SesnError:
            continue
        wrapped = keys.wrap(content_key, table=table, row=name)
        fresh.append(replace(row, content_key=wrapped))
    stored.replace(table, fresh)
    last = rows[-1].key if len(rows) == AT_ONCE else None
    return _Done(len(fresh), len(rows) - len(fresh), last)


def _retire(work: Work, tag: bytes, older: Sequence[bytes]) -> None:
    require_in_use(work, tag)
    retired = key_history(work.transaction).retired
    for name in older:
        if name not in retired:
            append_key_entry(work, KeyCode.KEY_RETIRED, name)
