"""Entry bundles (C2SP tlog-tiles, "Log entries"): up to 256 entries in one file.

Each entry is its length, two bytes, big-endian, and then its bytes. Nothing stands before the
first entry, between two, or after the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sesn_node.errors import MalformedError
from sesn_node.ledger.tiles import WIDTH

MAX_ENTRY_BYTES: Final = 2**16 - 1
_LENGTH_BYTES = 2
MAX_BUNDLE_BYTES: Final = WIDTH * (_LENGTH_BYTES + MAX_ENTRY_BYTES)
"""Length of the longest bundle there can be."""


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Write a bundle.

    Raises:
        MalformedError: Not 1 to 256 entries, or one over 65,535 bytes.
    """
    if not 1 <= len(entries) <= WIDTH:
        raise MalformedError(f"entry bundle: {len(entries)} entries, expected 1 to {WIDTH}")
    parts: list[bytes] = []
    for place, entry in enumerate(entries):
        if len(entry) > MAX_ENTRY_BYTES:
            raise MalformedError(
                f"entry bundle: entry {place} has {len(entry)} bytes, the limit is "
                f"{MAX_ENTRY_BYTES}"
            )
        parts += (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes, count: int) -> tuple[bytes, ...]:
    """Read a bundle of exactly `count` entries; hash nothing.

    Args:
        data: The file.
        count: The width that its name says: 1 to 256.

    Raises:
        MalformedError: Cut off, fewer entries, or bytes after the last one.
    """
    entries: list[bytes] = []
    at = 0
    while len(entries) < count:
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data) or start > len(data):
            raise MalformedError(
                f"entry bundle: ends within entry {len(entries)}, expected {count} entries"
            )
        entries.append(data[start:at])
    if at != len(data):
        raise MalformedError(
            f"entry bundle: {len(data) - at} bytes after its last entry, number {count}"
        )
    return tuple(entries)
