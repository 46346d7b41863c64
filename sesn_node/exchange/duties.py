"""Duties: what a node does by itself about what it has received.

- Content whose retention date is past is erased (ERASED with RETENTION), sent or received.
- A recall is obeyed: who was sent a forward of the message is sent a recall in turn; the content is
  erased, in the message and in our forwards of it (ERASED with RECALLED); the sender is told by a
  Destruction.

What is left to do stands in the tables: `retention` has a row for each date, `recall` one for each
recall, with what became of it and which message said so. Each step is a transaction of its own that
looks again, so a crash between any two costs nothing, and of two processes that begin the same step
one finds it done. A legal hold puts off erasing; when it is released, the step is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.conversation import Destruction, DestructionOutcome
from sesn_node.domain.entries import ErasedCode
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.messages import MAX_RECIPIENTS
from sesn_node.domain.payload import Payload
from sesn_node.domain.times import DAY_MS, instant
from sesn_node.errors import ConflictError, PolicyError, SesnError
from sesn_node.exchange.carriers import carrying, forwards_of, hold_on
from sesn_node.exchange.erase import erase_in, report_erased
from sesn_node.exchange.office import MOVED
from sesn_node.exchange.recall import OF_HANDLING, recall, told_by
from sesn_node.exchange.scrub import scrub_what_is_left
from sesn_node.exchange.share import Draft, record, seal_draft
from sesn_node.exchange.taking import recalled_reason
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.exchange.erase import Done
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.share import Sealed
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.store.keeping import RetentionRow
    from sesn_node.store.recalls import RecallRow

_log = get_logger(__name__)

RETENTION_REASON: Final = "its retention date has passed"
_AT_ONCE: Final = 500
_FINAL: Final = frozenset({DestructionOutcome.DESTROYED, DestructionOutcome.NEVER_KEPT})


@dataclass(slots=True)
class Duties:
    """What was done.

    Args:
        expired: Messages that were erased since their date is past.
        obeyed: Recalls of which something became: erased, never kept, or held.
        answered: Recalls whose sender was told.
        failed: Steps that failed, and are tried again.
    """

    expired: int = 0
    obeyed: int = 0
    answered: int = 0
    failed: int = 0


def do_duties(office: Office) -> Duties:
    """Do all that is due now; what fails is logged, and left for the next time.

    The bytes of what was erased are taken out of the files before anybody is told that it is gone,
    if that can be done now; else a serving node comes back to it.

    Raises:
        StorageError: The database cannot be read.
    """
    done = Duties()
    with office.store.read() as transaction:
        past = transaction.keeping.past(office.clock(), _AT_ONCE)
        recalls = transaction.recalls.to_obey(_AT_ONCE)
    for row in past:
        done.expired += _did(done, "retention", row.message_id, partial(_expire, office, row))
    for one in recalls:
        _did(done, "pass-on", one.message_id, partial(_pass_on, office, one))
        done.obeyed += _did(done, "recall", one.message_id, partial(_obey, office, one))
    if not past and not recalls:
        return done
    to_tell = [one for one in recalls if _can_be_told(office, one)]
    if done.expired or to_tell:
        _did(done, "scrub", None, partial(_scrub, office))
    for one in to_tell:
        done.answered += _did(done, "answer", one.message_id, partial(_answer, office, one))
    return done


def _did(done: Duties, duty: str, message_id: bytes | None, step: Callable[[], bool]) -> bool:
    """Do one step; one that fails must not keep the others from being done."""
    try:
        return step()
    except SesnError as error:
        done.failed += 1
        shown = None if message_id is None else show_message_id(MessageId(message_id))
        _log.warning("duty-failed", duty=duty, message_id=shown, code=error.code, detail=str(error))
        return False


def _scrub(office: Office) -> bool:
    return scrub_what_is_left(office) is not None


def _expire(office: Office, row: RetentionRow) -> bool:
    """Erase a message whose date is past."""

    def operation(work: Work) -> Done | None:
        keeping = work.transaction.keeping
        until_ms = keeping.until(row.sender, row.message_id)
        held = keeping.hold(row.sender, row.message_id) is not None
        if until_ms is None or until_ms > work.now_ms or held:
            return None
        return erase_in(
            office,
            work,
            message_id=MessageId(row.message_id),
            sender=AgencyId(row.sender),
            reason=RETENTION_REASON,
            code=ErasedCode.RETENTION,
        )

    done = office.sequencer.run(operation).value
    if done is None:
        return False
    _tell_erased(office, done, ErasedCode.RETENTION)
    return True


def _tell_erased(office: Office, done: Done, code: ErasedCode) -> None:
    report_erased(office, done)
    office.watch.erased(code.value, len(done.fresh))


def _obey(office: Office, row: RecallRow) -> bool:
    """Erase what was recalled, and note what became of it."""
    found = office.sequencer.run(partial(_obey_in, office, row)).value
    if found is None:
        return False
    outcome, erased = found
    _log.info(
        "recall-obeyed",
        peer=row.sender,
        message_id=show_message_id(MessageId(row.message_id)),
        outcome=outcome.value,
    )
    for done in erased:
        _tell_erased(office, done, ErasedCode.RECALLED)
    return True


def _obey_in(
    office: Office, row: RecallRow, work: Work
) -> tuple[DestructionOutcome, list[Done]] | None:
    """Decide what becomes of a recalled message, in the transaction; None if that was done."""
    transaction = work.transaction
    now = transaction.recalls.find(row.sender, row.recall_id)
    hold = hold_on(office, transaction, row)
    if now is None or now.outcome in _FINAL or (now.outcome is not None and hold is not None):
        return None
    if hold is not None:
        transaction.recalls.set_outcome(row, DestructionOutcome.HELD.value, work.now_ms)
        return DestructionOutcome.HELD, []
    gone = [(office.agency, one) for one in forwards_of(transaction, row)]
    through_others = carrying(office, transaction, row)
    gone += through_others
    seen = transaction.inbox.seen(row.sender, [row.message_id]).get(row.message_id)
    outcome, at_ms = DestructionOutcome.NEVER_KEPT, work.now_ms
    known = _known_outcome(transaction, row)
    if known is not None and not through_others:
        outcome, at_ms = known
    elif seen is not None and seen.header_sha256 == row.header_sha256:
        outcome = DestructionOutcome.DESTROYED
        gone.append((AgencyId(row.sender), row.message_id))
    elif through_others:
        outcome = DestructionOutcome.DESTROYED
    erased = [
        erase_in(
            office,
            work,
            message_id=MessageId(message_id),
            sender=sender,
            reason=recalled_reason(AgencyId(row.sender)),
            code=ErasedCode.RECALLED,
        )
        for sender, message_id in gone
    ]
    transaction.recalls.set_outcome(row, outcome.value, at_ms)
    return outcome, erased


def _known_outcome(
    transaction: Transaction, row: RecallRow
) -> tuple[DestructionOutcome, int] | None:
    """Return what became of a message before: told again of it, its sender is told the same."""
    for one in transaction.recalls.of_message(row.sender, row.message_id):
        same = one.header_sha256 == row.header_sha256 and one.recall_id != row.recall_id
        if same and one.outcome in _FINAL and one.outcome_ms is not None:
            return DestructionOutcome(one.outcome), one.outcome_ms
    erased = transaction.erasures.find(row.sender, row.message_id)
    if erased is None:
        return None
    return DestructionOutcome.DESTROYED, erased.erased_ms


def _can_be_told(office: Office, row: RecallRow) -> bool:
    """Say whether the sender of a recall has to be told something, and is trusted."""
    with office.store.read() as transaction:
        now = transaction.recalls.find(row.sender, row.recall_id)
        directory = office.partners.current(transaction)
    if now is None or now.outcome is None or now.answer_id is not None:
        return False
    try:
        directory.trusted(AgencyId(row.sender), office.clock())
    except PolicyError:
        # Told as soon as it is trusted again.
        return False
    return True


def _pass_on(office: Office, row: RecallRow) -> bool:
    """Recall what we passed on."""
    due = _to_pass_on(office, row)
    for one in due:
        reason = f"{row.sender} recalled what this passes on"
        recall(office, MessageId(one), reason, by_node=True)
    return bool(due)


def _to_pass_on(office: Office, row: RecallRow) -> list[bytes]:
    with office.store.read() as transaction:
        forwards = forwards_of(transaction, row)
        return [one for one in forwards if transaction.recalls.withdrawn(one) is None]


def _answer(office: Office, row: RecallRow) -> bool:
    """Tell the sender what became of its message, and to whom its recall was passed on."""
    if _to_pass_on(office, row):
        return False  # That failed, and is tried again first.
    while True:
        with office.store.read() as transaction:
            directory = office.partners.current(transaction)
            now = transaction.recalls.find(row.sender, row.recall_id)
            if now is None or now.outcome is None or now.answer_id is not None:
                return False
            body = _destruction(office, transaction, now)
        if body is None:
            return False
        to = (AgencyId(row.sender),)
        now_ms = office.clock()
        draft = Draft(
            payload=Payload(OF_HANDLING, body),
            to=to,
            in_reply_to=MessageId(row.recall_id),
            conversation_id=_conversation(office, row),
            expires_ms=directory.openable_until(to, now_ms, now_ms + office.terms.lifetime_ms),
            by_node=True,
        )
        sealed = seal_draft(office, draft, directory)
        try:
            recorded = office.sequencer.run(partial(_record_answer, now, sealed)).value
        except ConflictError as error:
            if error.code != MOVED:
                raise
            continue
        if recorded:
            _log.info(
                "recall-answered",
                peer=row.sender,
                message_id=show_message_id(MessageId(row.message_id)),
                outcome=body.outcome.value,
            )
            office.watch.recall_answered(row.sender, body.outcome.value)
        return recorded


def _record_answer(row: RecallRow, sealed: Sealed, work: Work) -> bool:
    if work.transaction.recalls.find(row.sender, row.recall_id) != row:
        return False  # Another process was faster, or a hold was released.
    record(work, sealed)
    work.transaction.recalls.set_answer(row, sealed.message_id)
    return True


def _conversation(office: Office, row: RecallRow) -> MessageId:
    with office.store.read() as transaction:
        (found,) = transaction.inbox.some([(row.sender, row.recall_id)])
    return MessageId(found.sealed.conversation_id)


def _destruction(office: Office, transaction: Transaction, row: RecallRow) -> Destruction | None:
    """Write the answer to a recall; None if what it would say is over already."""
    outcome = DestructionOutcome(row.outcome or "")
    at_ms = row.outcome_ms or 0
    hold = ""
    if outcome is DestructionOutcome.HELD:
        held = hold_on(office, transaction, row)
        if held is None:
            return None
        hold = held.reason
    backups_ms = None
    if outcome is DestructionOutcome.DESTROYED and office.terms.backup_days:
        backups_ms = at_ms + office.terms.backup_days * DAY_MS
    forwards = forwards_of(transaction, row)
    told = {agency for one in forwards for agency in told_by(transaction, one)}
    return Destruction(
        message_id=MessageId(row.message_id),
        header_sha256=row.header_sha256,
        outcome=outcome,
        at=instant(at_ms),
        backups_expire=None if backups_ms is None else instant(backups_ms),
        hold=hold,
        passed_on=tuple(sorted(told)[:MAX_RECIPIENTS]),
    )
