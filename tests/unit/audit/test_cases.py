"""Steps of cases in audits: whatever is altered of one is found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.account import RecoveredRange
from sesn_node.audit.codes import Code
from sesn_node.audit.verdict import State as CheckState
from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.signing import ObjectKind, sign_object
from sesn_node.domain.case_terms import Action
from sesn_node.domain.conversation import Note
from sesn_node.domain.entries import CaseCode
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.domain.times import DAY_MS
from sesn_node.wire.cases import decode_mark, encode_mark
from sesn_node.wire.envelopes import encode_header
from sesn_node.wire.payloads import encode_payload
from tests.support.bundling import Draft
from tests.support.case_audits import (
    audit,
    check_of,
    disclosing,
    found_by,
    mark_of,
    recorded,
    remarks_of,
    shared_step,
    three,
)
from tests.support.case_scribes import CaseScribes, Move, place, record
from tests.support.homes import GH
from tests.support.scribes import SEED_OF_AN_IMPOSTOR, Scribe

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def case() -> CaseScribes:
    """Requested, and the exporter's authority was informed."""
    begun = CaseScribes(*three())
    begun.inform()
    return begun


def _other_mark(draft: Draft) -> None:
    mark = replace(decode_mark(draft.cases[0].mark), days=60)
    draft.cases[0] = replace(draft.cases[0], mark=encode_mark(mark))


def _other_salt(draft: Draft) -> None:
    draft.cases[0] = replace(draft.cases[0], salt=sha256(b"another"))


def _no_mark(draft: Draft) -> None:
    draft.cases[0] = replace(draft.cases[0], mark=b"\xff")


def _no_header(draft: Draft) -> None:
    draft.cases[0] = replace(draft.cases[0], header=b"\xff")


def _swapped(draft: Draft) -> None:
    one, other = draft.cases[:2]
    draft.cases[0] = replace(other, entry_index=one.entry_index)
    draft.cases[1] = replace(one, entry_index=other.entry_index)


def _other_seal(draft: Draft) -> None:
    draft.cases[0] = replace(draft.cases[0], seal=draft.cases[1].seal)


def _left_out(draft: Draft) -> None:
    del draft.cases[0]


def _of_no_entry(draft: Draft) -> None:
    first = draft.cases[0]
    draft.cases.insert(0, replace(first, entry_index=first.entry_index - 1))


def _out_of_order(draft: Draft) -> None:
    draft.cases.reverse()


@pytest.mark.parametrize(
    ("alter", "code", "number"),
    [
        (_other_mark, Code.CASE_STEP_MISMATCH, 24),
        (_other_salt, Code.CASE_STEP_MISMATCH, 24),
        (_no_mark, Code.CASE_STEP_MISMATCH, 24),
        (_no_header, Code.HEADER_INVALID, 24),
        (_swapped, Code.CASE_STEP_MISMATCH, 24),
        (_other_seal, Code.SEAL_INVALID, 24),
        (_left_out, Code.CASE_STEP_MISSING, 24),
        (_of_no_entry, Code.CASE_STEP_MISSING, 24),
        (_out_of_order, Code.UNREADABLE, 1),
    ],
)
def test_an_altered_record_is_found(
    case: CaseScribes, alter: Callable[[Draft], None], code: Code, number: int
) -> None:
    """By who holds the file, and has no key; what is altered counts for nothing."""
    draft = Draft.of(case.exp)
    alter(draft)
    verdict = audit(draft)
    assert (number, code) in found_by(verdict)
    shown = {one.step.step_id for account in verdict.cases for one in account.steps}
    assert case.request.step_id not in shown or alter is _of_no_entry


def test_a_step_by_somebody_who_only_bears_the_name_is_found(case: CaseScribes) -> None:
    """The seal must be by a key of its sender's card, whoever hands the step over."""
    letter = Scribe(GH, SEED_OF_AN_IMPOSTOR).share(case.det, conversation=case.case_id)
    move = Move(letter, bytes(32), encode_mark(mark_of(case)))
    case.hand_over(case.members[2], case.det, [move])
    assert found_by(audit(Draft.of(case.det))) == [(24, Code.SEAL_INVALID)]


def test_an_entry_that_answers_nothing_of_ours_is_found(case: CaseScribes) -> None:
    """A CASE entry answers the entry of the message that the step is, or came in."""
    record(case.exp, shared_step(case), case.request.letter.shared)
    case.exp.checkpoint()
    assert found_by(audit(Draft.of(case.exp))) == [(24, Code.ANSWERS_NOTHING)]


def test_an_entry_that_answers_another_message_is_found(case: CaseScribes) -> None:
    """Only a step that was handed over answers the entry of another message."""
    other = place(case.exp, case.request.letter)
    record(case.exp, shared_step(case), other, CaseCode.FILED)
    case.exp.checkpoint()
    assert found_by(audit(Draft.of(case.exp))) == []
    record(case.exp, shared_step(case), other)
    case.exp.checkpoint()
    assert found_by(audit(Draft.of(case.exp))) == [(24, Code.ANSWERS_NOTHING)]


def test_another_header_than_was_sent_is_found(case: CaseScribes) -> None:
    """Its sender can seal two of one id and commitment: the ledger says which it sent."""
    move = shared_step(case)
    letter = move.letter
    header = replace(letter.header, expires_ms=letter.header.expires_ms + 1)
    data = encode_header(header)
    seal = sign_object(case.exp.seal, ObjectKind.ENVELOPE, data)
    recorded(case, replace(move, letter=replace(letter, header=header, data=data, seal=seal)))
    assert found_by(audit(Draft.of(case.exp))) == [(24, Code.CASE_STEP_MISMATCH)]


def test_two_headers_of_one_step_are_found(case: CaseScribes) -> None:
    """Handed to one member in one wording, and to another in another."""
    det, exp, trn = case.members
    move = shared_step(case)
    letter = move.letter
    header = replace(letter.header, created_ms=letter.header.created_ms - DAY_MS // 2)
    data = encode_header(header)
    seal = sign_object(exp.seal, ObjectKind.ENVELOPE, data)
    recorded(case, move)
    case.hand_over(exp, det, [move])
    case.hand_over(
        exp, trn, [replace(move, letter=replace(letter, header=header, data=data, seal=seal))]
    )
    alone = [audit(Draft.of(one)) for one in (det, trn)]
    assert [found_by(one) for one in alone] == [[], []]
    both = audit(Draft.of(det), Draft.of(trn))
    assert found_by(both) == [(25, Code.CASE_STEP_MISMATCH)]
    case.hand_over(exp, trn, [move])
    assert found_by(audit(Draft.of(trn))) == [(24, Code.CASE_STEP_MISMATCH)]


def test_a_step_twice_is_found(case: CaseScribes) -> None:
    """One entry is enough."""
    record(case.exp, case.request, place(case.exp, case.request.letter))
    case.exp.checkpoint()
    assert found_by(audit(Draft.of(case.exp))) == [(24, Code.MESSAGE_TWICE)]


def test_a_clock_started_late_is_found() -> None:
    """By the receipt, by the exporter's own ledger, and by both together; alone by nobody."""
    case = CaseScribes(*three())
    case.det.now_ms += 2 * DAY_MS
    case.inform(case.informed_ms + DAY_MS)
    det, exp, trn = case.members
    for scribe in (det, exp):
        assert found_by(audit(Draft.of(scribe))) == [(24, Code.CONTRADICTION)]
    assert found_by(audit(Draft.of(trn))) == []
    assert found_by(audit(Draft.of(trn), Draft.of(exp))) == [
        (24, Code.CONTRADICTION),
        (25, Code.CONTRADICTION),
    ]


def test_a_disclosed_content_must_have_the_mark(case: CaseScribes) -> None:
    """What the ledger commits to is what the message says."""
    for mark, found in (
        (None, []),
        (mark_of(case, Action.ASK), [(24, Code.CASE_STEP_MISMATCH)]),
    ):
        move = shared_step(case, mark)
        recorded(case, move)
        assert found_by(audit(disclosing(case.exp, move))) == found


def test_a_disclosed_step_must_be_in_the_ledger_as_one(case: CaseScribes) -> None:
    """A message that is a step, and has no CASE entry; and the other way round."""
    hidden = shared_step(case)
    case.exp.checkpoint()
    assert found_by(audit(disclosing(case.exp, hidden))) == [(24, Code.CASE_STEP_MISSING)]
    note = encode_payload(Payload(Markings(Tlp.AMBER), Note("Nothing of the kind.")))
    letter = case.exp.share(case.det, payload=note, conversation=case.case_id)
    claimed = Move(letter, bytes(32), encode_mark(mark_of(case)))
    recorded(case, claimed)
    assert found_by(audit(disclosing(case.exp, claimed))) == [(24, Code.CASE_STEP_MISMATCH)]


def test_a_step_that_its_recipient_hides_is_found(case: CaseScribes) -> None:
    """It has the message, as any other, and no CASE entry: the sender's bundle says what it is."""
    move = shared_step(case)
    recorded(case, move)
    case.exp.deliver(case.det, [move.letter])
    case.det.checkpoint()
    assert found_by(audit(Draft.of(case.det))) == []
    both = audit(Draft.of(case.exp), Draft.of(case.det))
    assert found_by(both) == [(25, Code.CASE_STEP_MISSING)]


def test_what_was_lost_is_no_finding(case: CaseScribes) -> None:
    """Entries that came back from an export have no steps; the ledger says so."""
    det = case.det
    start = case.request.letter.shared.index
    draft = Draft.of(det)
    end = len(draft.ledgers[0].leaves)
    draft.ledgers[0].recovered = (RecoveredRange(start, end),)
    draft.cases.clear()
    verdict = audit(draft)
    assert Code.CASE_STEP_MISSING not in {code for _, code in found_by(verdict)}
    assert remarks_of(verdict, 24) == [Code.CONTENT_LOST] * 2


def test_a_blind_bundle_shows_no_case(case: CaseScribes) -> None:
    """Nothing binds a mark without its entry: the check cannot be made, and a step is a finding."""
    draft = Draft.of(case.exp)
    draft.selection = replace(draft.selection, blind=True)
    draft.ledgers[0].entries.clear()
    assert {code for number, code in found_by(audit(draft)) if number == 24} == {
        Code.CASE_STEP_MISSING
    }
    draft.cases.clear()
    check = check_of(audit(draft))
    assert (check.state, check.failed) == (CheckState.NOT_MADE, 0)
