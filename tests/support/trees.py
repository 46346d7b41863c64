"""A ledger's stored hashes in a dictionary, and entries to put into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sesn_node.ledger.merkle import Appender, leaf_hash


def entries(count: int, label: str = "entry") -> list[bytes]:
    """Return distinct entries, the same on every run."""
    return [f"{label} {index}".encode() for index in range(count)]


class StoredTree:
    """Stores what an `Appender` gives, serves it, and counts how often it was asked."""

    def __init__(self, of: Sequence[bytes]) -> None:
        appender = Appender()
        for entry in of:
            appender.append(leaf_hash(entry))
        self.nodes = appender.nodes
        self.reads = 0

    def read(self, positions: Sequence[int]) -> Mapping[int, bytes]:
        """Read many hashes at once: the `HashReader` of the proofs."""
        self.reads += 1
        return {at: self.nodes[at] for at in positions}
