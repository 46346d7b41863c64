"""Export: our ledger as static files that anybody can verify (C2SP tlog-tiles).

Nothing is written that was not verified: each tile is hashed up to the root of the checkpoint
before it gets its name, and each entry must be the one that its leaf was made from. A damaged
database thus never gets out, and a folder that was written once is only ever added to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.counting import many
from sesn_node.errors import ConflictError, SesnError, StorageError, VerificationError
from sesn_node.exchange.published import DIFFERS, published
from sesn_node.exchange.tilefolder import TileFolder, tile_folder
from sesn_node.ledger.bundles import encode_bundle
from sesn_node.ledger.checkpoint import parse_checkpoint, verify_checkpoint_under
from sesn_node.ledger.merkle import root_at
from sesn_node.ledger.tiles import (
    CHECKPOINT,
    ENTRIES,
    WIDTH,
    Tile,
    new_tiles,
    read_tile,
    tile_of,
)
from sesn_node.ledger.tiletree import TileTree, verify_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.exchange.published import Published
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.engine import Store
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.ledger import EntryRow, LedgerTable

    Progress = Callable[[int, int], None]

OTHER_LEDGER = "OTHER_LEDGER"
"""Code of a folder that holds another ledger."""
AHEAD = "EXPORT_AHEAD"
"""Code of a folder that holds more of our ledger than the database."""
FORK = "EXPORT_FORK"
"""Code of a folder whose checkpoint we signed, over another history than the database's."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to.

    Args:
        head: Head of the checkpoint that is in the folder now.
        before: Size of the checkpoint that was there before; 0 without one.
        written: Tiles and bundles that were written.
        compared: Those that were there already, and have the right bytes.
        blind: Whether bundles were left out.
    """

    head: TreeHead
    before: int
    written: int
    compared: int
    blind: bool


def export_tiles(  # noqa: PLR0913 - what an export is made of
    store: Store,
    head_file: HeadFile,
    path: Path,
    *,
    epoch: int | None = None,
    blind: bool = False,
    quick: bool = False,
    progress: Progress = lambda _done, _all: None,
) -> Exported:
    """Write or continue an export. A node may serve meanwhile; memory is bounded.

    Args:
        store: The database.
        head_file: Says which checkpoint may leave this node.
        path: The folder; made if it is not there.
        epoch: Which of our ledgers; the open one if None. Each has a folder of its own.
        blind: Leave the entries out: hashes only. Bundles that are there stay.
        quick: Do not compare what the checkpoint that is there covers, but its partial tiles.
        progress: Told how many entries of how many are done.

    Raises:
        StorageError: As `published`; NOT_AN_EXPORT; LEDGER_INCOMPLETE; or a file fails.
        ConflictError: OTHER_LEDGER, EXPORT_AHEAD, EXPORT_FORK, EXPORT_DIFFERS: nothing in the
            folder was changed but by adding files, and its checkpoint stands.
        VerificationError: The checkpoint that is there is not signed by us; or the database holds
            other entries than were hashed.
        MalformedError: The checkpoint that is there is none.
    """
    head_file = head_file.as_it_is()
    with tile_folder(path) as folder, store.read() as transaction:
        ours = published(transaction, head_file, epoch)
        before = _before(ours, folder)
        start = _start(ours.table, before, folder, blind=blind) if quick else 0
        written = compared = 0
        for tile, data in _contents(ours.table, ours.head, start, blind=blind):
            if folder.put(tile, data):
                written += 1
            else:
                compared += 1
            if tile.level == 0:
                progress(tile.end, ours.head.size)
        if before < ours.head.size or folder.checkpoint() is None:
            folder.replace_checkpoint(ours.note)
        return Exported(ours.head, before, written, compared, blind)


def verify_export(  # noqa: PLR0913 - as `export_tiles`
    store: Store,
    head_file: HeadFile,
    path: Path,
    *,
    epoch: int | None = None,
    blind: bool = False,
    progress: Progress = lambda _done, _all: None,
) -> TreeHead:
    """Hash an export again, all of it, under the keys of our card; write nothing.

    Raises:
        StorageError: A file is missing, or as `published`.
        ConflictError: As `export_tiles`.
        VerificationError: The checkpoint is not signed by us, or WRONG_TILE.
        MalformedError: A file breaks its format.
    """
    folder = TileFolder(path)
    head_file = head_file.as_it_is()
    with store.read() as transaction:
        ours = published(transaction, head_file, epoch)
        _before(ours, folder)
    note = folder.checkpoint()
    if note is None:
        raise StorageError(f"{path} holds no checkpoint, so there is nothing to verify")
    head = verify_checkpoint_under(note, ours.key_sets)
    for tile in verify_tiles(head.size, head.root, folder.fetch, blind=blind):
        if tile.level == 0:
            progress(tile.end, head.size)
    return head


def _before(ours: Published, folder: TileFolder) -> int:
    """Return the size of the export that is there; it must be an earlier state of our ledger."""
    note = folder.checkpoint()
    if note is None:
        return 0
    where = folder.path / CHECKPOINT
    claimed = parse_checkpoint(note).claimed
    if claimed.origin != ours.head.origin:
        raise ConflictError(
            f"{where} is of {claimed.origin!a}, our ledger is {ours.head.origin}; name another "
            "folder, or with --epoch another ledger of ours",
            code=OTHER_LEDGER,
        )
    there = verify_checkpoint_under(note, ours.key_sets)
    if there.size > ours.head.size:
        raise ConflictError(
            f"{where} covers "
            f"{many(there.size, 'entry', 'entries')}, this node has {ours.head.size:,}: the "
            "database is an old copy, or the export is another machine's. 'sesn status' tells more",
            code=AHEAD,
        )
    if root_at(there.size, ours.table.nodes) != there.root:
        raise ConflictError(
            f"{where} carries our signatures, and at size {there.size:,} our ledger has another "
            "root: two histories were signed. Keep the folder, which proves it, and call for help",
            code=FORK,
        )
    return there.size


def _start(table: LedgerTable, size: int, folder: TileFolder, *, blind: bool) -> int:
    """Return from which size on to look at files, if what is there is to be trusted.

    Its partial tiles must hash to its root, and its last bundle be there, which an export that
    was blind so far lacks; else all files are looked at, which tells what is wrong with them.
    """
    if size == 0:
        return 0
    try:
        TileTree(size, root_at(size, table.nodes), folder.fetch)
    except SesnError:
        return 0
    complete = blind or folder.has(tile_of(ENTRIES, (size - 1) // WIDTH, size))
    return size if complete else 0


def _contents(
    table: LedgerTable, head: TreeHead, start: int, *, blind: bool
) -> Iterator[tuple[Tile, bytes]]:
    """Yield what belongs under each name, verified under the head, in the order of `new_tiles`."""

    def stored(tile: Tile) -> bytes:
        return read_tile(tile, table.nodes)

    try:
        tree = TileTree(head.size, head.root, stored)
        rows = table.entries(start - start % WIDTH, head.size)
        for tile in new_tiles(start, head.size, blind=blind):
            if tile.level == ENTRIES:
                yield tile, _bundle(tile, rows, tree)
            else:
                yield tile, b"".join(tree.hashes(tile.level, tile.index))
        if not blind:
            # Read to its end, so that PostgreSQL's cursor closes.
            next(rows, None)
    except VerificationError as error:
        raise StorageError(
            f"the database is damaged, and nothing wrong was exported: {error.message}. 'sesn "
            "ledger verify' tells more",
            code=DIFFERS,
        ) from error


def _bundle(tile: Tile, rows: Iterator[EntryRow], tree: TileTree) -> bytes:
    """Read the next entries, which must be those of a bundle."""
    first = tile.index * WIDTH
    entries: list[bytes] = []
    for index in range(first, first + tile.width):
        row = next(rows, None)
        if row is None or row.index != index:
            raise StorageError(
                f"ledger entry {index} is missing: the database is damaged. 'sesn ledger verify' "
                "tells where",
                code="LEDGER_INCOMPLETE",
            )
        entries.append(row.entry)
    tree.check_entries(tile, entries)
    return encode_bundle(entries)
