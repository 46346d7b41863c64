"""Gossip: hold what a partner saw of a third ledger against what we hold of it.

A ledger that shows two partners two histories cannot be caught by either alone. So a node asks
each partner for the last checkpoint that it cosigned of every other ledger that we witness:

- of a size that we keep: another root is a fork, and proves itself;
- of another size: the owner, and nobody else, can prove that one continues the other. It is asked,
  until it does; if it will not, an alarm is raised, and nobody is cut off.

What the partner shows counts only under the owner's own signatures, so it cannot lie about others.
A closed ledger is compared at equal sizes only: its owner can prove nothing of it any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sesn_node.domain.ids import AgencyId, Origin
from sesn_node.errors import MalformedError, PolicyError, SesnError, VerificationError
from sesn_node.exchange.forks import Fork, Seen, raise_fork, raise_unproven, settle_unproven
from sesn_node.exchange.witness import MAX_WITNESSED_SIZE
from sesn_node.ledger.checkpoint import (
    parse_checkpoint,
    verify_checkpoint,
    verify_checkpoint_under,
    without_strangers,
)
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import verify_consistency
from sesn_node.ledger.witness import parse_add_checkpoint
from sesn_node.telemetry.logs import get_logger
from sesn_node.trust.directory import PeerState
from sesn_node.wire.batches import MAX_ADD_CHECKPOINT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.exchange.office import Office
    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.directory import Peer

_log = get_logger(__name__)

TOO_MANY_PROOFS: Final = "TOO_MANY_PROOFS"
"""Code of a proof that is not given for now: its asker was given too many lately."""
NO_PROOF: Final = "NO_PROOF"
"""Code of two sizes of our ledger that we cannot prove to be one history."""
_SHOWN: Final = 60
"""Characters that are shown of what a partner wrote."""


class Outcome(StrEnum):
    """What comparing one checkpoint came to."""

    NOTHING = "nothing"
    """The partner has cosigned nothing of this ledger, or we know the ledger no more."""
    SAME = "same"
    """The checkpoint is one that we keep."""
    CLOSED = "closed"
    """Another size of a ledger that grows no more."""
    IGNORED = "ignored"
    """Not a checkpoint that the ledger's owner signed; the log says so."""
    FORK = "fork"
    """Two histories."""
    ASK = "ask"
    """The owner has to prove that it is of the same history."""
    PROVEN = "proven"
    """The owner has done so."""
    UNPROVEN = "unproven"
    """The owner has not done so, again and again."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the owner of a ledger has to prove.

    Args:
        agency: The owner.
        shown_by: Who showed a checkpoint that we did not know.
        held: What we hold of the ledger.
        shown: What was shown, of another size.
    """

    agency: AgencyId
    shown_by: AgencyId
    held: Seen
    shown: Seen

    @property
    def key(self) -> tuple[str, int, bytes]:
        """What the question is about: ledger, size and root of what was shown."""
        return (self.shown.head.origin, self.shown.head.size, self.shown.head.root)

    @property
    def old(self) -> Seen:
        """The smaller one of the two."""
        return min(self.held, self.shown, key=lambda seen: seen.head.size)

    @property
    def new(self) -> Seen:
        """The larger one."""
        return max(self.held, self.shown, key=lambda seen: seen.head.size)


def third_ledgers(office: Office, asked: AgencyId) -> list[Origin]:
    """Return the ledgers to ask a partner about: all that we witness of other trusted partners.

    Raises:
        StorageError: The database cannot be read.
    """
    with office.store.read() as transaction:
        directory = office.partners.current(transaction)
        heads = transaction.witness.heads()
    found = []
    for row in heads:
        owner = directory.peers.get(AgencyId(row.agency))
        if owner is not None and owner.state is PeerState.TRUSTED and row.agency != asked:
            found.append(Origin(row.origin))
    return found


def compare(
    office: Office, shown_by: AgencyId, origin: Origin, note: bytes
) -> tuple[Outcome, Question | None]:
    """Hold what a partner cosigned of a third ledger against what we keep of it.

    Args:
        office: Ours.
        shown_by: The partner.
        origin: The ledger that it was asked about.
        note: Its answer to `GetCheckpoint`.

    Returns:
        What it came to, and with `ASK` what its owner has to prove.

    Raises:
        StorageError: The database cannot be read.
    """
    with office.store.read() as transaction:
        witnessed = _witnessed(office, transaction, origin)
        if not note or witnessed is None:
            return Outcome.NOTHING, None
        owner, held = witnessed
        key_sets = owner.card.log_key_sets(origin)
        try:
            shown = _verified(origin, note, key_sets)
        except SesnError as error:
            _log.warning(
                "gossip-ignored",
                peer=shown_by,
                origin=origin,
                code=error.code,
                detail=error.message,
            )
            return Outcome.IGNORED, None
        kept = _kept(transaction, origin, shown.head.size)
    if kept:
        if shown.head.root in kept:
            return Outcome.SAME, None
        replaced = not _is_newest(shown.note, key_sets)
        against = next(iter(kept.values()))
        raise_fork(office, Fork(owner.agency, shown_by, against, shown, replaced))
        return Outcome.FORK, None
    if origin == owner.card.current_origin and shown.head.size:
        return Outcome.ASK, Question(owner.agency, shown_by, held, shown)
    return Outcome.CLOSED, None


def _witnessed(
    office: Office, transaction: Transaction, origin: Origin
) -> tuple[Peer, Seen] | None:
    """Return the owner of a ledger, if we trust it, and the last checkpoint that we hold of it."""
    row = transaction.witness.head(origin)
    if row is None:
        return None
    owner = office.partners.current(transaction).peers.get(AgencyId(row.agency))
    held = _kept(transaction, origin, row.size).get(row.root)
    if owner is None or owner.state is not PeerState.TRUSTED or held is None:
        return None
    return owner, held


def check_proof(office: Office, question: Question, body: bytes) -> Outcome:
    """Verify an owner's answer to a question.

    Args:
        office: Ours.
        question: What it was asked.
        body: Its answer to `ProveConsistency`.

    Returns:
        `PROVEN`; or `FORK`, if it signed another root of the larger size.

    Raises:
        MalformedError: Not an add-checkpoint body.
        VerificationError: It proves nothing.
        PolicyError: The owner is not trusted any more.
        StorageError: What it proves could not be recorded.
    """
    request = parse_add_checkpoint(body, limit=MAX_ADD_CHECKPOINT_BYTES)
    old, new = question.old, question.new
    origin = new.head.origin
    card = office.directory().trusted(question.agency, office.clock()).card
    key_sets = card.log_key_sets(origin)
    # Signed a moment ago, by the keys of now.
    head = verify_checkpoint(request.checkpoint, key_sets[-1])
    if (request.old_size, head.size) != (old.head.size, new.head.size):
        raise VerificationError(
            f"{question.agency} proved {request.old_size} to {head.size}, asked for "
            f"{old.head.size} to {new.head.size}",
            code=NO_PROOF,
        )
    if head.root != new.head.root:
        signed = Seen(head, without_strangers(request.note, key_sets))
        replaced = new is question.shown and not _is_newest(new.note, key_sets)
        fork = Fork(question.agency, question.shown_by, new, signed, replaced)
        raise_fork(office, fork)
        return Outcome.FORK
    verify_consistency(old.head.size, old.head.root, new.head.size, new.head.root, request.proof)
    settle_unproven(office, origin, question.shown.head.size)
    return Outcome.PROVEN


def give_up(office: Office, question: Question) -> None:
    """Raise the alarm about a question that its owner does not answer.

    Raises:
        StorageError: It could not be kept.
    """
    raise_unproven(
        office,
        question.agency,
        question.held,
        question.shown,
        shown_by=question.shown_by,
    )


def prove_consistency(
    office: Office, caller: AgencyId, origin: str, old_size: int, new_size: int
) -> bytes:
    """Prove to a partner that one size of our ledger continues another.

    Args:
        office: Ours.
        caller: The partner.
        origin: Our ledger, as its checkpoints name it.
        old_size: The smaller size, entries.
        new_size: The larger one, up to our head.

    Returns:
        C2SP add-checkpoint body from the old size, with the checkpoint of the new size.

    Raises:
        PolicyError: `NO_PROOF`: not the ledger that we write, or not such sizes of it;
            `TOO_MANY_PROOFS`: the caller was given too many lately.
        StorageError: The database cannot be read or was altered, or the head file does not cover
            our head; nothing leaves.
    """
    if not office.proof_limiter.allow(caller, office.clock()):
        raise PolicyError(
            f"{caller} was given too many proofs in a short time; come back later",
            code=TOO_MANY_PROOFS,
        )
    with office.store.read() as transaction:
        newest = office.ledger(transaction)
        if origin != newest.head.origin or not 0 < old_size <= new_size <= newest.head.size:
            raise PolicyError(
                f"{office.agency} has no ledger {origin[:_SHOWN]!a} of {old_size} and {new_size} "
                "entries",
                code=NO_PROOF,
            )
        signers = office.vault.keys(office.partners.current(transaction)).log
        ledger = newest.earlier(new_size, signers, office.clock() // 1000)
        body = ledger.add_checkpoint(old_size)
    office.sequencer.release(newest.head)
    return body


def _verified(origin: Origin, note: bytes, key_sets: Sequence[LogKeys]) -> Seen:
    """Verify what a partner shows of a third ledger: the owner's two signatures, no other."""
    checkpoint = parse_checkpoint(note, limit=MAX_ADD_CHECKPOINT_BYTES)
    if checkpoint.claimed.size > MAX_WITNESSED_SIZE:
        raise MalformedError(f"{origin}: no ledger has more than 2^48 entries")
    head = verify_checkpoint_under(checkpoint, key_sets)
    if head.origin != origin:
        raise VerificationError(f"asked for {origin}, shown {head.origin}", code="WRONG_ORIGIN")
    return Seen(head, without_strangers(note, key_sets))


def _is_newest(note: bytes, key_sets: Sequence[LogKeys]) -> bool:
    """Tell whether the keys that a ledger has now signed a checkpoint."""
    try:
        verify_checkpoint(note, key_sets[-1])
    except VerificationError:
        return False
    return True


def _kept(transaction: Transaction, origin: Origin, size: int) -> dict[bytes, Seen]:
    notes = transaction.witness.checkpoints(origin, size)
    return {root: Seen(TreeHead(origin, size, root), note) for root, note in notes.items()}
