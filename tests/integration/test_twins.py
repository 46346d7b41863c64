"""Several processes of one agency on one database: none is special, and any may end."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE, open_home
from sesn_node.config import Delivery
from sesn_node.errors import PolicyError, StorageError
from sesn_node.exchange.oldcopy import OLD_COPY
from sesn_node.exchange.peers import revoke_peer
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.verify import verify_ledger
from sesn_node.store.headfile import HeadFile
from tests.support.check_node import check_network
from tests.support.engines import PostgresEngine
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.patience import until, wait_until
from tests.support.processes import Process
from tests.support.serving import Home, Serving, found_home, introduce, note, serve
from tests.support.twins import found_twins

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from sesn_node.exchange.office import Office
    from tests.support.engines import Engine

pytestmark = pytest.mark.engine("postgresql")

_MESSAGES = 40
# Nothing is looked at because time has passed: what has to be quick must be woken.
_PATIENT = Delivery(poll_ms=60_000, backoff_initial_ms=50, backoff_cap_ms=500)


@pytest.fixture
def homes(engine: Engine, tmp_path: Path) -> tuple[Home, Home, Home]:
    """Two homes of Dutch customs on one database, and Ghana's environmental agency."""
    assert isinstance(engine, PostgresEngine)
    first, second = found_twins(tmp_path, NL, engine, _PATIENT)
    partner = found_home(tmp_path, GH, _PATIENT)
    introduce(first, partner)
    return first, second, partner


def _share(office: Office) -> MessageId:
    return share(office, Draft(note(), (GH,)))


def _check(*homes: Home) -> None:
    """Check every invariant as each home has it; its head file catches up first."""
    for home in homes[:-1]:
        with ExitStack() as opened:
            desks = [
                opened.enter_context(open_home(one.path, PASSPHRASE)) for one in (home, homes[-1])
            ]
            desks[0].office.sequencer.check()
            check_network([desk.office for desk in desks])
            verified = verify_ledger(desks[0].office.store, HeadFile(home.path / HEAD_FILE))
            assert verified.passed, verified.checks


def test_two_processes_append_at_once(homes: tuple[Home, Home, Home]) -> None:
    """Entries of both are in one ledger without a gap, and each message is in it once."""
    first, second, partner = homes
    with open_home(first.path, PASSPHRASE) as one, open_home(second.path, PASSPHRASE) as two:
        with one.office.store.read() as transaction:
            before = transaction.ledger.require_head().size
        offices = [one.office, two.office] * _MESSAGES
        with ThreadPoolExecutor(4) as pool:
            shared = list(pool.map(_share, offices))
        with two.office.store.read() as transaction:
            after = transaction.ledger.require_head().size
            kept = [copy.message_id for copy in transaction.copies.every()]
    assert after == before + len(shared)
    assert sorted(kept) == sorted(shared)
    _check(first, second, partner)


async def test_whoever_holds_the_lease_delivers(homes: tuple[Home, Home, Home]) -> None:
    """A message shared through one process leaves through the other at once, and once."""
    first, second, partner = homes
    async with serve(first) as one, serve(partner) as other:
        await one.acknowledged(await one.send(partner))
        async with serve(second) as two:
            # The first holds the lease, and is woken by the commit alone.
            message_id = await asyncio.to_thread(_share, two.office)
            await two.acknowledged(message_id)
            await other.acknowledged(await other.send(first))
        assert sorted(other.received()) == sorted(set(other.received()))
    _check(first, second, partner)


async def test_the_other_takes_over(homes: tuple[Home, Home, Home]) -> None:
    """When the process that delivers ends, the other one goes on."""
    first, second, partner = homes
    async with serve(partner) as other, serve(second) as two:
        async with serve(first) as one:
            for office in (one, two):
                await office.acknowledged(await office.send(partner))
        await two.acknowledged(await two.send(partner))
        await other.acknowledged(await other.send(first))
    _check(first, second, partner)


async def test_trust_ends_in_every_process(homes: tuple[Home, Home, Home]) -> None:
    """A partner that is revoked through one process is cut off by the other at once."""
    first, second, partner = homes
    async with serve(first) as one, serve(second) as two, serve(partner) as other:
        await one.acknowledged(await one.send(partner))
        await asyncio.to_thread(revoke_peer, two.office, GH)
        message_id = await other.send(first)
        await until(lambda: _is_refused(other, message_id), "the partner is turned away")
        with pytest.raises(PolicyError, match=r"not trusted|revoked"):
            await one.send(partner)


def _is_refused(other: Serving, message_id: MessageId) -> bool:
    with other.office.store.read() as transaction:
        (copy,) = transaction.outbox.copies(message_id)
        return bool(transaction.peers.link(NL).error or copy.code)


def test_killed_holder(homes: tuple[Home, Home, Home]) -> None:
    """When the process that delivers is killed, the other one delivers in its place."""
    _, second, partner = homes
    processes = [Process(home) for home in homes]
    with ExitStack() as stack:
        desk = stack.enter_context(open_home(second.path, PASSPHRASE))

        def arrives(message_id: MessageId) -> bool:
            with desk.office.store.read() as transaction:
                return all(copy.receipt for copy in transaction.outbox.copies(message_id))

        for process in (processes[0], processes[2], processes[1]):
            stack.callback(process.kill)
            process.start()
            process.await_serving()
            if process is not processes[0]:
                message_id = _share(desk.office)
                wait_until(lambda: arrives(message_id), "the first process delivers")  # noqa: B023 - called at once
        processes[0].kill()
        message_id = _share(desk.office)
        wait_until(lambda: arrives(message_id), "the second process takes over")
        for process in processes[1:]:
            process.stop()
    _check(second, partner)


def test_old_database_is_found_by_each(
    homes: tuple[Home, Home, Home], engine: Engine, tmp_path: Path
) -> None:
    """A database put back is refused by a process that slept while the other one signed."""
    first, second, _ = homes
    engine.save(first.path, tmp_path / "copy")
    with open_home(first.path, PASSPHRASE) as desk:
        _share(desk.office)
    with open_home(second.path, PASSPHRASE) as desk:
        # What a serving node does each second.
        desk.office.sequencer.check()
    engine.put_back(first.path, tmp_path / "copy")
    for home in (first, second):
        with open_home(home.path, PASSPHRASE) as desk, pytest.raises(StorageError) as refused:
            _share(desk.office)
        assert refused.value.code == OLD_COPY
