r"""The Merkle tree of RFC 6962 section 2.1: roots, proofs and their verification.

Shapes. A hash is 32 bytes. Level 0 holds the leaf hashes; the node (level, index) covers the
leaves [index << level, (index + 1) << level). Only *complete* subtrees are ever stored: such a
hash never changes once written, whatever is appended later. The incomplete nodes along the right
edge are folded from at most 63 complete ones, the *frontier*, when they are needed.

Storage. Complete subtrees are numbered in post-order, as Go's `sumdb/tlog` does in
`StoredHashIndex`: each hash gets its number the moment it becomes known, so appending writes
consecutive numbers and never goes back. For four leaves:

            6
         /     \
        2       5
       / \     / \
      0   1   3   4

A tree of n leaves has n nodes on level 0, n >> 1 on level 1, and so on: 2n - popcount(n) in all.

Nothing here trusts stored hashes, and nothing vouches for them: a proof made from a damaged
store is a wrong proof, which its verifier refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

# The one place outside `crypto` that hashes by itself. A proof costs some 24 node hashes and a
# batch 256 proofs; hashlib takes 0.4 microseconds each, `cryptography`'s Hash object 1.2.
from hashlib import sha256

from sesn_node.errors import MalformedError, StorageError, VerificationError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
"""Largest tree size: what Go's int64 holds, and what 63 proof lines can reach."""

EMPTY_ROOT = sha256().digest()
"""Root of the tree of size 0: SHA-256 of nothing (RFC 6962 section 2.1)."""

Proof = tuple[bytes, ...]
"""Hashes of 32 bytes each, in the order of RFC 6962: from the leaf's side up to the root's."""

HashReader = Callable[[Sequence[int]], Mapping[int, bytes]]
"""Gives the stored hashes at these positions, all in one call. Missing ones may be left out."""


# Two prefixes, so that no inner node can be passed off as a leaf, or the reverse (RFC 6962
# section 2.1: "domain separation is required to give second preimage resistance").
def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry into its leaf: SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children into their parent: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def position(level: int, index: int) -> int:
    """Number of the complete subtree (level, index) in storage order.

    Go computes it with two loops. In closed form: the subtree is finished by its last leaf n =
    ((index + 1) << level) - 1; the trees before that leaf hold 2n - popcount(n) hashes, and the
    leaf and the subtrees that it finishes follow, this one `level` places later. The level's own
    bits of n are all ones, so `level` cancels against its share of the popcount.
    """
    return 2 * (((index + 1) << level) - 1) - index.bit_count()


def stored_count(size: int) -> int:
    """How many hashes a tree of `size` leaves stores; also where the next leaf hash goes."""
    return 2 * size - size.bit_count()


def frontier_positions(size: int) -> tuple[int, ...]:
    """Positions of the complete subtrees that make up a tree, one for each bit of `size`.

    The largest, which is the leftmost, comes first.
    """
    return tuple(
        position(level, (size >> level) - 1)
        for level in reversed(range(size.bit_length()))
        if size >> level & 1
    )


def root_from_frontier(size: int, hashes: Sequence[bytes]) -> bytes:
    """Fold a frontier (largest subtree first) into the root of the tree.

    Raises:
        MalformedError: Not one 32-byte hash for each bit set in `size`.
    """
    _check_frontier(size, hashes)
    if not hashes:
        return EMPTY_ROOT
    *larger, node = hashes
    for subtree in reversed(larger):
        node = node_hash(subtree, node)
    return node


@dataclass(frozen=True, slots=True)
class Mark:
    """A state of an `Appender` to roll back to; void once an earlier mark was rolled back to."""

    size: int
    frontier: tuple[bytes, ...]
    new_nodes: int


class Appender:
    """Appends leaves to a tree of which only the frontier is at hand.

    Needs no reads: O(log n) hashes in, and every hash that becomes known is kept in `nodes`,
    until the caller has stored them. Not thread-safe: one writer sequences a ledger.

    Args:
        size: Leaves in the tree so far.
        frontier: Hashes at `frontier_positions(size)`, in that order.

    Raises:
        MalformedError: Not one 32-byte hash for each bit set in `size`.
    """

    __slots__ = ("_first", "_frontier", "_new", "_size")

    def __init__(self, size: int = 0, frontier: Sequence[bytes] = ()) -> None:
        _check_frontier(size, frontier)
        self._size = size
        self._frontier = list(frontier)
        self._first = stored_count(size)
        self._new: list[bytes] = []  # Post-order, so hash i has position _first + i.

    @property
    def size(self) -> int:
        """Leaves in the tree, those appended here included."""
        return self._size

    @property
    def nodes(self) -> dict[int, bytes]:
        """The hashes to store: by position, every one that appending has made known."""
        return dict(enumerate(self._new, self._first))

    def append(self, leaf: bytes) -> int:
        """Append a leaf hash and return its index.

        Raises:
            MalformedError: Not 32 bytes.
        """
        index = self._size
        self._new += _push(self._frontier, index, leaf)
        self._size = index + 1
        return index

    def frontier(self) -> tuple[bytes, ...]:
        """Hashes at `frontier_positions(size)`: all that a later `Appender` needs."""
        return tuple(self._frontier)

    def root(self) -> bytes:
        """Root of the tree as it stands."""
        return root_from_frontier(self._size, self._frontier)

    def mark(self) -> Mark:
        """Remember this state, so that one failed operation of a group can be undone alone."""
        return Mark(self._size, tuple(self._frontier), len(self._new))

    def rollback(self, mark: Mark) -> None:
        """Forget every leaf appended since `mark` was taken from this appender."""
        self._size = mark.size
        self._frontier = list(mark.frontier)
        del self._new[mark.new_nodes :]


def root_at(size: int, read: HashReader) -> bytes:
    """Root of the tree when it had `size` leaves.

    Raises:
        MalformedError: `size` is negative or beyond `MAX_SIZE`.
        StorageError: A stored hash is missing or not 32 bytes.
    """
    _check_size(size)
    positions = frontier_positions(size)
    hashes = _read_all(read, positions)
    return root_from_frontier(size, [hashes[at] for at in positions])


def inclusion_proof(index: int, size: int, read: HashReader) -> Proof:
    """Audit path of one leaf; see `inclusion_proofs`."""
    return inclusion_proofs([index], size, read)[0]


def inclusion_proofs(indexes: Sequence[int], size: int, read: HashReader) -> list[Proof]:
    """Audit paths of leaves in the tree of `size` leaves (RFC 6962 section 2.1.1).

    Returns:
        For each index, in the order given, the hashes from the leaf's sibling up to the root's
        child. One call of `read` serves them all, and what the paths share is built once.

    Raises:
        MalformedError: `size` is out of range, or an index is not below `size`.
        StorageError: A stored hash is missing or not 32 bytes.
    """
    _check_size(size)
    for index in indexes:
        if not 0 <= index < size:
            raise MalformedError(f"index {index}: not in a tree of {size} leaves")
    return _paths(0, indexes, size, read, extra=())[0]


def consistency_proof(old: int, size: int, read: HashReader) -> Proof:
    """Proof that the tree of `size` leaves extends that of `old` (RFC 6962 section 2.1.2).

    Empty when `old` is 0 or equals `size`.

    Raises:
        MalformedError: Sizes out of range, or `old` is above `size`.
        StorageError: A stored hash is missing or not 32 bytes.
    """
    _check_size(size)
    if not 0 <= old <= size:
        raise MalformedError(f"old size {old}: not between 0 and the size {size}")
    if old in (0, size):
        return ()
    # PROOF(m, D[n]) is the audit path of the rightmost complete subtree of the old tree. That
    # subtree's own hash comes first, unless it is the whole old tree: then its hash is the old
    # root, which the verifier has (the flag `b` of SUBPROOF in section 2.1.2).
    level = _trailing_zeros(old)
    index = (old >> level) - 1
    start = (position(level, index),) if index else ()
    (path,), hashes = _paths(level, [index], size, read, extra=start)
    return (*(hashes[at] for at in start), *path)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that `leaf` (a leaf hash) is at `index` of the tree with this size and root.

    Not checked: who vouches for the root. Nor does a proof fix the size, which only gives the
    path its shape: size and root must come from one signed checkpoint.

    Raises:
        VerificationError: BAD_PROOF, for whatever reason the proof does not hold.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise _bad_proof(f"index {index} is not in a tree of {size} leaves")
    _check_proof_hashes((leaf, root, *proof))
    inner, border = _path_shape(index, size)
    if len(proof) != inner + border:
        raise _bad_proof(f"{len(proof)} hashes do not fit leaf {index} of {size}")
    node = leaf
    for level, sibling in enumerate(proof):
        on_left = level >= inner or index >> level & 1
        node = node_hash(sibling, node) if on_left else node_hash(node, sibling)
    if node != root:
        raise _bad_proof(f"inclusion of leaf {index} does not lead to the root at size {size}")


def verify_consistency(
    old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree (`size`, `root`) extends the tree (`old`, `old_root`).

    The empty tree is consistent with every tree, and a tree with itself, both by an empty proof
    (C2SP tlog-witness, `add-checkpoint`). A tree of size 0 has no root but `EMPTY_ROOT`.

    Raises:
        VerificationError: BAD_PROOF, for whatever reason the proof does not hold.
    """
    if not 0 <= old <= size <= MAX_SIZE:
        raise _bad_proof(f"a tree of {size} leaves cannot extend one of {old}")
    _check_proof_hashes((old_root, root, *proof))
    for at, its_root in ((old, old_root), (size, root)):
        if at == 0 and its_root != EMPTY_ROOT:
            raise _bad_proof("the tree of size 0 has another root than SHA-256 of nothing")
    if old in (0, size):
        if proof:
            raise _bad_proof(f"consistency from size {old} to {size} takes no hashes")
        if old == size and old_root != root:
            raise _bad_proof(f"two roots for the same size {size}")
        return
    _verify_growth(old, old_root, size, root, proof)


def _verify_growth(
    old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check a consistency proof with 0 < old < size: one walk that yields both roots."""
    level = _trailing_zeros(old)
    index = (old >> level) - 1  # The rightmost complete subtree of the old tree.
    inner, border = _path_shape(old - 1, size)
    inner -= level
    if len(proof) != inner + border + (index != 0):
        raise _bad_proof(f"{len(proof)} hashes do not fit sizes {old} and {size}")
    start, *path = proof if index else (old_root, *proof)
    old_node = new_node = start
    for height, sibling in enumerate(path):
        if height >= inner or index >> height & 1:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
        else:
            # To the right of `start`, where the old tree ends: in the new tree only.
            new_node = node_hash(new_node, sibling)
    if old_node != old_root:
        raise _bad_proof(f"consistency proof does not lead to the old root at size {old}")
    if new_node != root:
        raise _bad_proof(f"consistency proof does not lead to the root at size {size}")


def _push(frontier: list[bytes], size: int, leaf: bytes) -> list[bytes]:
    """Add a leaf to the frontier of a tree of `size` leaves; returns what became known, in order.

    As when counting in binary: each trailing one of `size` is a subtree that the leaf completes.
    """
    _check_hash(leaf, "leaf hash")
    known = [leaf]
    for _ in range(_trailing_zeros(size + 1)):
        known.append(node_hash(frontier.pop(), known[-1]))
    frontier.append(known[-1])
    return known


def _path_shape(index: int, size: int) -> tuple[int, int]:
    """Count the hashes of an audit path: (inner, border).

    Up to the level where the leaf's way to the root meets that of the last leaf, every level
    gives a sibling, left or right (inner). From there on the way runs along the right edge:
    siblings are on the left only, and a level without one promotes its node (border).
    """
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _paths(
    level: int, indexes: Sequence[int], size: int, read: HashReader, *, extra: tuple[int, ...]
) -> tuple[list[Proof], Mapping[int, bytes]]:
    """Audit paths of nodes of one level, and the hashes read, those at `extra` among them.

    Two passes over the union of all paths, so that 256 neighbours cost little more than one:
    upwards to name every sibling, then, after the one read, downwards to build the paths, each
    node's from its parent's.
    """
    siblings: list[dict[int, int | None]] = []
    nodes = set(indexes)
    for height in range(level, (size - 1).bit_length()):
        siblings.append({index: _sibling(height, index, size) for index in nodes})
        nodes = {index >> 1 for index in nodes}
    wanted = {at for row in siblings for at in row.values() if at is not None}
    frontier = frontier_positions(size) if any(at < 0 for at in wanted) else ()
    stored = sorted({at for at in wanted if at >= 0}.union(frontier, extra))
    hashes = dict(_read_all(read, stored))
    if frontier:
        hashes.update(_edge([hashes[at] for at in frontier], size))
    tails: dict[int, Proof] = {0: ()}
    for row in reversed(siblings):
        tails = {
            index: tails[index >> 1] if at is None else (hashes[at], *tails[index >> 1])
            for index, at in row.items()
        }
    return [tails[index] for index in indexes], hashes


def _sibling(level: int, index: int, size: int) -> int | None:
    """Name the sibling of a node: a position; ~level for the right edge's node; None for none.

    A node without a sibling is promoted to the next level, never paired with itself.
    """
    sibling = index ^ 1
    complete = size >> level
    if sibling < complete:
        return position(level, sibling)
    if sibling == complete and size & ((1 << level) - 1):
        return ~level
    return None


def _edge(frontier: Sequence[bytes], size: int) -> dict[int, bytes]:
    """Hash the incomplete node of every level, named ~level, from the frontier."""
    edge: dict[int, bytes] = {}
    left = list(frontier)
    node: bytes | None = None
    for level in range(size.bit_length()):
        if node is not None:
            edge[~level] = node
        if size >> level & 1:
            subtree = left.pop()
            node = subtree if node is None else node_hash(subtree, node)
    return edge


def _read_all(read: HashReader, positions: Sequence[int]) -> Mapping[int, bytes]:
    """Read, and check that the store gave what the tree says it holds."""
    hashes = read(positions) if positions else {}
    for at in positions:
        if len(hashes.get(at, b"")) != HASH_BYTES:
            raise StorageError(
                f"ledger node {at}: no 32-byte hash is stored there; check the database "
                "against the head file before anything is appended",
                code="LEDGER_INCOMPLETE",
            )
    return hashes


def _trailing_zeros(value: int) -> int:
    return (value & -value).bit_length() - 1


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise MalformedError(f"tree size {size}: not between 0 and 2^63 - 1")


def _check_hash(value: bytes, what: str) -> None:
    if len(value) != HASH_BYTES:
        raise MalformedError(f"{what}: {len(value)} bytes, expected {HASH_BYTES}")


def _check_frontier(size: int, hashes: Sequence[bytes]) -> None:
    _check_size(size)
    if len(hashes) != size.bit_count():
        raise MalformedError(f"frontier of {size} leaves: {len(hashes)} hashes")
    for value in hashes:
        _check_hash(value, "frontier")


def _check_proof_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise _bad_proof(f"a hash has not {HASH_BYTES} bytes")


def _bad_proof(problem: str) -> VerificationError:
    return VerificationError(f"Merkle proof: {problem}", code="BAD_PROOF")
