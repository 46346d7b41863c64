"""Witness: verify a partner's checkpoint, advance what we hold of its ledger, and cosign.

Three steps around the caller's transaction. `judge_checkpoint` verifies against what is
recorded; `record` compares again inside the transaction and advances; the cosignature that it
returns may leave only after the commit, or two partners could be told two histories.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.batches import WitnessAnswer
from sesn_node.domain.ids import Origin, parse_origin, witness_name
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import ConflictError, MalformedError, PolicyError
from sesn_node.exchange.forks import Fork, Seen, raise_fork
from sesn_node.exchange.office import MOVED
from sesn_node.exchange.replaced import judge_outdated
from sesn_node.ledger.checkpoint import without_strangers
from sesn_node.ledger.cosignature import cosign, made_by
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.witness import Status, judge, parse_add_checkpoint
from sesn_node.store.witness import CosignatureRow, WitnessRow
from sesn_node.telemetry.logs import get_logger
from sesn_node.trust.directory import PeerState
from sesn_node.wire.batches import MAX_ADD_CHECKPOINT_BYTES

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.ledger.cosignature import WitnessKeys
    from sesn_node.ledger.witness import Verdict
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.card import TrustedCard
    from sesn_node.trust.directory import Directory

_log = get_logger(__name__)

TOO_MANY_CHECKPOINTS = "TOO_MANY_CHECKPOINTS"
"""Code of a checkpoint that is not witnessed for now: its submitter had too many witnessed."""

MAX_WITNESSED_SIZE = 2**48
"""Largest ledger that is witnessed, entries: the sizes of all of them are added up, in 63 bits."""

UNKNOWN_ORIGIN = WitnessAnswer(int(Status.UNKNOWN_ORIGIN))


@dataclass(frozen=True, slots=True)
class Judged:
    """A checkpoint held against what we recorded of its origin.

    Args:
        verdict: Status and, where both signatures verified, the head.
        agency: Owner of the ledger.
        recorded: What we held of the origin when we judged.
        outdated: Whether only keys signed it that its owner has replaced.
    """

    verdict: Verdict
    agency: AgencyId
    recorded: WitnessRow | None
    outdated: bool = False

    @property
    def accepted(self) -> TreeHead | None:
        """The head, if the status is 200."""
        return self.verdict.head if self.verdict.status is Status.COSIGNED else None

    @property
    def refusal(self) -> WitnessAnswer:
        """What to tell the owner of a checkpoint that was not accepted."""
        status = self.verdict.status
        size = self.verdict.size if status is Status.OTHER_OLD_SIZE else 0
        return WitnessAnswer(int(status), size)


def judge_checkpoint(
    transaction: Transaction, directory: Directory, body: bytes, *, owner: AgencyId | None = None
) -> Judged | None:
    """Verify an add-checkpoint body against the card of its ledger's owner and our record.

    A ledger that the card does not name last is closed: it grows no more. Its recorded head may
    be submitted again, and whoever has its old keys can still prove that it forked. Of a ledger
    whose keys were replaced, the old ones count for nothing but such a proof: else an agency could
    get rid of one by a rotation.

    A checkpoint that we cosigned before is accepted whatever the record came to since, and moves
    it no more (ADR 0031).

    Args:
        transaction: Where the recorded checkpoint is read.
        directory: Whose ledgers are known.
        body: C2SP add-checkpoint body.
        owner: Accept only the ledger that this agency writes now; any partner's if None.

    Returns:
        The verdict, or None if the origin is unknown (status 404).

    Raises:
        MalformedError: Not an add-checkpoint body, over 64 KiB, or of a ledger that is larger than
            any.
    """
    request = parse_add_checkpoint(body, limit=MAX_ADD_CHECKPOINT_BYTES)
    if request.checkpoint.claimed.size > MAX_WITNESSED_SIZE:
        raise MalformedError(f"{request.origin}: no ledger has more than 2^48 entries")
    found = _ledger_of(directory, request.origin)
    if found is None or (owner is not None and found[0] != owner):
        return None
    agency, card, current = found
    key_sets = card.log_key_sets(request.origin)
    row = transaction.witness.head(request.origin)
    recorded = None if row is None else TreeHead(Origin(row.origin), row.size, row.root)
    verdict, outdated = judge(request, key_sets[-1], recorded), False
    if verdict.status is Status.NO_TRUSTED_SIGNATURE:
        verdict, outdated = judge_outdated(transaction, request, key_sets[:-1], verdict)
    elif verdict.status is Status.COSIGNED:
        if not current and (owner is not None or verdict.head != recorded):
            reason = "the owner's card names a later ledger"
            verdict = replace(verdict, status=Status.UNKNOWN_ORIGIN, reason=reason)
    elif verdict.head is not None and not verdict.fork:
        # Only a checkpoint that is not accepted is compared with those before the recorded one:
        # what is accepted is consistent with the recorded one, and so with all before it.
        head, own = verdict.head, directory.own
        kept = transaction.witness.checkpoints(head.origin, head.size)
        if kept.keys() - {head.root}:
            reason = "another history was witnessed at this size"
            verdict = replace(verdict, status=Status.BAD_PROOF, reason=reason, fork=True)
        elif (
            current
            and kept
            and verdict.status is Status.OTHER_OLD_SIZE
            and _own_lines(transaction, head, own.agency, own.witness_keys)
        ):
            verdict = replace(verdict, status=Status.COSIGNED, reason="")
    if verdict.head is not None:
        verdict = replace(verdict, note=without_strangers(request.note, key_sets))
    return Judged(verdict, agency, row, outdated)


def _ledger_of(directory: Directory, origin: str) -> tuple[AgencyId, TrustedCard, bool] | None:
    """Find whose ledger an origin names, among trusted partners, and whether it is written."""
    try:
        agency, _ = parse_origin(origin)
    except MalformedError:
        return None
    peer = directory.peers.get(agency)
    if peer is None or peer.state is not PeerState.TRUSTED:
        return None
    if peer.card.log_keys(Origin(origin)) is None:
        return None
    return agency, peer.card, origin == peer.card.current_origin


def record(office: Office, work: Work, judged: Judged) -> bytes:
    """Advance the record of a ledger to a checkpoint of status 200, and cosign it.

    Returns:
        Cosignature lines (0x04 and 0x06), to be released after the commit.

    Raises:
        ConflictError: With code `MOVED`: judge again.
    """
    head = judged.accepted
    if head is None:
        raise MalformedError("a checkpoint that was not accepted cannot be recorded")
    table = work.transaction.witness
    keys = office.keys
    if work.transaction.peers.directory().own_card_sha256 != keys.card_sha256:
        raise ConflictError("our card changed meanwhile, and with it our keys", code=MOVED)
    recorded = judged.recorded
    if recorded is not None and head.size <= recorded.size:
        kept = _own_lines(work.transaction, head, office.agency, keys.witness_keys)
        if kept:
            return kept
    shrunk = recorded is not None and head.size < recorded.size
    if shrunk or table.head(head.origin) != recorded:
        raise ConflictError(f"the record of {head.origin} moved meanwhile", code=MOVED)
    table.advance(recorded, WitnessRow(head.origin, judged.agency, head.size, head.root))
    time_s = work.now_ms // 1000
    lines = cosign(
        head,
        name=witness_name(office.agency),
        ed25519=keys.witness_ed25519,
        mldsa44=keys.witness_mldsa44,
        time_s=time_s,
    )
    table.keep_checkpoint(
        origin=head.origin, size=head.size, root=head.root, note=judged.verdict.note
    )
    table.keep_cosignature(CosignatureRow(head.origin, head.size, office.agency, time_s, lines))
    return lines


def _own_lines(
    transaction: Transaction, head: TreeHead, agency: AgencyId, keys: WitnessKeys
) -> bytes:
    """Return our lines over a head, if we cosigned it; partners take none by replaced keys."""
    kept = transaction.witness.cosignature(head.origin, head.size, agency)
    return kept.lines if kept is not None and made_by(kept.lines, keys) else b""


def keep_fork(office: Office, judged: Judged | None, shown_by: AgencyId) -> None:
    """Keep a checkpoint that proves a fork, beside the one that it contradicts; cut its owner off.

    One for each size: whoever holds the keys of a ledger could sign any number of them.
    """
    if judged is None or not judged.verdict.fork or judged.verdict.head is None:
        return
    head = judged.verdict.head
    with office.store.read() as transaction:
        kept = transaction.witness.checkpoints(head.origin, head.size)
    held = next(
        (
            Seen(TreeHead(head.origin, head.size, root), note)
            for root, note in kept.items()
            if root != head.root
        ),
        None,
    )
    if held is not None:
        shown = Seen(head, judged.verdict.note)
        replaced = judged.verdict.status is Status.NO_TRUSTED_SIGNATURE
        raise_fork(office, Fork(judged.agency, shown_by, held, shown, replaced))


def report_refused(caller: AgencyId, code: str, status: int) -> None:
    """Log that what a partner showed was refused as a whole.

    Args:
        caller: Who showed it.
        code: What is wrong.
        status: Answer of tlog-witness, 0 without one.
    """
    # The first answer to whoever does not know what we hold; it proves its ledger anew.
    harmless = status == Status.OTHER_OLD_SIZE and code != RefusalCode.LEDGER_FORK.value
    report = _log.info if harmless else _log.warning
    report("batch-refused", peer=caller, code=code, status=status)


def add_checkpoint(office: Office, caller: AgencyId, body: bytes) -> WitnessAnswer:
    """Answer the AddCheckpoint call: verify, advance, commit, cosign.

    Args:
        office: Ours.
        caller: Who submits it; any partner may submit a checkpoint of any other.
        body: C2SP add-checkpoint body.

    Raises:
        StorageError: The record could not be advanced, or the head file not be written; no
            cosignature leaves.
        PolicyError: The caller had too many witnessed lately (`TOO_MANY_CHECKPOINTS`). Those that
            come with messages do not count.
    """
    while True:
        directory = office.directory()
        try:
            with office.store.read() as transaction:
                judged = judge_checkpoint(transaction, directory, body)
        except MalformedError as error:
            refusal = WitnessAnswer(int(Status.BAD_REQUEST))
            report_refused(caller, error.code, refusal.status)
            return refusal
        if judged is None or judged.accepted is None:
            refusal = UNKNOWN_ORIGIN if judged is None else judged.refusal
            fork = judged is not None and judged.verdict.fork
            code = RefusalCode.LEDGER_FORK if fork else RefusalCode.NOT_IN_LEDGER
            keep_fork(office, judged, caller)
            report_refused(caller, code.value, refusal.status)
            return refusal
        grown = judged.recorded is None or judged.recorded.size < judged.accepted.size
        if grown and not office.checkpoint_limiter.allow(caller, office.clock()):
            raise PolicyError(
                f"{caller} had too many checkpoints witnessed in a short time; come back later",
                code=TOO_MANY_CHECKPOINTS,
            )
        operation = partial(record, office, judged=judged)
        try:
            done = office.sequencer.run(operation)
        except ConflictError as error:
            if error.code != MOVED:
                raise
            continue
        office.sequencer.release(done.head)
        return WitnessAnswer(int(Status.COSIGNED), 0, done.value)


def cosigned_checkpoint(office: Office, origin: str) -> bytes:
    """Return the last checkpoint of an origin that we cosigned, with our lines; b"" if none.

    Raises:
        StorageError: Our lines must not leave: the head file does not cover them yet, and cannot.
    """
    with office.store.read() as transaction:
        row = transaction.witness.head(origin)
        if row is None:
            return b""
        note = transaction.witness.checkpoints(row.origin, row.size).get(row.root)
        mine = transaction.witness.cosignature(row.origin, row.size, office.agency)
        head = transaction.ledger.require_head()
    office.sequencer.release(head)
    return (note or b"") + (b"" if mine is None else mine.lines)
