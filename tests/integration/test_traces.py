"""Traces of real nodes: each writes what it did, and the files put together tell a life."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import open_home
from sesn_node.config import Delivery
from sesn_node.domain.conversation import Decision
from sesn_node.domain.delivery import DeliveryState
from sesn_node.exchange.peers import revoke_peer
from sesn_node.exchange.respond import respond
from sesn_node.exchange.share import Draft, share
from sesn_node.telemetry.lives import Told, read_life
from sesn_node.telemetry.spans import root_span
from tests.support.commands import sesn
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.patience import until
from tests.support.serving import captured_logs, founded, note, serve
from tests.support.watching import watched

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from tests.support.serving import Home, Serving

_QUICK = Delivery(backoff_initial_ms=20, backoff_cap_ms=200, poll_ms=50)
_FILE = "traces.jsonl"
_SUBJECT = "Fridges declared as furniture"


def _flush(*nodes: Serving) -> None:
    for node in nodes:
        assert node.office.watch.traces is not None
        node.office.watch.traces.flush()


def _life(message_id: MessageId, *homes: Home) -> list[Told]:
    paths = [home.path / _FILE for home in homes]
    return [told for _, told in read_life(paths, message_id.hex()).steps]


def _shape(message_id: MessageId, *homes: Home) -> list[tuple[int, str, str]]:
    life = read_life([home.path / _FILE for home in homes], message_id.hex())
    return [(depth, told.node, told.step) for depth, told in life.steps]


async def test_two_nodes_tell_one_life(tmp_path: Path) -> None:
    """Spans of both nodes join under one root, though nothing of it was on the wire."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    watched(nl_home, traces=_FILE)
    watched(gh_home, traces="{home}/" + _FILE)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        message = await nl.send(gh_home, subject=_SUBJECT)
        await nl.acknowledged(message)
        _flush(nl, gh)
        assert _shape(message, nl_home, gh_home) == [
            (0, NL, "share"),
            (1, NL, "delivery"),
            (2, NL, "attempt"),
            (2, GH, "receive"),
        ]
        root, delivery, attempt, receive = _life(message, nl_home, gh_home)
        # Either file alone tells its half.
        assert _shape(message, gh_home) == [(0, GH, "receive")]
        with gh.office.store.read() as transaction:
            (row,) = transaction.inbox.find(message)
    assert root.span_id == f"{root_span(message):016x}"
    assert [name for name, _ in root.moments] == ["sealed", "committed"]
    assert delivery.facts == {"peer": GH, "outcome": "acknowledged", "attempts": 1}
    assert attempt.facts["attempt"] == 1
    assert [name for name, _ in attempt.moments] == ["answered", "settled"]
    assert [name for name, _ in receive.moments] == ["examined", "committed"]
    assert receive.facts["outcome"] == "received"
    assert receive.facts["entry"] == row.sealed.entry_index
    assert not any(told.failed for told in (root, delivery, attempt, receive))
    text = "".join((home.path / _FILE).read_text() for home in (nl_home, gh_home))
    assert _SUBJECT not in text


async def test_decision_is_linked_to_what_it_answers(tmp_path: Path) -> None:
    """The alert's life names the response, and the response's life the alert; not what it says."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    watched(nl_home, traces=_FILE)
    watched(gh_home, traces=_FILE)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        message = await nl.send(gh_home)
        await nl.acknowledged(message)
        answered = await asyncio.to_thread(
            respond, gh.office, message, Decision.DECLINED, "not our port"
        )
        gh.node.wake()
        await gh.acknowledged(answered.message_id)
        _flush(nl, gh)
        (said,) = [told for told in _life(message, nl_home, gh_home) if told.step == "respond"]
        assert (said.node, said.other) == (GH, answered.message_id)
        root = _life(answered.message_id, nl_home, gh_home)[0]
        assert (root.node, root.step, root.other) == (GH, "share", message)
    text = (gh_home.path / _FILE).read_text().lower()
    assert "declined" not in text
    assert "not our port" not in text


async def test_every_try_is_told(tmp_path: Path) -> None:
    """An attempt that meets a partner without room fails by name; a later one succeeds."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    watched(nl_home, traces=_FILE)
    watched(gh_home, traces=_FILE, disk_floor_mib=1 << 24)
    async with serve(nl_home) as nl:
        async with serve(gh_home):
            message = await nl.send(gh_home)
            await until(partial(_tries, nl, message), "the first try is refused")
        watched(gh_home, traces=_FILE, disk_floor_mib=0)
        async with serve(gh_home) as gh:
            await nl.acknowledged(message)
            _flush(nl, gh)
    steps = _life(message, nl_home, gh_home)
    attempts = [told for told in steps if told.step == "attempt"]
    assert attempts[0].failed == attempts[0].facts["outcome"] == "BUSY"
    assert attempts[-1].facts["outcome"] == "acknowledged"
    assert attempts[-1].facts["attempt"] == 1 + sum(told.failed == "BUSY" for told in attempts)
    (delivery,) = [told for told in steps if told.step == "delivery"]
    assert not delivery.failed


def _tries(node: Serving, message: MessageId) -> bool:
    with node.office.store.read() as transaction:
        (copy,) = transaction.outbox.copies(message)
    return copy.attempts > 0


def _expired(node: Serving, message: MessageId) -> bool:
    return node.states(message) == {DeliveryState.EXPIRED}


async def test_what_is_given_up_is_told(tmp_path: Path) -> None:
    """Copies that expire, or whose recipient is revoked, end with the reason."""
    nl_home, _ = founded(tmp_path, NL, GH, delivery=_QUICK)
    watched(nl_home, traces=_FILE)
    async with serve(nl_home) as nl:
        soon = nl.office.clock() + 200
        draft = Draft(note(), (GH,), expires_ms=soon)
        expired = await asyncio.to_thread(share, nl.office, draft)
        dead = await asyncio.to_thread(share, nl.office, Draft(note(), (GH,)))
        await until(partial(_expired, nl, expired), "the first copy expires")
        await asyncio.to_thread(revoke_peer, nl.office, GH)
        _flush(nl)
    ends = {
        message: next(told for told in _life(message, nl_home) if told.step == "delivery")
        for message in (expired, dead)
    }
    assert ends[expired].failed == "EXPIRED"
    assert ends[dead].failed == "PEER_REVOKED"


async def test_command_and_node_write_one_file(tmp_path: Path) -> None:
    """What a command shares, in a process of its own, has its root in the home's file."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    watched(nl_home, traces=_FILE)
    async with serve(gh_home), serve(nl_home) as nl:
        with open_home(nl_home.path, PASSPHRASE) as desk:
            message = share(desk.office, Draft(note(), (GH,)))
        nl.node.wake()
        await nl.acknowledged(message)
        _flush(nl)
        assert [step for _, _, step in _shape(message, nl_home)][:2] == ["share", "delivery"]


async def test_messages_that_are_not_chosen_leave_no_trace(tmp_path: Path) -> None:
    """With one in a million nothing is written for the others, and everything arrives."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    watched(nl_home, traces=_FILE, one_in=1_000_000)
    async with serve(nl_home) as nl, serve(gh_home):
        await nl.acknowledged(*[await nl.send(gh_home) for _ in range(3)])
        _flush(nl)
    assert not (nl_home.path / _FILE).exists()


async def test_log_of_the_sender_tells_a_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each: sent, received, acknowledged, under one id."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    logged = captured_logs(monkeypatch)
    async with serve(nl_home) as nl, serve(gh_home):
        message = await nl.send(gh_home)
        await nl.acknowledged(message)
    lines = [
        line for line in logged if line.get("message_id", "").replace("-", "") == message.hex()
    ]
    assert [(line["event"], line["log_level"], line["peer"]) for line in lines] == [
        ("message-sent", "info", GH),
        ("message-received", "info", NL),
        ("message-acknowledged", "info", GH),
    ]
    assert (lines[0]["attempt"], lines[0]["batch"]) == (1, 1)


async def test_life_is_shown_by_the_command(tmp_path: Path) -> None:
    """`sesn trace` reads the home's own file and a partner's, and tells them apart."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=_QUICK)
    watched(nl_home, traces=_FILE)
    watched(gh_home, traces=_FILE)
    async with serve(nl_home) as nl, serve(gh_home):
        message = await nl.send(gh_home)
        await nl.acknowledged(message)
    ran = sesn("trace", message.hex()[:13], gh_home.path / _FILE, home=nl_home.path)
    assert ran.code == 0, ran.err
    for words in ("share", "delivery to gh.epa", "attempt 1 to gh.epa", "receive from nl.customs"):
        assert words in ran.out
    shown = sesn("trace", message.hex(), nl_home.path / _FILE, "--json").json
    steps = shown["steps"]
    assert isinstance(steps, list)
    assert [step["step"] for step in steps if isinstance(step, dict)] == [
        "share",
        "delivery",
        "attempt",
    ]
    assert json.dumps(shown).isascii()
