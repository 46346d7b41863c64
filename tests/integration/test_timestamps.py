"""Time-stamps on checkpoints: asked for at intervals, over real HTTP; nothing waits for them."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pytest

from sesn_node.bootstrap import HEAD_FILE, open_home, system_clock
from sesn_node.config import FILE_NAME, Authority, Timestamps, load, render
from sesn_node.domain.ids import Origin
from sesn_node.exchange.timestamps import LEASE
from sesn_node.exchange.timestampviews import timestamp_standing
from sesn_node.ledger.head import TreeHead, checkpoint_text
from sesn_node.store.headfile import HeadFile
from sesn_node.transport.stamper import Stamper
from sesn_node.trust.timestamp_signers import read_roots
from sesn_node.trust.timestamps import verify_timestamp
from tests.support.homes import NL, PASSPHRASE
from tests.support.patience import until
from tests.support.serving import Home, captured_logs, found_home, serve
from tests.support.stamping import grow, plan
from tests.support.tsa import POLICY, Tsa, certify, granted, read_query, rejected
from tests.support.tsa_server import TsaServer, reply, serving
from tests.support.watching import samples, watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from sesn_node.bootstrap import Desk
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.timestamps import TimestampPlan
    from sesn_node.exchange.timestampviews import TimestampStanding
    from sesn_node.store.timestamps import TokenRow

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_GRACE_MS: Final = 3 * _HOUR_MS


class _Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return system_clock() + self.ahead_ms


@dataclass
class _Node:
    """A home that is open, and what asks for its time-stamps."""

    desk: Desk
    clock: _Clock
    stamper: Stamper

    @property
    def office(self) -> Office:
        return self.desk.office

    @property
    def tokens(self) -> list[TokenRow]:
        with self.office.store.read() as transaction:
            return list(transaction.timestamps.every())

    @property
    def standing(self) -> TimestampStanding:
        with self.office.store.read() as transaction:
            return timestamp_standing(transaction, _GRACE_MS, self.clock())

    async def after(self, time_ms: int) -> None:
        """Let the ledger grow and time pass, then see what the node does."""
        grow(self.office)
        self.clock.ahead_ms += time_ms
        await self.stamper.stamp()


@contextmanager
def _opened(home: Home, asked: TimestampPlan, clock: _Clock) -> Iterator[_Node]:
    with open_home(home.path, PASSPHRASE, clock=clock) as desk:
        office = replace(desk.office, terms=replace(desk.office.terms, grace_ms=_GRACE_MS))
        leases = office.store.leases()
        try:
            yield _Node(replace(desk, office=office), clock, Stamper(office, asked, leases))
        finally:
            leases.close()


@asynccontextmanager
async def _servers(count: int) -> AsyncIterator[list[TsaServer]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serving()) for _ in range(count)]


def _plan(*servers: TsaServer) -> TimestampPlan:
    return plan(*((one.tsa, one.url) for one in servers), interval_ms=_HOUR_MS)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A founded home: its ledger has entries."""
    return found_home(tmp_path, NL)


async def test_a_checkpoint_is_stamped(home: Home) -> None:
    """The newest, which the head file covers; its token and the checkpoint itself are kept."""
    async with serving() as server:
        with _opened(home, _plan(server), _Clock()) as node:
            await node.stamper.stamp()
            (token,) = node.tokens
            with node.office.store.read() as transaction:
                head = transaction.ledger.require_head()
                notes = transaction.witness.checkpoints(head.origin, head.size)
            assert notes == {head.root: head.note}
    released = HeadFile(home.path / HEAD_FILE).read()
    assert released is not None
    assert released.note == head.note
    assert (token.origin, token.size, token.root) == (head.origin, head.size, head.root)
    assert token.authority == server.url
    text = checkpoint_text(TreeHead(Origin(head.origin), head.size, head.root)).encode()
    said = verify_timestamp(token.token, text, read_roots(server.tsa.root.pem))
    assert said.time_ms == token.time_ms


async def test_one_token_an_interval(home: Home) -> None:
    """Nobody is asked before it is time, nor while the ledger does not grow."""
    async with serving() as server:
        with _opened(home, _plan(server), _Clock()) as node:
            await node.stamper.stamp()
            await node.after(_HOUR_MS - _MINUTE_MS)
            assert len(server.heads) == 1
            await node.after(_MINUTE_MS)
            assert len(server.heads) == 2
            node.clock.ahead_ms += 2 * _HOUR_MS
            await node.stamper.stamp()
            assert len(server.heads) == 2
            assert len({one.size for one in node.tokens}) == 2
            assert not node.standing.overdue


async def test_a_restart_does_not_ask_again(home: Home) -> None:
    """When the next question is due stands in the database."""
    async with serving() as server:
        clock = _Clock()
        with _opened(home, _plan(server), clock) as node:
            await node.stamper.stamp()
        with _opened(home, _plan(server), clock) as node:
            await node.after(0)
            assert len(server.heads) == 1
            await node.after(_HOUR_MS)
            assert len(server.heads) == 2


async def test_a_clock_that_was_put_back(home: Home) -> None:
    """A next time far in the future keeps nobody from asking."""
    async with serving() as server:
        clock = _Clock()
        clock.ahead_ms = 400 * 24 * _HOUR_MS
        with _opened(home, _plan(server), clock) as node:
            await node.stamper.stamp()
            await node.after(-clock.ahead_ms)
            assert len(server.heads) == 2


async def test_authorities_are_asked_in_order(home: Home) -> None:
    """The next one if one fails; the first again next time."""
    async with _servers(2) as (first, second):
        honest = first.answer
        first.answer = lambda _: reply(b"", "500 Internal Server Error")
        with _opened(home, _plan(first, second), _Clock()) as node:
            await node.stamper.stamp()
            first.answer = honest
            await node.after(_HOUR_MS)
            assert [one.authority for one in node.tokens] == [second.url, first.url]
            assert (len(first.heads), len(second.heads)) == (2, 1)


async def test_an_authority_that_keeps_failing_comes_last(home: Home) -> None:
    """After three failures in a row, the others are asked first for a while; then it is tried."""
    async with _servers(2) as (first, second):
        first.answer = lambda _: reply(b"", "503 Service Unavailable")
        with _opened(home, _plan(first, second), _Clock()) as node:
            for _ in range(13):
                await node.after(_HOUR_MS)
            assert (len(first.heads), len(second.heads)) == (3, 13)
            await node.after(_HOUR_MS)
            assert len(first.heads) == 4
            assert len(node.tokens) == 14


def _with_another_nonce(tsa: Tsa, query: bytes) -> bytes:
    asked = read_query(query)
    return reply(granted(tsa.sign(tsa.info(asked.imprint, (asked.nonce or 0) + 1))))


_FAULTS: Final[dict[str, Callable[[Tsa], Callable[[bytes], bytes]]]] = {
    "no DER": lambda _: lambda _query: reply(b"<html>busy</html>"),
    "rejected": lambda _: lambda _query: reply(rejected("come back later")),
    "another nonce": lambda tsa: lambda query: _with_another_nonce(tsa, query),
    "another imprint": lambda tsa: lambda _query: reply(granted(tsa.token(b"anything"))),
    "another root": lambda _: lambda query: reply(Tsa.new().answer(query)),
    "no time-stamp certificate": lambda tsa: (
        lambda query: reply(tsa.but(signer=certify("mail", tsa.root, purposes=None)).answer(query))
    ),
    "redirect": lambda _: (
        lambda _query: reply(b"", "302 Found", headers="Location: http://127.0.0.1:1/\r\n")
    ),
    "huge": lambda _: lambda _query: reply(bytes(1_000_000)),
    "nothing": lambda _: lambda _query: b"",
}


@pytest.mark.parametrize("fault", _FAULTS)
async def test_bad_answers_are_not_kept(
    home: Home, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an authority answers: it is not kept, it is told, and the next one is asked."""
    logs = captured_logs(monkeypatch)
    async with _servers(2) as (first, second):
        first.answer = _FAULTS[fault](first.tsa)
        with _opened(home, _plan(first, second), _Clock()) as node:
            await node.stamper.stamp()
            assert [one.authority for one in node.tokens] == [second.url]
    failed = [line for line in logs if line["event"] == "timestamp-authority-failed"]
    assert [line["authority"] for line in failed] == [first.url]
    assert failed[0]["detail"]


async def test_the_grace_period(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins with the first failure, is kept over restarts, and ends when one answers."""
    logs = captured_logs(monkeypatch)
    async with serving() as server:
        honest = server.answer
        server.answer = lambda _: reply(b"", "500 Internal Server Error")
        clock = _Clock()
        with _opened(home, _plan(server), clock) as node:
            await node.stamper.stamp()
            began_ms = node.standing.failing_ms
            assert began_ms is not None
            assert "grace until" in node.standing.text
            assert "no checkpoint has a time-stamp yet" in node.standing.text
            await node.after(_HOUR_MS)
            assert not node.standing.overdue
        with _opened(home, _plan(server), clock) as node:
            await node.after(_GRACE_MS)
            standing = node.standing
            assert standing.failing_ms == began_ms
            assert standing.overdue
            assert "the grace period ended at" in standing.text
            assert standing.asking is not None
            assert standing.asking.failures == 3
            assert "status 500" in (standing.asking.error or "")
            server.answer = honest
            await node.after(_HOUR_MS)
            assert node.standing.failing_ms is None
            assert len(node.tokens) == 1
    said = [(line["log_level"], line["event"]) for line in logs if "failing" in line["event"]]
    assert said == [("warning", "timestamps-failing")] * 2 + [("error", "timestamps-failing")]
    # The authority's clock is not the one that the test puts ahead.
    assert [line["event"] for line in logs[-3:]] == [
        "timestamps-again",
        "timestamp-kept",
        "timestamp-clock-differs",
    ]


async def test_who_fails_is_asked_again_soon(home: Home) -> None:
    """After a minute, then two, then four, and never later than the interval."""
    async with serving() as server:
        server.answer = lambda _: b""
        with _opened(home, _plan(server), _Clock()) as node:
            await node.stamper.stamp()
            await node.after(_MINUTE_MS - 1_000)
            assert len(server.heads) == 1
            for count, minutes in enumerate((1, 2, 4, 8, 16, 32, 60, 60), 2):
                await node.after(minutes * _MINUTE_MS)
                assert len(server.heads) == count


async def test_one_process_asks_at_a_time(home: Home) -> None:
    """Who does not get the lease leaves it to whoever has it."""
    async with serving() as server:
        with _opened(home, _plan(server), _Clock()) as node:
            other = node.office.store.leases()
            lease = other.acquire(LEASE)
            assert lease is not None
            await node.stamper.stamp()
            assert server.heads == []
            lease.release()
            await node.stamper.stamp()
            assert len(server.heads) == 1
            assert other.acquire(LEASE) is not None
            other.close()


def _asks(home: Home, *servers: TsaServer) -> None:
    """Name authorities in a home's settings."""
    path = home.path / FILE_NAME
    authorities = []
    for number, one in enumerate(servers):
        (home.path / f"{number}.pem").write_bytes(one.tsa.root.pem)
        authorities.append(Authority(url=one.url, roots=f"{number}.pem", policy=POLICY))
    wanted = Timestamps(
        authorities=tuple(authorities), interval_seconds=1, grace_seconds=0, timeout_ms=30_000
    )
    path.write_text(render(replace(load(path), timestamps=wanted)), encoding="utf-8")


async def test_a_node_that_serves(home: Home) -> None:
    """It asks as its settings say, and tells by its metrics how that goes."""
    metrics = watched(home)
    async with serving() as server:
        _asks(home, server)
        async with serve(home) as node:

            def stamped() -> bool:
                with node.office.store.read() as transaction:
                    return len(transaction.timestamps.sizes(f"{NL}.sesn/ledger/1")) == 2

            def first() -> bool:
                return len(server.heads) == 1

            await until(first, "the authority is asked")
            grow(node.office)
            await until(stamped, "two checkpoints have a token")
            told = await samples(metrics)
            assert told["sesn_timestamp_grace_exceeded",] == 0
            assert told["sesn_timestamp_failing_seconds",] == 0
            assert told["sesn_timestamp_newest_seconds",] > 0


async def test_a_node_goes_on_without_authorities(home: Home) -> None:
    """Nothing waits for a time-stamp; the alarm stands until one comes."""
    metrics = watched(home)
    async with serving() as server:
        server.slow = True
        _asks(home, server)
        async with serve(home) as node:

            def asked() -> bool:
                return len(server.heads) == 1

            await until(asked, "the authority is asked")
            # It holds the question open; the ledger grows all the same, and the node ends at once.
            grow(node.office)
            told = await samples(metrics)
            assert "sesn_timestamp_newest_seconds" not in {name for name, *_ in told}
            assert told["sesn_healthy",] == 1
