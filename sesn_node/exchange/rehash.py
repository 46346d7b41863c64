"""Rehash: build our ledgers' trees again from their entries, and hold what is stored against them.

One pass over the entries, a thousand at a time, in O(log n) memory besides. Of a closed ledger
entries may be lost: it was closed with more than is here, as a checkpoint shows that we signed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sesn_node.domain.entries import EntryKind, KeyCode
from sesn_node.domain.ids import Origin
from sesn_node.exchange.tally import Tally, groups, require
from sesn_node.ledger.checkpoint import verify_checkpoint, verify_checkpoint_under
from sesn_node.ledger.merkle import Appender, leaf_hash
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.entries import Entry
    from sesn_node.exchange.evidence import Evidence
    from sesn_node.exchange.tally import Check
    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.browse import CheckpointRow
    from sesn_node.store.engine import Transaction
    from sesn_node.store.ledger import EntryRow, HeadRow

_AT_ONCE = 1_000
_BEYOND = 2**62
"""Reads entries past the head too, which must not exist."""


class Rehash:
    """The pass over the entries.

    Args:
        transaction: Where everything is read.
        heads: The stored heads, in order; the last one is open.
        released: The verified checkpoint of the head file, or None if it does not verify.
        evidence: Kept cards, which entries about cards must name.

    Raises:
        VerificationError: No kept card lists one of our ledgers.
        MalformedError: A head row names no ledger.
    """

    def __init__(
        self,
        transaction: Transaction,
        heads: Sequence[HeadRow],
        released: TreeHead | None,
        evidence: Evidence,
    ) -> None:
        self._transaction = transaction
        self._heads = heads
        self._released = released
        self._evidence = evidence
        self._begin(heads[0])
        self._entries = Tally("entries", "every entry reads, in order, about what its row says")
        self._nodes = Tally("tree", "every stored hash follows from the entries")
        self._checkpoints = Tally(
            "checkpoints", "every checkpoint that we signed is a prefix of this ledger"
        )
        self._recovered = transaction.recovery.every()
        self.kinds: Counter[EntryKind] = Counter()

    def run(self) -> tuple[Check, ...]:
        """Read every entry once; returns the checks `entries`, `tree` and `checkpoints`."""
        for head in self._heads:
            self._begin(head)
            self._run()
        return self._entries.result(), self._nodes.result(), self._checkpoints.result()

    def _begin(self, head: HeadRow) -> None:
        self._head = head
        self._table = self._transaction.ledger.of(head.ledger)
        # What may have signed a checkpoint of the entries read so far; see `_meet_card`.
        self._key_sets: tuple[LogKeys, ...] = self._evidence.log_key_sets(head.origin)

    def _run(self) -> None:
        kept = self._transaction.browse.all_checkpoints(self._head.origin)
        waiting = next(kept, None)
        size, frontier = 0, tuple[bytes, ...]()
        for rows in groups(self._table.entries(0, _BEYOND), _AT_ONCE):
            appender = Appender(size, frontier)
            for row in rows:
                self._read(row, appender.size)
                appender.append(leaf_hash(row.entry))
                self._meet_heads(appender)
                while waiting is not None and waiting.size <= appender.size:
                    self._meet_checkpoint(waiting, appender)
                    waiting = next(kept, None)
            self._meet_nodes(appender)
            size, frontier = appender.size, appender.frontier()
        if size != self._head.size:
            self._entries.fail(f"there are {size} entries, the head says {self._head.size}")
        while waiting is not None:
            self._meet_lost(waiting, size)
            waiting = next(kept, None)

    def _meet_lost(self, row: CheckpointRow, size: int) -> None:
        """Look at a checkpoint of ours that is larger than what is here."""
        with self._checkpoints.case(f"checkpoint of size {row.size}"):
            final, root = self._head.final or (size, b"")
            require(row.size <= final, f"larger than the ledger, which has {size} entries")
            signed = verify_checkpoint_under(row.note, self._key_sets)
            require((signed.size, signed.root) == (row.size, row.root), "its row says otherwise")
            require(row.size < final or row.root == root, "the ledger was closed with another root")

    def _read(self, row: EntryRow, index: int) -> None:
        """Read one entry, which must be the one that comes next."""
        with self._entries.case(f"entry {row.index}"):
            require(row.index == index, f"expected entry {index}: one is missing")
            entry = decode_entry(row.entry)
            self.kinds[entry.kind] += 1
            require(
                (entry.kind.value, entry.message_id) == (row.kind, row.message_id),
                f"the row says {row.kind}, the entry {entry.kind.value}, or the messages differ",
            )
            if entry.kind is EntryKind.EPOCH:
                self._meet_epoch(entry, index)
            if entry.kind is EntryKind.KEY or (
                # A partner's card that was taken since is not in an export.
                entry.kind is EntryKind.PEER
                and not any(one.start <= row.number < one.end for one in self._recovered)
            ):
                self._meet_card(entry)

    def _meet_epoch(self, entry: Entry, index: int) -> None:
        """Hold what the first entry of a ledger says of the one before against that."""
        require(index == 0 and self._head.ledger > 0, "EPOCH stands first in a later ledger only")
        before, answers = self._heads[self._head.ledger - 1], entry.answers
        named = None if answers is None else (answers.origin, answers.index + 1)
        require(
            before.final is not None
            and (*(named or ()), entry.object_sha256) == (before.origin, *before.final),
            f"it names another end of {before.origin} than the database does",
        )

    def _meet_card(self, entry: Entry) -> None:
        """Look at an entry about a card, or a key of ours.

        A card of ours says which keys sign the ledger from its own entry on: the checkpoint of a
        group of entries that changes them carries the signatures of both. Keys before it sign no
        more; later ones sign an earlier size for a partner that holds it (ADR 0031).
        """
        if entry.kind is EntryKind.KEY and entry.code != KeyCode.CARD_ISSUED:
            return
        require(
            entry.object_sha256 in self._evidence.hashes,
            f"the card {entry.object_sha256.hex()[:16]} that it names is not kept",
        )
        own = self._evidence.own_card(entry.object_sha256)
        keys = None if own is None else own.log_keys(Origin(self._head.origin))
        if entry.kind is EntryKind.KEY and keys in self._key_sets:
            self._key_sets = self._key_sets[self._key_sets.index(keys) :]

    def _meet_nodes(self, appender: Appender) -> None:
        """Compare the hashes that a group of entries made known with those that are stored."""
        expected = appender.nodes
        stored = self._table.nodes(list(expected))
        for position, value in expected.items():
            with self._nodes.case(f"hash {position}"):
                require(stored.get(position) == value, "is not what the entries below it hash to")

    def _meet_heads(self, appender: Appender) -> None:
        """Compare the tree with the stored head and the head file, where it is as large."""
        if appender.size == self._head.size:
            with self._checkpoints.case("the head"):
                signed = verify_checkpoint(self._head.note, self._key_sets[0])
                require(
                    (signed.size, signed.root) == (self._head.size, self._head.root),
                    "its checkpoint is about another size or root",
                )
                require(signed.root == appender.root(), "the entries hash to another root")
        released = self._released
        if released is not None and (released.origin, released.size) == (
            self._head.origin,
            appender.size,
        ):
            with self._checkpoints.case("the head file"):
                require(released.root == appender.root(), "the entries hash to another root")

    def _meet_checkpoint(self, row: CheckpointRow, appender: Appender) -> None:
        with self._checkpoints.case(f"checkpoint of size {row.size}"):
            signed = verify_checkpoint_under(row.note, self._key_sets)
            require((signed.size, signed.root) == (row.size, row.root), "its row says otherwise")
            require(row.size == appender.size, "no entry of the ledger ends there")
            require(signed.root == appender.root(), "the entries hash to another root")
