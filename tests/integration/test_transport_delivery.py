"""Delivery over real connections: partners that come and go, shutdown, and being woken."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import open_home
from sesn_node.config import Delivery
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import PolicyError
from sesn_node.exchange.peers import take_shown_card
from sesn_node.exchange.share import Draft, share
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.patience import until
from tests.support.serving import DAY_MS, captured_logs, check_homes, founded, note, serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.office import Office
    from tests.support.serving import Home, Serving

_HOUR_MS = 60 * 60 * 1000


def defer(office: Office, message_id: MessageId) -> None:
    """Put a copy off until tomorrow, as after many refusals of a node that cannot store."""
    office.sequencer.run(
        lambda work: work.transaction.outbox.defer(
            message_id,
            GH,
            until_ms=work.now_ms + DAY_MS,
            code=RefusalCode.BUSY.value,
            detail=None,
        )
    )


def waits(node: Serving) -> bool:
    """Whether the next attempt to reach the partner lies far ahead."""
    with node.office.store.read() as transaction:
        return transaction.peers.link(GH).next_attempt_ms > node.office.clock() + _HOUR_MS // 2


async def test_partner_that_comes_up_when_back_off_is_at_its_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its greeting ends the back-off: what waited, deferred copies included, goes at once."""
    monkeypatch.setattr("sesn_node.transport.partner.backoff_ms", lambda *_: _HOUR_MS)
    nl_home, gh_home = founded(tmp_path, NL, GH)
    async with serve(nl_home) as nl:
        messages = [await nl.send(gh_home), await nl.send(gh_home)]
        await asyncio.to_thread(defer, nl.office, messages[0])
        await until(lambda: waits(nl), "the back-off of nl.customs is at its cap")
        assert nl.states(messages[0]) == nl.states(messages[1]) == {DeliveryState.QUEUED}
        async with serve(gh_home) as gh:
            await nl.acknowledged(*messages)
            assert sorted(gh.received()) == sorted(messages)
    check_homes(nl_home, gh_home)


async def test_deferred_copy_goes_when_its_sender_starts(tmp_path: Path) -> None:
    """A node that starts finds its partner up: nothing waits for a time set long ago."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    with open_home(nl_home.path, PASSPHRASE) as desk:
        message = share(desk.office, Draft(note(), (GH,)))
        defer(desk.office, message)
    async with serve(gh_home), serve(nl_home) as nl:
        await nl.acknowledged(message)
    check_homes(nl_home, gh_home)


async def test_shutdown_of_the_receiver_under_traffic(tmp_path: Path) -> None:
    """A receiver that stops in order finishes what it took; the rest goes when it is back."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    async with serve(nl_home) as nl:
        async with serve(gh_home) as gh:
            sending = asyncio.create_task(_send_many(nl, gh_home))
            await until(lambda: len(gh.received()) > 10, "some of the messages arrive")
        messages = await sending
        async with serve(gh_home) as gh:
            await nl.acknowledged(*messages)
            assert sorted(gh.received()) == sorted(messages)
    check_homes(nl_home, gh_home)


async def _send_many(node: Serving, to: Home) -> list[MessageId]:
    return [await node.send(to) for _ in range(60)]


def _has_received(node: Serving, some: int) -> bool:
    return len(node.received()) >= some


async def test_shutdown_of_the_sender_under_traffic(tmp_path: Path) -> None:
    """A sender that stops and starts again, while officers go on sharing, loses nothing."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    shared: list[MessageId] = []

    def work(office: Office) -> None:
        shared.extend(share(office, Draft(note(), (GH,))) for _ in range(60))

    async with serve(gh_home) as gh:
        with open_home(nl_home.path, PASSPHRASE) as officer:
            working = asyncio.create_task(asyncio.to_thread(work, officer.office))
            for some in (1, 15, 30):
                async with serve(nl_home):
                    await until(partial(_has_received, gh, some), "some arrive")
            await working
        async with serve(nl_home) as nl:
            await nl.acknowledged(*shared)
        assert sorted(gh.received()) == sorted(shared)
    check_homes(nl_home, gh_home)


async def test_shutdown_does_not_wait_for_idle_partners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open stream on which nothing is under way does not hold up a node that stops."""
    never_ms = 600_000
    logs = captured_logs(monkeypatch)
    patient = Delivery(shutdown_grace_ms=never_ms)
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=patient)
    async with serve(gh_home) as gh:
        async with serve(nl_home) as nl:
            await nl.acknowledged(await nl.send(gh_home))
            await gh.acknowledged(await gh.send(nl_home))
        assert [line["agency"] for line in logs if line["event"] == "node-stopped"] == [NL]
    check_homes(nl_home, gh_home)


OFFICER = """
import sys
from pathlib import Path
from sesn_node.bootstrap import RUN_FOLDER, open_home
from sesn_node.exchange.share import Draft, share
from sesn_node.transport.wake import poke
from tests.support.serving import note
home = Path(sys.argv[1])
with open_home(home, sys.argv[2].encode()) as desk:
    share(desk.office, Draft(note(), ("gh.epa",)))
assert poke(home / RUN_FOLDER)
"""


async def test_another_process_wakes_the_node(tmp_path: Path) -> None:
    """What an officer's command has shared leaves without waiting for the node's next look."""
    seldom = Delivery(poll_ms=60_000)
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=seldom)
    command = [sys.executable, "-c", OFFICER, str(nl_home.path), PASSPHRASE.decode()]
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        # Over open links, so that no dialling hides a node that sleeps.
        await nl.acknowledged(await nl.send(gh_home))
        await asyncio.to_thread(subprocess.run, command, check=True)
        await until(lambda: len(gh.received()) == 2, "the officer's alert arrives")
    check_homes(nl_home, gh_home)


def _foreign(office: Office, agency: AgencyId, _card: bytes) -> None:
    """Take our own card for the one that the partner presented."""
    take_shown_card(office, agency, office.directory().own.sealed)


def _copied(_office: Office, agency: AgencyId, _card: bytes) -> None:
    raise PolicyError(f"the root of {agency} is a copy", code="ROOT_COPIED")


@pytest.mark.parametrize(("taking", "code"), [(_foreign, "FOREIGN_CARD"), (_copied, "ROOT_COPIED")])
async def test_partner_whose_card_cannot_be_taken(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    taking: Callable[[Office, AgencyId, bytes], None],
    code: str,
) -> None:
    """Its delivery backs off and tells why; it does not end, to be started anew each second."""
    nl_home, gh_home = founded(tmp_path, NL, GH, delivery=Delivery(backoff_initial_ms=1))
    monkeypatch.setattr("sesn_node.transport.partner.take_shown_card", taking)
    logs = captured_logs(monkeypatch)
    async with serve(gh_home), serve(nl_home) as nl:
        message = await nl.send(gh_home)

        def failures() -> int:
            with nl.office.store.read() as transaction:
                return transaction.peers.link(GH).failures

        await until(lambda: failures() > 1, "nl.customs fails to greet gh.epa again and again")
        assert nl.states(message) == {DeliveryState.QUEUED}
    down = [one for one in logs if one["event"] == "link-down" and one["peer"] == GH]
    assert {(one["log_level"], one["code"]) for one in down if one["code"] == code} == {
        ("warning", code)
    }
    assert not [one for one in logs if one["event"] == "delivery-ended"]
