"""What an audit bundle holds of ledgers: leaves, entries, checkpoints and cards.

All of it is read in one transaction, in one pass over each table.
"""

from __future__ import annotations

import heapq
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from sesn_node.audit.codec import encode_card, encode_checkpoint, encode_entry, framed
from sesn_node.audit.records import (
    BundleCard,
    BundleCheckpoint,
    BundleCosignature,
    BundleEntry,
)
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import AgencyId, Origin, parse_origin
from sesn_node.errors import SesnError, StorageError
from sesn_node.exchange.auditstamps import stamped_checkpoints
from sesn_node.exchange.published import DIFFERS
from sesn_node.exchange.tally import groups
from sesn_node.ledger.checkpoint import parse_checkpoint
from sesn_node.ledger.cosignature import verify_cosignatures
from sesn_node.ledger.merkle import Appender, leaf_hash, root_from_frontier
from sesn_node.store.browse import CheckpointRow
from sesn_node.store.numbers import number_of
from sesn_node.trust.card import open_card
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sesn_node.audit.account import Selection
    from sesn_node.audit.archive import Spool
    from sesn_node.exchange.auditscope import Scope
    from sesn_node.store.ledger import EntryRow, HeadRow
    from sesn_node.store.witness import CosignatureRow

_AT_ONCE = 1_000


def write_ledger(
    scope: Scope, head: HeadRow, leaves: Spool, entries: Spool, progress: Callable[[int], None]
) -> int:
    """Write the leaf hashes of all entries of a ledger, and those entries that are selected.

    Args:
        scope: What is exported.
        head: The ledger.
        leaves: Where the hashes go.
        entries: Where the entries go.
        progress: Told of so many more entries.

    Returns:
        How many entries were selected.

    Raises:
        StorageError: LEDGER_INCOMPLETE or LEDGER_DIFFERS: the entries are not those that the head
            was signed over.
    """
    size, frontier, taken = 0, tuple[bytes, ...](), 0
    # Where all or none of them are taken, the database need not look at each.
    wanted = None if scope.selection.blind or scope.selection.everything else scope.wanted
    rows = scope.transaction.audit.entries(wanted, head.ledger, head.size)
    for some in groups(rows, _AT_ONCE):
        appender = Appender(size, frontier)
        hashes: list[bytes] = []
        for row, is_wanted in some:
            if row.index != appender.size:
                raise _incomplete(appender.size)
            hashes.append(leaf_hash(row.entry))
            appender.append(hashes[-1])
            if _takes(scope, row, is_wanted=is_wanted):
                entries.write(framed(encode_entry(BundleEntry(row.index, row.entry))))
                taken += 1
                if row.kind == EntryKind.CASE:
                    scope.cases.add(number_of(head.ledger, row.index))
        leaves.write(b"".join(hashes))
        size, frontier = appender.size, appender.frontier()
        progress(len(some))
    if size != head.size:
        raise _incomplete(size)
    if root_from_frontier(size, frontier) != head.root:
        raise StorageError(
            "the entries in the database are not those that this node signed, so nothing was "
            "exported; 'sesn ledger verify' tells more",
            code=DIFFERS,
        )
    return taken


def _takes(scope: Scope, row: EntryRow, *, is_wanted: bool) -> bool:
    """Say whether an entry is selected; notes whom it names."""
    selection = scope.selection
    if selection.blind:
        return False
    if selection.everything:
        return True
    if not is_wanted and not scope.by_time_only:
        return False
    entry = decode_entry(row.entry)
    if not is_wanted and not _within(selection, entry.time_ms):
        return False
    if entry.agency is not None:
        scope.name(entry.agency)
    return True


def _within(selection: Selection, time_ms: int) -> bool:
    after = selection.from_ms is None or time_ms >= selection.from_ms
    return after and (selection.to_ms is None or time_ms < selection.to_ms)


def write_checkpoints(scope: Scope, spool: Spool) -> int:
    """Write the checkpoints that the evidence refers to, with their cosignatures; count them."""
    wanted = None if scope.whole else scope.wanted
    # The heads' own notes are those that left this node with them.
    heads = [CheckpointRow(one.origin, one.size, one.root, one.note) for one in scope.heads]
    places = {_place(one) for one in heads}
    if not scope.whole:
        heads += [one for one in stamped_checkpoints(scope) if _place(one) not in places]
        places = {_place(one) for one in heads}
    origins = [one.origin for one in scope.heads]
    kept = (
        row
        for row in scope.transaction.audit.checkpoints(wanted, origins)
        if _place(row) not in places
    )
    count = 0
    rows = heapq.merge(kept, sorted(heads, key=_place), key=_place)
    for (of, size), same in groupby(rows, key=_place):
        scope.name(parse_origin(of)[0])
        cosigned = scope.transaction.witness.cosigners(of, size)
        for row, lines in sorted(_divided(scope, list(same), cosigned), key=_by_note):
            for one in lines:
                scope.name(one.agency)
            record = BundleCheckpoint(Origin(of), size, row.note, lines)
            spool.write(framed(encode_checkpoint(record)))
            count += 1
    return count


def _place(row: CheckpointRow) -> tuple[str, int]:
    return row.origin, row.size


def _by_note(pair: tuple[CheckpointRow, object]) -> bytes:
    return pair[0].note


def _divided(
    scope: Scope, rows: Sequence[CheckpointRow], cosigned: Sequence[CosignatureRow]
) -> Iterator[tuple[CheckpointRow, tuple[BundleCosignature, ...]]]:
    """Give each of several checkpoints of one size its cosignatures: two are a fork."""
    for row in rows:
        own = [one for one in cosigned if len(rows) == 1 or _is_over(scope, one, row.note)]
        yield row, tuple(BundleCosignature(AgencyId(one.agency), one.lines) for one in own)


def _is_over(scope: Scope, cosigned: CosignatureRow, note: bytes) -> bool:
    head = parse_checkpoint(note).claimed
    for card in scope.transaction.browse.cards_of(cosigned.agency):
        with suppress(SesnError):
            verify_cosignatures(
                cosigned.lines, head, open_card(card.sealed, card.taken_ms).witness_keys
            )
            return True
    return False


def write_cards(scope: Scope, spool: Spool) -> int:
    """Write every kept card of every agency that the bundle names so far; count them."""
    count = 0
    for agency, _, row in scope.transaction.browse.all_cards():
        if scope.whole or agency in scope.named:
            spool.write(framed(encode_card(BundleCard(row.sealed, row.taken_ms))))
            count += 1
    return count


def _incomplete(index: int) -> StorageError:
    return StorageError(
        f"ledger entry {index:,} is missing: the database is damaged, and nothing was exported. "
        "'sesn ledger verify' tells where",
        code="LEDGER_INCOMPLETE",
    )
