"""Clocks of return-to-origin cases, through the real use cases, ledgers and both databases.

Homes are founded on a fixed day, two months before a leap day.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from sesn_node.codes.zones import zoned
from sesn_node.domain.case_clock import ClockState, clock_of, due_of, last_moment, missed_by
from sesn_node.domain.case_terms import Action, Ground, State
from sesn_node.domain.entries import CaseCode
from sesn_node.domain.times import DAY_MS, HOUR_MS, MINUTE_MS, unix_ms, utc_second
from sesn_node.errors import StorageError
from sesn_node.exchange import caseduties
from sesn_node.exchange.caseduties import CaseDuties, do_case_duties
from sesn_node.exchange.casework import LIFETIME_MS
from sesn_node.exchange.checkup import Grade, check_cases
from sesn_node.exchange.expire import expire
from sesn_node.exchange.gauges import stored_gauges
from sesn_node.exchange.standing import standing
from sesn_node.telemetry import catalogue
from tests.support.casework import Casework
from tests.support.fixtures import connecting
from tests.support.homes import BE, GH, NL, Homes
from tests.support.rotations import EVERYTHING, rotate_all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.engines import Engine
    from tests.support.network import Network


def at(text: str) -> int:
    """Read a moment in UTC, Unix milliseconds."""
    return unix_ms(datetime.fromisoformat(f"{text}+00:00"))


FOUNDED_MS = at("2027-12-28T12:00")


@pytest.fixture(scope="module")
def dated_homes(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """Homes that were founded on a fixed day, on the engine that is in use."""
    return Homes(tmp_path_factory.mktemp(f"dated-{engine.name}"), lambda: FOUNDED_MS)


@pytest.fixture
def dated(
    dated_homes: Homes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Network]]:
    """Make networks of these homes."""
    yield from connecting(dated_homes, tmp_path, monkeypatch)


@pytest.fixture
def work(dated: Callable[..., Network]) -> Casework:
    """Three agencies: one detects, one of export, one of transit."""
    return Casework(dated(NL, GH, BE))


def begin(work: Casework, moment: str, **parts: object) -> MessageId:
    """Request a return at some moment, and let everybody hear of it."""
    work.net.clock.now_ms = at(moment)
    case_id = work.request(NL, GH, transit=(BE,), **parts)
    work.post()
    return case_id


def go_to(work: Casework, at_ms: int) -> list[int]:
    """Move the clock and let the nodes do their duties; return how often each reminded."""
    work.net.clock.now_ms = at_ms
    return [do_case_duties(one.office).reminded for one in work.net if one.is_open]


def dues(work: Casework, case_id: MessageId) -> set[str]:
    """Return the due date, in UTC, as every node has it."""
    found = [due_of(work.case(one.agency, case_id)) for one in work.net]
    return {"none" if due_ms is None else utc_second(due_ms) for due_ms in found}


def stands(work: Casework, case_id: MessageId, agency: AgencyId = NL) -> ClockState:
    """Tell how the clock stands at a node, by its own time."""
    now_ms = work.net[agency].now_ms()
    return clock_of(work.case(agency, case_id), now_ms, warn_days=7).state


def noted(work: Casework, agency: AgencyId, case_id: MessageId) -> list[tuple[str, str]]:
    """Return what the ledger of a node says of due dates, in its order."""
    with work.net[agency].office.store.read() as transaction:
        rows = transaction.cases.every_notice()
    return [(row.code, utc_second(row.due_ms)[:10]) for row in rows if row.case_id == case_id]


@pytest.mark.parametrize(
    ("informed", "ground", "due"),
    [
        ("2028-01-30T22:00", Ground.NOT_AS_DOCUMENTED, "2028-02-29 23:59:59"),
        ("2028-01-31T00:00", Ground.DUMPING, "2028-03-01 23:59:59"),
        ("2028-02-29T23:59", Ground.NO_CONSENT, "2028-03-30 23:59:59"),
        ("2027-12-31T12:00", Ground.NOT_COMPLETED, "2028-03-30 23:59:59"),
        ("2028-12-31T12:00", Ground.NOT_COMPLETED, "2029-03-31 23:59:59"),
    ],
)
def test_month_ends_and_leap_days(work: Casework, informed: str, ground: Ground, due: str) -> None:
    """The day of t0 does not count, the last one does, to its end; on every node."""
    case_id = begin(work, informed, ground=ground)
    assert dues(work, case_id) == {due}
    due_ms = due_of(work.case(NL, case_id))
    assert due_ms is not None
    work.net.clock.now_ms = due_ms
    assert stands(work, case_id) is ClockState.WARNING
    work.net.pass_time(1)
    assert {stands(work, case_id, one.agency) for one in work.net} == {ClockState.OVERDUE}


def test_days_are_those_of_utc_wherever_a_node_stands(
    work: Casework, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the night when clocks go forward in Amsterdam: there it is the 26th already."""
    for agency, zone in (
        (NL, "Europe/Amsterdam"),
        (GH, "Africa/Accra"),
        (BE, "Pacific/Kiritimati"),
    ):
        contact = replace(work.net[agency].card.card.contact, time_zone=zone)
        work.net[agency].issue(contact=contact, issued_ms=work.net.clock.now_ms)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        case_id = begin(work, "2028-03-25T23:30")
        assert dues(work, case_id) == {"2028-04-24 23:59:59"}
    finally:
        monkeypatch.undo()
        time.tzset()
    due_ms = due_of(work.case(GH, case_id))
    assert due_ms is not None
    known = work.net[GH].office.directory()
    zones = [known.peers[one].card.card.contact.time_zone for one in (NL, BE)]
    zones.append(known.own.card.contact.time_zone)
    assert [zoned(due_ms, zone) for zone in zones] == [
        "2028-04-25 01:59 CEST",
        "2028-04-25 13:59 +14",
        "2028-04-24 23:59 GMT",
    ]


def test_a_later_date_counts_once_both_sides_have_signed_it(work: Casework) -> None:
    """Proposed, declined, taken back, or earlier: the date stays as it is."""
    case_id = begin(work, "2028-01-10T12:00")
    later_ms = last_moment(at("2028-03-15T00:00"), 0)
    work.step(NL, case_id, Action.EXTEND, due_ms=later_ms)
    work.post()
    assert dues(work, case_id) == {"2028-02-09 23:59:59"}
    work.step(GH, case_id, Action.AGREE)
    work.post()
    assert dues(work, case_id) == {"2028-03-15 23:59:59"}
    # Neither a date that is declined nor one that its author takes back, nor an earlier one.
    work.step(GH, case_id, Action.EXTEND, due_ms=later_ms + DAY_MS)
    work.post()
    work.step(NL, case_id, Action.DECLINE)
    work.post()
    work.step(NL, case_id, Action.EXTEND, due_ms=later_ms + 2 * DAY_MS)
    work.post()
    work.step(NL, case_id, Action.DECLINE)
    work.post()
    work.step(NL, case_id, Action.EXTEND, due_ms=later_ms - DAY_MS)
    work.post()
    work.step(GH, case_id, Action.AGREE)
    work.post()
    assert dues(work, case_id) == {"2028-03-15 23:59:59"}


def test_of_two_later_dates_at_once_the_latest_that_was_agreed_on_counts(work: Casework) -> None:
    """In whatever order the answers come."""
    case_id = begin(work, "2028-01-10T12:00")
    first_ms, second_ms = (
        last_moment(work.net.clock.now_ms, 60),
        last_moment(work.net.clock.now_ms, 45),
    )
    work.step(NL, case_id, Action.EXTEND, due_ms=first_ms)
    work.step(GH, case_id, Action.EXTEND, due_ms=second_ms)
    work.post()
    work.step(NL, case_id, Action.AGREE)
    work.post()
    assert dues(work, case_id) == {utc_second(second_ms)}
    work.step(GH, case_id, Action.AGREE)
    work.post()
    assert dues(work, case_id) == {utc_second(first_ms)}


def test_an_exporter_that_never_acknowledges_is_late_all_the_same(work: Casework) -> None:
    """The clock runs from its node's receipt; all are reminded, and know who was late."""
    case_id = begin(work, "2028-01-10T12:00")
    received = work.net[GH].received(case_id)[0]
    due_ms = last_moment(received.received_ms, 30)
    assert dues(work, case_id) == {utc_second(due_ms)}
    assert go_to(work, due_ms - 7 * DAY_MS) == [0, 0, 0]
    for moment_ms in (due_ms - 7 * DAY_MS + 1, due_ms - 2 * DAY_MS + 1, due_ms + 1):
        assert go_to(work, moment_ms) == [1, 1, 1]
        assert go_to(work, moment_ms + HOUR_MS) == [0, 0, 0]
    # A line in the log each day, but nothing more in the ledger.
    assert go_to(work, due_ms + DAY_MS) == [0, 0, 0]
    assert go_to(work, due_ms + DAY_MS + 1) == [1, 1, 1]
    soon = (CaseCode.DUE_SOON.value, "2028-02-09")
    for one in work.net:
        said = noted(work, one.agency, case_id)
        assert said == [soon, soon, (CaseCode.OVERDUE.value, "2028-02-09")]
        history = work.history(one.agency, case_id)
        assert history.case is not None
        assert history.case.state is State.REQUESTED
        assert missed_by(history) == (GH,)


def test_a_new_due_date_is_told_of_anew_and_one_that_was_met_never(work: Casework) -> None:
    """After an extension, reminders begin again; once the waste is back, they end."""
    case_id = begin(work, "2028-01-10T12:00")
    due_ms = due_of(work.case(NL, case_id))
    assert due_ms is not None
    assert go_to(work, due_ms + 1) == [1, 1, 1]
    work.step(GH, case_id, Action.EXTEND, due_ms=due_ms + 30 * DAY_MS)
    work.post()
    work.step(NL, case_id, Action.AGREE)
    assert [one.reminded for one in work.post()] == [0, 0, 0]
    assert go_to(work, due_ms + 29 * DAY_MS) == [1, 1, 1]
    for agency, action in (
        (GH, Action.ACKNOWLEDGE),
        (GH, Action.ACCEPT),
        (GH, Action.DOCUMENT),
        (NL, Action.SHIP),
        (GH, Action.ARRIVE),
    ):
        work.step(agency, case_id, action)
        work.post()
    assert stands(work, case_id) is ClockState.MET
    assert go_to(work, due_ms + 40 * DAY_MS) == [0, 0, 0]
    codes = [code for code, _ in noted(work, NL, case_id)]
    assert codes == [CaseCode.OVERDUE.value, CaseCode.DUE_SOON.value]


def test_nothing_is_told_of_a_request_that_was_withdrawn(work: Casework) -> None:
    """Its clock has stopped."""
    case_id = begin(work, "2028-01-10T12:00")
    work.step(NL, case_id, Action.WITHDRAW, code="SETTLED_OTHERWISE")
    work.post()
    assert go_to(work, at("2028-03-01T00:00")) == [0, 0, 0]
    assert stands(work, case_id) is ClockState.STOPPED


def test_no_reminder_is_repeated_by_a_process_that_starts(work: Casework) -> None:
    """What was said stands in a table."""
    case_id = begin(work, "2028-01-10T12:00")
    assert go_to(work, at("2028-02-10T08:00")) == [1, 1, 1]
    for one in work.net:
        one.reopen()
    assert go_to(work, at("2028-02-10T20:00")) == [0, 0, 0]
    assert go_to(work, at("2028-02-11T00:00")) == [1, 1, 1]
    assert len(noted(work, NL, case_id)) == 1


def test_a_node_that_was_off_records_what_is_true_when_it_is_back(work: Casework) -> None:
    """Not what it would have said meanwhile."""
    case_id = begin(work, "2028-01-10T12:00")
    work.net[BE].close()
    assert go_to(work, at("2028-02-19T12:00")) == [1, 1]
    work.net[BE].open()
    assert go_to(work, at("2028-02-19T12:01")) == [0, 0, 1]
    assert noted(work, BE, case_id) == [(CaseCode.OVERDUE.value, "2028-02-09")]


def test_the_exporters_node_is_off_for_40_days(work: Casework) -> None:
    """The clock begins when it is back: nobody was informed before."""
    work.net[GH].close()
    case_id = begin(work, "2028-01-10T12:00")
    work.net.pass_time(40 * DAY_MS)
    work.post()
    assert stands(work, case_id) is ClockState.NOT_STARTED
    assert noted(work, NL, case_id) == []
    assert missed_by(work.history(NL, case_id)) == ()
    work.net[GH].open()
    back_ms = work.net.clock.now_ms
    work.post()
    assert {work.case(one.agency, case_id).informed_ms for one in work.net} == {back_ms}
    assert dues(work, case_id) == {"2028-03-20 23:59:59"}


def test_the_requesters_node_is_off_for_40_days(work: Casework) -> None:
    """The proof of t0 comes late and changes nothing; so do the steps that others took."""
    work.net.clock.now_ms = at("2028-01-10T12:00")
    case_id = work.request(NL, GH, transit=(BE,))
    informed_ms = work.net.clock.now_ms
    wire = work.net.wire(NL, GH)
    wire.connect()
    wire.carry(wire.prepare().batch)
    work.net.deliver(NL, BE)
    # Its receipt is lost with the node that waits for it.
    work.net[NL].close()
    work.post()
    work.step(GH, case_id, Action.ACKNOWLEDGE)
    work.post()
    work.net.pass_time(40 * DAY_MS)
    assert [one.reminded for one in work.post()] == [0, 0]
    assert stands(work, case_id, BE) is ClockState.NOT_STARTED
    work.net[NL].open()
    assert sum(one.reminded for one in work.post()) == len(list(work.net))
    for one in work.net:
        case = work.case(one.agency, case_id)
        assert case.informed_ms == informed_ms
        assert case.state is State.ACKNOWLEDGED
        assert noted(work, one.agency, case_id) == [(CaseCode.OVERDUE.value, "2028-02-09")]
    assert missed_by(work.history(BE, case_id)) == (GH,)


def test_keys_are_rotated_while_a_node_is_off(work: Casework) -> None:
    """What was sealed under old keys is still delivered, and verifies."""
    case_id = begin(work, "2028-01-10T12:00")
    work.net[GH].close()
    work.step(NL, case_id, Action.EXTEND, due_ms=last_moment(work.net.clock.now_ms, 60))
    work.net.pass_time(20 * DAY_MS)
    rotate_all_of(work.net[NL], *EVERYTHING)
    work.net.pass_time(20 * DAY_MS)
    work.net[GH].open()
    rotate_all_of(work.net[GH], *EVERYTHING)
    work.post()
    work.step(GH, case_id, Action.AGREE)
    work.post()
    assert dues(work, case_id) == {"2028-03-10 23:59:59"}


def test_how_long_a_step_waits_for_a_node_that_is_off(work: Casework) -> None:
    """As long as `LIFETIME_MS`; after that it comes in a case file, but nobody proves t0."""
    work.net[GH].close()
    case_id = begin(work, "2028-01-10T12:00")
    requested_ms = work.case(NL, case_id).requested_ms
    work.net.clock.now_ms = requested_ms + LIFETIME_MS - HOUR_MS
    work.net[GH].open()
    work.post()
    assert work.case(BE, case_id).informed_ms == work.net[GH].received(case_id)[0].received_ms
    work.net[BE].close()
    work.step(GH, case_id, Action.ACKNOWLEDGE)
    work.net.pass_time(LIFETIME_MS + HOUR_MS)
    expire(work.net[GH].office)
    work.net[BE].open()
    work.post()
    assert work.case(BE, case_id).state is State.ACKNOWLEDGED


def test_a_request_that_waited_too_long_is_handed_over_and_proves_no_t0(work: Casework) -> None:
    """Nobody has a receipt of it, so no clock runs; it can only be withdrawn, and made anew."""
    work.net[GH].close()
    case_id = begin(work, "2028-01-10T12:00")
    work.net.pass_time(LIFETIME_MS + HOUR_MS)
    assert expire(work.net[NL].office)
    work.net[GH].open()
    work.post()
    assert work.case(GH, case_id).state is State.REQUESTED
    assert {stands(work, case_id, one.agency) for one in work.net} == {ClockState.NOT_STARTED}
    work.step(NL, case_id, Action.WITHDRAW, code="SETTLED_OTHERWISE")
    work.post()
    assert work.case(GH, case_id).state is State.WITHDRAWN


def test_clocks_that_differ(work: Casework) -> None:
    """The exporter's is nine minutes ahead, past midnight: its node's time is t0 for everybody."""
    work.net[GH].skew_ms = 9 * MINUTE_MS
    work.net[BE].skew_ms = -9 * MINUTE_MS
    case_id = begin(work, "2028-01-31T23:55")
    informed_ms = work.case(NL, case_id).informed_ms
    assert informed_ms is not None
    assert utc_second(informed_ms)[:10] == "2028-02-01"
    assert dues(work, case_id) == {"2028-03-02 23:59:59"}
    work.net.clock.now_ms = at("2028-03-03T00:00")
    assert [do_case_duties(one.office).noticed for one in work.net] == [1, 1, 1]
    codes = {one.agency: noted(work, one.agency, case_id)[-1][0] for one in work.net}
    soon, overdue = CaseCode.DUE_SOON.value, CaseCode.OVERDUE.value
    assert codes == {NL: overdue, GH: overdue, BE: soon}
    work.net.pass_time(9 * MINUTE_MS)
    assert [do_case_duties(one.office).noticed for one in work.net] == [0, 0, 1]
    assert missed_by(work.history(BE, case_id)) == (GH,)


def test_only_what_has_changed_or_come_due_is_looked_at(work: Casework) -> None:
    """Of many cases at rest none is read again; a new process finds all in the tables."""
    case_ids = [begin(work, f"2028-01-{day}T12:00") for day in (10, 12)]
    do_case_duties(work.net[NL].office)
    looked = do_case_duties(work.net[NL].office)
    assert looked == CaseDuties()
    work.step(NL, case_ids[0], Action.EXTEND, due_ms=last_moment(work.net.clock.now_ms, 40))
    assert do_case_duties(work.net[NL].office).looked == 1
    assert do_case_duties(work.net[NL].office).looked == 0
    work.net.clock.now_ms = at("2028-02-10T00:00")
    found = do_case_duties(work.net[NL].office)
    assert (found.looked, found.reminded) == (2, 2)
    work.net[NL].reopen()
    found = do_case_duties(work.net[NL].office)
    assert (found.looked, found.reminded) == (2, 0)


def test_a_member_that_is_trusted_again_gets_what_it_missed(work: Casework) -> None:
    """Till then it waits, and nobody else does."""
    case_id = begin(work, "2028-01-10T12:00")
    work.net[BE].close()
    work.step(GH, case_id, Action.ACKNOWLEDGE)
    work.net.pass_time(LIFETIME_MS + HOUR_MS)
    work.net.revoke(GH, BE)
    office = work.net[GH].office
    expire(office)
    found = do_case_duties(office)
    assert (found.failed, found.filed) == (0, 1)
    assert do_case_duties(office).looked == 0
    work.net[BE].open()
    work.net.trust(GH, BE)
    assert do_case_duties(office).filed == 1
    assert do_case_duties(office) == CaseDuties()
    work.post()
    assert work.case(BE, case_id).state is State.ACKNOWLEDGED


def test_what_fails_is_tried_again_later_and_later(
    work: Casework, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute, then after two; what has to be done is not forgotten."""
    case_id = begin(work, "2028-01-10T12:00")
    work.net[BE].close()
    work.step(GH, case_id, Action.ACKNOWLEDGE)
    work.net.deliver(GH, NL)
    work.net.pass_time(LIFETIME_MS + HOUR_MS)
    office = work.net[GH].office
    expire(office)

    def refuse(*_: object, **__: object) -> None:
        raise StorageError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(caseduties, "share", refuse)
        tries = []
        for _ in range(5):
            tries.append(do_case_duties(office).failed)
            work.net.pass_time(MINUTE_MS)
    assert tries == [1, 1, 0, 1, 0]
    work.net.pass_time(2 * MINUTE_MS)
    assert do_case_duties(office).filed == 1


def test_metrics_and_status_count_open_cases(work: Casework) -> None:
    """Without a key, and without saying whose they are."""
    first_id, second_id, third_id = (begin(work, f"2028-01-{day}T12:00") for day in (10, 15, 20))
    work.step(GH, second_id, Action.ACKNOWLEDGE)
    work.post()
    work.step(GH, second_id, Action.ASK)
    work.step(NL, third_id, Action.WITHDRAW, code="MISTAKE")
    work.post()
    work.net.clock.now_ms = at("2028-02-10T00:00")
    office = work.net[NL].office
    found = stored_gauges(office)
    assert found[catalogue.CASES] == {("REQUESTED",): 1, ("INFO_REQUESTED",): 1}
    single = {
        one: found[one][()]
        for one in (catalogue.CASES_DUE_SOON, catalogue.CASES_OVERDUE, catalogue.CASES_AWAITING)
    }
    assert list(single.values()) == [1, 1, 1]
    assert work.case(NL, first_id).state is State.REQUESTED
    stands_now = standing(office.store, office.clock()).cases
    assert stands_now.text == "2 open, 1 due soon, 1 overdue; 1 waits for us"
    check = check_cases(stands_now, "sesn")
    assert (check.check, check.grade) == ("cases", Grade.WARNING)
    assert "'sesn case due'" in check.remedy[0]
    assert standing(office.store, office.clock(), 1).cases.due_soon == 0
    exporters = work.net[GH].office
    assert standing(exporters.store, exporters.clock()).cases.awaiting_us == 1
