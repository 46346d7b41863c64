"""Auditing a case offline: two bundles of four agencies tell what happened, and who was late."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import combinations
from typing import TYPE_CHECKING, Final

import pytest

from sesn_node.audit.account import Selection
from sesn_node.audit.bundle import open_bundle
from sesn_node.audit.case_account import Shown
from sesn_node.audit.codes import Code
from sesn_node.audit.report import report
from sesn_node.audit.verdict import State as CheckState
from sesn_node.audit.verify import verify
from sesn_node.domain.case_clock import ClockState, last_moment
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_terms import Action, Role, State
from sesn_node.exchange.auditexport import export_bundle
from sesn_node.exchange.erase import erase
from sesn_node.trust.card import open_card
from sesn_node.wire.envelopes import decode_header
from tests.support.casework import REQUESTED, Casework
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.audit.verdict import Check, Verdict
    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.network import Network

ROLES: Final = {NL: Role.DET, GH: Role.EXP, BE: Role.TRN, DE: Role.FAC}


class Late:
    """A case that was extended, and missed its date all the same, for want of a ship."""

    def __init__(self, net: Network, folder: Path) -> None:
        self.net = net
        self._folder = folder
        # Other tests look at every step of a case; here the end will do.
        net.checking = False
        self._work = Casework(net)
        self.case_id = self._work.request(NL, GH, transit=(BE,))
        self._work.post()
        self.informed_ms = net[GH].received(self.case_id)[0].received_ms
        self.steps = [(NL, Action.REQUEST), (NL, Action.INFORM)]
        self.take(GH, Action.ACKNOWLEDGE)
        self.take(GH, Action.ACCEPT)
        self.take(GH, Action.DOCUMENT, facility=DE)
        net.pass_time(20 * DAY_MS)
        self.due_ms = last_moment(self.informed_ms, 40)
        self.take(NL, Action.EXTEND, due_ms=self.due_ms)
        self.take(GH, Action.AGREE)
        net.pass_time(17 * DAY_MS)
        self._work.post()
        net.pass_time(5 * DAY_MS)
        self._work.post()
        self.take(NL, Action.SHIP)
        net.pass_time(6 * DAY_MS)
        self.back_ms = net.clock.now_ms
        self.arrived = self.take(GH, Action.ARRIVE)
        self.take(DE, Action.RECEIVE)
        self.take(DE, Action.TREAT)
        self.take(NL, Action.CLOSE)
        net.checking = True
        net.check()

    def take(self, agency: AgencyId, action: Action, **parts: object) -> MessageId:
        """Take a step, which reaches everybody."""
        message_id = self._work.step(agency, self.case_id, action, **parts)
        self._work.post()
        self.steps.append((agency, action))
        return message_id

    def export(self, agency: AgencyId, **selection: object) -> Path:
        """Export a bundle."""
        path = self._folder / f"{agency}.sesnaudit"
        chosen = Selection(**selection)  # type: ignore[arg-type] # parts by name
        export_bundle(self.net[agency].office, path, chosen, force=True)
        return path

    def audit(self, *agencies: AgencyId, **selection: object) -> tuple[Verdict, str]:
        """Export bundles of some agencies, audit them together, and write the report."""
        with ExitStack() as stack:
            paths = [self.export(agency, **selection) for agency in agencies]
            files = [stack.enter_context(path.open("rb")) for path in paths]
            verdict = verify(files, now_ms=self.net.clock.now_ms)
            return verdict, "".join(report(verdict, files))


@pytest.fixture
def late(connect: Callable[..., Network], tmp_path: Path) -> Late:
    """The case, told to its end."""
    return Late(connect(NL, GH, BE, DE), tmp_path)


def _require(verdict: Verdict) -> None:
    """Nothing fails, and the reader sees why if something does."""
    found = [
        f"{check.number} {one.code} {one.place}: {one.text}"
        for check in verdict.checks
        for one in check.findings
    ]
    assert not found


def _check(verdict: Verdict, number: int) -> Check:
    return next(one for one in verdict.checks if one.number == number)


def _assert_told(late: Late, verdict: Verdict, pair: tuple[AgencyId, ...]) -> None:
    """The whole case is there, as its members made it."""
    (case,) = verdict.cases
    assert (case.case_id, case.founder, case.state) == (late.case_id, NL, State.CLOSED)
    assert {one.agency: one.roles for one in case.members} == {
        agency: (role,) for agency, role in ROLES.items()
    }
    assert [(one.step.sender, one.step.mark.action) for one in case.steps] == late.steps
    assert {one.standing for one in case.steps} == {Standing.COUNTS}
    assert all({at.agency for at in one.recorded} == set(pair) for one in case.steps)
    assert [(one.state, one.missing) for one in case.views] == [(State.CLOSED, ())] * len(pair)
    clock = case.deadline
    assert clock is not None
    assert (clock.informed_ms, clock.due_ms) == (late.informed_ms, late.due_ms)
    assert clock.first_due_ms == last_moment(late.informed_ms, 30)
    assert [(one.by, one.due_ms, one.agreed) for one in clock.later] == [(NL, late.due_ms, True)]
    assert (clock.clock, clock.met_ms) == (ClockState.MET_LATE, late.back_ms)
    assert clock.days_late == -((late.due_ms - late.back_ms) // DAY_MS) == 8
    assert clock.missed_by == (NL,)
    shown = {GH: Shown.LEDGER, NL: Shown.RECEIPT}
    assert clock.shown is next((shown[one] for one in (GH, NL) if one in pair), Shown.WORD)
    # Who joined later has no entry of the request that a reminder could answer.
    told = {(one.recorded.agency, one.code) for one in case.notices}
    reminded = [one for one in pair if one != DE]
    assert told == {(one, code) for one in reminded for code in ("DUE_SOON", "OVERDUE")}


def test_any_two_agencies_show_the_case_its_dates_and_who_missed_them(late: Late) -> None:
    """Without a word of what was said; from all that they have, or from the case alone."""
    for pair in combinations(ROLES, 2):
        for selection in ({}, {"conversation": late.case_id}):
            verdict, page = late.audit(*pair, **selection)
            _require(verdict)
            _assert_told(late, verdict, pair)
            assert "8 days late" in page
            for word in (REQUESTED.subject, "24 t of unsorted", "Exporter Ltd", "MSCU6639870"):
                assert word not in page


def test_parts_of_a_case_and_one_bundle_alone(late: Late) -> None:
    """Selected, disclosed, left out or erased: what can be told is told, and no more."""
    _assert_who_was_handed_it_tells_it(late)
    _assert_a_part_is_told_as_a_part(late)
    _assert_a_disclosed_step_has_its_mark(late)
    _assert_a_blind_bundle_tells_nothing(late)
    _assert_erased_contents_change_nothing(late)


def _assert_who_was_handed_it_tells_it(late: Late) -> None:
    """Steps that never reached it are in its bundle, with the entries that commit to them."""
    verdict, page = late.audit(DE, conversation=late.case_id)
    _require(verdict)
    _assert_told(late, verdict, (DE,))
    (case,) = verdict.cases
    assert [one.step.mark.action for one in case.steps if one.recorded[0].filed] == [
        Action.REQUEST,
        Action.INFORM,
        Action.ACKNOWLEDGE,
        Action.ACCEPT,
    ]
    assert "handed over by another member" in page
    with late.export(DE, conversation=late.case_id).open("rb") as file:
        bundle = open_bundle(file)
        cards = {open_card(one.sealed, one.taken_ms).agency for one in bundle.cards()}
        headers = {decode_header(one.header).message_id for one in bundle.messages()}
    assert cards == set(ROLES)
    assert late.case_id not in headers


def _assert_a_part_is_told_as_a_part(late: Late) -> None:
    """A span of time, or one message: its steps are there, and what they build on is not."""
    for selection in (
        {"messages": (late.arrived,)},
        {"from_ms": late.back_ms, "to_ms": late.net.clock.now_ms + 1},
    ):
        verdict, _ = late.audit(BE, **selection)
        _require(verdict)
        (case,) = verdict.cases
        assert (case.founder, case.state) == (None, None)
        assert late.arrived in {one.step.message_id for one in case.steps}
        assert len(case.steps) < len(late.steps)
        assert Code.NOT_VISIBLE in {one.code for one in _check(verdict, 24).remarks}


def _assert_a_disclosed_step_has_its_mark(late: Late) -> None:
    """And is told with what it says."""
    verdict, page = late.audit(GH, conversation=late.case_id, disclosed=(late.arrived,))
    _require(verdict)
    _assert_told(late, verdict, (GH,))
    assert "NL4711" in page
    assert "MSCU6639870" not in page


def _assert_a_blind_bundle_tells_nothing(late: Late) -> None:
    """Its entries are left out, which alone bind a step."""
    verdict, _ = late.audit(NL, conversation=late.case_id, blind=True)
    _require(verdict)
    assert verdict.cases == ()
    assert _check(verdict, 24).state is CheckState.NOT_MADE


def _assert_erased_contents_change_nothing(late: Late) -> None:
    """What the state depends on is no content."""
    erase(late.net[BE].office, late.arrived, "No longer needed")
    verdict, page = late.audit(BE, conversation=late.case_id)
    _require(verdict)
    _assert_told(late, verdict, (BE,))
    assert "Content erased" in page
