"""Our own ledger at one checkpoint: what it can prove, and to whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sesn_node.domain.ids import Origin
from sesn_node.errors import StorageError, VerificationError
from sesn_node.ledger.checkpoint import sign_checkpoint, verify_checkpoint
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import (
    consistency_proof,
    inclusion_proofs,
    root_at,
    verify_consistency,
)
from sesn_node.ledger.witness import format_add_checkpoint
from sesn_node.store.numbers import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sesn_node.exchange.officekeys import LogSigners
    from sesn_node.store.engine import Transaction
    from sesn_node.store.ledger import HeadRow

_CACHED_NODES = 1 << 17


class NodeCache:
    """Recently used subtree hashes, by number. They never change, so no entry is ever stale.

    A database that was swapped under a running node is caught by the sequencer's guard, which
    then empties the cache. Shared by threads: each operation is a single step of a dict.
    """

    __slots__ = ("_nodes",)

    def __init__(self) -> None:
        self._nodes: dict[int, bytes] = {}

    def add(self, nodes: Mapping[int, bytes], ledger: int) -> None:
        """Remember committed nodes of one of our ledgers."""
        if len(self._nodes) + len(nodes) > _CACHED_NODES:
            # Proofs of new entries need the newest nodes; starting afresh costs a few reads.
            self._nodes = {}
        first = number_of(ledger, 0)
        self._nodes.update((first + at, value) for at, value in nodes.items())

    def clear(self) -> None:
        """Forget everything."""
        self._nodes = {}

    def read(
        self, transaction: Transaction, ledger: int, positions: Sequence[int]
    ) -> dict[int, bytes]:
        """Return nodes of one of our ledgers by position, reading those that are not cached."""
        cached, first = self._nodes, number_of(ledger, 0)
        found = {at: cached[first + at] for at in positions if first + at in cached}
        missing = [at for at in positions if at not in found]
        if missing:
            loaded = transaction.ledger.of(ledger).nodes(missing)
            self.add(loaded, ledger)
            found.update(loaded)
        return found


@dataclass(frozen=True, slots=True)
class OwnLedger:
    """One of our ledgers at its head, within one transaction."""

    transaction: Transaction
    head: HeadRow
    cache: NodeCache

    def prove(self, indexes: Sequence[int]) -> list[tuple[bytes, ...]]:
        """Return the inclusion proofs of entries under this head (RFC 6962 section 2.1.1)."""
        return inclusion_proofs(indexes, self.head.size, self._read)

    def add_checkpoint(self, old_size: int) -> bytes:
        """Write the C2SP add-checkpoint body for a witness that holds `old_size`.

        A witness that claims more than we have gets a proof from nothing: its answer then
        names the size that it holds.
        """
        if old_size > self.head.size:
            old_size = 0
        proof = consistency_proof(old_size, self.head.size, self._read)
        return format_add_checkpoint(old_size, proof, self.head.note)

    def earlier(self, size: int, signers: LogSigners, time_s: int) -> OwnLedger:
        """Return the ledger as it was at a size up to this one, its checkpoint signed anew.

        That says nothing new: the head, which was signed when it was committed, commits to every
        tree before it. What the database has in the place of such a tree gets no signature.

        Args:
            size: Number of entries.
            signers: The keys in use, by which the head is signed too.
            time_s: POSIX time, seconds.

        Raises:
            StorageError: The stored hashes are not those of the ledger that we signed.
        """
        if size == self.head.size:
            return self
        try:
            signed = verify_checkpoint(self.head.note, signers.keys)
            root = root_at(size, self._read)
            proof = consistency_proof(size, signed.size, self._read)
            verify_consistency(size, root, signed.size, signed.root, proof)
        except VerificationError as error:
            raise StorageError(
                f"the database does not hold the ledger that we signed at size {self.head.size}: "
                f"{error.message}. 'sesn ledger verify' tells more"
            ) from error
        head = TreeHead(Origin(self.head.origin), size, root)
        note = sign_checkpoint(head, signers.ed25519, signers.mldsa44, time_s)
        return replace(self, head=replace(self.head, size=size, root=root, note=note))

    def _read(self, positions: Sequence[int]) -> dict[int, bytes]:
        return self.cache.read(self.transaction, self.head.ledger, positions)
