"""Cases in audits: honest bundles hold, and tell of a case what they can."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO

import pytest

from sesn_node.audit.case_account import Shown
from sesn_node.audit.casebook import MAX_FOUNDERS, MAX_STEPS, MAX_STEPS_OF_ONE, histories_of
from sesn_node.audit.codes import Code
from sesn_node.audit.report import report
from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.signing import ObjectKind, sign_object
from sesn_node.domain.case_clock import ClockState, last_moment
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_terms import Action, Member, Role, State
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.times import DAY_MS
from sesn_node.wire.cases import decode_mark, encode_mark
from sesn_node.wire.envelopes import encode_header
from tests.support.bundling import Draft
from tests.support.case_audits import (
    audit,
    check_of,
    found_by,
    mark_of,
    only_case,
    recorded,
    remarks_of,
    shared_step,
    three,
)
from tests.support.case_scribes import CaseScribes, Move, place, record
from tests.support.homes import BE, DE, GH, NL
from tests.support.scribes import Scribe


@pytest.fixture
def case() -> CaseScribes:
    """Requested, and the exporter's authority was informed."""
    begun = CaseScribes(*three())
    begun.inform()
    return begun


def test_honest_bundles_hold_alone_and_together(case: CaseScribes) -> None:
    """Whoever's they are; and t0 is shown as well as the bundles can."""
    case.acknowledge()
    shown = {NL: Shown.RECEIPT, GH: Shown.LEDGER, BE: Shown.WORD}
    drafts = [Draft.of(one) for one in case.members]
    for draft in drafts:
        verdict = audit(draft)
        assert found_by(verdict) == []
        assert check_of(verdict).count == 6  # Three records, three entries.
        account = only_case(verdict)
        assert account.state is State.ACKNOWLEDGED
        assert account.deadline is not None
        assert account.deadline.informed_ms == case.informed_ms
        assert account.deadline.shown is shown[draft.agency]
        assert account.deadline.clock is ClockState.RUNNING
        assert account.deadline.missed_by == ()
        expected = [Code.NOT_VISIBLE] if draft.agency == BE else []
        assert remarks_of(verdict, 24) == expected
    together = audit(*drafts)
    assert found_by(together) == []
    assert check_of(together, 25).count == 9
    assert remarks_of(together, 25) == []
    assert all(one.missing == () for one in only_case(together).views)


def test_what_a_bundle_lacks_is_named(case: CaseScribes) -> None:
    """An older bundle makes another state; that is a remark, and no contradiction."""
    older = Draft.of(case.members[2])
    case.acknowledge()
    verdict = audit(older, Draft.of(case.exp))
    assert found_by(verdict) == []
    assert remarks_of(verdict, 25) == [Code.CASE_DIFFERS]
    (remark,) = check_of(verdict, 25).remarks
    assert f"the bundle of {BE} lacks 1 step: ACKNOWLEDGE of {GH}" in remark.text
    assert "By itself it makes REQUESTED; all bundles together make ACKNOWLEDGED" in remark.text
    views = {one.agency: one for one in only_case(verdict).views}
    assert (views[BE].state, len(views[BE].missing)) == (State.REQUESTED, 1)
    assert (views[GH].state, views[GH].missing) == (State.ACKNOWLEDGED, ())
    page = "".join(report(verdict, [BytesIO(older.write()), BytesIO(Draft.of(case.exp).write())]))
    assert "By itself it makes “return requested”." in page


def test_a_step_without_its_past_waits(case: CaseScribes) -> None:
    """Somebody was handed a step, and not what it builds on; no case can be told."""
    stranger = Scribe(DE)
    for one in case.members:
        stranger.trust(one)
        one.trust(stranger)
    case.hand_over(case.det, stranger, case.moves[1:])
    verdict = audit(Draft.of(stranger))
    assert found_by(verdict) == []
    assert Code.NOT_VISIBLE in remarks_of(verdict, 24)
    account = only_case(verdict)
    assert (account.founder, account.state, account.deadline) == (None, None, None)
    assert [one.standing for one in account.steps] == [Standing.WAITING]
    page = "".join(report(verdict, [BytesIO(Draft.of(stranger).write())]))
    assert "its request is not in these bundles" in page


def test_a_step_that_was_not_allowed_does_not_count(case: CaseScribes) -> None:
    """It is told with its reason; a node may have kept it before it could judge it."""
    # Whoever writes a mark chooses its words; only the table says which there are.
    recorded(case, shared_step(case, mark_of(case, Action.CLOSE, code="<script>\x1b[2J")))
    verdict = audit(Draft.of(case.exp))
    assert found_by(verdict) == []
    assert remarks_of(verdict, 24) == [Code.CASE_STEP_REFUSED]
    last = only_case(verdict).steps[-1]
    assert (last.standing, bool(last.why)) == (Standing.NOT_ALLOWED, True)
    assert only_case(verdict).state is State.REQUESTED
    page = "".join(report(verdict, [BytesIO(Draft.of(case.exp).write())]))
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "\x1b" not in page


def test_reminders(case: CaseScribes) -> None:
    """They are told with their ledger; one that names another header than the request is found."""
    exp = case.exp
    ref = case.notice(exp, CaseCode.DUE_SOON)
    verdict = audit(Draft.of(exp))
    assert found_by(verdict) == []
    (notice,) = only_case(verdict).notices
    assert (notice.code, notice.recorded.agency, notice.recorded.index) == (
        "DUE_SOON",
        GH,
        ref.index,
    )
    other = replace(case.request.letter, data=case.request.letter.data + b"\0")
    answers = place(exp, case.request.letter)
    exp.about(EntryKind.CASE, other, answers=answers, code=CaseCode.OVERDUE.value)
    exp.checkpoint()
    assert found_by(audit(Draft.of(exp))) == [(24, Code.CASE_STEP_MISMATCH)]


def test_a_due_date_cannot_have_passed_before_the_period(case: CaseScribes) -> None:
    """Whoever says so too early says it by its own ledger."""
    case.exp.now_ms = last_moment(case.informed_ms, 30)
    case.notice(case.exp, CaseCode.OVERDUE)
    assert found_by(audit(Draft.of(case.exp))) == [(24, Code.TIME_IMPLAUSIBLE)]
    case.det.now_ms = case.exp.now_ms + 1
    case.notice(case.det, CaseCode.OVERDUE)
    assert found_by(audit(Draft.of(case.det))) == []


def test_an_overdue_case_names_whom_it_waited_for(case: CaseScribes) -> None:
    """The exporter's authority never acknowledged."""
    draft = Draft.of(case.members[2])
    draft.created_ms = last_moment(case.informed_ms, 30) + 2 * DAY_MS
    verdict = audit(draft)
    clock = only_case(verdict).deadline
    assert clock is not None
    assert (clock.clock, clock.days_late, clock.missed_by) == (ClockState.OVERDUE, 2, (GH,))
    page = "".join(report(verdict, [BytesIO(draft.write())]))
    assert "2 days overdue" in page
    assert "Waited for as the due date passed" in page
    told = json.loads(json.dumps(verdict.json()))["cases"][0]
    assert told["deadline"]["missed_by"] == [GH]
    assert [one["action"] for one in told["steps"]] == ["REQUEST", "INFORM"]


def test_two_agencies_that_use_one_id_have_two_cases(case: CaseScribes) -> None:
    """Each with its own steps."""
    det, exp, _ = case.members
    mark = replace(
        decode_mark(case.request.mark),
        members=(Member(GH, (Role.DET,)), Member(NL, (Role.EXP,))),
    )
    letter = exp.share(det, conversation=case.case_id)
    header = replace(letter.header, message_id=case.case_id)
    data = encode_header(header)
    seal = sign_object(exp.seal, ObjectKind.ENVELOPE, data)
    twin = Move(replace(letter, header=header, data=data, seal=seal), bytes(32), encode_mark(mark))
    case.hand_over(exp, det, [twin])
    verdict = audit(Draft.of(det))
    assert found_by(verdict) == []
    assert {one.founder: len(one.steps) for one in verdict.cases} == {NL: 2, GH: 1}


def test_steps_are_limited(case: CaseScribes) -> None:
    """No node takes so many of one agency; and none are derived beyond a number."""
    step = next(iter(only_case(audit(Draft.of(case.det))).steps)).step
    many = [replace(step, step_id=sha256(str(number).encode())) for number in range(MAX_STEPS + 1)]
    assert histories_of(many) == {}
    assert set(histories_of(many[:2])) == {NL}
    senders = [AgencyId(f"nl.agency{number}") for number in range(MAX_FOUNDERS + 1)]
    founders = [replace(one, sender=sender) for one, sender in zip(many, senders, strict=False)]
    assert histories_of(founders) == {}
    assert set(histories_of(founders[1:])) == set(senders[1:])
    for number in range(MAX_STEPS_OF_ONE):
        mark = mark_of(case, Action.INCIDENT, code="DELAY", about=sha256(str(number).encode()))
        letter = case.exp.share(case.det, conversation=case.case_id)
        record(case.exp, Move(letter, bytes(32), encode_mark(mark)), letter.shared)
    case.exp.checkpoint()
    assert found_by(audit(Draft.of(case.exp))) == []
    letter = case.exp.share(case.det, conversation=case.case_id)
    record(case.exp, Move(letter, bytes(32), encode_mark(mark_of(case))), letter.shared)
    case.exp.checkpoint()
    assert found_by(audit(Draft.of(case.exp))) == [(24, Code.CONTRADICTION)]
