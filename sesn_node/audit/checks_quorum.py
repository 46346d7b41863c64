"""Quorum: how far others vouch for the ledgers of a bundle, as the auditor's policy asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code
from sesn_node.domain.counting import numbered
from sesn_node.errors import VerificationError
from sesn_node.ledger.note import MISSING_SIGNATURE
from sesn_node.ledger.policy import NO_QUORUM, UNKNOWN_LOG, evaluate

if TYPE_CHECKING:
    from sesn_node.audit.checks_heads import Head
    from sesn_node.audit.docket import Docket
    from sesn_node.domain.ids import Origin
    from sesn_node.ledger.checkpoint import Checkpoint
    from sesn_node.ledger.note import NoteSignature
    from sesn_node.ledger.policy import Policy


class Quorum:
    """Judges the checkpoints of the bundle's agency by the policy, one by one.

    Args:
        docket: The audit; its cards were read.
    """

    __slots__ = ("_docket", "_policy")

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self._policy = None if docket.policy is None else _of_others(docket, docket.policy)

    def judge(self, checkpoint: Checkpoint, lines: tuple[NoteSignature, ...], head: Head) -> None:
        """Note how far a checkpoint carries what the policy asks for.

        Args:
            checkpoint: Of a ledger of the agency, verified.
            lines: Cosignature lines that stand apart from it; those that did not verify are left
                out.
            head: The same.
        """
        docket = self._docket
        origin, size = checkpoint.claimed.origin, checkpoint.claimed.size
        if self._policy is None:
            vouched = bool(head.cosigners - {docket.agency})
        else:
            known = docket.book.log_key_sets(origin)
            try:
                outcome = evaluate(self._policy, checkpoint, known, lines)
                outcome.require_quorum()
                vouched = True
            except VerificationError as error:
                vouched = False
                self._note(error, origin, head)
        if vouched:
            docket.heads.vouched[origin] = max(docket.heads.vouched.get(origin, 0), size)

    def _note(self, error: VerificationError, origin: Origin, head: Head) -> None:
        """Note why a checkpoint does not count.

        The lack of cosignatures is judged when all checkpoints are seen, and so is a key that the
        policy lists: an earlier checkpoint was signed by an earlier key.
        """
        tally = self._docket.tally(subjects.QUORUM)
        if error.code not in {NO_QUORUM, UNKNOWN_LOG, MISSING_SIGNATURE}:
            tally.fail(Code.POLICY_SIGNATURE, str(error), names.CHECKPOINTS, head.place)
        elif error.code == UNKNOWN_LOG and origin == self._docket.origins[-1]:
            tally.fail(Code.UNKNOWN_LOG, str(error), names.CHECKPOINTS, head.place)


def check_quorum(docket: Docket) -> None:
    """Say how far others vouch for each ledger; with a policy, its quorum must be there."""
    tally = docket.tally(subjects.QUORUM)
    if docket.policy is None:
        tally.cannot("no policy was given: name the witnesses that you trust with --policy")
    vouched_next = False
    for ledger in reversed(docket.bundle.manifest.ledgers):
        vouched = docket.heads.vouched.get(ledger.origin, 0)
        if vouched_next and ledger.origin in docket.heads.continued:
            # Its end is named by the first entry of the next one, which others vouch for.
            docket.heads.vouched[ledger.origin] = vouched = ledger.size
        vouched_next = vouched > 0
        if docket.policy is not None:
            tally.saw()
        if docket.policy is not None and not vouched and not tally.failed:
            tally.fail(
                Code.NO_QUORUM,
                f"no checkpoint of {ledger.origin} carries the cosignatures that the policy asks "
                "for",
                names.CHECKPOINTS,
            )
        if vouched < ledger.size:
            tail = numbered(vouched, ledger.size - 1, "entry", "entries")
            tally.remark(
                Code.TAIL_NOT_COSIGNED,
                f"{ledger.origin}: in no checkpoint that enough others cosigned, so that there is "
                f"its owner's word alone: {tail}",
                names.CHECKPOINTS,
            )


def _of_others(docket: Docket, policy: Policy) -> Policy:
    """Return a policy without the witness keys of the bundle's agency: nobody vouches for itself.

    One policy serves an audit of several agencies, and so names each of them as a witness.
    """
    own = {key for card in docket.book.cards(docket.agency) for key in card.public_keys}
    witnesses = {
        name: line for name, line in policy.witnesses.items() if line.key.public not in own
    }
    return replace(policy, witnesses=witnesses)
