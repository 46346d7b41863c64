"""RFC 6962 section 2.1 as the text has it: recursive, slow, sharing no code with the node.

The oracle of the property tests. Each method is the definition of the same name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def _split(count: int) -> int:
    """Return the largest power of two smaller than `count`, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1


class ReferenceTree:
    """The tree over some entries; `D[a:b]` of the text is the range (a, b) here."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self._entries = entries
        self._roots: dict[tuple[int, int], bytes] = {}

    def root(self, size: int) -> bytes:
        """MTH(D[0:size])."""
        return self._mth(0, size)

    def path(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[0:size]) (section 2.1.1)."""
        return [root for _, root in self._path(index, 0, size)]

    def sides(self, index: int, size: int) -> list[str]:
        """On which side of the path each hash of `path` stands."""
        return [side for side, _ in self._path(index, 0, size)]

    def proof(self, old: int, size: int) -> list[bytes]:
        """PROOF(old, D[0:size]) (section 2.1.2)."""
        return self._subproof(old, 0, size, known=True)

    def _mth(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]); remembered, because all else asks for the same again."""
        if (start, end) not in self._roots:
            self._roots[start, end] = self._hash(start, end)
        return self._roots[start, end]

    def _hash(self, start: int, end: int) -> bytes:
        count = end - start
        if count == 0:
            return hashlib.sha256(b"").digest()
        if count == 1:
            return hashlib.sha256(b"\x00" + self._entries[start]).digest()
        middle = start + _split(count)
        return hashlib.sha256(b"\x01" + self._mth(start, middle) + self._mth(middle, end)).digest()

    def _path(self, index: int, start: int, end: int) -> list[tuple[str, bytes]]:
        count = end - start
        if count == 1:
            return []
        middle = start + _split(count)
        if index < middle - start:
            return [*self._path(index, start, middle), ("right", self._mth(middle, end))]
        below = self._path(index - (middle - start), middle, end)
        return [*below, ("left", self._mth(start, middle))]

    def _subproof(self, old: int, start: int, end: int, *, known: bool) -> list[bytes]:
        """SUBPROOF(old, D[start:end], known)."""
        count = end - start
        if old == count:
            return [] if known else [self._mth(start, end)]
        half = _split(count)
        middle = start + half
        if old <= half:
            return [*self._subproof(old, start, middle, known=known), self._mth(middle, end)]
        below = self._subproof(old - half, middle, end, known=False)
        return [*below, self._mth(start, middle)]
