"""Steps of cases, and what a node does with any message: erase, recall, recover, find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_terms import Action, Member, Role, State
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.watching import Watched, WatchKind
from sesn_node.errors import PolicyError
from sesn_node.exchange.conversations import conversation, conversations
from sesn_node.exchange.erase import erase
from sesn_node.exchange.export import export_tiles
from sesn_node.exchange.forwarding import forward
from sesn_node.exchange.life import StepKind, life
from sesn_node.exchange.recall import recall
from sesn_node.exchange.recover import recover_tiles
from sesn_node.exchange.redeliver import deliver_again, lost_from
from sesn_node.exchange.related import related
from sesn_node.exchange.requeue import requeue
from sesn_node.exchange.verify import verify_ledger
from sesn_node.exchange.watchlist import marks, watch
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire.entries import decode_entry
from tests.support.backups import backed_up, place_for, restored, rows_of
from tests.support.casework import MARKS, REQUESTED, Casework
from tests.support.engines import current
from tests.support.homes import BE, GH, NL
from tests.support.network import HOUR_MS
from tests.support.reopening import get_back, head_file, inquire, open_next, put_back
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.entries import Entry
    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.network import Member as Office
    from tests.support.network import Network

_BOX = "MSCU6639870"


@pytest.fixture
def work(connect: Callable[..., Network]) -> Casework:
    """Two agencies that have cases."""
    return Casework(connect(NL, GH))


@pytest.fixture
def three(connect: Callable[..., Network]) -> Casework:
    """Three of them."""
    return Casework(connect(NL, GH, BE))


def _failed(member: Office) -> dict[str, tuple[str, ...]]:
    """The checks of `sesn ledger verify` that fail, with their first failures."""
    found = verify_ledger(member.office.store, head_file(member))
    return {check.name: check.first for check in found.checks if check.failed}


def _of_cases(member: Office) -> list[Entry]:
    """The CASE entries of a ledger."""
    with member.office.store.read() as transaction:
        rows = list(transaction.ledger.entries(0, member.size()))
    return [decode_entry(row.entry) for row in rows if row.kind == EntryKind.CASE.value]


def test_erased_content_leaves_the_case_as_it_is(work: Casework) -> None:
    """What a step says goes, on both sides; what the state depends on stays."""
    case_id = work.request(NL, GH)
    work.post()
    acknowledged = work.step(GH, case_id, Action.ACKNOWLEDGE)
    work.post()
    before = work.case(GH, case_id)
    for agency in (NL, GH):
        office = work.net[agency].office
        assert erase(office, case_id, "No longer needed", sender=NL).fresh
        assert erase(office, acknowledged, "No longer needed", sender=GH).fresh
    work.net.pass_time(1)
    work.net.check()
    for agency in (NL, GH):
        assert work.case(agency, case_id) == before
        assert _failed(work.net[agency]) == {}
        assert conversation(work.net[agency].office, case_id).subject == ""
    # Nothing of the case can be read, and it goes on.
    work.step(GH, case_id, Action.ASK, markings=MARKS)
    work.post()
    assert work.case(NL, case_id).state is State.INFO_REQUESTED


def test_copy_is_sent_again_but_never_sealed_anew(work: Casework) -> None:
    """The same bytes may go out again; other bytes would be another step."""
    net = work.net
    case_id = work.request(NL, GH)
    wire = net.wire(NL, GH)
    wire.tamper_request = _spoilt
    wire.deliver()
    copy = net[NL].copies(case_id)[GH]
    assert (copy.state, copy.code) == (DeliveryState.REFUSED, "UNDECRYPTABLE")
    with (
        unchanged(net[NL].office),
        pytest.raises(PolicyError, match=rf"'sesn case file \S+ --to {GH}'") as refused,
    ):
        requeue(net[NL].office, case_id)
    assert refused.value.code == "CASE_STEP"
    # Its node does so by itself.
    work.post()
    assert work.case(GH, case_id) == work.case(NL, case_id)
    net[NL].deal(attempts=1)
    net[NL].skew_ms = HOUR_MS
    step = work.step(NL, case_id, Action.INCIDENT, code="DELAY")
    net.deliver(NL, GH)
    assert net[NL].states(step) == {GH: "dead"}
    net[NL].skew_ms = 0
    net.pass_time(HOUR_MS)
    (done,) = requeue(net[NL].office, step)
    assert done.resealed_as is None
    net.pass_time(1)
    net.deliver(NL, GH)
    assert net[NL].states(step) == {GH: "acknowledged"}
    assert work.case(GH, case_id) == work.case(NL, case_id)


def _spoilt(request: bytes) -> bytes:
    """Spoil the wrapped key of each message on its way."""
    message = pb.DeliverRequest.FromString(request)
    for shipment in message.shipments:
        wrapped = bytearray(shipment.envelope.wrapped_key)
        wrapped[0] ^= 1
        shipment.envelope.wrapped_key = bytes(wrapped)
    return message.SerializeToString()


def test_neither_recalled_nor_passed_on(three: Casework) -> None:
    """A step stays said, and stays among the members; the errors say what to do instead."""
    net = three.net
    case_id = three.request(NL, GH)
    three.post()
    three.step(GH, case_id, Action.INVITE, members=(Member(BE, (Role.TRN,)),))
    three.post()
    with unchanged(net[NL].office), pytest.raises(PolicyError, match="case withdraw") as refused:
        recall(net[NL].office, case_id, "By mistake")
    assert refused.value.code == "NOT_RECALLABLE"
    with unchanged(net[GH].office), pytest.raises(PolicyError, match="case invite") as refused:
        forward(net[GH].office, case_id, (BE,))
    assert refused.value.code == "NOT_FORWARDABLE"
    said = conversation(net[BE].office, case_id).messages
    (file,) = [one.message_id for one in said if one.kind == "case_file"]
    with pytest.raises(PolicyError, match="case invite"):
        forward(net[BE].office, file, (NL,))
    with pytest.raises(PolicyError, match="is a case file, which cannot be recalled"):
        recall(net[GH].office, file, "By mistake")


def test_life_tells_of_the_case(work: Casework) -> None:
    """The entry that records a step is one of what happened to its message, and to no other's."""
    case_id = work.request(NL, GH)
    work.post()
    found = life(work.net[NL].office.store, case_id, work.net[NL].now_ms())
    kinds = [one.kind for one in found.steps]
    assert kinds[:2] == [StepKind.SHARED, StepKind.CASE]
    assert kinds.count(StepKind.CASE) == 1


def test_conversation_is_named_by_its_request(work: Casework) -> None:
    """As an alert names its own."""
    case_id = work.request(NL, GH)
    work.post()
    for agency in (NL, GH):
        office = work.net[agency].office
        assert conversation(office, case_id).subject == REQUESTED.subject
        (line,) = conversations(office, 10)
        assert line.conversation.subject == REQUESTED.subject


def test_found_watched_and_related(three: Casework) -> None:
    """A step, and a case file with it, are found by what they name."""
    net = three.net
    case_id = three.request(NL, GH)
    three.post()
    three.step(GH, case_id, Action.INVITE, members=(Member(BE, (Role.TRN,)),))
    three.post()
    for agency, kind in ((GH, "case_step"), (BE, "case_file")):
        office = net[agency].office
        watch(office, Watched(WatchKind.CONTAINER, _BOX))
        found = [
            one for one in conversation(office, case_id).messages if one.payload and not one.ours
        ]
        named = marks(
            office, [((one.sender, one.message_id), one.payload) for one in found if one.payload]
        )
        (marked,) = [one for one in found if (one.sender, one.message_id) in named]
        assert marked.kind == kind
        others = related(office, marked.message_id, marked.sender, marked.payload, 10)
        # Ghana has written the case file.
        assert [one.message.kind for one in others] == (["case_file"] if agency == GH else [])


def _lose(work: Casework, agency: AgencyId, folder: Path, since: Callable[[], None]) -> None:
    """Take a copy, let something happen, put the copy back, and recover from an export."""
    net, member = work.net, work.net[agency]
    current().save(member.home, folder / "saved")
    since()
    member.office.sequencer.check()
    export_tiles(member.office.store, head_file(member), folder / "tiles")
    put_back(net, member, folder / "saved")
    recover_tiles(member.office.store, head_file(member), folder / "tiles", now_ms=member.now_ms())


def _get_back(net: Network, agency: AgencyId, *others: AgencyId) -> None:
    """Have others deliver again what was lost."""
    for other in others:
        lost = lost_from(net[agency].office, other)
        assert deliver_again(net[other].office, agency, lost) == len(lost)
        net.deliver(other, agency)


def test_recovered_steps_come_back_and_are_said_once(work: Casework, tmp_path: Path) -> None:
    """CASE entries come back with the ledger; the steps with their messages, and add none."""
    net = work.net
    case_id = work.request(NL, GH)
    work.post()
    acknowledged: list[MessageId] = []

    def since() -> None:
        work.step(NL, case_id, Action.INCIDENT, code="DELAY")
        work.step(NL, case_id, Action.EXTEND, due_ms=net.clock.now_ms + 40 * 24 * HOUR_MS)
        work.post()
        acknowledged.append(work.step(GH, case_id, Action.ACKNOWLEDGE))
        work.post()

    _lose(work, GH, tmp_path, since)
    before = _of_cases(net[GH])
    assert _failed(net[GH]) == {}
    assert work.case(GH, case_id) != work.case(NL, case_id)
    _get_back(net, GH, NL)
    assert _of_cases(net[GH]) == before
    assert _failed(net[GH]) == {}
    history = work.history(GH, case_id)
    # What was said here since the copy is lost here, and only here.
    lost = {one.message_id for one in work.history(NL, case_id).steps} - {
        one.message_id for one in history.steps
    }
    assert lost == set(acknowledged)
    assert set(history.standing.values()) == {Standing.COUNTS}


def test_recovered_case_file(three: Casework, tmp_path: Path) -> None:
    """Steps that came in a case file come back with it."""
    net = three.net
    case_id = three.request(NL, GH)
    three.post()

    def since() -> None:
        three.step(GH, case_id, Action.INVITE, members=(Member(BE, (Role.TRN,)),))
        three.post()

    _lose(three, BE, tmp_path, since)
    before = _of_cases(net[BE])
    assert {one.code for one in before} == {"STEP", "FILED"}
    assert _failed(net[BE]) == {}
    _get_back(net, BE, NL, GH)
    assert _of_cases(net[BE]) == before
    assert _failed(net[BE]) == {}
    assert three.case(BE, case_id) == three.case(NL, case_id)


def test_recovered_step_that_was_erased(work: Casework, tmp_path: Path) -> None:
    """What an erased step said does not come back; what the case is does, if it is sent again."""
    net = work.net
    case_id = work.request(NL, GH)
    work.post()
    step: list[MessageId] = []

    def since() -> None:
        step.append(work.step(NL, case_id, Action.INCIDENT, code="DELAY"))
        work.post()
        erase(net[GH].office, step[0], "No longer needed", sender=NL)

    _lose(work, GH, tmp_path, since)
    assert step[0] not in lost_from(net[GH].office, NL)
    assert deliver_again(net[NL].office, GH, step) == 1
    net.deliver(NL, GH)
    assert net[GH].received(step[0]) == []
    assert _failed(net[GH]) == {}
    assert work.case(GH, case_id) == work.case(NL, case_id)


def test_across_a_new_ledger(work: Casework, tmp_path: Path) -> None:
    """Where the end of a ledger is lost, the next one tells of the steps that come again."""
    net, member = work.net, work.net[GH]
    case_id = work.request(NL, GH)
    work.post()
    current().save(member.home, tmp_path / "saved")
    work.step(NL, case_id, Action.INCIDENT, code="DELAY")
    work.post()
    net.rest()
    put_back(net, member, tmp_path / "saved")
    open_next(member, inquire(net, member, NL))
    assert _failed(member) == {}
    assert work.case(GH, case_id).open_incidents == ()
    assert get_back(net, member, NL) == 1
    net.deliver(NL, GH)
    assert _failed(member) == {}
    assert work.case(GH, case_id) == work.case(NL, case_id)
    (entry,) = _of_cases(member)
    assert entry.code == "STEP"
    # What was closed and what is open make one case.
    people = {agency: work.people[agency] for agency in (NL, GH)}
    again = Casework(net, people)
    again.step(GH, case_id, Action.ACKNOWLEDGE)
    again.post()
    assert again.case(NL, case_id).state is State.ACKNOWLEDGED
    assert _failed(member) == {}


def test_restored(three: Casework, tmp_path: Path) -> None:
    """A backup has all that is known of cases, and it verifies."""
    case_id = three.request(NL, GH)
    three.post()
    three.step(NL, case_id, Action.INVITE, members=(Member(BE, (Role.TRN,)),))
    three.post()
    three.net.pass_time(28 * 24 * HOUR_MS)
    three.post()
    member = three.net[NL]
    backup = tmp_path / "nl.sesnbackup"
    backed_up(member, backup)
    place = place_for(current(), tmp_path / "new")
    done = restored(backup, place)
    assert done.verification.passed
    rows = rows_of(place.url)
    assert all(rows[name] for name in ("case_step", "case_notice", "case_filed"))
