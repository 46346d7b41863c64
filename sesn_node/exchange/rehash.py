"""Rehash: build the ledger's tree again from its entries, and hold everything stored against it.

One pass over the entries, a thousand at a time, in O(log n) memory besides.
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
        head: The stored head.
        released: The verified checkpoint of the head file, or None if it does not verify.
        key_sets: Keys that signed our ledger, the newest last.
        evidence: Kept cards, which entries about cards must name.
    """

    def __init__(
        self,
        transaction: Transaction,
        head: HeadRow,
        released: TreeHead | None,
        key_sets: Sequence[LogKeys],
        evidence: Evidence,
    ) -> None:
        self._transaction = transaction
        self._head = head
        self._released = released
        # What may have signed a checkpoint of the entries read so far; see `_meet_card`.
        self._key_sets = tuple(key_sets)
        self._evidence = evidence
        self._entries = Tally("entries", "every entry reads, in order, about what its row says")
        self._nodes = Tally("tree", "every stored hash follows from the entries")
        self._checkpoints = Tally(
            "checkpoints", "every checkpoint that we signed is a prefix of this ledger"
        )
        self._recovered = transaction.recovery.every()
        self.kinds: Counter[EntryKind] = Counter()

    def run(self) -> tuple[Check, ...]:
        """Read every entry once; returns the checks `entries`, `tree` and `checkpoints`."""
        kept = self._transaction.browse.all_checkpoints(self._head.origin)
        waiting = next(kept, None)
        size, frontier = 0, tuple[bytes, ...]()
        for rows in groups(self._transaction.ledger.entries(0, _BEYOND), _AT_ONCE):
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
            with self._checkpoints.case(f"checkpoint of size {waiting.size}"):
                require(waiting.size <= size, f"larger than the ledger, which has {size} entries")
            waiting = next(kept, None)
        return self._entries.result(), self._nodes.result(), self._checkpoints.result()

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
            if entry.kind is EntryKind.KEY or (
                # A partner's card that was taken since is not in an export.
                entry.kind is EntryKind.PEER
                and not any(one.start <= index < one.end for one in self._recovered)
            ):
                self._meet_card(entry)

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
        stored = self._transaction.ledger.nodes(list(expected))
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
        if self._released is not None and appender.size == self._released.size:
            with self._checkpoints.case("the head file"):
                require(self._released.root == appender.root(), "the entries hash to another root")

    def _meet_checkpoint(self, row: CheckpointRow, appender: Appender) -> None:
        with self._checkpoints.case(f"checkpoint of size {row.size}"):
            signed = verify_checkpoint_under(row.note, self._key_sets)
            require((signed.size, signed.root) == (row.size, row.root), "its row says otherwise")
            require(row.size == appender.size, "no entry of the ledger ends there")
            require(signed.root == appender.root(), "the entries hash to another root")
