"""A node that was put back from an old copy: it refuses, recovers, and gets back what was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import MessageId, new_message_id
from sesn_node.errors import (
    ConflictError,
    MalformedError,
    PolicyError,
    SesnError,
    StorageError,
)
from sesn_node.exchange.erase import erase
from sesn_node.exchange.export import export_tiles
from sesn_node.exchange.guard import inspect
from sesn_node.exchange.oldcopy import OLD_COPY, Trouble
from sesn_node.exchange.open import open_received
from sesn_node.exchange.recover import (
    EXPORT_FORK,
    EXPORT_OLD,
    OTHER_LEDGER,
    Recovered,
    recover_tiles,
)
from sesn_node.exchange.recovered import missing
from sesn_node.exchange.redeliver import MOST_ASKED, deliver_again, lost_from
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.verify import verify_ledger
from sesn_node.store.headfile import HeadFile
from sesn_node.trust.directory import PeerState
from tests.support.check_node import check_network
from tests.support.engines import current
from tests.support.homes import BE, GH, NL
from tests.support.network import alert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.network import Member, Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies with traffic behind them."""
    made = connect(NL, GH, BE)
    made.share(NL, GH, BE)
    made.share(GH, NL)
    made.deliver(NL, GH)
    made.deliver(GH, NL)
    return made


def _head_file(member: Member) -> HeadFile:
    return HeadFile(member.home / HEAD_FILE)


def _put_back(net: Network, member: Member, saved: Path) -> None:
    agency = member.agency
    member.close()
    current().put_back(member.home, saved)
    member.open()
    # What only a node without losses keeps to: the test looks at what holds instead.
    net.unchecked.add(agency)


def _recover(net: Network, export: Path, agency: str = NL) -> Recovered:
    member = net[agency]  # type: ignore[index]
    store = member.office.store
    return recover_tiles(store, _head_file(member), export, now_ms=member.now_ms())


def _export(member: Member, path: Path) -> Path:
    member.office.sequencer.check()
    export_tiles(member.office.store, _head_file(member), path)
    return path


def _trouble(member: Member) -> Trouble | None:
    found = inspect(member.office.store, _head_file(member))
    return None if found is None else found.trouble


def _state_of(net: Network, agency: str, of: str) -> PeerState:
    return net[agency].office.directory().peers[of].state  # type: ignore[index]


def _is_there(net: Network, message_id: MessageId) -> bool:
    return bool(net[NL].received(message_id))


def _get_back(net: Network) -> None:
    """Have Ghana deliver again what nl.customs lost, which appends nothing there."""
    member = net[NL]
    asked = lost_from(member.office, GH)
    assert deliver_again(net[GH].office, NL, asked) == len(asked)
    size = member.size()
    while not all(_is_there(net, MessageId(one)) for one in asked):
        net.deliver(GH, NL)
    assert member.size() == size


def _traffic(net: Network, messages: int) -> tuple[list[MessageId], list[MessageId]]:
    """Exchange messages both ways, so that each side holds receipts; returns ids, ours first."""
    ours, theirs = [], []
    for _ in range(messages // 2):
        ours.append(net.share(NL, GH))
        theirs.append(net.share(GH, NL))
    for one, other in ((NL, GH), (GH, NL)):
        net.deliver(one, other)
    return ours, theirs


def test_copy_of_a_hundred_messages_ago(net: Network, tmp_path: Path) -> None:
    """The node refuses and says why; recovery brings it back, partners deliver again, no alarm."""
    member, ghana = net[NL], net[GH]
    current().save(member.home, tmp_path / "saved")
    waiting = net.share(GH, NL)
    ours, theirs = _traffic(net, 100)
    size = member.size()
    export = _export(member, tmp_path / "export")
    net.checking = False
    _put_back(net, member, tmp_path / "saved")
    old = member.size()

    assert _trouble(member) is Trouble.BEHIND
    with pytest.raises(StorageError, match=f"holds {old:,} ledger entries") as refused:
        share(member.office, Draft(alert(), (GH,)))
    assert refused.value.code == OLD_COPY
    assert "ledger recover --tiles DIR" in str(inspect(member.office.store, _head_file(member)))

    done = _recover(net, export)
    assert (done.before, done.head.size, done.confirmed) == (old, size, True)
    assert _trouble(member) is None
    with member.office.store.read() as transaction:
        lost = missing(transaction)
    assert (lost.sent, lost.received) == (len(ours), len(theirs) + 1)
    assert set(lost.lost[GH]) == {waiting, *theirs}
    assert verify_ledger(member.office.store, _head_file(member)).passed

    # It goes on, and the partner sees one history.
    later = net.share(NL, GH)
    net.deliver(NL, GH)
    assert member.states(later) == {GH: "acknowledged"}
    assert _state_of(net, GH, NL) is PeerState.TRUSTED

    # What was lost comes again: the same entries, the same receipts, no new ones.
    before = {one: ghana.copies(one)[NL] for one in theirs}
    _get_back(net)
    assert {one: ghana.copies(one)[NL] for one in theirs} == before
    assert lost_from(member.office, GH) == ()
    assert open_received(member.office, member.received(theirs[0])[0]) == alert()
    with ghana.office.store.read() as transaction:
        assert transaction.recovery.waiting() == {}
    assert verify_ledger(member.office.store, _head_file(member)).passed
    check_network([ghana.office, net[BE].office])


def test_copies_that_were_acknowledged_meanwhile(net: Network, tmp_path: Path) -> None:
    """A copy that the old database still has queued gets its receipt, and no second entry."""
    member = net[NL]
    message_id = net.share(NL, GH)
    current().save(member.home, tmp_path / "saved")
    net.deliver(NL, GH)
    export = _export(member, tmp_path / "export")
    net.checking = False
    _put_back(net, member, tmp_path / "saved")
    _recover(net, export)
    # Before anything else the ledger says what came back.
    member.office.sequencer.check()
    size = member.size()
    net.deliver(NL, GH)
    assert member.states(message_id) == {GH: "acknowledged"}
    assert member.size() == size
    assert verify_ledger(member.office.store, _head_file(member)).passed


def test_what_was_withdrawn_and_erased_stays_so(net: Network, tmp_path: Path) -> None:
    """Trust withdrawn, content erased and copies ended since the copy: all of it is done again."""
    member = net[NL]
    kept = net.share(GH, NL)
    net.deliver(GH, NL)
    current().save(member.home, tmp_path / "saved")
    gone = net.share(GH, NL)
    net.deliver(GH, NL)
    net.checking = False
    for one in (kept, gone):
        erase(member.office, one, "asked for by its author")
    net.revoke(NL, BE)
    export = _export(member, tmp_path / "export")
    _put_back(net, member, tmp_path / "saved")
    done = _recover(net, export)
    assert done.replayed.erased == 1
    assert done.replayed.peers == {BE: PeerState.REVOKED}
    assert done.replayed.ended >= 1
    assert _state_of(net, NL, BE) is PeerState.REVOKED
    (row,) = member.received(kept)
    assert row.sealed.ciphertext is None
    assert lost_from(member.office, GH) == ()
    # Delivered again all the same, it does not come back, and is receipted as it was.
    deliver_again(net[GH].office, NL, [gone])
    net.deliver(GH, NL)
    assert not member.received(gone)
    assert verify_ledger(member.office.store, _head_file(member)).passed


def test_twice_is_as_good_as_once(net: Network, tmp_path: Path) -> None:
    """A recovery that was cut off before the head file was written is done again."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    _traffic(net, 4)
    export = _export(member, tmp_path / "export")
    net.checking = False
    kept = (member.home / HEAD_FILE).read_bytes()
    _put_back(net, member, tmp_path / "saved")
    first = _recover(net, export)
    (member.home / HEAD_FILE).write_bytes(kept)
    second = _recover(net, export)
    assert (second.before, second.head.size) == (first.head.size, first.head.size)
    assert _trouble(member) is None
    with member.office.store.read() as transaction:
        assert len(transaction.recovery.every()) == 1
        kinds = [row.kind for row in transaction.ledger.entries(0, first.head.size)]
    assert kinds.count(EntryKind.SHARED.value) >= 1


def test_export_that_is_too_old(net: Network, tmp_path: Path) -> None:
    """An export that lacks what was signed last is refused, and nothing changes."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    _traffic(net, 4)
    export = _export(member, tmp_path / "export")
    _traffic(net, 4)
    net.checking = False
    _put_back(net, member, tmp_path / "saved")
    before, kept = member.size(), (member.home / HEAD_FILE).read_bytes()
    with pytest.raises(ConflictError, match="too old") as error:
        _recover(net, export)
    assert error.value.code == EXPORT_OLD
    assert (member.size(), (member.home / HEAD_FILE).read_bytes()) == (before, kept)


def test_export_older_than_the_database(net: Network, tmp_path: Path) -> None:
    """There is nothing to recover from what is behind."""
    export = _export(net[NL], tmp_path / "export")
    _traffic(net, 2)
    with pytest.raises(ConflictError) as error:
        _recover(net, export)
    assert error.value.code == EXPORT_OLD


def test_export_of_another_agency(net: Network, tmp_path: Path) -> None:
    """A partner's ledger is not taken for ours."""
    export = _export(net[GH], tmp_path / "export")
    with pytest.raises(ConflictError) as error:
        _recover(net, export)
    assert error.value.code == OTHER_LEDGER


def test_export_with_another_history(net: Network, tmp_path: Path) -> None:
    """Two histories that we signed are told, and neither is changed."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    head = (member.home / HEAD_FILE).read_bytes()
    _traffic(net, 4)
    export = _export(member, tmp_path / "export")
    net.checking = False
    _put_back(net, member, tmp_path / "saved")
    # Who puts the head file back too has told the node that this is its newest state.
    (member.home / HEAD_FILE).write_bytes(head)
    share(member.office, Draft(alert(), (GH,)))
    before = member.size()
    with pytest.raises(ConflictError) as error:
        _recover(net, export)
    assert error.value.code == EXPORT_FORK
    assert member.size() == before


@pytest.mark.parametrize("suffix", ["checkpoint", "tile/entries/000.p", "tile/0/000.p"])
def test_damaged_export(net: Network, tmp_path: Path, suffix: str) -> None:
    """One wrong byte anywhere: all or nothing, so nothing."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    _traffic(net, 4)
    export = _export(member, tmp_path / "export")
    net.checking = False
    _put_back(net, member, tmp_path / "saved")
    path = export / suffix
    if path.is_dir():
        (path,) = path.iterdir()
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    before = member.size()
    with pytest.raises(SesnError):
        _recover(net, export)
    assert member.size() == before
    assert _trouble(member) is Trouble.BEHIND


def test_asking_for_what_is_not_theirs(net: Network) -> None:
    """A partner gets nothing by asking but what was its own; and not too often, or too much."""
    ghana = net[GH].office
    of_others = net.share(GH, BE)
    net.deliver(GH, BE)
    queued = net.share(GH, NL)
    unknown = new_message_id(net.clock.now_ms, bytes(10))
    assert deliver_again(ghana, NL, [of_others, queued, unknown]) == 0
    with pytest.raises(MalformedError):
        deliver_again(ghana, NL, [b"short"])
    with pytest.raises(MalformedError):
        deliver_again(ghana, NL, [unknown] * (MOST_ASKED + 1))
    net.revoke(GH, BE)
    with pytest.raises(PolicyError):
        deliver_again(ghana, BE, [of_others])
    while ghana.again_limiter.allow(NL, ghana.clock()):
        pass
    with pytest.raises(PolicyError, match="too often"):
        deliver_again(ghana, NL, [unknown])


def test_asked_again_without_having_lost_it(net: Network) -> None:
    """Who asks for what it has gets it once more, and nothing changes on either side."""
    net.share(GH, NL)
    net.deliver(GH, NL)
    with net[NL].office.store.read() as transaction:
        ids = [row.message_id for row in transaction.inbox.every() if row.sender == GH]
    sizes = net[NL].size(), net[GH].size()
    assert deliver_again(net[GH].office, NL, ids) == len(ids)
    assert deliver_again(net[GH].office, NL, ids) == 0
    net.deliver(GH, NL)
    assert (net[NL].size(), net[GH].size()) == sizes
    with net[GH].office.store.read() as transaction:
        assert transaction.recovery.waiting() == {}
