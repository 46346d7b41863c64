"""When a case is due: later dates, what stops the clock, and who missed it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sesn_node.domain.case_clock import (
    ClockState,
    MissedDate,
    clock_of,
    due_of,
    end_of_day,
    last_moment,
    missed_before,
    missed_by,
)
from sesn_node.domain.case_history import derive
from sesn_node.domain.case_terms import Action, Ground, State
from sesn_node.domain.checks import MAX_TIME_MS
from sesn_node.domain.times import DAY_MS, unix_ms
from tests.support.cases import DET, EXP, FAC, FIVE, OTHER_TRN, TRN, Story, request_of
from tests.support.objects import changed

WARN_DAYS = 7
INFORMED = unix_ms(datetime(2027, 1, 31, 12, 0, tzinfo=UTC))
DUE = unix_ms(datetime(2027, 3, 3, tzinfo=UTC)) - 1
"""30 days after: the last moment of 2 March."""

ON_THE_WAY = (
    (EXP, Action.ACKNOWLEDGE),
    (EXP, Action.ACCEPT),
    (EXP, Action.DOCUMENT),
    (DET, Action.SHIP),
)


def _story() -> Story:
    return Story(FIVE, INFORMED - DAY_MS)


def _informed(story: Story, at_ms: int = INFORMED) -> Story:
    story.take(DET, Action.INFORM, at_ms=at_ms, created_ms=at_ms)
    return story


def _state(story: Story, now_ms: int) -> ClockState:
    return clock_of(story.case, now_ms, WARN_DAYS).state


@pytest.mark.parametrize(
    ("informed", "days", "last"),
    [
        ("2027-01-01T00:00+00:00", 30, "2027-01-31"),
        ("2027-01-01T23:59:59.999+00:00", 30, "2027-01-31"),
        ("2027-01-02T00:00+00:00", 30, "2027-02-01"),
        ("2027-01-31T12:00+00:00", 30, "2027-03-02"),
        ("2028-01-31T12:00+00:00", 30, "2028-03-01"),
        ("2028-01-30T00:00+00:00", 30, "2028-02-29"),
        ("2027-01-29T23:59:59.999+00:00", 30, "2027-02-28"),
        ("2027-12-15T08:00+00:00", 30, "2028-01-14"),
        ("2027-12-01T00:00+00:00", 90, "2028-02-29"),
        ("2026-12-01T00:00+00:00", 90, "2027-03-01"),
        ("2026-12-31T23:59:59.999+00:00", 90, "2027-03-31"),
        ("2028-02-29T12:00+00:00", 365, "2029-02-28"),
        ("2027-03-01T00:00+00:00", 366, "2028-03-01"),
        ("2027-02-28T12:00+00:00", 1, "2027-03-01"),
        ("2028-02-28T12:00+00:00", 1, "2028-02-29"),
        ("2100-02-28T12:00+00:00", 1, "2100-03-01"),
        # Clocks are put forward in Europe on 28 March 2027: UTC knows nothing of it.
        ("2027-03-27T23:30+00:00", 1, "2027-03-28"),
        ("2027-03-27T23:30+00:00", 0, "2027-03-27"),
        # Days are those of UTC, whatever the clock on the wall showed.
        ("2027-01-01T00:30+14:00", 30, "2027-01-30"),
        ("2026-12-31T23:30-10:00", 30, "2027-01-31"),
    ],
)
def test_last_moment(informed: str, days: int, last: str) -> None:
    """Regulation (EEC, Euratom) 1182/71 Art. 3: the day of the event does not count."""
    event, day = (unix_ms(datetime.fromisoformat(one)) for one in (informed, f"{last}T00:00+00:00"))
    assert last_moment(event, days) == day + DAY_MS - 1


def test_no_claim_stops_the_clock() -> None:
    """A ledger may say that it was informed in the year 9999."""
    assert last_moment(MAX_TIME_MS, 3_660) == end_of_day(MAX_TIME_MS) == MAX_TIME_MS
    story = _informed(Story(), MAX_TIME_MS)
    assert due_of(story.case) == MAX_TIME_MS
    assert _state(story, MAX_TIME_MS) is ClockState.WARNING


def test_never_acknowledged() -> None:
    """Nothing is due until it is proven that EXP was informed; then the clock runs by itself."""
    story = _story()
    clock = clock_of(story.case, DUE + DAY_MS, WARN_DAYS)
    assert (clock.state, clock.due_ms, clock.informed_ms) == (ClockState.NOT_STARTED, None, None)
    assert missed_by(story.history) == ()
    _informed(story)
    assert story.case.state is State.REQUESTED
    clock = clock_of(story.case, INFORMED, WARN_DAYS)
    assert (clock.state, clock.due_ms, clock.informed_ms) == (ClockState.RUNNING, DUE, INFORMED)
    assert clock.extensions == 0
    assert _state(story, DUE + 1) is ClockState.OVERDUE
    assert missed_by(story.history) == (EXP,)


def test_warning_and_overdue_begin_to_the_millisecond() -> None:
    """RUNNING until seven days before the end, and WARNING until the end."""
    story = _informed(_story())
    border = DUE - WARN_DAYS * DAY_MS
    assert _state(story, border) is ClockState.RUNNING
    assert _state(story, border + 1) is ClockState.WARNING
    assert _state(story, DUE) is ClockState.WARNING
    assert _state(story, DUE + 1) is ClockState.OVERDUE
    assert clock_of(story.case, DUE, 0).state is ClockState.RUNNING


@pytest.mark.parametrize("ground", Ground)
def test_days_are_those_of_the_request(ground: Ground) -> None:
    """Whatever the ground: the request says how many days its regime gives."""
    story = _story()
    request = story.steps[0]
    story.steps[0] = changed(request, mark=changed(request.mark, code=ground.value, days=90))
    assert due_of(_informed(story).case) == DUE + 60 * DAY_MS


def _extend(story: Story, by: str, to_ms: int, answer: Action | None = Action.AGREE) -> None:
    asked = DET if by == EXP else EXP
    about = story.take(EXP if by == EXP else DET, Action.EXTEND, at_ms=to_ms).step_id
    if answer is not None:
        story.take(asked, answer, about=about)
    assert not story.history.why


def test_later_date() -> None:
    """Signed by both sides, it is the new due date; one that is earlier changes nothing."""
    story = _informed(_story())
    _extend(story, DET, DUE - 1)
    assert due_of(story.case) == DUE
    _extend(story, EXP, DUE + 10 * DAY_MS)
    _extend(story, DET, DUE + 5 * DAY_MS)
    assert due_of(story.case) == DUE + 10 * DAY_MS
    assert clock_of(story.case, DUE + 1, WARN_DAYS).extensions == 3
    assert _state(story, DUE + 1) is ClockState.RUNNING
    assert _state(story, DUE + 10 * DAY_MS + 1) is ClockState.OVERDUE


def test_two_later_dates_in_any_order() -> None:
    """The latest counts, whichever was proposed or agreed on first."""
    for first, second in ((DET, EXP), (EXP, DET)):
        story = _informed(_story())
        one = story.take(first, Action.EXTEND, at_ms=DUE + 20 * DAY_MS)
        two = story.take(second, Action.EXTEND, at_ms=DUE + 9 * DAY_MS)
        story.take(first, Action.AGREE, about=two.step_id)
        assert due_of(story.case) == DUE + 9 * DAY_MS
        story.take(second, Action.AGREE, about=one.step_id)
        assert due_of(story.case) == DUE + 20 * DAY_MS
        assert not story.history.why


@pytest.mark.parametrize("answer", [None, Action.DECLINE])
def test_date_that_is_not_agreed(answer: Action | None) -> None:
    """Proposed alone, or declined: the due date stays."""
    story = _informed(_story())
    _extend(story, EXP, DUE + 10 * DAY_MS, answer)
    assert due_of(story.case) == DUE
    assert _state(story, DUE + 1) is ClockState.OVERDUE


def test_date_that_is_taken_back() -> None:
    """Nobody can agree to it any more; but who agreed without knowing, has agreed."""
    story = _informed(_story())
    later = story.take(EXP, Action.EXTEND, at_ms=DUE + 10 * DAY_MS)
    before = list(story.steps)
    story.take(EXP, Action.DECLINE, about=later.step_id)
    late = story.write(DET, Action.AGREE, about=later.step_id)
    assert late.step_id in derive([*story.steps, late]).why
    assert due_of(story.case) == DUE
    story.take(DET, Action.AGREE, about=later.step_id, knows=before)
    assert not story.history.why
    assert due_of(story.case) == DUE + 10 * DAY_MS


def test_agreement_cannot_be_undone() -> None:
    """Not by whoever declines beside its own AGREE, as if it did not know that."""
    story = _informed(_story())
    later = story.take(EXP, Action.EXTEND, at_ms=DUE + 10 * DAY_MS)
    before = list(story.steps)
    story.take(DET, Action.AGREE, about=later.step_id)
    for sender in (DET, EXP):
        story.take(sender, Action.DECLINE, about=later.step_id, knows=before)
    assert not story.history.why
    assert due_of(story.case) == DUE + 10 * DAY_MS


def test_informed_twice_counts_from_the_earlier() -> None:
    """Two proofs, each sent without the other."""
    story = _story()
    before = list(story.steps)
    for at_ms in (INFORMED + DAY_MS, INFORMED):
        story.take(DET, Action.INFORM, at_ms=at_ms, created_ms=at_ms, knows=before)
    assert due_of(story.case) == DUE


@pytest.mark.parametrize("late_ms", [0, 1])
def test_met_when_it_arrives(late_ms: int) -> None:
    """To the millisecond; what happens afterwards changes nothing."""
    story = _informed(_story()).go(*ON_THE_WAY)
    story.take(EXP, Action.ARRIVE, created_ms=DUE + late_ms)
    expected = ClockState.MET_LATE if late_ms else ClockState.MET
    assert _state(story, DUE + 100 * DAY_MS) is expected
    story.take(FAC, Action.REJECT, created_ms=DUE + 9 * DAY_MS)
    story.take(DET, Action.WITHDRAW, created_ms=DUE + 10 * DAY_MS)
    assert _state(story, DUE + 100 * DAY_MS) is expected
    assert missed_by(story.history) == ((EXP,) if late_ms else ())


def test_met_when_it_is_treated_where_it_was_found() -> None:
    """Without a way back; CLOSE afterwards moves nothing."""
    story = _informed(_story()).go((EXP, Action.ACKNOWLEDGE), (DET, Action.PROPOSE))
    for agency in (EXP, TRN, OTHER_TRN, FAC):
        story.go((agency, Action.AGREE))
    story.take(FAC, Action.TREAT, created_ms=DUE)
    story.take(DET, Action.CLOSE, created_ms=DUE + 50 * DAY_MS)
    assert story.case.state is State.CLOSED
    assert _state(story, DUE + 60 * DAY_MS) is ClockState.MET
    assert missed_by(story.history) == ()


def test_nobody_arrives_before_it_left() -> None:
    """A date before that of what the step builds on counts as that one."""
    story = _informed(_story()).go(*ON_THE_WAY[:-1])
    story.take(DET, Action.SHIP, created_ms=DUE + 5)
    story.take(EXP, Action.ARRIVE, created_ms=INFORMED)
    assert story.case.line.met_ms == DUE + 5
    assert _state(story, DUE + 5) is ClockState.MET_LATE


def test_withdrawn() -> None:
    """The clock stops, or never began; who was waited for before has missed nothing."""
    assert _state(_story().go((DET, Action.WITHDRAW)), DUE) is ClockState.STOPPED
    story = _informed(_story())
    story.take(DET, Action.WITHDRAW, created_ms=DUE)
    assert _state(story, DUE + 100 * DAY_MS) is ClockState.STOPPED
    assert missed_by(story.history) == ()


@pytest.mark.parametrize(
    ("moves", "awaited"),
    [
        ((), (EXP,)),
        (ON_THE_WAY[:1], (EXP,)),
        ((*ON_THE_WAY[:1], (EXP, Action.ASK)), (DET,)),
        (ON_THE_WAY[:3], (DET,)),
        (ON_THE_WAY, (EXP,)),
        ((*ON_THE_WAY[:1], (EXP, Action.DISPUTE)), (DET,)),
        ((*ON_THE_WAY[:1], (EXP, Action.DISPUTE), (EXP, Action.SETTLE)), (DET,)),
        ((*ON_THE_WAY[:1], (EXP, Action.DISPUTE), (DET, Action.SETTLE)), (EXP,)),
        ((*ON_THE_WAY[:1], (EXP, Action.PROPOSE), (TRN, Action.AGREE)), (OTHER_TRN, DET, FAC)),
    ],
)
def test_who_missed_it(moves: tuple[tuple[str, Action], ...], awaited: tuple[str, ...]) -> None:
    """Whomever the case waited for as the date passed, whatever was done afterwards."""
    story = _informed(_story()).go(*moves)  # type: ignore[arg-type]  # agencies
    assert missed_by(story.history) == tuple(sorted(awaited))
    story.take(DET, Action.WITHDRAW, created_ms=DUE + 1)
    assert missed_by(story.history) == tuple(sorted(awaited))


def test_without_its_request() -> None:
    """Nobody missed anything of a case that is not here, or whose clock does not run."""
    assert missed_by(derive([])) == ()
    assert missed_by(derive([request_of(FIVE, DUE)])) == ()


def test_an_extension_does_not_hide_who_missed_the_date_before() -> None:
    """Agreed on a day too late, the first date stays missed; agreed on in time, it never was."""
    for late_ms, missed in ((DAY_MS, (MissedDate(DUE, (EXP,)),)), (-DAY_MS, ())):
        story = _informed(_story()).go((EXP, Action.ACKNOWLEDGE))
        later_ms = DUE + 20 * DAY_MS
        asked = story.take(DET, Action.EXTEND, at_ms=later_ms, created_ms=DUE + late_ms)
        assert missed_before(story.history) == ()
        story.take(EXP, Action.AGREE, about=asked.step_id, created_ms=DUE + late_ms + 1)
        assert due_of(story.case) == later_ms
        assert missed_before(story.history) == missed
        assert missed_by(story.history) == (EXP,)
