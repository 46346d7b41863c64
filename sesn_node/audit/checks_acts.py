"""Acts: what was viewed, disclosed, erased or sealed anew; and the contents that are disclosed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code
from sesn_node.audit.own import MessageEntries, Own
from sesn_node.audit.tally import Problem, require
from sesn_node.crypto.seal import commit
from sesn_node.domain.entries import EntryKind, HoldCode, OperatorCode
from sesn_node.domain.ids import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sesn_node.audit.checks_losses import Losses
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.records import BundleMessage

OF_CONTENTS: Final = frozenset(
    {EntryKind.VIEWED, EntryKind.DISCLOSED, EntryKind.ERASED, EntryKind.LEGAL_HOLD}
)
"""Acts on what a message says; each answers the message's SHARED or RECEIVED entry here."""


class Acts:
    """Entries about what people did with messages, held against the messages' own entries."""

    def __init__(self, docket: Docket, losses: Losses) -> None:
        self._docket = docket
        self._losses = losses
        self._tally = docket.tally(subjects.ACTS)
        self.entries: dict[Origin, MessageEntries] = {
            origin: MessageEntries() for origin in docket.origins
        }
        self._erased: dict[tuple[Origin, int], bytes] = {}
        self._held: set[tuple[Origin, int]] = set()
        self.disclosed: set[bytes] = set()
        """Ids of messages of which the ledger says that their content was disclosed."""
        self._said_erased: dict[tuple[Origin, int], int] = {}

    def is_message(self, own: Own) -> None:
        """Note a SHARED or RECEIVED entry."""
        self.entries[own.origin].add(own.index, own.entry.message_id or b"")

    def message(self, place: int, message: BundleMessage) -> None:
        """Note what a message says of itself."""
        if message.erased:
            self._said_erased[message.origin, message.entry_index] = place

    def meet(self, own: Own, member: str) -> None:
        """Take an act, which must be about a message of ours."""
        entry = own.entry
        ref = entry.answers
        with self._tally.case(Code.ANSWERS_NOTHING, member, own.index, entry.message_id):
            if ref is None:
                raise Problem(Code.ANSWERS_NOTHING, f"{entry.kind.value} entry: answers nothing")
            self.check_answer(own, of_its_message=entry.code != OperatorCode.RESEALED)
            key = ref.origin, ref.index
            if entry.kind is not EntryKind.OPERATOR:
                require(
                    key not in self._erased,
                    Code.ERASED_CONTRADICTED,
                    f"{entry.kind.value} entry: of a content that an earlier entry says is gone",
                )
            if entry.kind is EntryKind.LEGAL_HOLD:
                placed = entry.code == HoldCode.PLACED
                (self._held.add if placed else self._held.discard)(key)
            if entry.kind is EntryKind.DISCLOSED:
                self.disclosed.add(entry.message_id or b"")
            if entry.kind is EntryKind.ERASED:
                require(
                    key not in self._held,
                    Code.ERASED_CONTRADICTED,
                    "ERASED entry: of a content that an earlier entry puts under a legal hold",
                )
                self._erased[key] = entry.message_id or b""
                self._tally.remark(
                    Code.ERASED,
                    f"the content is gone ({entry.code}); header, digests and proofs stay",
                    member,
                    own.index,
                    entry.message_id,
                )

    def finish(self) -> None:
        """Compare what messages say of being erased with what the ledger says."""
        if self._docket.blind:
            self._tally.cannot("the entries are left out of the bundle")
            return
        for key, place in self._said_erased.items():
            if key not in self._erased:
                self._tally.fail(
                    Code.ERASED_CONTRADICTED,
                    "it is said to be erased, and the ledger has no ERASED entry of it",
                    names.MESSAGES,
                    place,
                )
        if self._docket.whole:
            for key, message_id in self._erased.items():
                if key not in self._said_erased and not self._losses.has_lost(*key):
                    self._tally.fail(
                        Code.ERASED_CONTRADICTED,
                        "the ledger says that it is erased, and the message does not",
                        names.MESSAGES,
                        None,
                        message_id,
                    )

    def check_answer(self, own: Own, *, of_its_message: bool) -> None:
        """Make sure that an entry answers an earlier SHARED or RECEIVED entry of ours.

        Args:
            own: The entry.
            of_its_message: Whether that must be of the same message.

        Raises:
            Problem: ANSWERS_NOTHING.
        """
        entry, ref = own.entry, own.entry.answers
        if ref is None:
            raise Problem(Code.ANSWERS_NOTHING, f"{entry.kind.value} entry: answers nothing")
        held = self.entries.get(ref.origin)
        earlier = ref.origin != own.origin or ref.index < own.index
        if held is None or not earlier:
            text = f"{entry.kind.value} entry: it answers no earlier entry of these ledgers"
            raise Problem(Code.ANSWERS_NOTHING, text)
        size = next(
            one.size for one in self._docket.bundle.manifest.ledgers if one.origin == ref.origin
        )
        require(
            ref.index < size and self._docket.bundle.leaf(ref.origin, ref.index) == ref.leaf_hash,
            Code.ANSWERS_NOTHING,
            f"{entry.kind.value} entry: the ledger has another leaf at {ref.index}",
        )
        about = held.message_at(ref.index)
        if about is None and not self._docket.whole:
            return  # Left out: only its leaf could be compared.
        require(
            about is not None and (not of_its_message or about == entry.message_id),
            Code.ANSWERS_NOTHING,
            f"{entry.kind.value} entry: entry {ref.index}, which it answers, is not of its message",
        )


def check_contents(
    docket: Docket, acts: Acts, commitments: Mapping[tuple[str, bytes], bytes]
) -> None:
    """Open the commitment of every message whose content is in the bundle.

    Args:
        docket: The audit.
        acts: Says which disclosures the ledger tells of.
        commitments: Of the messages that are in the bundle, by sender and id.
    """
    tally = docket.tally(subjects.CONTENTS)
    promised = set(docket.bundle.manifest.selection.disclosed)
    records = docket.records(names.DISCLOSED, docket.bundle.disclosures(), subjects.CONTENTS)
    for place, one in enumerate(records):
        with tally.case(Code.CONTENT_MISMATCH, names.DISCLOSED, place, one.message_id):
            commitment = commitments.get((one.sender, one.message_id))
            require(
                commitment is not None,
                Code.MESSAGE_MISSING,
                f"content of a message of {one.sender} that is not in the bundle, or does not "
                "verify",
            )
            require(
                commit(one.salt, one.payload) == commitment,
                Code.CONTENT_MISMATCH,
                "salt and content are not those that the header and the ledger commit to",
            )
            promised.discard(one.message_id)
            require(
                docket.blind or one.message_id in acts.disclosed,
                Code.NOT_RECORDED,
                "the ledger has no DISCLOSED entry of it",
            )
    for message_id in sorted(promised):
        tally.fail(
            Code.INCOMPLETE,
            "the manifest lists its content as disclosed, and it is not in the bundle",
            names.DISCLOSED,
            None,
            message_id,
        )
