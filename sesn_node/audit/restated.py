"""Restated: what a later ledger of an agency says again of what a closed one says.

A partner takes proofs of the open ledger only. So SHARED and RECEIVED entries may stand once more
in each later ledger, the same but for time and salt; receipts may answer either. Nothing is kept
where there is one ledger only, which is nearly always.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code
from sesn_node.crypto.primitives import sha256
from sesn_node.domain.entries import SALT_BYTES, EntryKind, EntryRef
from sesn_node.wire.entries import encode_entry

if TYPE_CHECKING:
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.own import Own
    from sesn_node.domain.entries import Entry
    from sesn_node.domain.ids import Origin


class Restated:
    """Statements of all ledgers so far, by their digests; and those that receipts answer."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self._several = len(docket.bundle.manifest.ledgers) > 1
        self._said: dict[bytes, tuple[Origin, int]] = {}
        self._expected: dict[EntryRef, tuple[int, tuple[bytes, bytes, bytes]]] = {}

    def meet(self, own: Own) -> bool:
        """Take a SHARED or RECEIVED entry; tell whether an earlier ledger says the same."""
        if not self._several:
            return False
        self._meet_expected(own)
        first = self._said.setdefault(_digest(own.entry), (own.origin, own.index))
        if first[0] == own.origin:
            return False
        self._docket.facts.restated((own.origin, own.index), first)
        return True

    def expect(
        self, place: int, about: tuple[bytes, bytes, bytes], answered: EntryRef | None
    ) -> bool:
        """Note that a receipt answers an entry that a later ledger must have, of this message.

        Args:
            place: Place of the message in its member.
            about: Its id, and the digests of its header and content.
            answered: What the receipt answers.

        Returns:
            Whether it may be: an entry of a ledger of the agency.
        """
        if not self._several or answered is None or answered.origin not in self._docket.origins:
            return False
        self._expected[answered] = place, about
        return True

    def finish(self) -> None:
        """Say which receipts answer what no ledger here says."""
        if self._docket.blind:
            return
        for answered, (place, about) in self._expected.items():
            self._docket.tally(subjects.RECEIPTS).fail(
                Code.RECEIPT_INVALID,
                f"a receipt answers entry {answered.index} of {answered.origin}, which does not "
                "say that this message was shared",
                names.MESSAGES,
                place,
                about[0],
            )

    def _meet_expected(self, own: Own) -> None:
        answered, entry = EntryRef(own.origin, own.index, own.leaf), own.entry
        expected = self._expected.get(answered)
        about = entry.message_id, entry.object_sha256, entry.commitment
        if expected is not None and expected[1] == about and entry.kind is EntryKind.SHARED:
            del self._expected[answered]


def _digest(entry: Entry) -> bytes:
    """Return what two entries have in common that say the same."""
    return sha256(encode_entry(replace(entry, time_ms=1, salt=bytes(SALT_BYTES))))
