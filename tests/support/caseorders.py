"""Interleavings of a case: random members take random steps while their messages travel somehow.

Everything is the node's own: stores, keys, codecs, ledgers, use cases. What happens next, to whom,
and in what order messages arrive is drawn; one source of chance, one course.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_history import Standing
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import DAY_MS
from sesn_node.errors import ConflictError, PolicyError, SesnError
from sesn_node.exchange import casework
from sesn_node.exchange.caseduties import do_case_duties
from sesn_node.exchange.casesteps import CASE_MOVED
from sesn_node.exchange.casework import TakeBack, request_draft
from tests.support import casechecks
from tests.support.casemoves import View, draw, likelihood
from tests.support.casestages import AGENCIES, FR, STAGES
from tests.support.casework import MARKS, REQUESTED
from tests.support.faults import WireFault
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.share import Draft
    from tests.support.casestages import Stage, Stages
    from tests.support.casework import Casework
    from tests.support.network import Member
    from tests.support.wires import Wire

_BUSY: Final = (4, 4, 1, 1, 2)
"""How often each of them looks whether there is something to do."""

_CASTS: Final[tuple[dict[str, tuple[AgencyId, ...]], ...]] = (
    {"transit": (BE, DE), "facility": (FR,)},
    {"transit": (BE, DE), "facility": (GH,)},
    {"transit": (BE,), "facility": (FR,)},
    {"transit": (BE,)},
    {"facility": (GH,)},
    {},
)
"""Who is in a case from the beginning, beside NL (DET) and GH (EXP); others may join."""

_EVENTS: Final = {
    "step": 16,
    "at once": 3,
    "deliver": 20,
    "duties": 4,
    "write": 2,
    "send": 2,
    "hold up": 2,
    "pass time": 1,
    "cut off": 1,
    "connect": 1,
    "restart": 0.2,
}
_PACES: Final = (8, 20, 40)
"""How much is delivered between steps: much happens at once, or little."""
_PAUSES: Final = (1_000, HOUR_MS, DAY_MS, 15 * DAY_MS)
_MOST_DAYS: Final = 90
_MOST_SKEW_MS: Final = 5 * 60_000
_FAULTS: Final = (*[None] * 6, *WireFault)
_HELLO: Final = 0.3
_BATCHES: Final = (1, 1, 2, 64)
_LENGTH: Final = (20, 100)
_ROUNDS: Final = 200


@dataclass(slots=True)
class Told:
    """What an interleaving came to.

    Args:
        events: What happened, line by line.
        counts: How often what happened.
        actions: Steps that were taken, by action.
        state: The state that all members see in the end.
        members: How many there are then.
        superseded: How many steps lost to another one.
        before: How many steps there were in the beginning.
    """

    events: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    state: str = ""
    members: int = 0
    superseded: int = 0
    before: int = 0


def play(stages: Stages, chance: Random, folder: Path, told: Told) -> None:
    """Let one interleaving happen, from the request or from a later state on, and check it.

    Args:
        stages: Homes to begin with.
        chance: Draws everything.
        folder: Does not exist; holds the homes as long as this takes.
        told: Where to tell what happens.

    Raises:
        AssertionError: Something does not hold.
        SesnError: Something was refused that is allowed.
    """
    state = chance.choice((*[None] * 8, *STAGES))
    stage = stages.begin if state is None else stages.stage(state)
    told.events.append(f"begins {'with a request' if state is None else state}")
    with stages.opened(stage, folder) as work:
        Interleaving(work, chance, stage, told).play(chance.randint(*_LENGTH))


class Interleaving:
    """One case among five offices, as chance has it.

    Args:
        work: The offices.
        chance: Draws everything.
        stage: Where the offices are.
        told: Where to tell what happens.
    """

    def __init__(self, work: Casework, chance: Random, stage: Stage, told: Told) -> None:
        self.work = work
        self.net = work.net
        self.told = told
        self._chance = chance
        self._wires: dict[tuple[AgencyId, AgencyId], Wire] = {}
        self._to_dial: set[tuple[AgencyId, AgencyId]] = set()
        self._queued: list[tuple[AgencyId, AgencyId]] = []
        """Pairs between which something may be due, in the order in which it came up."""
        self._cut_off: list[AgencyId] = []
        self._drafts: list[tuple[AgencyId, Draft]] = []
        self._days = 0
        self._order: dict[bytes, int] = {}
        self._case_id = stage.case_id
        self.told.before = stage.steps

    @property
    def case_id(self) -> MessageId:
        """The case."""
        assert self._case_id is not None
        return self._case_id

    def play(self, events: int) -> None:
        """Let things happen, then deliver everything, and check what must hold.

        Raises:
            AssertionError: Something does not hold.
            SesnError: Something was refused that is allowed.
        """
        for member in self.net:
            member.skew_ms = self._chance.randint(-_MOST_SKEW_MS, _MOST_SKEW_MS)
        if self._case_id is None:
            self._request()
        happening = {
            "step": self._step,
            "at once": self._at_once,
            "deliver": self._deliver,
            "duties": self._duties,
            "write": self._write,
            "send": self._send,
            "hold up": self._hold_up,
            "pass time": self._pass_time,
            "cut off": self._cut,
            "connect": self._connect,
            "restart": self._restart,
        }
        weights = _EVENTS | {"deliver": self._chance.choice(_PACES)}
        for name in self._chance.choices(list(weights), list(weights.values()), k=events):
            happening[name]()
        self._end()
        casechecks.check_case(self.work, self.case_id, self.told)

    def _say(self, what: str, agency: AgencyId | None = None, more: str = "") -> None:
        self.told.counts[what] += 1
        self.told.events.append(" ".join(one for one in (agency, what, more) if one))

    def _request(self) -> None:
        cast = self._chance.choice(_CASTS)
        wanted = TakeBack(
            exporter=GH,
            ground=self._chance.choice(casechecks.GROUNDS),
            details=REQUESTED,
            markings=MARKS,
            transit=cast.get("transit", ()),
            facility=cast.get("facility", ()),
        )
        draft = request_draft(self.net[NL].office, wanted)
        self._case_id = self.work.send(NL, draft)
        self._shared(NL, draft, "REQUEST", ", ".join(f"{k} {v}" for k, v in cast.items()))

    def _shared(self, agency: AgencyId, draft: Draft, action: str, more: str = "") -> None:
        self.told.actions[action] += 1
        self._say("step", agency, f"{action} {more}".rstrip())
        self._queued += [(agency, one) for one in draft.to if (agency, one) not in self._queued]

    def _somebody(self) -> AgencyId:
        return self._chance.choices(AGENCIES, _BUSY)[0]

    def _drawn(self, agency: AgencyId) -> tuple[AgencyId, Draft, str] | None:
        """Write a step that an agency can take in its own view."""
        view = self._view(agency)
        move = None if view is None else draw(view, self._chance)
        if move is None or self._chance.random() > likelihood(move.action):
            return None
        told = f"{move.action} {move.code}".rstrip()
        return agency, casework.step_draft(self.net[agency].office, self.case_id, move), told

    def _view(self, agency: AgencyId) -> View | None:
        with self.net[agency].office.store.read() as transaction:
            known = transaction.cases.steps(self.case_id)
        for row in known:
            self._order.setdefault(row.step_id, len(self._order))
        try:
            case = self.work.history(agency, self.case_id).case
        except PolicyError:
            # Not even the request is here.
            return None
        if case is None or not case.roles_of(agency):
            return None
        now_ms = self.net[agency].now_ms()
        return View(agency, case, AGENCIES, now_ms, self._order.__getitem__)

    def _step(self) -> None:
        self._take(self._somebody())

    def _at_once(self) -> None:
        """Let everybody act before anybody hears of it."""
        for agency in self._chance.sample(AGENCIES, len(AGENCIES)):
            self._take(agency)

    def _take(self, agency: AgencyId) -> None:
        drawn = self._drawn(agency)
        if drawn is not None:
            agency, draft, told = drawn
            self.work.send(agency, draft)
            self._shared(agency, draft, told.split()[0], " ".join(told.split()[1:]))

    def _write(self) -> None:
        """Write a step that is sent later, when the case may have gone on."""
        drawn = self._drawn(self._somebody())
        if drawn is not None:
            agency, draft, told = drawn
            self._drafts.append((agency, draft))
            self._say("write", agency, told)

    def _send(self) -> None:
        if not self._drafts:
            return
        agency, draft = self._drafts.pop(self._chance.randrange(len(self._drafts)))
        action = casechecks.action_of(draft)
        try:
            message_id = self.work.send(agency, draft)
        except ConflictError as error:
            if error.code != CASE_MOVED:
                raise
            self._say("too late", agency, action)
            return
        self._shared(agency, draft, action, "as written before")
        found = self.work.history(agency, self.case_id)
        (step,) = (one for one in found.steps if one.message_id == message_id)
        stands = found.standing[step.step_id]
        assert stands is Standing.COUNTS, f"{agency} took a step that is {stands} at once"

    def _deliver(self) -> None:
        ready = [one for one in self._queued if not set(one) & set(self._cut_off)]
        if ready:
            pair = self._chance.choice(ready)
            fault = self._chance.choice(_FAULTS)
            if fault is not None and not self.net.faults.pending:
                self.net.faults.plan_send(1, fault)
                self._say(fault.value, pair[0], f"to {pair[1]}")
            self._turn(pair)

    def _turn(self, pair: tuple[AgencyId, AgencyId]) -> None:
        """Deliver one batch."""
        if pair not in self._wires:
            self._wires[pair] = self.net.wire(*pair)
        wire = self._wires[pair]
        try:
            if pair in self._to_dial:
                self._to_dial.discard(pair)
                wire.connect()
            with self._at_most(self._chance.choice(_BATCHES), wire.sender):
                settled = wire.turn()
        except SesnError:
            # Whoever dials says hello again, and whatever was held up is due; but not each time,
            # since a stream that breaks may be opened again by a batch that was on its way.
            if self._chance.random() < _HELLO:
                self._to_dial.add(pair)
            self._say("broken", pair[0], f"to {pair[1]}")
            return
        if settled is None:
            self._queued.remove(pair)
            return
        self._say("delivered", pair[0], f"to {pair[1]}: {wire.sizes[-1]}")

    @contextmanager
    def _at_most(self, messages: int, sender: Member) -> Iterator[None]:
        """Let a node send no more messages than this in a batch."""
        genuine = sender.office
        limits = replace(genuine.terms.limits, batch_envelopes=messages)
        sender.office = replace(genuine, terms=replace(genuine.terms, limits=limits))
        try:
            yield
        finally:
            sender.office = genuine

    def _hold_up(self) -> None:
        """Let a message wait, so that later ones overtake it."""
        if not self._queued:
            return
        sender, receiver = self._chance.choice(self._queued)
        member = self.net[sender]
        with member.office.store.read() as transaction:
            queued = transaction.outbox.queued_for(receiver)
        if not queued:
            return
        message_id = self._chance.choice(sorted(queued))
        until_ms = member.now_ms() + self._chance.choice(_PAUSES)
        with member.office.store.write() as transaction:
            transaction.outbox.defer(
                message_id, receiver, until_ms=until_ms, code="LATE", detail=None
            )
        self._say("hold up", sender, f"to {receiver}")

    def _duties(self) -> None:
        self._do_duties(self._chance.choice(AGENCIES))

    def _do_duties(self, agency: AgencyId) -> bool:
        done = do_case_duties(self.net[agency].office)
        assert not done.failed, f"{agency}: duties failed"
        self.net.pass_time(1)
        if done.informed or done.filed:
            self._say("duties", agency, f"informed {done.informed}, filed {done.filed}")
            self.told.actions["INFORM"] += done.informed
            self.told.counts["case file"] += done.filed
            pairs = [(agency, one) for one in AGENCIES if one != agency]
            self._queued += [one for one in pairs if one not in self._queued]
        return bool(done.informed or done.filed)

    def _pass_time(self) -> None:
        pause_ms = self._chance.choice(_PAUSES)
        self._days += pause_ms // DAY_MS
        if self._days <= _MOST_DAYS:
            self.net.pass_time(pause_ms)
            self._say("pass time", None, f"{pause_ms // 1000} s")

    def _cut(self) -> None:
        here = [one for one in AGENCIES if one not in self._cut_off]
        # Or nothing can be delivered.
        if len(here) > 2:
            agency = self._chance.choice(here)
            self._cut_off.append(agency)
            self._say("cut off", agency)

    def _connect(self) -> None:
        if self._cut_off:
            agency = self._cut_off.pop(self._chance.randrange(len(self._cut_off)))
            self._say("connect", agency)

    def _restart(self) -> None:
        agency = self._chance.choice(AGENCIES)
        self.net[agency].reopen()
        self._say("restart", agency)

    def _end(self) -> None:
        """Deliver everything, and let every node do its duties, until nothing moves."""
        self._cut_off.clear()
        for pair in permutations(AGENCIES, 2):
            if self._has_queued(*pair):
                self._to_dial.add(pair)
                if pair not in self._queued:
                    self._queued.append(pair)
        for _ in range(_ROUNDS):
            while self._queued:
                self._turn(self._chance.choice(self._queued))
            done = [self._do_duties(agency) for agency in AGENCIES]
            if not any(done):
                return
        raise AssertionError(f"{show_message_id(self.case_id)}: it never comes to rest")

    def _has_queued(self, sender: AgencyId, receiver: AgencyId) -> bool:
        with self.net[sender].office.store.read() as transaction:
            return bool(transaction.outbox.queued_for(receiver))
