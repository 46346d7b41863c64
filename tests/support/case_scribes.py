"""Cases as scribes write them: steps, case files, reminders, whether a node would or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.audit.records import BundleCaseStep
from sesn_node.crypto.seal import commit_mark
from sesn_node.crypto.signing import body_hash
from sesn_node.domain.case_messages import CaseStep, Details
from sesn_node.domain.case_terms import Action, Mark, Member, Role
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.wire.cases import encode_mark
from sesn_node.wire.payloads import encode_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.entries import EntryRef
    from sesn_node.domain.ids import MessageId
    from tests.support.scribes import Letter, Scribe


@dataclass(frozen=True)
class Move:
    """A step that was taken: its message, its salt and its mark, serialised."""

    letter: Letter
    salt: bytes
    mark: bytes

    @property
    def step_id(self) -> bytes:
        """Hash of its header."""
        return body_hash(self.letter.data)


class CaseScribes:
    """One case among scribes: the first detects, the second exports, others are in transit.

    Args:
        scribes: They.
        days: The period that the request states.
        posted: Whether steps are delivered; else only their senders have them.
    """

    def __init__(self, *scribes: Scribe, days: int = 30, posted: bool = True) -> None:
        self.posted = posted
        self.det, self.exp = scribes[:2]
        self.members = list(scribes)
        self.moves: list[Move] = []
        roles = [Role.DET, Role.EXP, *[Role.TRN] * len(scribes)]
        members = sorted(
            (
                Member(one.agency, (role,))
                for one, role in zip(scribes, roles[: len(scribes)], strict=True)
            ),
            key=lambda one: one.agency,
        )
        self.request = self.take(
            self.det,
            Mark(
                action=Action.REQUEST,
                role=Role.DET,
                code="NO_NOTIFICATION",
                members=tuple(members),
                regime="basel",
                days=days,
            ),
        )

    @property
    def case_id(self) -> MessageId:
        """Id of the request."""
        return self.moves[0].letter.message_id

    @property
    def informed_ms(self) -> int:
        """When the exporter's authority received the request, by its own clock."""
        found = (one for _, letter, one in self.exp.received if letter is self.request.letter)
        return next(found).received_ms

    def take(self, sender: Scribe, mark: Mark, *, details: Details | None = None) -> Move:
        """Take a step, deliver it to all members, and record it everywhere."""
        salt = sender.draw(32)
        payload = b"what a step says"
        if details is not None:
            body = CaseStep(mark, salt, details)
            payload = encode_payload(Payload(Markings(Tlp.AMBER), body))
        conversation = self.case_id if self.moves else None
        to = [one for one in self.members if one is not sender]
        letter = sender.share(*to, payload=payload, conversation=conversation)
        move = Move(letter, salt, encode_mark(mark))
        self.moves.append(move)
        record(sender, move, letter.shared)
        for one in to if self.posted else ():
            sender.deliver(one, [letter])
            record(one, move, one.received[-1][0])
            one.checkpoint()
        sender.checkpoint()
        return move

    def acknowledge(self, details: Details | None = None) -> Move:
        """Acknowledge the request."""
        mark = Mark(action=Action.ACKNOWLEDGE, role=Role.EXP, after=(self.moves[-1].step_id,))
        return self.take(self.exp, mark, details=details)

    def inform(self, at_ms: int | None = None) -> Move:
        """State when the exporter's authority was informed."""
        mark = Mark(
            action=Action.INFORM,
            role=Role.DET,
            after=(self.moves[-1].step_id,),
            about=self.request.step_id,
            members=(Member(self.exp.agency, (Role.EXP,)),),
            at_ms=self.informed_ms if at_ms is None else at_ms,
        )
        return self.take(self.det, mark)

    def notice(self, scribe: Scribe, code: CaseCode, **changes: object) -> EntryRef:
        """Record that the due date is near, or has passed."""
        letter = self.request.letter
        fields: dict[str, object] = {"answers": place(scribe, letter), "code": code.value}
        ref = scribe.about(EntryKind.CASE, letter, **(fields | changes))
        scribe.checkpoint()
        return ref

    def hand_over(self, giver: Scribe, taker: Scribe, moves: Sequence[Move]) -> None:
        """Hand steps to somebody who did not get them."""
        letter = giver.share(taker, payload=b"a case file", conversation=self.case_id)
        giver.deliver(taker, [letter])
        for move in moves:
            record(taker, move, taker.received[-1][0], CaseCode.FILED)
        taker.checkpoint()


def place(scribe: Scribe, letter: Letter) -> EntryRef:
    """Return the SHARED or RECEIVED entry of a message."""
    if letter.message_id in scribe.sent:
        return letter.shared
    return next(ref for ref, one, _ in scribe.received if one.message_id == letter.message_id)


def record(
    scribe: Scribe, move: Move, answers: EntryRef, code: CaseCode = CaseCode.STEP
) -> EntryRef:
    """Append the CASE entry of a step, and keep the step."""
    letter = move.letter
    ref = scribe.append(
        EntryKind.CASE,
        commit_mark(move.salt, move.mark),
        message_id=letter.message_id,
        commitment=letter.header.commitment,
        answers=answers,
        code=code.value,
    )
    scribe.cases.append(
        BundleCaseStep(ref.origin, ref.index, letter.data, letter.seal, move.salt, move.mark)
    )
    return ref
