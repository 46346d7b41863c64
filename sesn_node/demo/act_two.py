"""Three returns to origin among three authorities, in virtual time, and what auditors see of them.

Every step is a sealed message, over the same protocol and TLS as in the first act. After each, all
three nodes must have derived the same case from their own ledgers, or the act fails.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import permutations
from typing import TYPE_CHECKING, Final

from sesn_node.demo.auditors import CaseSeen, audit
from sesn_node.demo.bureau import Bureau, served
from sesn_node.demo.members import Members
from sesn_node.demo.returns import AUTHORITIES, BE, LAST_DAY, NG, NL, RETURNS, Notice
from sesn_node.demo.virtual_time import VirtualTime, date_of
from sesn_node.domain.case_clock import ClockState, clock_of, due_of, last_moment
from sesn_node.domain.case_terms import Action, SealCheck
from sesn_node.domain.entries import CaseCode
from sesn_node.domain.times import instant
from sesn_node.errors import VerificationError
from sesn_node.exchange.casework import Move, request_draft, step_draft

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sesn_node.demo.auditors import Audited
    from sesn_node.demo.returns import Return, Turn
    from sesn_node.demo.screen import Screen
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.ids import AgencyId, MessageId

_BEAT_S: Final = 0.05
_DAYS_AGO: Final = LAST_DAY + 1
"""Where the act begins, so that it ends yesterday: never in what is the future here."""
_HAPPENED: Final = frozenset({Action.ARRIVE, Action.RECEIVE, Action.TREAT})
"""Steps that say when they happened."""


@dataclass(frozen=True, slots=True)
class Months:
    """What the act came to. All dates are in virtual time.

    Args:
        begun: Date on which it began.
        ended: Date on which it ended.
        days: Between the two.
        steps: Steps of all cases together, those that nodes took by themselves too.
        by_two: Those that a second person let go.
        cases: How the cases ended.
        audited: What auditors found, with the bundles of two of the three.
        home: Home of the authority that requested most returns, for whoever wants to look.
    """

    begun: str
    ended: str
    days: int
    steps: int
    by_two: int
    cases: tuple[CaseSeen, ...]
    audited: Audited
    home: Path


class ActTwo:
    """Plays the act.

    Args:
        screen: Where it is shown.
        folder: For the homes and the bundles.
        passphrase: Of the homes; it must not be one that can be guessed.
    """

    def __init__(self, screen: Screen, folder: Path, passphrase: str) -> None:
        self._screen = screen
        self._folder = folder
        self._passphrase = passphrase
        self._clock = VirtualTime(_DAYS_AGO)
        self._bureaus: Mapping[AgencyId, Bureau] = {}
        self._by_two = 0

    def play(self) -> Months:
        """Play it.

        Raises:
            SesnError: Something did not go as it should.
        """
        screen = self._screen
        screen.act(
            "Waste goes back to where it came from, in VIRTUAL TIME",
            "Three environmental authorities, each with a node. Nodes, TLS, signatures and "
            f"ledgers are real; their clock is the demonstration's: it begins {_DAYS_AGO} days "
            "ago, and leaps from step to step.",
        )
        begun_ms = self._clock()
        with self._at_work() as members:
            screen.dated_columns()
            ended = tuple(self._return(one, members) for one in RETURNS)
            self._clock.leap(LAST_DAY)
            steps = sum(members.steps(one.case_id) for one in ended)
            members.have_receipts()
            audited = self._audit(ended)
        return Months(
            begun=date_of(begun_ms),
            ended=date_of(self._clock()),
            days=LAST_DAY,
            steps=steps,
            by_two=self._by_two,
            cases=ended,
            audited=audited,
            home=self._bureaus[NG].home,
        )

    def _audit(self, ended: tuple[CaseSeen, ...]) -> Audited:
        """Let auditors reconstruct the cases without the authority that was late.

        Raises:
            VerificationError: They see anything else than the three nodes.
        """
        screen = self._screen
        screen.act(
            "What auditors see of it, offline",
            f"Two audit bundles, of {NG} and {NL}; {BE} gives none. No message is opened: the "
            "ledgers commit to every step. Dates are in virtual time.",
        )
        audited = audit([self._bureaus[NG], self._bureaus[NL]], self._folder)
        if [replace(one, notices=()) for one in audited.cases] != list(ended):
            raise VerificationError("auditors see other cases than the three nodes")
        rows = []
        for story, one in zip(RETURNS, audited.cases, strict=True):
            dates = (date_of(at) for at in (one.first_due_ms, one.due_ms, one.back_ms))
            missed = " and ".join(one.missed)
            rows.append((story.name, one.state.value, *dates, missed or "nobody"))
        screen.table(("case", "state", "first due", "due", "back", "missed by"), rows)
        screen.blank()
        screen.good(f"{audited.checks} checks hold, and all of this is as on the three nodes")
        return audited

    @contextmanager
    def _at_work(self) -> Iterator[Members]:
        """Found the authorities, let them trust each other, and serve them."""
        with ExitStack() as opened:
            self._bureaus = {
                member.agency: Bureau(member, self._folder, self._passphrase, self._clock, opened)
                for member in AUTHORITIES
            }
            for one, other in permutations(self._bureaus.values(), 2):
                one.trust(other)
            bureaus = list(self._bureaus.values())
            yield Members(bureaus, opened.enter_context(served(bureaus)))

    def _return(self, story: Return, members: Members) -> CaseSeen:
        """Play one case."""
        self._screen.dated_title(story.title)
        self._clock.leap(story.day)
        detector = self._bureaus[story.detector]
        case_id, by_two = detector.send(lambda office: request_draft(office, story.wanted))
        members.know(case_id, case_id)
        members.know_the_date(case_id)
        missed: tuple[AgencyId, ...] = ()
        case = members.agreed(case_id)
        self._tell(story.detector, case, f"{self._signed(by_two=by_two)}due {_due(case)}")
        for turn in story.turns:
            self._clock.leap(turn.day)
            if isinstance(turn, Notice):
                missed = self._notice(members, case_id, turn)
            else:
                self._turn(members, case_id, turn)
        return self._ended(story, members.agreed(case_id), missed)

    def _turn(self, members: Members, case_id: MessageId, turn: Turn) -> None:
        """Take a step, and see all three nodes make the same of it.

        Raises:
            VerificationError: It did not lead to the state that is told here.
        """
        now_ms = self._clock()
        details = turn.details
        if turn.action in _HAPPENED:
            details = replace(details, at=instant(now_ms))
        due_ms = last_moment(now_ms, turn.until - turn.day) if turn.until else 0
        move = Move(action=turn.action, code=turn.code, details=details, due_ms=due_ms)
        bureau = self._bureaus[turn.agency]
        message_id, by_two = bureau.send(lambda office: step_draft(office, case_id, move))
        members.know(case_id, message_id)
        case = members.agreed(case_id)
        if case.state is not turn.after:
            raise VerificationError(f"{turn.action} led to {case.state}, not to {turn.after}")
        if turn.remark:
            words = turn.remark.format(
                due=_due(case), asked=date_of(due_ms), seal=_seal(case).value
            )
            self._tell(turn.agency, case, f"{self._signed(by_two=by_two)}{words}")

    def _signed(self, *, by_two: bool) -> str:
        self._by_two += by_two
        return "four eyes; " if by_two else ""

    def _notice(self, members: Members, case_id: MessageId, notice: Notice) -> tuple[AgencyId, ...]:
        """Let the nodes find that a due date is near, or has passed; return who missed it."""
        members.note(case_id, notice.code)
        missed = members.late(case_id) if notice.code is CaseCode.OVERDUE else ()
        words = notice.remark.format(missed=" and ".join(missed))
        date = date_of(self._clock())
        self._screen.dated(date, "ledgers", notice.code.value, words, alarming=True)
        return missed

    def _ended(self, story: Return, case: Case, missed: tuple[AgencyId, ...]) -> CaseSeen:
        """Return how a case ended.

        Raises:
            VerificationError: Not as it is told here.
        """
        clock = clock_of(case, self._clock(), warn_days=0)
        due_ms, informed_ms, back_ms = clock.due_ms, clock.informed_ms, case.line.met_ms
        if due_ms is None or informed_ms is None or back_ms is None:
            raise VerificationError("a case was closed without a date")
        first_ms = last_moment(informed_ms, case.days)
        late = first_ms < back_ms <= due_ms
        if late is not story.ends_late or clock.state is not ClockState.MET or case.open_incidents:
            raise VerificationError(f"the return of {story.title} did not end as told")
        return CaseSeen(
            case_id=case.case_id,
            state=case.state,
            informed_ms=informed_ms,
            first_due_ms=first_ms,
            due_ms=due_ms,
            back_ms=back_ms,
            missed=missed,
            notices=(),
        )

    def _tell(self, who: AgencyId, case: Case, words: str) -> None:
        date = date_of(self._clock())
        odd = bool(case.open_incidents)
        self._screen.dated(date, who, case.state.value, words, alarming=odd)
        self._screen.let_read(_BEAT_S)


def _due(case: Case) -> str:
    due_ms = due_of(case)
    return "" if due_ms is None else date_of(due_ms)


def _seal(case: Case) -> SealCheck:
    """Return how the seal was found, as the case has it: anything but intact is an incident."""
    codes = {one.code for one in case.incidents}
    return next((one for one in SealCheck if one.value in codes), SealCheck.INTACT)
