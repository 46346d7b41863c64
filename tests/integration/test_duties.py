"""Duties: whatever interrupts them, each is done once; of two that begin, one does it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import open_home
from sesn_node.domain.conversation import DestructionOutcome
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.errors import SesnError
from sesn_node.exchange.duties import do_duties
from sesn_node.exchange.forwarding import forward
from sesn_node.exchange.reach import reach
from sesn_node.exchange.recall import recall
from sesn_node.exchange.views import alert_file
from sesn_node.store.erasures import ErasureTable
from tests.support.faults import WriteFault
from tests.support.homes import BE, GH, NL, PASSPHRASE
from tests.support.network import DAY_MS, alert
from tests.support.passing import marked
from tests.support.patience import until
from tests.support.serving import check_homes, found_home, introduce, serve
from tests.support.view import view

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from sesn_node.exchange.duties import Duties
    from tests.support.network import Network
    from tests.support.serving import Home, Serving

_WHY = "Wrong consignment"
_WRITES = 4
"""The forward is recalled, the content erased, its bytes noted as gone, and the sender told."""


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies."""
    return connect(NL, GH, BE)


def _recalled(net: Network) -> tuple[MessageId, MessageId]:
    """Let Ghana pass an alert on to Belgium, and get its recall."""
    message_id = net.share(NL, GH, payload=marked(Markings(Tlp.AMBER, onward=("*",))))
    net.deliver(NL, GH)
    passed_on = forward(net[GH].office, message_id, [BE]).message_id
    net.pass_time(1)
    net.deliver(GH, BE)
    recall(net[NL].office, message_id, _WHY)
    net.deliver(NL, GH)
    net.check()
    return message_id, passed_on


def _done_once(net: Network, message_id: MessageId, passed_on: MessageId) -> None:
    """The recall was obeyed: all of it is gone, everybody was told, and nobody twice."""
    net.check()
    net.deliver(GH, NL)
    net.deliver(GH, BE)
    do_duties(net[BE].office)
    net.deliver(BE, GH)
    net.check()
    for sent, sender in ((message_id, NL), (passed_on, GH)):
        (reached,) = reach(net[sender].office, sent).recipients
        assert [one.body and one.body.outcome for one in reached.receipts] == [
            DestructionOutcome.DESTROYED
        ]
    assert alert_file(net[BE].office, passed_on).alert.problem == "ERASED"
    assert len(list(view(net[GH].office).of_kind(EntryKind.ERASED))) == 2


def test_number_of_writes(net: Network) -> None:
    """So many transactions there are that could fail; the test below is about each."""
    sent = _recalled(net)
    before = len(net.faults.writes)
    do_duties(net[GH].office)
    assert len(net.faults.writes) - before == _WRITES
    _done_once(net, *sent)
    before = len(net.faults.writes)
    assert do_duties(net[GH].office).obeyed == 0
    assert len(net.faults.writes) == before


@pytest.mark.parametrize("fault", list(WriteFault))
@pytest.mark.parametrize("number", range(1, _WRITES + 1))
def test_interrupted_at_every_write(net: Network, number: int, fault: WriteFault) -> None:
    """A write fails, or seems to; the process ends; the next one does what is left, and no more."""
    sent = _recalled(net)
    net.faults.plan_write(number, fault)
    with suppress(SesnError):
        do_duties(net[GH].office)
    net.rest()
    assert not net.faults.pending
    with suppress(SesnError):
        net[GH].close()
    net[GH].open()
    net.check()
    do_duties(net[GH].office)
    _done_once(net, *sent)


def test_by_several_at_once(net: Network) -> None:
    """Two processes that begin at the same moment answer once."""
    sent = _recalled(net)
    with (
        open_home(net[GH].home, PASSPHRASE, clock=net[GH].now_ms) as other,
        ThreadPoolExecutor() as pool,
    ):
        offices = (net[GH].office, other.office)
        running = [pool.submit(do_duties, office) for office in offices * 3]
        done: list[Duties] = [one.result() for one in running]
    assert sum(one.answered for one in done) == 1
    assert sum(one.obeyed for one in done) == 1
    net[GH].reopen()
    _done_once(net, *sent)


def test_one_that_fails_holds_up_no_other(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be erased for some reason is tried again; the others are erased meanwhile."""
    until_ms = net.clock.now_ms + DAY_MS
    markings = Markings(Tlp.AMBER, retain_until=datetime.fromtimestamp(until_ms / 1000, UTC))
    ids = [net.share(NL, GH, payload=Payload(markings, alert().body)) for _ in range(2)]
    net.pass_time(DAY_MS)
    whole = ErasureTable.erase_sent

    def erase_sent(table: ErasureTable, agency: str, message_id: bytes) -> None:
        if message_id == ids[0]:
            raise SesnError("it cannot be erased")
        whole(table, agency, message_id)

    monkeypatch.setattr(ErasureTable, "erase_sent", erase_sent)
    done = do_duties(net[NL].office)
    assert (done.expired, done.failed) == (1, 1)
    monkeypatch.undo()
    assert do_duties(net[NL].office).expired == 1
    net.check()


def view_table(net: Network) -> object:
    """Return the table of erasures, as transactions have it."""
    with net[NL].office.store.read() as transaction:
        return transaction.erasures


def _answered(node: Serving, message_id: MessageId) -> bool:
    (reached,) = reach(node.office, message_id).recipients
    return bool(reached.receipts)


def _recall(home: Home, message_id: MessageId) -> None:
    """Recall as a command does: with an office of its own on the same database."""
    with open_home(home.path, PASSPHRASE) as desk:
        recall(desk.office, message_id, _WHY)


@pytest.mark.parametrize("collects", [False, True])
async def test_serving_nodes_obey_by_themselves(tmp_path: Path, *, collects: bool) -> None:
    """A recall by a command leaves, is obeyed and answered, over Deliver and Collect."""
    nl_home, gh_home = found_home(tmp_path, NL), found_home(tmp_path, GH, listens=not collects)
    introduce(nl_home, gh_home)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        message_id = await nl.send(gh_home)
        await nl.acknowledged(message_id)
        await asyncio.to_thread(_recall, nl_home, message_id)
        nl.node.wake()
        await until(partial(_answered, nl, message_id), "a destruction receipt")
        assert alert_file(gh.office, message_id).alert.problem == "ERASED"
    check_homes(nl_home, gh_home)


async def test_node_that_starts_does_what_is_left(tmp_path: Path) -> None:
    """A recall that came in before the node was killed is obeyed when it starts again."""
    nl_home, gh_home = found_home(tmp_path, NL), found_home(tmp_path, GH)
    introduce(nl_home, gh_home)
    async with serve(nl_home) as nl:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sesn_node.transport.steward.Steward.look", lambda _: None)
            async with serve(gh_home):
                message_id = await nl.send(gh_home)
                await nl.acknowledged(message_id)
                await asyncio.to_thread(_recall, nl_home, message_id)
                nl.node.wake()
                await until(partial(_recall_arrived, nl, message_id), "the recall's receipt")
        assert not _answered(nl, message_id)
        async with serve(gh_home):
            await until(partial(_answered, nl, message_id), "a destruction receipt")
    check_homes(nl_home, gh_home)


def _recall_arrived(node: Serving, message_id: MessageId) -> bool:
    (reached,) = reach(node.office, message_id).recipients
    return reached.recall is not None and reached.recall.state.value == "acknowledged"
