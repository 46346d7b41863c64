"""What a monitoring system sees of real nodes: metrics, and health that follows the truth."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from sqlalchemy import event

from sesn_node import bootstrap
from sesn_node.config import Delivery
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import show_message_id
from sesn_node.errors import ConfigError, StorageError
from sesn_node.exchange import receive
from sesn_node.exchange.share import Draft, share
from sesn_node.store.disk import DISK_FLOOR, MIB, Disk
from sesn_node.transport import health as health_module
from sesn_node.transport import monitor as monitor_module
from sesn_node.transport.link import SERVICE
from tests.support.calls import HEALTH, calling, raw_unary
from tests.support.engines import PostgresEngine
from tests.support.homes import GH, NL
from tests.support.patience import until
from tests.support.serving import captured_logs, check_homes, founded, note, serve
from tests.support.watching import Space, get, samples, watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

    from tests.support.engines import Engine
    from tests.support.serving import Home, Serving

_QUICK = Delivery(backoff_initial_ms=20, backoff_cap_ms=200, poll_ms=50)
_PATIENCE_S = 45.0
_GLANCE_S = 0.02
_SUBJECT = "Fridges declared as furniture"


@asynccontextmanager
async def _asking(callee: Home, caller: Home) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Ask a node's `grpc.health.v1` as one of its partners."""
    request = HealthCheckRequest(service=SERVICE).SerializeToString()
    async with calling(callee, caller.identity) as channel:
        check = raw_unary(channel, f"{HEALTH}/Check")

        async def ask() -> str:
            try:
                answer = HealthCheckResponse.FromString(await check(request))
            except grpc.aio.AioRpcError as error:
                # Whom it trusts stands in the database that is gone.
                return error.code().name
            return str(HealthCheckResponse.ServingStatus.Name(answer.status))

        yield ask


async def _comes(endpoint: str, status: int, words: str = "") -> str:
    """Wait until /health has a status, and return the reason that it gives."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            answer = None
            # In a crowd there is no answer.
            with suppress(ConnectionError, IndexError):
                answer = await get(endpoint, "/health")
            if answer is not None and answer.status == status:
                said = json.loads(answer.body)
                assert said["status"] == ("SERVING" if status == 200 else "NOT_SERVING")
                if words in (said["reason"] or ""):
                    return str(said["reason"])
            await asyncio.sleep(_GLANCE_S)


async def _seen(endpoint: str, name: tuple[str, ...], value: float) -> dict[tuple[str, ...], float]:
    """Wait until a sample has a value; what is read from the database may be a second old."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            found = await samples(endpoint)
            if found.get(name) == value:
                return found
            await asyncio.sleep(_GLANCE_S)


async def _answers(ask: Callable[[], Awaitable[str]], *wanted: str) -> None:
    """Wait until `grpc.health.v1` answers so."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            if await ask() in wanted:
                return
            await asyncio.sleep(_GLANCE_S)


async def test_metrics_tell_of_messages(tmp_path: Path) -> None:
    """Both sides count what they did, and what they say names no message and quotes none."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    nl_metrics, gh_metrics = watched(nl_home), watched(gh_home)
    async with serve(nl_home) as nl, serve(gh_home):
        messages = [await nl.send(gh_home, subject=_SUBJECT) for _ in range(3)]
        await nl.acknowledged(*messages)
        ours = await _seen(nl_metrics, ("sesn_ledger_entries",), 8)
        theirs = await samples(gh_metrics)
        body = (await get(nl_metrics, "/metrics")).body.decode()
    assert ours["sesn_messages_shared_total",] == 3
    assert ours["sesn_messages_sent_total", GH] >= 3
    assert ours["sesn_messages_acknowledged_total", GH] == 3
    assert ours["sesn_acknowledged_after_seconds_count", GH] == 3
    assert ours["sesn_batch_messages_sum", "sent"] >= 3
    assert ours["sesn_checkpoints_witnessed_total", GH, "200"] >= 1
    assert ours["sesn_checkpoints_judged_total", GH, "200"] >= 1
    assert ours["sesn_links_up_total", GH] >= 1
    assert ours["sesn_circuit_open", GH] == 0
    assert ours["sesn_commit_operations_count",] >= 3
    assert ours["sesn_healthy",] == ours["sesn_store_readable",] == 1
    assert ours["sesn_disk_free_bytes", "home"] > 0
    assert ours["sesn_head_file_age_seconds",] < 3_600
    assert ours["sesn_node_info", NL, "0.1.0"] == 1
    assert ("sesn_outbox_copies", GH, "queued") not in ours
    card = nl_home.card.card
    assert ours["sesn_expiry_timestamp_seconds", "card"] == card.expires_ms / 1000
    assert ("sesn_expiry_timestamp_seconds", "TLS certificate") in ours
    assert ours["sesn_peer_card_expiry_timestamp_seconds", GH] > 0
    assert theirs["sesn_messages_received_total", NL] == 3
    assert theirs["sesn_batch_seconds_count", "received"] >= 1
    assert _SUBJECT not in body
    assert not any(show_message_id(one) in body or one.hex() in body for one in messages)


async def test_metrics_tell_of_a_partner_that_is_off(tmp_path: Path) -> None:
    """Queued copies, the age of the oldest, failures by code, and the open circuit are there."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    endpoint = watched(nl_home)
    async with serve(nl_home) as nl:
        await nl.send(gh_home)
        found = await _seen(endpoint, ("sesn_circuit_open", GH), 1)
        assert found["sesn_outbox_copies", GH, "queued"] == 1
        assert found["sesn_outbox_oldest_age_seconds", GH] > 0
        assert found["sesn_link_failures_total", "PEER_UNAVAILABLE", GH] >= 3
        assert found["sesn_link_failures_in_a_row", GH] >= 3
        assert found["sesn_ledger_unwitnessed_entries", GH] >= 1
        assert found["sesn_healthy",] == 1


async def test_metrics_address_that_is_taken_is_an_error(tmp_path: Path) -> None:
    """A node whose metrics cannot be served does not start, and says why."""
    (home,) = founded(tmp_path, NL)
    endpoint = watched(home)
    host, _, port = endpoint.rpartition(":")
    other = await asyncio.start_server(lambda *_: None, host, int(port))
    with pytest.raises(ConfigError, match=f"metrics.listen {endpoint}.*another program"):
        async with serve(home):
            pass
    other.close()


async def test_metrics_are_off_unless_asked_for(tmp_path: Path) -> None:
    """Without a setting nothing is counted and nothing listens."""
    (home,) = founded(tmp_path, NL)
    async with serve(home) as node:
        assert node.office.watch.metrics is None
        assert node.office.watch.traces is None


async def test_health_follows_the_database(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that takes no writes shows in both answers, and so does its recovery."""
    monkeypatch.setattr(health_module, "_PULSE_S", 0.1)
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    endpoint = watched(nl_home)
    logged = captured_logs(monkeypatch)
    async with serve(nl_home) as nl, _asking(nl_home, gh_home) as ask:
        await _comes(endpoint, 200)
        await _answers(ask, "SERVING")
        repair = _break(engine, nl)
        try:
            assert await _comes(endpoint, 503)
            await _answers(ask, "NOT_SERVING", "UNAVAILABLE")
            assert (await samples(endpoint))["sesn_healthy",] == 0
        finally:
            repair()
        await _comes(endpoint, 200)
        await _answers(ask, "SERVING")
    events = [line["event"] for line in logged]
    assert "ledger-not-writable" in events
    assert "ledger-writable" in events
    check_homes(nl_home)


def _break(engine: Engine, node: Serving) -> Callable[[], None]:
    """Let no write reach a node's database; return what repairs it."""
    if isinstance(engine, PostgresEngine):
        engine.server.stop(at_once=True)
        # To be called in this thread: the server would end with another.
        return engine.server.start

    broken = [True]

    def checked_out(
        connection: DBAPIConnection, _entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection
    ) -> None:
        # As on a file system that the kernel made read-only: transactions still begin.
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA query_only = {int(broken[0])}")
        cursor.close()

    event.listen(node.office.store._engine, "checkout", checked_out)  # noqa: SLF001 - to break it

    def repair() -> None:
        broken[0] = False

    return repair


@pytest.mark.engine("postgresql")
async def test_metrics_answer_without_a_database(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the database is gone, what this process counted is still told."""
    assert isinstance(engine, PostgresEngine)
    monkeypatch.setattr(monitor_module, "_FRESH_S", 0.0)
    nl_home, _ = founded(tmp_path, NL, GH, delivery=_QUICK)
    endpoint = watched(nl_home)
    async with serve(nl_home):
        assert (await samples(endpoint))["sesn_store_readable",] == 1
        engine.server.stop(at_once=True)
        try:
            found = await _seen(endpoint, ("sesn_store_readable",), 0)
        finally:
            engine.server.start()
        assert ("sesn_ledger_entries",) not in found
        assert found["sesn_commits_failed_total", "STORAGE"] >= 1
        await _seen(endpoint, ("sesn_store_readable",), 1)


async def test_crowd_at_the_metrics_holds_up_no_message(tmp_path: Path) -> None:
    """Connections that say nothing, by the hundred, and many scrapes at once: messages go on."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    endpoint = watched(gh_home)
    host, _, port = endpoint.rpartition(":")
    async with serve(nl_home) as nl, serve(gh_home):
        await _comes(endpoint, 200)
        scrapes = await asyncio.gather(*(get(endpoint, "/metrics") for _ in range(20)))
        assert [one.status for one in scrapes] == [200] * 20
        idle = [await asyncio.open_connection(host, int(port)) for _ in range(300)]
        await nl.acknowledged(*[await nl.send(gh_home) for _ in range(3)])
        for _, writer in idle:
            writer.close()
        await _comes(endpoint, 200)


@pytest.mark.engine("sqlite")
async def test_database_file_that_is_taken_away_shows(tmp_path: Path) -> None:
    """A file that somebody moved is not written to; a partner's message waits until it is back."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    endpoint = watched(gh_home)
    path = gh_home.path / "node.db"
    async with serve(nl_home) as nl, serve(gh_home):
        await _comes(endpoint, 200)
        aside = path.rename(path.with_name("aside.db"))
        await _comes(endpoint, 503, "was removed while this process has it open")
        message = await nl.send(gh_home)
        aside.rename(path)
        await _comes(endpoint, 200)
        await nl.acknowledged(message)
    check_homes(nl_home, gh_home)


async def test_new_messages_stop_at_the_disk_floor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below it a node is BUSY and says why, sends and settles on, and recovers by itself."""
    monkeypatch.setattr(receive, "BUSY_RETRY_MS", 100)
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    endpoint = watched(gh_home)
    space = Space(1024 * MIB)
    logged = captured_logs(monkeypatch)
    async with serve(nl_home) as nl:
        monkeypatch.setattr(bootstrap, "Disk", partial(Disk, statvfs=space.statvfs))
        async with serve(gh_home) as gh:
            await _comes(endpoint, 200)
            before = await gh.send(nl_home)
            space.free_bytes = 10 * MIB
            late = await nl.send(gh_home)
            assert "10 MiB left" in await _comes(endpoint, 503, "10 MiB")
            await until(partial(_says_busy, nl, late), "the sender learns that there is no room")
            # What left before is settled, and what waits to leave leaves.
            await gh.acknowledged(before)
            with pytest.raises(StorageError, match="10 MiB left") as caught:
                await asyncio.to_thread(share, gh.office, Draft(note(), (NL,)))
            assert caught.value.code == DISK_FLOOR
            found = await samples(endpoint)
            assert found["sesn_disk_free_bytes", "home"] == 10 * MIB
            assert found["sesn_disk_floor_bytes",] == 256 * MIB
            assert found["sesn_messages_refused_here_total", "BUSY", NL] >= 1
            space.free_bytes = 1024 * MIB
            await _comes(endpoint, 200)
            await nl.acknowledged(late)
    events = [line["event"] for line in logged]
    assert events.count("disk-low") == events.count("disk-has-room") == 1
    check_homes(nl_home, gh_home)


def _says_busy(node: Serving, message_id: bytes) -> bool:
    with node.office.store.read() as transaction:
        (copy,) = transaction.outbox.copies(message_id)
    words = "this node has too little disk space left for new messages"
    return (copy.state, copy.code, copy.detail) == (DeliveryState.QUEUED, "BUSY", words)
