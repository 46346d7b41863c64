"""Digests of streams that are larger than memory."""

from __future__ import annotations

import hashlib


class RunningSha256:
    """SHA-256 (FIPS 180-4) of bytes that come in pieces."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = hashlib.sha256()

    def update(self, data: bytes) -> None:
        """Take the next piece."""
        self._state.update(data)

    def digest(self) -> bytes:
        """Return the hash of all pieces so far, 32 bytes."""
        return self._state.digest()
