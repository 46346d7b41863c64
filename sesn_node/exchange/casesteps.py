"""Steps of cases as this node keeps them: stored and recorded in one transaction, derived anew.

Of each step there is a row with what its state depends on, and a CASE entry that commits to it. The
state is stored nowhere: it is derived whenever somebody asks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.seal import commit_mark
from sesn_node.domain.case_history import Standing, derive
from sesn_node.domain.case_messages import CaseStep
from sesn_node.domain.case_terms import Action, Step
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.errors import ConflictError, PolicyError
from sesn_node.exchange.office import new_entry
from sesn_node.store.cases import CaseStepRow
from sesn_node.telemetry.logs import get_logger
from sesn_node.wire.cases import decode_mark, encode_mark
from sesn_node.wire.entries import decode_entry
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from sesn_node.domain.case_history import History
    from sesn_node.domain.entries import Entry
    from sesn_node.domain.messages import Header
    from sesn_node.domain.payload import Payload
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction

_log = get_logger(__name__)

CASE_MOVED: Final = "CASE_MOVED"
UNKNOWN_CASE: Final = "UNKNOWN_CASE"

MAX_STEPS: Final = 300
"""Steps of one agency in one case that are taken."""


@dataclass(frozen=True, slots=True)
class SealedStep:
    """A step with its seal, and what ledgers commit to of it.

    Args:
        header: Its header, verbatim.
        seal: Its seal, DER.
        step: What it does.
        salt: What its mark is committed to under, 32 bytes.
        commitment: The commitment to its whole content, from the header, 32 bytes.
    """

    header: bytes
    seal: bytes
    step: Step
    salt: bytes
    commitment: bytes


def sealed_step(
    header: Header, header_bytes: bytes, header_sha256: bytes, seal: bytes, payload: Payload
) -> SealedStep | None:
    """Take what is kept of a step out of a message; None if the message is none."""
    body = payload.body
    if not isinstance(body, CaseStep):
        return None
    step = Step.under(header, header_sha256, body.mark)
    return SealedStep(header_bytes, seal, step, body.salt, header.commitment)


def step_of(row: CaseStepRow) -> Step:
    """Read a step from its row."""
    return Step.under(decode_header(row.header), row.step_id, decode_mark(row.mark))


def steps_of(transaction: Transaction, case_id: bytes) -> list[Step]:
    """Read the steps that are here under the id of a case."""
    return [step_of(row) for row in transaction.cases.steps(case_id)]


def founders_of(steps: list[Step]) -> list[AgencyId]:
    """Return who requested a return under one id; two agencies may have used it, for two cases."""
    return sorted({one.sender for one in steps if one.mark.action is Action.REQUEST})


def find_history(
    transaction: Transaction, case_id: MessageId, founder: AgencyId | None = None
) -> History:
    """Derive one case.

    Args:
        transaction: A snapshot.
        case_id: Id of the message that requested the return.
        founder: Who sent that, to choose when two agencies used one id.

    Raises:
        PolicyError: `UNKNOWN_CASE`: there is no such case, or its request is not here yet.
        ConflictError: Two agencies used the same id, and none is named.
    """
    steps = steps_of(transaction, case_id)
    founders = founders_of(steps)
    if founder is None and len(founders) > 1:
        raise ConflictError(
            f"{', '.join(founders)} requested returns under one id; add --from AGENCY to say "
            "whose is meant",
            code="AMBIGUOUS",
        )
    if not founders or (founder is not None and founder not in founders):
        raise PolicyError(
            f"there is no case {show_message_id(case_id)}; 'sesn case list' shows them",
            code=UNKNOWN_CASE,
        )
    return derive(steps, founder or founders[0])


def check_own(transaction: Transaction, sealed: SealedStep) -> None:
    """Refuse to send a step that must not be taken, or not any more.

    Raises:
        PolicyError: The table does not allow it, or its request is not here.
        ConflictError: `CASE_MOVED`: the case went on since the step was written.
    """
    step = sealed.step
    steps = steps_of(transaction, step.case_id)
    if transaction.cases.count(step.case_id, step.sender) >= MAX_STEPS:
        raise PolicyError(f"{MAX_STEPS} steps of one agency are the most that a case has")
    founders = [step.sender] if step.mark.action is Action.REQUEST else founders_of(steps)
    for founder in founders:
        before = derive(steps, founder)
        after = derive([*steps, step], founder)
        standing = after.standing[step.step_id]
        if standing is Standing.WAITING:
            continue
        if standing is Standing.NOT_ALLOWED:
            raise PolicyError(after.why[step.step_id])
        seen = after.seen.get(step.step_id)
        moved = before.case is not None and seen is not None and seen.line != before.case.line
        if standing is not Standing.COUNTS or moved:
            raise ConflictError(
                "the case went on while this step was written; look at it and decide again",
                code=CASE_MOVED,
            )
        return
    raise PolicyError("this builds on steps that are not here", code=UNKNOWN_CASE)


def obstacle(transaction: Transaction, sealed: SealedStep) -> str | None:
    """Say why a step that arrived must not be taken; None if it may, or if nobody can tell yet.

    A step whose past is not here is kept: it is judged when that has come. The words tell nothing
    of the case, since they leave this node unsealed.
    """
    step = sealed.step
    steps = steps_of(transaction, step.case_id)
    if step.step_id in {one.step_id for one in steps}:
        return None
    if (
        not _is_built_on(step, steps)
        and transaction.cases.count(step.case_id, step.sender) >= MAX_STEPS
    ):
        return "its sender has taken more steps in this case than one agency can"
    founders = [step.sender] if step.mark.action is Action.REQUEST else founders_of(steps)
    found = [derive([*steps, step], founder) for founder in founders]
    refused = [one.why[step.step_id] for one in found if step.step_id in one.why]
    judged = [one for one in found if one.standing[step.step_id] is not Standing.WAITING]
    if refused and len(refused) == len(judged):
        _log.warning(
            "case-step-refused",
            case_id=show_message_id(step.case_id),
            message_id=show_message_id(step.message_id),
            peer=step.sender,
            action=step.mark.action.value,
            detail=refused[0],
        )
        return "its sender may not take this step in this case"
    return None


def file_obstacle(transaction: Transaction, filed: tuple[SealedStep, ...]) -> str | None:
    """Say why a case file must not be taken; None if it may. What it hands over proves itself."""
    found = _with_filed(transaction, filed)
    taken = Counter(one.sender for one in found)
    surplus = [one.step for one in filed if taken[one.step.sender] > MAX_STEPS]
    if not all(_is_built_on(step, found) for step in surplus):
        return "it brings more steps of one agency than a case has"
    return None


def _is_built_on(step: Step, steps: list[Step]) -> bool:
    """Tell whether another agency has built on a step: it is taken all the same, however many.

    What only its own sender builds on does not count: a chain that is sent from its end would have
    no limit.
    """
    return any(step.step_id in one.mark.after for one in steps if one.sender != step.sender)


def has_part(transaction: Transaction, us: AgencyId, filed: tuple[SealedStep, ...]) -> bool:
    """Tell whether a case file is of a case that we have a part in, as far as is known here.

    The step that brings us in was sent to us by itself, and may be on its way.
    """
    steps = _with_filed(transaction, filed)
    for founder in founders_of(steps):
        case = derive(steps, founder).case
        if case is not None and case.roles_of(us):
            return True
    return False


def _with_filed(transaction: Transaction, filed: tuple[SealedStep, ...]) -> list[Step]:
    """Return the steps of a case as they would be with those of a case file; each once."""
    known = steps_of(transaction, filed[0].step.case_id)
    return list({one.step_id: one for one in (*known, *(one.step for one in filed))}.values())


def keep_step(
    work: Work,
    sealed: SealedStep,
    number: int,
    carrier: tuple[AgencyId, MessageId] | None = None,
) -> None:
    """Record a step and store it; one that is here already is left as it is.

    Args:
        work: The transaction.
        sealed: The step.
        number: Our SHARED or RECEIVED entry of the message that it is, or that it came in, as
            tables call it.
        carrier: Sender and id of the case file that it came in.
    """
    step = sealed.step
    cases = work.transaction.cases
    if cases.known(step.case_id, [step.step_id]):
        return
    mark = encode_mark(step.mark)
    code = CaseCode.STEP if carrier is None else CaseCode.FILED
    entry = new_entry(
        EntryKind.CASE,
        work.now_ms,
        commit_mark(sealed.salt, mark),
        message_id=step.message_id,
        commitment=sealed.commitment,
        answers=work.ref(number),
        code=code.value,
    )
    before = _recorded_before(work.transaction, entry)
    cases.add(
        CaseStepRow(
            case_id=step.case_id,
            step_id=step.step_id,
            sender=step.sender,
            message_id=step.message_id,
            header=sealed.header,
            seal=sealed.seal,
            salt=sealed.salt,
            mark=mark,
            carrier=None if carrier is None else carrier[0],
            carrier_id=None if carrier is None else carrier[1],
            entry_index=work.number(work.append(entry)) if before is None else before,
        )
    )
    _log.info(
        "case-step",
        case_id=show_message_id(step.case_id),
        message_id=show_message_id(step.message_id),
        peer=step.sender,
        action=step.mark.action.value,
    )


def _recorded_before(transaction: Transaction, entry: Entry) -> int | None:
    """Return the number of our entry of a step whose row was lost; None if there is none.

    Entries that came back from an export say already what this one would: it is not said twice.
    """
    if not transaction.recovery.every():
        return None
    for row in transaction.ledger.entries_of(entry.message_id or b""):
        found = decode_entry(row.entry)
        # Salt and time are its own; the commitment to the mark has the salt of the step.
        if replace(found, salt=entry.salt, time_ms=entry.time_ms) == entry:
            return row.number
    return None
