"""A ledger whose end is lost is closed, the next one is opened, and partners go on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE, open_home
from sesn_node.cli.passphrase import VARIABLE
from sesn_node.config import Delivery
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import ledger_origin
from sesn_node.errors import ConflictError, StorageError
from sesn_node.exchange import reopen as reopening
from sesn_node.exchange.export import export_tiles, verify_export
from sesn_node.exchange.guard import inspect
from sesn_node.exchange.oldcopy import OLD_COPY, Trouble
from sesn_node.exchange.prove import prove
from sesn_node.exchange.redeliver import to_ask
from sesn_node.exchange.reopen import NOT_LOST
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.verify import verify_ledger
from sesn_node.store.headfile import HeadFile
from sesn_node.trust.directory import PeerState
from tests.support.check_node import check_network
from tests.support.commands import sesn
from tests.support.engines import SQLITE, current
from tests.support.homes import BE, GH, NL, PASSPHRASE
from tests.support.network import alert
from tests.support.patience import until
from tests.support.reopening import (
    get_back,
    head_file,
    inquire,
    open_next,
    put_back,
    require_verified,
)
from tests.support.rotations import rotate_all_of
from tests.support.serving import founded, serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from tests.support.network import Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies with traffic behind them."""
    made = connect(NL, GH, BE)
    made.share(NL, GH, BE)
    made.share(GH, NL)
    for one, other in ((NL, GH), (NL, BE), (GH, NL)):
        made.deliver(one, other)
    return made


def _traffic(net: Network, messages: int) -> tuple[list[MessageId], list[MessageId]]:
    ours, theirs = [], []
    for _ in range(messages // 2):
        ours.append(net.share(NL, GH))
        theirs.append(net.share(GH, NL))
    for one, other in ((NL, GH), (GH, NL)):
        net.deliver(one, other)
    return ours, theirs


def _state(net: Network, agency: str, of: str) -> PeerState:
    return net[agency].office.directory().peers[of].state  # type: ignore[index]


def test_copy_of_a_hundred_messages_ago(net: Network, tmp_path: Path) -> None:
    """The node refuses, opens a new ledger, and partners that cosigned all go on, without alarm."""
    member, ghana = net[NL], net[GH]
    old_message = net.share(NL, GH)
    net.deliver(NL, GH)
    current().save(member.home, tmp_path / "saved")
    ours, theirs = _traffic(net, 100)
    net.rest()
    size = head_file(member).read().size  # type: ignore[union-attr]
    put_back(net, member, tmp_path / "saved")
    before = member.size()
    with pytest.raises(StorageError) as refused:
        share(member.office, Draft(alert(), (GH,)))
    assert refused.value.code == OLD_COPY

    done = open_next(member, inquire(net, member, GH, BE))
    assert (done.old.size, done.end.head.size) == (before, size)
    assert done.head.origin == ledger_origin(member.agency, 2)
    assert inspect(member.office.store, head_file(member)) is None
    require_verified(member)

    # Partners take the card by themselves, and go on.
    later = net.share(NL, GH, BE)
    net.deliver(NL, GH)
    net.deliver(NL, BE)
    assert member.states(later) == {GH: "acknowledged", BE: "acknowledged"}
    for agency in (GH, BE):
        assert _state(net, agency, NL) is PeerState.TRUSTED
        with net[agency].office.store.read() as transaction:
            assert transaction.alarms.standing() == []

    # What was lost comes again; nothing of what is recorded about it changes with its sender.
    receipts = {one: ghana.copies(one)[NL] for one in theirs}
    assert get_back(net, member, GH) == len(theirs)
    net.deliver(GH, NL)
    assert all(member.received(one) for one in theirs)
    assert {one: ghana.copies(one)[NL] for one in theirs} == receipts
    assert get_back(net, member, GH) == 0
    assert not member.received(ours[0])
    require_verified(member)
    require_verified(ghana)
    check_network([ghana.office, net[BE].office])

    # Old messages are proven in the ledger that was closed.
    proof = prove(member.office.store, head_file(member), old_message)
    assert proof.proven.head.origin == done.old.origin
    assert proof.cosigners
    new = prove(member.office.store, head_file(member), later)
    assert new.proven.head.origin == done.head.origin


def test_copies_that_wait(net: Network, tmp_path: Path) -> None:
    """What waited in the old copy goes out, once, whether its recipient has it already or not."""
    member = net[NL]
    waiting, received = net.share(NL, BE), net.share(NL, GH)
    arrived = net.share(GH, NL)
    net.deliver(GH, NL)
    current().save(member.home, tmp_path / "saved")
    net.deliver(NL, GH)
    put_back(net, member, tmp_path / "saved")
    open_next(member, inquire(net, member, GH, BE))
    inbox = len(net[GH].received(received))
    net.deliver(NL, BE)
    net.deliver(NL, GH)
    assert member.states(waiting) == {BE: "acknowledged"}
    assert member.states(received) == {GH: "acknowledged"}
    assert len(net[GH].received(received)) == inbox == 1
    with member.office.store.read() as transaction:
        rows = transaction.ledger.entries_of(waiting)
        assert [(row.kind, row.ledger) for row in rows] == [
            (EntryKind.SHARED, 0),
            (EntryKind.SHARED, 1),
            (EntryKind.ACKNOWLEDGED, 1),
        ]
    assert len(member.received(arrived)) == 1
    require_verified(member)
    require_verified(net[BE])


def test_message_that_comes_again(net: Network, tmp_path: Path) -> None:
    """A message that the closed ledger has received is receipted from the open one."""
    member = net[NL]
    message_id = net.share(GH, NL)
    net.deliver(GH, NL)
    current().save(member.home, tmp_path / "saved")
    _traffic(net, 2)
    put_back(net, member, tmp_path / "saved")
    open_next(member, inquire(net, member, GH, BE))
    with net[GH].office.store.write() as transaction:
        transaction.recovery.ask_again(NL, [message_id], net.clock.now_ms)
    net.deliver(GH, NL)
    with member.office.store.read() as transaction:
        rows = transaction.ledger.entries_of(message_id)
        assert [(row.kind, row.ledger) for row in rows] == [
            (EntryKind.RECEIVED, 0),
            (EntryKind.RECEIVED, 1),
        ]
    require_verified(member)
    require_verified(net[GH])


def test_asked_for_a_few_at_a_time(net: Network) -> None:
    """Who asks for the end of its ledger is told where to go on, until there is no more."""
    for _ in range(5):
        net.share(GH, NL)
    net.deliver(GH, NL)
    origin, now_ms = net[NL].card.current_origin, net.clock.now_ms
    with net[GH].office.store.write() as transaction:
        recovery = transaction.recovery
        first = 0
        counts = []
        while True:
            count, first = recovery.ask_from(NL, origin, first, 2, now_ms)
            counts.append(count)
            if not first:
                break
        assert counts == [2, 2, 2]
        assert recovery.ask_from(NL, origin, 0, 10, now_ms) == (0, 0)
    net.deliver(GH, NL)
    with net[GH].office.store.read() as transaction:
        assert transaction.recovery.waiting() == {}


@pytest.mark.engine(SQLITE)
@pytest.mark.parametrize("options", [(), ("--tiles", "export", "--new-epoch")])
def test_one_way_or_the_other(net: Network, options: tuple[str, ...]) -> None:
    """The command takes an export, or opens a new ledger: not both, and not neither."""
    ran = sesn("ledger", "recover", *options, home=net[NL].home)
    assert ran.code != 0
    assert "either --tiles DIR, or --new-epoch" in ran.err


def test_both_ledgers_are_exported(net: Network, tmp_path: Path) -> None:
    """Each to a folder of its own; the closed one does not change any more."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    _traffic(net, 2)
    put_back(net, member, tmp_path / "saved")
    done = open_next(member, inquire(net, member, GH, BE))
    store, file = member.office.store, head_file(member)
    closed = export_tiles(store, file, tmp_path / "one", epoch=1)
    newest = export_tiles(store, file, tmp_path / "two")
    assert (closed.head.origin, closed.head.size) == (done.old.origin, done.old.size)
    assert newest.head.origin == done.head.origin
    assert verify_export(store, file, tmp_path / "one", epoch=1) == closed.head
    with pytest.raises(ConflictError):
        export_tiles(store, file, tmp_path / "one")


def test_head_file_was_not_written(net: Network, tmp_path: Path) -> None:
    """Cut off between the commit and the head file, the node goes on by itself."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    _traffic(net, 2)
    net.rest()
    kept = head_file(member).path.read_bytes()
    put_back(net, member, tmp_path / "saved")
    open_next(member, inquire(net, member, GH, BE))
    member.close()
    head_file(member).path.write_bytes(kept)
    member.open()
    assert inspect(member.office.store, head_file(member)) is None
    with pytest.raises(ConflictError) as error:
        open_next(member, inquire(net, member, GH, BE))
    assert error.value.code == NOT_LOST
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    assert member.states(message_id) == {GH: "acknowledged"}
    require_verified(member)


def test_cut_off_before_the_commit(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has happened but that keys were made; run again, it uses those."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    _traffic(net, 2)
    put_back(net, member, tmp_path / "saved")
    inquiry = inquire(net, member, GH, BE)
    before = member.size(), head_file(member).path.read_bytes(), member.card.sha256
    with monkeypatch.context() as patched:
        patched.setattr(reopening, "keep_card", _fail)
        with pytest.raises(StorageError, match="cut off"):
            open_next(member, inquiry)
    assert (member.size(), head_file(member).path.read_bytes(), member.card.sha256) == before
    made = {one.key_id for one in member.office.vault.file.refresh().records}
    open_next(member, inquiry)
    assert {one.key_id for one in member.office.vault.file.refresh().records} == made
    require_verified(member)


def _fail(*_: object) -> None:
    raise StorageError("cut off")


def test_card_that_was_issued_since(net: Network, tmp_path: Path) -> None:
    """A card that the copy does not know has its number for good; the new one takes a later one."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    member.issue(name="Customs, under another name")
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    assert net[GH].office.directory().peers[NL].card.card.sequence == member.card.card.sequence
    put_back(net, member, tmp_path / "saved")
    open_next(member, inquire(net, member, GH, BE))
    assert net[GH].received(message_id)
    later = net.share(NL, GH)
    net.deliver(NL, GH)
    assert member.states(later) == {GH: "acknowledged"}
    assert _state(net, GH, NL) is PeerState.TRUSTED


def test_keys_that_were_rotated_since(net: Network, tmp_path: Path) -> None:
    """Partners take no card that leaves out a key set of ours: that is said before, not after."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    rotate_all_of(member, Rotatable.LOG)
    _traffic(net, 2)
    net.rest()
    put_back(net, member, tmp_path / "saved")
    with pytest.raises(ConflictError) as error:
        open_next(member, inquire(net, member, GH, BE), unanswered=True)
    assert error.value.code == "CARD_MISSING"


def test_two_new_epochs(net: Network, tmp_path: Path) -> None:
    """What was lost once may be lost again: two ledgers are closed, and the third one goes on."""
    member = net[NL]
    for turn in range(2):
        current().save(member.home, tmp_path / f"saved-{turn}")
        _traffic(net, 2)
        put_back(net, member, tmp_path / f"saved-{turn}")
        open_next(member, inquire(net, member, GH, BE))
        message_id = net.share(NL, GH)
        net.deliver(NL, GH)
        assert member.states(message_id) == {GH: "acknowledged"}
    assert [one.origin for one in member.card.card.closed] == [
        ledger_origin(member.agency, 1),
        ledger_origin(member.agency, 2),
    ]
    require_verified(member)
    assert _state(net, GH, NL) is PeerState.TRUSTED


def test_copy_from_before_the_new_epoch(net: Network, tmp_path: Path) -> None:
    """A database that knows nothing of the new ledger is an old copy, and says so."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    _traffic(net, 2)
    put_back(net, member, tmp_path / "saved")
    open_next(member, inquire(net, member, GH, BE))
    put_back(net, member, tmp_path / "saved")
    found = inspect(member.office.store, head_file(member))
    assert found is not None
    assert found.trouble is Trouble.BEHIND
    assert "has closed that ledger" in found.what
    with pytest.raises(ConflictError) as error:
        open_next(member, inquire(net, member, GH, BE))
    assert error.value.code == "CARD_MISSING"


@pytest.mark.engine(SQLITE)
async def test_the_command_and_the_nodes(tmp_path: Path) -> None:
    """Over real connections: the command asks, the node serves, and what was lost comes again."""
    nl, gh = founded(tmp_path, NL, GH, delivery=Delivery(poll_ms=100))
    async with serve(nl) as one, serve(gh) as other:
        kept = [await other.send(nl)]
        await other.acknowledged(*kept)
        await one.acknowledged(await one.send(gh))
    current().save(nl.path, tmp_path / "saved")
    async with serve(nl) as one, serve(gh) as other:
        lost = [await other.send(nl) for _ in range(3)]
        await other.acknowledged(*lost)
        await one.acknowledged(await one.send(gh))
    size = HeadFile(nl.path / HEAD_FILE).read().size  # type: ignore[union-attr]
    current().put_back(nl.path, tmp_path / "saved")
    async with serve(gh):
        # In a process of its own: the other node is served by this one.
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sesn_node", "--home", str(nl.path)),
            *("ledger", "recover", "--new-epoch", "--yes", "--json"),
            env={**os.environ, VARIABLE: PASSPHRASE.decode()},
            stdout=PIPE,
        )
        said, _ = await command.communicate()
    told = json.loads(said)
    assert (told["closed"]["size"], told["asked"]) == (size, [str(GH)])
    async with serve(gh) as other, serve(nl) as one:
        await until(lambda: sorted(one.received()) == sorted([*kept, *lost]), "what was lost comes")
        await one.acknowledged(await one.send(gh))
        await other.acknowledged(await other.send(nl))
        assert other.office.directory().peers[NL].state is PeerState.TRUSTED
        await until(
            lambda: not to_ask(one.office, GH), "the partner was asked for all that there is"
        )
    with open_home(nl.path, PASSPHRASE) as desk:
        assert verify_ledger(desk.office.store, HeadFile(nl.path / HEAD_FILE)).passed
