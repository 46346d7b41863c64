"""Greeting partners' nodes for `sesn doctor`: what each of them is, told from what they are not."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node import __version__
from sesn_node.bootstrap import open_home, system_clock
from sesn_node.cli.doctor_partners import Ourselves, check_partners
from sesn_node.exchange.checkup import Grade, cosigned_size, partner_facts
from sesn_node.exchange.peers import revoke_peer
from sesn_node.transport.probe import Failing, probe
from tests.support.commands import sesn
from tests.support.engines import SQLITE, current
from tests.support.homes import BE, GH, NL, PASSPHRASE
from tests.support.processes import processes
from tests.support.serving import HOST, found_home, founded, free_port, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sesn_node.transport.probe import Probed
    from sesn_node.trust.card import TrustedCard
    from tests.support.serving import Home

# What is looked at here is the network; the database behind it makes no difference.
pytestmark = pytest.mark.engine(SQLITE)

_TIMEOUT_S = 20.0
_SKEW_MS = 60 * 60 * 1000


async def _probe(us: Home, *partners: TrustedCard, timeout_s: float = _TIMEOUT_S) -> list[Probed]:
    return await probe(us.identity, us.card, partners, system_clock, timeout_s)


def _at(card: TrustedCard, *endpoints: str) -> TrustedCard:
    """The same card with other endpoints, as if its owner had issued it so."""
    return replace(card, card=replace(card.card, endpoints=endpoints))


def _only_failure(probed: Probed) -> Failing:
    assert probed.echo is None
    (failure,) = probed.failures
    return failure.failing


async def test_a_partner_that_answers(tmp_path: Path) -> None:
    """Its version, its clock, its card, and how much of our ledger it has cosigned."""
    nl, gh = founded(tmp_path, NL, GH)
    async with serve(nl) as ours, serve(gh) as theirs:
        message_id = await ours.send(gh)
        await ours.acknowledged(message_id)
        (probed,) = await _probe(nl, gh.card)
        echo = probed.echo
        assert echo is not None
        assert (echo.endpoint, echo.version, probed.failures) == (gh.endpoint, __version__, ())
        assert echo.offset_ms is not None
        assert abs(echo.offset_ms) < _SKEW_MS
        assert echo.card == theirs.office.directory().own.sealed
        with ours.office.store.read() as transaction:
            size = transaction.ledger.require_head().size
        cosigned = cosigned_size(nl.card, echo.cosigned)
        assert cosigned is not None
        assert 1 < cosigned <= size


async def test_clock_of_a_partner(tmp_path: Path) -> None:
    """A partner whose clock is an hour ahead is told from one whose clock agrees."""
    nl, gh = founded(tmp_path, NL, GH)
    async with serve(gh, clock=lambda: system_clock() + _SKEW_MS):
        (probed,) = await _probe(nl, gh.card)
    echo = probed.echo
    assert echo is not None
    assert echo.offset_ms is not None
    # Half of a round trip is uncertain, and no test waits for half an hour.
    assert _SKEW_MS // 2 < echo.offset_ms < _SKEW_MS * 3 // 2


async def test_nobody_listens(tmp_path: Path) -> None:
    """A port that nobody listens on, and a name that nobody has."""
    nl, gh = founded(tmp_path, NL, GH)
    (probed,) = await _probe(nl, gh.card)
    assert _only_failure(probed) is Failing.UNREACHABLE
    (probed,) = await _probe(nl, _at(gh.card, "nowhere.invalid:7443"))
    assert _only_failure(probed) is Failing.UNREACHABLE


async def test_the_next_endpoint_answers(tmp_path: Path) -> None:
    """An endpoint that does not answer is told, even if the next one does."""
    nl, gh = founded(tmp_path, NL, GH)
    dead = f"{HOST}:{free_port()}"
    async with serve(gh):
        (probed,) = await _probe(nl, _at(gh.card, dead, gh.endpoint))
    assert probed.echo is not None
    assert probed.echo.endpoint == gh.endpoint
    assert [one.endpoint for one in probed.failures] == [dead]


async def test_somebody_else_answers(tmp_path: Path) -> None:
    """A node of another agency behind a partner's address is never taken for it."""
    nl, gh, be = founded(tmp_path, NL, GH, BE)
    async with serve(be):
        (probed,) = await _probe(nl, _at(gh.card, be.endpoint))
    assert _only_failure(probed) is Failing.NOT_THEM


async def test_partner_that_does_not_trust_us(tmp_path: Path) -> None:
    """A node that does not trust our card closes the connection, or says so."""
    nl, gh = founded(tmp_path, NL, GH)
    with open_home(gh.path, PASSPHRASE) as desk:
        revoke_peer(desk.office, NL)
    async with serve(gh):
        (probed,) = await _probe(nl, gh.card)
    assert _only_failure(probed) in {Failing.CLOSED, Failing.NOT_US}


@asynccontextmanager
async def _listening(answer: bytes | None) -> AsyncIterator[str]:
    """Something that is no node: it says these bytes and hangs up, or says nothing for ever."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if answer is not None:
            writer.write(answer)
            writer.close()

    server = await asyncio.start_server(handle, HOST, 0, family=socket.AF_INET)
    try:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\0\x02\x02\x28"]
)
async def test_something_that_is_no_node(tmp_path: Path, answer: bytes) -> None:
    """Whatever else listens there is a partner that is not reached, and ends in time."""
    nl, gh = founded(tmp_path, NL, GH)
    async with _listening(answer) as endpoint:
        (probed,) = await _probe(nl, _at(gh.card, endpoint))
    assert _only_failure(probed) in {Failing.UNREACHABLE, Failing.CLOSED}


async def test_something_that_never_answers(tmp_path: Path) -> None:
    """A port that takes connections and says nothing costs no more than the time given."""
    nl, gh = founded(tmp_path, NL, GH)
    async with _listening(None) as endpoint:
        (probed,) = await _probe(nl, _at(gh.card, endpoint), timeout_s=0.5)
    assert _only_failure(probed) is Failing.UNREACHABLE
    assert "no answer within" in probed.failures[0].detail


async def test_many_partners_at_once(tmp_path: Path) -> None:
    """One that never answers does not keep the others waiting: all are asked at the same time."""
    nl, gh = founded(tmp_path, NL, GH)
    async with _listening(None) as silent, serve(gh):
        cards = [_at(gh.card, silent)] * 20 + [gh.card]
        probed = await _probe(nl, *cards, timeout_s=2.0)
    assert [one.echo is not None for one in probed] == [False] * 20 + [True]


async def test_no_partner_at_all(tmp_path: Path) -> None:
    """Without partners there is nobody to ask."""
    assert await _probe(found_home(tmp_path, NL)) == []


async def test_old_copy_is_found_by_a_partner(tmp_path: Path) -> None:
    """A partner that has cosigned more entries than we hold proves that entries are missing."""
    nl, gh = founded(tmp_path, NL, GH)
    saved = tmp_path / "saved"
    current().save(nl.path, saved)
    async with serve(gh):
        async with serve(nl) as ours:
            await ours.acknowledged(await ours.send(gh), await ours.send(gh))
        current().put_back(nl.path, saved)
        (nl.path / "ledger.head").unlink()
        probed = await _probe(nl, gh.card)
    with open_home(nl.path, PASSPHRASE) as desk, desk.office.store.read() as transaction:
        size = transaction.ledger.require_head().size
        facts = partner_facts(transaction, system_clock())
    us = Ourselves(nl.card, size, _SKEW_MS, "sesn", system_clock())
    found = check_partners(us, facts, {one.partner.agency: one for one in probed})
    (old,) = [one for one in found if one.check == "old-copy"]
    assert old.grade is Grade.FAILED
    assert f"our database holds {size}" in old.text


def test_the_command_asks_partners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sesn doctor` beside a serving node: all is well, then the partner's node is stopped."""
    monkeypatch.setenv("SESN_PASSPHRASE", PASSPHRASE.decode())
    nl_home, gh_home = founded(tmp_path, NL, GH)
    with processes(nl_home, gh_home) as (_, gh):
        well = sesn("doctor", "--json", home=nl_home.path)
        assert (well.code, well.json["health"]) == (0, "ok"), well.out
        assert f"answers at {gh_home.endpoint}" in well.out
        assert "our clock agrees with that of the partner" in well.out
        offline = sesn("doctor", "--offline", home=nl_home.path)
        assert "answers at" not in offline.out
        gh.stop()
        ill = sesn("doctor", "--json", home=nl_home.path)
    assert (ill.code, ill.json["health"]) == (12, "warning"), ill.out
    assert "cannot be reached" in ill.out
    assert f"nc -vz {HOST} {gh_home.port}" in ill.out
