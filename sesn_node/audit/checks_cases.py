"""Cases: each step beside the entry that commits to it, and the case that the steps make.

What a step's message says need not be here. Its mark tells all that the state depends on; the CASE
entry of the agency's ledger commits to it, the entry that this answers to the header, and the seal
says whose header it is. A member that holds the message made sure that its content has that mark.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.casebook import (
    MAX_FOUNDERS,
    MAX_STEPS,
    MAX_STEPS_OF_ONE,
    Informed,
    Notice,
    ShownStep,
    histories_of,
    inform_steps,
    informed_of,
)
from sesn_node.audit.codes import Code
from sesn_node.audit.tally import Problem, require
from sesn_node.crypto.seal import commit_mark
from sesn_node.crypto.signing import ObjectKind, body_hash, verify_object
from sesn_node.domain.case_clock import last_moment
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_terms import Step
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.domain.ids import MessageId, parse_origin, show_message_id
from sesn_node.domain.times import utc_second
from sesn_node.errors import SesnError
from sesn_node.wire.cases import decode_mark
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from sesn_node.audit.checks_acts import Acts
    from sesn_node.audit.checks_losses import Losses
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.own import Own
    from sesn_node.audit.records import BundleCaseStep
    from sesn_node.domain.case_history import History
    from sesn_node.domain.entries import Entry
    from sesn_node.domain.ids import AgencyId, Origin
    from sesn_node.domain.messages import Header

_NOTICES: Final = frozenset({CaseCode.DUE_SOON.value, CaseCode.OVERDUE.value})


class Cases:
    """The steps of a bundle, as its entries are walked.

    Args:
        docket: The audit; what verifies goes into its `cases`.
        acts: Knows which entries there are that an entry may answer.
        losses: What the agency says that it has lost.
    """

    def __init__(self, docket: Docket, acts: Acts, losses: Losses) -> None:
        self._docket = docket
        self._acts = acts
        self._losses = losses
        self._tally = docket.tally(subjects.CASES)
        self._places: dict[tuple[Origin, int], int] = {}
        """Every record whose entry was not met yet."""
        self._read: dict[tuple[Origin, int], tuple[BundleCaseStep, Header, Step]] = {}
        """Of these, those that are sealed by their sender."""
        self._ids: set[bytes] = set()
        self._headers: dict[tuple[Origin, int], bytes] = {}
        records = docket.records(names.CASES, docket.bundle.case_steps(), subjects.CASES)
        for place, record in enumerate(records):
            self._take(place, record)

    def is_message(self, own: Own) -> None:
        """Note a SHARED or RECEIVED entry, if a step is about its message."""
        entry = own.entry
        if entry.message_id is None or entry.message_id not in self._ids:
            return
        self._headers[own.origin, own.index] = entry.object_sha256
        if entry.kind is EntryKind.RECEIVED:
            self._informed(entry, self._docket.agency, by_receipt=False)

    def receipt(self, entry: Entry, agency: AgencyId) -> None:
        """Note a RECEIVED entry of a recipient, as its receipt proves it."""
        self._informed(entry, agency, by_receipt=True)

    def meet(self, own: Own, member: str) -> None:
        """Take a CASE entry."""
        entry = own.entry
        place = self._places.pop((own.origin, own.index), None)
        with self._tally.case(Code.CASE_STEP_MISMATCH, member, own.index, entry.message_id):
            self._acts.check_answer(own, of_its_message=entry.code != CaseCode.FILED)
            if entry.code in _NOTICES:
                self._notice(own)
            elif place is not None:
                self._compare(place, own)
            elif self._losses.claims(own.origin, own.index):
                self._tally.remark(
                    Code.CONTENT_LOST,
                    f"the step of this entry, which {self._docket.agency} says it has lost",
                    member,
                    own.index,
                    entry.message_id,
                )
            else:
                raise Problem(
                    Code.CASE_STEP_MISSING, "CASE entry of a step that is not in the bundle"
                )

    def finish(self) -> None:
        """Look for steps without entries; derive each case, and hold its dates against entries."""
        for (origin, index), place in sorted(self._places.items(), key=lambda one: one[1]):
            self._tally.fail(
                Code.CASE_STEP_MISSING,
                f"a step whose CASE entry, {index} of {origin}, is not in the bundle or does not "
                "verify: nothing binds its mark",
                names.CASES,
                place,
            )
        book = self._docket.cases
        for case_id in sorted(book.case_ids):
            self._check_case(case_id)

    def _take(self, place: int, record: BundleCaseStep) -> None:
        """Read a record, whose seal must be its sender's."""
        key = record.origin, record.entry_index
        self._places[key] = place
        with self._tally.case(Code.HEADER_INVALID, names.CASES, place):
            header = decode_header(record.header)
            try:
                seal_key = self._docket.book.seal_key(header)
                verify_object(seal_key, ObjectKind.ENVELOPE, record.header, record.seal)
            except Problem:
                raise
            except SesnError as error:
                raise Problem(Code.SEAL_INVALID, f"seal of {header.sender}: {error}") from error
            try:
                mark = decode_mark(record.mark)
            except SesnError as error:
                raise Problem(Code.CASE_STEP_MISMATCH, str(error)) from error
            step = Step.under(header, body_hash(record.header), mark)
            self._read[key] = record, header, step
            # What is held against dates is the request, whose id the case has.
            self._ids |= {header.message_id, header.conversation_id}

    def _compare(self, place: int, own: Own) -> None:
        """Hold a step against the entry that commits to it; raises `Problem`."""
        found = self._read.pop((own.origin, own.index), None)
        if found is None:
            return  # It has its finding.
        record, header, step = found
        entry, ref = own.entry, own.entry.answers
        says = entry.message_id, entry.commitment, entry.object_sha256
        require(
            says == (header.message_id, header.commitment, commit_mark(record.salt, record.mark)),
            Code.CASE_STEP_MISMATCH,
            f"CASE entry: record {place} of {names.CASES} is not the step that it commits to",
        )
        filed = entry.code == CaseCode.FILED
        sealed = None if ref is None else self._headers.get((ref.origin, ref.index))
        require(
            filed or sealed in {None, step.step_id},
            Code.CASE_STEP_MISMATCH,
            f"CASE entry: record {place} of {names.CASES} has another header than the message",
        )
        book = self._docket.cases
        twin = book.at(step.sender, step.message_id)
        require(
            twin is None or twin.step.step_id != step.step_id,
            Code.MESSAGE_TWICE,
            f"CASE entry: a second one of the same step of {step.sender}",
        )
        require(
            twin is None,
            Code.CASE_STEP_MISMATCH,
            f"CASE entry: {step.sender} sealed two headers of one message, both of a step",
        )
        book.add(
            ShownStep(
                place,
                step,
                record.salt,
                record.mark,
                header.commitment,
                own.origin,
                own.index,
                entry.time_ms,
                filed,
            )
        )

    def _notice(self, own: Own) -> None:
        entry, ref = own.entry, own.entry.answers
        header = None if ref is None else self._headers.get((ref.origin, ref.index))
        require(
            header in {None, entry.object_sha256},
            Code.CASE_STEP_MISMATCH,
            f"CASE {entry.code} entry: it names another header than that of the request",
        )
        self._docket.cases.note(
            Notice(
                MessageId(entry.message_id or b""),
                entry.object_sha256,
                self._docket.agency,
                entry.code,
                entry.time_ms,
                own.origin,
                own.index,
            )
        )

    def _informed(self, entry: Entry, agency: AgencyId, *, by_receipt: bool) -> None:
        if entry.message_id is not None and entry.message_id in self._ids:
            self._docket.cases.receive(
                Informed(entry.message_id, entry.object_sha256, agency, entry.time_ms, by_receipt)
            )

    def _check_case(self, case_id: MessageId) -> None:
        shown = self._docket.cases.of(case_id)
        counts = Counter(one.step.sender for one in shown)
        what = f"case {show_message_id(case_id)}"
        for agency, count in counts.items():
            if count > MAX_STEPS_OF_ONE:
                self._tally.fail(
                    Code.CONTRADICTION,
                    f"{what}: {count:,} steps of {agency}; no node takes more than "
                    f"{MAX_STEPS_OF_ONE} of one agency",
                    names.CASES,
                    None,
                    case_id,
                )
        histories = histories_of(one.step for one in shown)
        if not histories:
            self._tally.cannot(
                f"{what} has more than {MAX_STEPS:,} steps, or requests of more than "
                f"{MAX_FOUNDERS} agencies, so it is not derived"
            )
        for founder, history in histories.items():
            self._remark_standing(history, alone=len(histories) == 1)
            if founder is not None:
                self._check_informed(history)
                self._check_notices(history)

    def _remark_standing(self, history: History, *, alone: bool) -> None:
        """Tell of steps that do not count, and of those whose past is not here."""
        for step in history.steps:
            stands = history.standing[step.step_id]
            place = self._docket.cases.steps[step.step_id].place
            what = f"{step.mark.action} of {step.sender}"
            if stands is Standing.NOT_ALLOWED:
                text = f"{what} does not count: {history.why[step.step_id]}"
                code = Code.CASE_STEP_REFUSED
            elif stands is Standing.WAITING and alone:
                text = f"{what} builds on steps that are not in this bundle, so it cannot be judged"
                code = Code.NOT_VISIBLE
            else:
                continue
            self._tally.remark(code, text, names.CASES, place, step.message_id)

    def _check_informed(self, history: History) -> None:
        """Hold t0, as the authority of detection states it, against the receipt of the request."""
        book = self._docket.cases
        shown = informed_of(history, [book])
        for step in inform_steps(history):
            place = book.steps[step.step_id].place
            if any(one.time_ms == step.mark.at_ms for one in shown):
                continue
            agency = step.mark.members[0].agency
            where = names.CASES, place, step.message_id
            if shown:
                self._tally.fail(Code.CONTRADICTION, not_informed_then(step, shown[0]), *where)
                continue
            self._tally.remark(
                Code.NOT_VISIBLE,
                f"when {agency} was informed, its receipt of the request shows, which is not here: "
                f"the bundles of {step.sender} and {agency} have it",
                *where,
            )

    def _check_notices(self, history: History) -> None:
        """No due date has passed before the period has; later dates only make it longer."""
        case = history.case
        if case is None or case.informed_ms is None:
            return
        first_ms = last_moment(case.informed_ms, case.days)
        for one in self._docket.cases.notices(case.case_id):
            if (
                one.request == case.line.steps[0]
                and one.code == CaseCode.OVERDUE
                and one.time_ms <= first_ms
            ):
                self._tally.fail(
                    Code.TIME_IMPLAUSIBLE,
                    f"CASE {one.code} entry: dated {utc_second(one.time_ms)} UTC; the return was "
                    f"not due before {utc_second(first_ms)} UTC",
                    names.entries_name(parse_origin(one.origin)[1]),
                    one.index,
                    one.case_id,
                )


def not_informed_then(step: Step, shown: Informed) -> str:
    """Say that a step states another t0 than the ledger of the authority of export."""
    return (
        f"{step.sender} says that {shown.agency} was informed at {utc_second(step.mark.at_ms)} "
        f"UTC; the ledger of {shown.agency} says {utc_second(shown.time_ms)} UTC"
    )
