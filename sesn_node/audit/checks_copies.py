"""Copies: what became of each recipient's copy, as the message's record and the ledger tell it.

A copy ends, may be sent again, and ends again; it is acknowledged once, and last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code
from sesn_node.audit.tally import Problem, require
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind, EntryRef, OperatorCode, UndeliveredCode
from sesn_node.domain.ids import AgencyId, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sesn_node.audit.checks_losses import Losses
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.own import MessageEntries, Own
    from sesn_node.audit.records import Copy

OF_COPIES: Final = frozenset(
    {
        EntryKind.ACKNOWLEDGED,
        EntryKind.REFUSED_BY_PEER,
        EntryKind.UNDELIVERED,
        EntryKind.OPERATOR,
    }
)
_OF_OUR_OWN: Final = frozenset(
    {
        UndeliveredCode.PEER_REVOKED.value,
        UndeliveredCode.ERASED.value,
        UndeliveredCode.RECALLED.value,
    }
)
"""Why a copy was given up that was not tried too often."""


class Story:
    """One copy, until the ledger has told its end.

    Args:
        place: Place of the message in its member.
        shared: Our SHARED entry.
        copy: What the message's record says.
        received: The recipient's RECEIVED entry, as the receipt proves it; None without one that
            verifies.
    """

    __slots__ = ("copy", "ended", "ended_ms", "place", "received", "resealed", "shared")

    def __init__(self, place: int, shared: Own, copy: Copy, received: EntryRef | None) -> None:
        self.place = place
        self.shared = shared
        self.copy = copy
        self.received = received
        self.ended: tuple[EntryKind, str] | None = None
        self.ended_ms: int | None = None
        self.resealed: EntryRef | None = None

    @property
    def message_id(self) -> bytes:
        """The message."""
        return self.shared.entry.message_id or b""


class Copies:
    """The copies whose end the ledger has not told yet; memory grows with these alone.

    Args:
        docket: The audit.
        entries: Which entries of each ledger are about which message.
        losses: What the agency says that it has lost.
    """

    def __init__(
        self, docket: Docket, entries: Mapping[Origin, MessageEntries], losses: Losses
    ) -> None:
        self._docket = docket
        self._entries = entries
        self._losses = losses
        self._receipts = docket.tally(subjects.RECEIPTS)
        self._endings = docket.tally(subjects.ENDINGS)
        self._open: dict[tuple[bytes, AgencyId], Story] = {}

    def expect(self, story: Story) -> None:
        """Take up a copy, when its message's SHARED entry was met."""
        self._open[story.message_id, story.copy.agency] = story
        if story.copy.receipt is None:
            self._endings.saw()

    def meet(self, own: Own, member: str) -> None:
        """Take an entry about a copy."""
        entry = own.entry
        message_id = entry.message_id or b""
        # Every kind in `OF_COPIES` names an agency.
        key = message_id, entry.agency or AgencyId("")
        acknowledged = entry.kind is EntryKind.ACKNOWLEDGED
        tally = self._receipts if acknowledged else self._endings
        story = self._open.get(key)
        if acknowledged and self._lacks_receipt(own, story):
            self._losses.receipt(own, tally, member)
            return
        if story is None:
            # A selection holds entries about messages that were not selected; of one that is lost,
            # nothing is left to hold an ending against.
            if self._docket.whole and not self._losses.has_lost_sent(message_id):
                tally.fail(
                    Code.ANSWERS_NOTHING,
                    f"{entry.kind.value} entry about a copy for {entry.agency} that is not here, "
                    "or was acknowledged before",
                    member,
                    own.index,
                    message_id,
                )
            return
        try:
            _follow(story, own)
        except Problem as problem:
            tally.fail_with(problem, problem.kind, member, own.index, message_id)
        if acknowledged:
            del self._open[key]

    def _lacks_receipt(self, own: Own, story: Story | None) -> bool:
        """Tell whether the receipt that an ACKNOWLEDGED entry answers is said to be lost.

        The copy then stands as the database of that day had it, and may go out, and end, again.
        """
        if not self._losses.claims(own.origin, own.index):
            return False
        if story is None:
            return self._losses.has_lost_sent(own.entry.message_id or b"")
        return story.copy.receipt is None

    def finish(self) -> None:
        """Say what is open at the end of the last ledger."""
        if self._docket.blind:
            text = "what the ledger says of the end of each copy is left out"
            for tally in (self._receipts, self._endings):
                tally.remark(Code.NOT_VISIBLE, text)
            return
        for story in self._open.values():
            self._finish(story)

    def _finish(self, story: Story) -> None:
        copy = story.copy
        where = names.MESSAGES, story.place, story.message_id
        what = f"copy for {copy.agency}, {copy.state.value}"
        if copy.state is DeliveryState.ACKNOWLEDGED:
            text = f"{what}: the ledger has no ACKNOWLEDGED entry that answers the receipt"
            self._receipts.fail(Code.NOT_ACKNOWLEDGED, text, *where)
            return
        if story.ended != _expected(copy):
            said = "nothing" if story.ended is None else " ".join(story.ended)
            self._endings.fail(Code.ENDING_MISSING, f"{what}: the ledger says {said}", *where)
        elif story.ended is None:
            self._endings.remark(Code.COPY_OPEN, f"{what}: it has no end yet", *where)
        elif story.ended_ms != copy.settled_ms:
            text = f"{what}: ended at {copy.settled_ms}, and by the ledger at {story.ended_ms}"
            self._endings.fail(Code.CONTRADICTION, text, *where)
        if self._resealed_as(story) != copy.resealed_as:
            text = f"{what}: message and ledger disagree on whether it was sealed anew, and as what"
            self._endings.fail(Code.CONTRADICTION, text, *where)

    def _resealed_as(self, story: Story) -> bytes | None:
        """The message that says the same now, by the ledger."""
        ref = story.resealed
        if ref is None:
            return None
        held = self._entries.get(ref.origin)
        about = None if held is None else held.message_at(ref.index)
        # Left out of a selection: only the leaf could be compared.
        return story.copy.resealed_as if about is None and not self._docket.whole else about


def _follow(story: Story, own: Own) -> None:
    """Take the next entry of a copy's story; raises `Problem`."""
    entry, shared = own.entry, story.shared.entry
    require(
        (entry.object_sha256, entry.commitment) == (shared.object_sha256, shared.commitment),
        Code.CONTRADICTION,
        f"{entry.kind.value} entry: of another header or content than its SHARED entry",
    )
    if entry.kind is EntryKind.ACKNOWLEDGED:
        require(
            story.copy.receipt is not None,
            Code.NOT_ACKNOWLEDGED,
            f"the ledger acknowledges, and the copy for {entry.agency} has no receipt",
        )
        require(
            story.received is None or story.received == entry.answers,
            Code.NOT_ACKNOWLEDGED,
            f"it answers another entry than the receipt of {entry.agency} proves",
        )
        require(
            story.copy.settled_ms == entry.time_ms,
            Code.CONTRADICTION,
            f"acknowledged at {entry.time_ms}, and by the message at {story.copy.settled_ms}",
        )
        return
    if entry.code == OperatorCode.RESEALED.value:
        require(story.resealed is None, Code.CONTRADICTION, "sealed anew twice")
        story.resealed = entry.answers
        return
    require(
        story.shared.is_named_by(entry.answers),
        Code.ANSWERS_NOTHING,
        f"{entry.kind.value} entry: it does not answer the SHARED entry of its message",
    )
    again = entry.kind is EntryKind.OPERATOR
    require(
        (story.ended is not None) == again,
        Code.CONTRADICTION,
        f"{entry.kind.value} {entry.code}: the copy for {entry.agency} "
        f"{'had not ended' if again else 'had ended already'}",
    )
    story.ended = None if again else (entry.kind, entry.code)
    story.ended_ms = None if again else entry.time_ms


def _expected(copy: Copy) -> tuple[EntryKind, str] | None:
    """How the ledger must have ended a copy in this state."""
    if copy.state is DeliveryState.QUEUED:
        return None
    if copy.state is DeliveryState.REFUSED:
        return EntryKind.REFUSED_BY_PEER, copy.code
    if copy.state is DeliveryState.EXPIRED:
        return EntryKind.UNDELIVERED, UndeliveredCode.EXPIRED.value
    if copy.code in _OF_OUR_OWN:
        return EntryKind.UNDELIVERED, copy.code
    # A dead letter keeps what the recipient's node said last.
    return EntryKind.UNDELIVERED, UndeliveredCode.DEAD.value
