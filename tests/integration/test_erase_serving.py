"""Erasing by a command, while nodes serve, deliver and collect."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import open_home
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import AgencyId
from sesn_node.exchange.erase import erase
from sesn_node.exchange.views import alert_file
from sesn_node.store.engine import Store
from sesn_node.store.scrubbed import Scrubbed
from sesn_node.transport import scrubber
from tests.support.homes import PASSPHRASE
from tests.support.patience import until
from tests.support.serving import Serving, check_homes, found_home, introduce, serve

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from tests.support.serving import Home

NL = AgencyId("nl.customs")
GH = AgencyId("gh.epa")
_WHY = "Sent by mistake"
_MESSAGES = 24


def _erase(home: Home, message_id: MessageId) -> None:
    """Erase as a command does: with an office of its own on the same database."""
    with open_home(home.path, PASSPHRASE) as desk:
        erase(desk.office, message_id, _WHY)


def _ended(node: Serving, ids: list[MessageId]) -> bool:
    return all(DeliveryState.QUEUED not in node.states(one) for one in ids)


@pytest.mark.parametrize("collects", [False, True])
async def test_erased_while_it_is_delivered(tmp_path: Path, *, collects: bool) -> None:
    """Over Deliver and Collect: what had left is settled, the rest ends; no stream breaks."""
    nl_home = found_home(tmp_path, NL)
    gh_home = found_home(tmp_path, GH, listens=not collects)
    introduce(nl_home, gh_home)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        ids: list[MessageId] = []
        erasing: list[asyncio.Task[None]] = []
        for number in range(_MESSAGES):
            ids.append(await nl.send(gh_home))
            if number % 4 == 0:
                erasing.append(asyncio.create_task(asyncio.to_thread(_erase, nl_home, ids[-1])))
        await asyncio.gather(*erasing)
        await until(lambda: _ended(nl, ids), "every copy ended")
        await nl.acknowledged(*[one for at, one in enumerate(ids) if at % 4])
        assert set(ids[1::4]) <= set(gh.received())
        for one in ids[::4]:
            assert alert_file(nl.office, one).alert.problem == "ERASED"
    check_homes(nl_home, gh_home)


async def test_recipient_erases_while_it_receives(tmp_path: Path) -> None:
    """A message that has just arrived is erased by a command; its receipt leaves all the same."""
    nl_home, gh_home = found_home(tmp_path, NL), found_home(tmp_path, GH)
    introduce(nl_home, gh_home)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        for _ in range(6):
            message_id = await nl.send(gh_home)
            await until(partial(_has, gh, message_id), "it arrived")
            await asyncio.to_thread(_erase, gh_home, message_id)
            await nl.acknowledged(message_id)
    check_homes(nl_home, gh_home)


async def test_serving_node_ends_what_a_command_could_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that an erasure could not reach are taken out by the node that serves."""
    monkeypatch.setattr(scrubber, "_EVERY_MS", 0)
    nl_home, gh_home = found_home(tmp_path, NL), found_home(tmp_path, GH)
    introduce(nl_home, gh_home)
    whole = Store.scrub
    async with serve(nl_home) as nl:
        message_id = await nl.send(gh_home)
        monkeypatch.setattr(
            Store, "scrub", lambda *_: Scrubbed(done=False, remains=("somebody reads",))
        )
        await asyncio.to_thread(_erase, nl_home, message_id)
        assert _left(nl)
        monkeypatch.setattr(Store, "scrub", whole)
        nl.node.wake()
        await until(lambda: not _left(nl), "nothing is left")
    check_homes(nl_home)


def _has(node: Serving, message_id: MessageId) -> bool:
    return message_id in node.received()


def _left(node: Serving) -> bool:
    with node.office.store.read() as transaction:
        return bool(transaction.erasures.not_scrubbed())
