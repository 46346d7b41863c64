"""An entry of a ledger of the bundle, read, and which entries were about which message."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass

from sesn_node.domain.entries import Entry, EntryRef
from sesn_node.domain.ids import Origin

_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Own:
    """An entry of a ledger of the bundle.

    Args:
        origin: Its ledger.
        index: Its leaf index.
        leaf: Its leaf hash, which the tree has at that index.
        entry: What it says.
    """

    origin: Origin
    index: int
    leaf: bytes
    entry: Entry

    def is_named_by(self, ref: EntryRef | None) -> bool:
        """Tell whether a reference is to this entry."""
        return ref is not None and (ref.leaf_hash, ref.index, ref.origin) == (
            self.leaf,
            self.index,
            self.origin,
        )


class MessageEntries:
    """Which SHARED and RECEIVED entries of a ledger there are, and of which messages.

    24 bytes an entry, so that a million of them do no harm.
    """

    __slots__ = ("_ids", "_indexes")

    def __init__(self) -> None:
        self._indexes = array("Q")
        self._ids = bytearray()

    def add(self, index: int, message_id: bytes) -> None:
        """Note an entry; indexes come in ascending order."""
        self._indexes.append(index)
        self._ids += message_id

    def message_at(self, index: int) -> bytes | None:
        """Return the id of the message that an entry is about; None if it is no such entry."""
        at = bisect_left(self._indexes, index)
        if at == len(self._indexes) or self._indexes[at] != index:
            return None
        return bytes(self._ids[at * _ID_BYTES : (at + 1) * _ID_BYTES])
