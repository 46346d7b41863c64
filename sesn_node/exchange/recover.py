"""Recover: bring back what an old copy of the database lacks, from our own newer tile export.

An export holds our entries and no messages. So the ledger comes back whole, under the checkpoint
that we signed last, and nothing that partners hold of it is contradicted; of the messages, what the
old copy has. The rest is evidence without content, until partners deliver again what they sent.

Everything is verified, then everything is written in one transaction, or nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sesn_node.domain.counting import many
from sesn_node.domain.ids import Origin, parse_origin
from sesn_node.errors import ConflictError, StorageError, VerificationError
from sesn_node.exchange import guard
from sesn_node.exchange.oldcopy import Trouble
from sesn_node.exchange.replay import Replayed, replay
from sesn_node.exchange.tilefolder import TileFolder
from sesn_node.ledger.bundles import decode_bundle
from sesn_node.ledger.checkpoint import parse_checkpoint, verify_checkpoint_under
from sesn_node.ledger.merkle import Appender, frontier_positions, leaf_hash, root_at
from sesn_node.ledger.tiles import CHECKPOINT, ENTRIES, WIDTH, tile_of
from sesn_node.ledger.tiletree import TileTree
from sesn_node.store.ledger import EntryRow
from sesn_node.store.numbers import number_of
from sesn_node.store.recovery import RecoveredRow
from sesn_node.trust.card import open_card
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.headfile import HeadFile, Released
    from sesn_node.store.ledger import HeadRow

    Progress = Callable[[int, int], None]

OTHER_LEDGER = "OTHER_LEDGER"
"""Code of an export of another ledger."""
EXPORT_OLD = "EXPORT_OLD"
"""Code of an export that holds less than this node has signed."""
EXPORT_FORK = "EXPORT_FORK"
"""Code of an export whose checkpoint we signed, over another history than the database's."""
NOT_RECOVERABLE = "NOT_RECOVERABLE"
"""Code of a database that no export can mend."""

_MENDED = frozenset({Trouble.BEHIND, Trouble.WITNESS_BEHIND, Trouble.NO_HEAD_FILE})


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery came to.

    Args:
        head: The ledger's head now.
        before: Entries that the database held before.
        witnessed: How much less of partners' ledgers it remembers having cosigned than the head
            file said (`HeadRow.witnessed`).
        replayed: What the entries that came back meant for what the database holds.
        confirmed: Whether the head file was written: without one, partners are to be asked.
    """

    head: HeadRow
    before: int
    witnessed: int
    replayed: Replayed
    confirmed: bool


def recover_tiles(
    store: Store,
    head_file: HeadFile,
    path: Path,
    *,
    now_ms: int,
    progress: Progress = lambda _done, _all: None,
) -> Recovered:
    """Append what an export has beyond the database, verbatim; doing it twice is as good as once.

    Args:
        store: The old copy.
        head_file: Ours.
        path: Folder of a tile export with its entries.
        now_ms: The time.
        progress: Told how many entries of how many are done.

    Raises:
        ConflictError: OTHER_LEDGER, EXPORT_OLD, EXPORT_FORK or NOT_RECOVERABLE.
        VerificationError: The export's checkpoint is not signed by us, or what it holds is not
            what that says.
        MalformedError: A file of the export breaks its format.
        StorageError: A file cannot be read, or the database or head file not be written.
    """
    folder = TileFolder(path)
    note = folder.checkpoint()
    if note is None:
        raise StorageError(f"{path} holds no checkpoint, so it is no export of a ledger")
    with store.write() as transaction:
        old = transaction.ledger.require_head()
        key_sets = _key_sets(transaction, old)
        _check_mendable(transaction, old, head_file, key_sets)
        released = head_file.read()
        head = _verified(note, old, key_sets, path)
        tree = TileTree(head.size, head.root, folder.fetch)
        _check_follows(head, tree, old, released, key_sets)
        new = replace(old, size=head.size, root=head.root, note=note)
        _append(transaction, folder, tree, old, new, progress)
        if head.size > old.size:
            start, end = number_of(old.ledger, old.size), number_of(old.ledger, head.size)
            transaction.recovery.add(RecoveredRow(start, end, now_ms))
        came_back = range(number_of(old.ledger, old.size), number_of(old.ledger, new.size))
        replayed = replay(transaction, parse_origin(old.origin)[0], came_back, now_ms)
    forgotten = 0
    if released is not None:
        forgotten = max(0, released.witnessed - new.witnessed)
        head_file.confirm(new.note, new.size, new.witnessed, new.timeline)
    return Recovered(new, old.size, forgotten, replayed, released is not None)


def _key_sets(transaction: Transaction, head: HeadRow) -> tuple[LogKeys, ...]:
    """Return the keys that ever signed this ledger, as the kept cards tell, the newest last."""
    sets: dict[LogKeys, None] = {}
    for row in transaction.browse.cards_of(parse_origin(head.origin)[0]):
        card = open_card(row.sealed, row.taken_ms)
        sets.update(dict.fromkeys(card.log_key_sets(Origin(head.origin))))
    return tuple(sets)


def _check_mendable(
    transaction: Transaction, head: HeadRow, head_file: HeadFile, key_sets: tuple[LogKeys, ...]
) -> None:
    trouble = guard.find_trouble(transaction, head, head_file, key_sets)
    if trouble is not None and trouble.trouble not in _MENDED:
        raise ConflictError(
            f"an export cannot mend this: {trouble.what} '{trouble.command} status' says what to "
            "do. Nothing was changed",
            code=NOT_RECOVERABLE,
        )


def _verified(note: bytes, old: HeadRow, key_sets: tuple[LogKeys, ...], path: Path) -> TreeHead:
    """Return the head of the export's checkpoint, which must be ours and not behind."""
    where = path / CHECKPOINT
    claimed = parse_checkpoint(note).claimed
    if claimed.origin != old.origin:
        raise ConflictError(
            f"{where} is of {claimed.origin!a}, our ledger is {old.origin}", code=OTHER_LEDGER
        )
    head = verify_checkpoint_under(note, key_sets)
    if head.size < old.size:
        raise ConflictError(
            f"{where} covers "
            f"{many(head.size, 'entry', 'entries')}, and the database holds {old.size:,}: the "
            "export is older, so there is nothing to recover from it",
            code=EXPORT_OLD,
        )
    return head


def _check_follows(
    head: TreeHead,
    tree: TileTree,
    old: HeadRow,
    released: Released | None,
    key_sets: tuple[LogKeys, ...],
) -> None:
    """Make sure that the export continues the database, and what this node is known to have signed.

    Raises:
        ConflictError: EXPORT_OLD or EXPORT_FORK.
    """
    if root_at(old.size, tree.read) != old.root:
        raise ConflictError(
            f"the export carries our signatures, and at size {old.size:,} it has another root than "
            "the database: two histories were signed. Keep both, which prove it, and call for help",
            code=EXPORT_FORK,
        )
    if released is None:
        return
    signed = verify_checkpoint_under(released.note, key_sets)
    if signed.size > head.size:
        raise ConflictError(
            "the export covers "
            f"{many(head.size, 'entry', 'entries')}, and this node has signed {signed.size:,}, "
            "as the head file shows: the export is too old, and nothing was changed. A newer one "
            "is needed",
            code=EXPORT_OLD,
        )
    if root_at(signed.size, tree.read) != signed.root:
        raise ConflictError(
            f"the export and the head file carry our signatures, and differ at size "
            f"{signed.size:,}: two histories were signed. Keep both, and call for help",
            code=EXPORT_FORK,
        )


def _append(  # noqa: PLR0913, PLR0917 - from where, over what, to where
    transaction: Transaction,
    folder: TileFolder,
    tree: TileTree,
    old: HeadRow,
    new: HeadRow,
    progress: Progress,
) -> None:
    """Append the entries of the export beyond the database, a bundle at a time."""
    frontier = transaction.ledger.nodes(frontier_positions(old.size))
    appender = Appender(old.size, [frontier[at] for at in frontier_positions(old.size)])
    held: tuple[list[EntryRow], dict[int, bytes]] = ([], {})
    for rows in _bundles(folder, tree, old.size):
        if held[0]:
            transaction.ledger.add(*held)
        for row in rows:
            if appender.append(leaf_hash(row.entry)) != row.index:
                raise AssertionError  # Bundles come in the order of the ledger.
        held = rows, dict(appender.nodes)
        progress(appender.size, new.size)
        appender = Appender(appender.size, appender.frontier())
    if (appender.size, appender.root()) != (new.size, new.root):
        raise VerificationError("the export's entries do not hash to the root of its checkpoint")
    if held[0]:
        transaction.ledger.append(old, new, *held)


def _bundles(folder: TileFolder, tree: TileTree, start: int) -> Iterator[list[EntryRow]]:
    """Read the entries from an index on, each verified against the tree."""
    for number in range(start // WIDTH, -(-tree.size // WIDTH)):
        bundle = tile_of(ENTRIES, number, tree.size)
        entries = decode_bundle(folder.fetch(bundle), bundle.width)
        tree.check_entries(bundle, entries)
        rows = []
        for index, data in enumerate(entries, number * WIDTH):
            if index >= start:
                entry = decode_entry(data)
                rows.append(EntryRow(index, entry.kind.value, entry.message_id, data))
        if rows:
            yield rows
