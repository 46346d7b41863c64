"""One side that can dial is enough: `Collect` carries what `Deliver` would, with its evidence."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.config import Delivery
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import AgencyId
from sesn_node.exchange.peers import revoke_peer
from sesn_node.founding import issue_own_card
from tests.support.homes import PASSPHRASE
from tests.support.patience import until
from tests.support.serving import (
    HOST,
    Serving,
    captured_logs,
    check_homes,
    found_home,
    free_port,
    introduce,
    pin,
    serve,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.serving import Home

NL = AgencyId("nl.customs")
GH = AgencyId("gh.epa")


def dials_out(folder: Path, *, delivery: Delivery | None = None) -> tuple[Home, Home]:
    """Found nl.customs, which listens, and gh.epa, which only dials out."""
    homes = found_home(folder, NL, delivery), found_home(folder, GH, delivery, listens=False)
    introduce(*homes)
    return homes


def witnessed(node: Serving, other: Serving) -> bool:
    """Whether a node has cosigned another's ledger, and the other holds the cosignature."""
    origin = other.office.log_keys.origin
    with node.office.store.read() as transaction:
        mine = transaction.witness.head(origin)
    with other.office.store.read() as transaction:
        theirs = [one.agency for one in transaction.witness.cosignatures(origin)]
    return mine is not None and node.home.agency in theirs


async def test_one_side_that_dials_is_enough(tmp_path: Path) -> None:
    """Messages go both ways over the connections of one side, and both ledgers are witnessed."""
    nl_home, gh_home = dials_out(tmp_path)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await nl.acknowledged(*[await nl.send(gh_home) for _ in range(5)])
        await gh.acknowledged(*[await gh.send(nl_home) for _ in range(5)])
        assert len(nl.received()) == len(gh.received()) == 5
        await until(lambda: witnessed(nl, gh), "nl.customs witnesses gh.epa")
        await until(lambda: witnessed(gh, nl), "gh.epa witnesses nl.customs")
    check_homes(nl_home, gh_home)


async def test_what_waited_goes_when_the_partner_collects(tmp_path: Path) -> None:
    """A partner that was away gets everything, the most urgent first, when it dials again."""
    nl_home, gh_home = dials_out(tmp_path)
    async with serve(nl_home) as nl:
        messages = [await nl.send(gh_home) for _ in range(5)]
        assert {state for one in messages for state in nl.states(one)} == {DeliveryState.QUEUED}
        async with serve(gh_home) as gh:
            await nl.acknowledged(*messages)
            assert sorted(gh.received()) == sorted(messages)
        later = await nl.send(gh_home)
        async with serve(gh_home):
            await nl.acknowledged(later)
    check_homes(nl_home, gh_home)


async def test_new_message_does_not_wait_for_the_next_look(tmp_path: Path) -> None:
    """The stream of a partner that collects stands: what is shared goes at once."""
    nl_home, gh_home = dials_out(tmp_path, delivery=Delivery(poll_ms=60_000))
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        # A minute between two looks: each of these would take one.
        for _ in range(3):
            await nl.acknowledged(await nl.send(gh_home))
        assert len(gh.received()) == 3
    check_homes(nl_home, gh_home)


async def test_partner_that_cannot_dial_us_is_collected_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both list an endpoint, and a firewall lets only one of them through."""
    soon = Delivery(collect_after_ms=50)
    nl_home = found_home(tmp_path, NL, soon)
    gh_home = found_home(tmp_path, GH, soon, advertises=f"{HOST}:{free_port()}")
    introduce(nl_home, gh_home)
    logs = captured_logs(monkeypatch)
    async with serve(nl_home) as nl, serve(gh_home):
        await nl.acknowledged(*[await nl.send(gh_home) for _ in range(3)])
    assert [line["peer"] for line in logs if line["event"] == "collecting"] == [NL]
    check_homes(nl_home, gh_home)


async def test_no_collecting_from_a_partner_that_delivers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both sides can dial, nobody collects."""
    soon = Delivery(collect_after_ms=500)
    nl_home, gh_home = found_home(tmp_path, NL, soon), found_home(tmp_path, GH, soon)
    introduce(nl_home, gh_home)
    logs = captured_logs(monkeypatch)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await nl.acknowledged(await nl.send(gh_home))
        await gh.acknowledged(await gh.send(nl_home))
        # Longer than both wait before they look whether the other delivers.
        await asyncio.sleep(1)
    assert not [line for line in logs if line["event"] == "collecting"]
    check_homes(nl_home, gh_home)


async def test_revocation_ends_collecting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partner that is revoked while it collects gets nothing more."""
    nl_home, gh_home = dials_out(tmp_path)
    logs = captured_logs(monkeypatch)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await nl.acknowledged(await nl.send(gh_home))
        await asyncio.to_thread(revoke_peer, nl.office, GH)
        nl.node.wake()
        await until(
            lambda: any(line["event"] == "collecting-ended" for line in logs), "the stream ends"
        )
        assert len(gh.received()) == 1
    check_homes(nl_home, gh_home)


async def test_new_card_reaches_a_partner_over_an_open_stream(tmp_path: Path) -> None:
    """A card issued while links stand is taken without a greeting, in both directions."""
    nl_home, gh_home = dials_out(tmp_path)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await nl.acknowledged(await nl.send(gh_home))
        await gh.acknowledged(await gh.send(nl_home))
        for ours, theirs in ((nl, gh), (gh, nl)):
            before = ours.office.directory().own.card.sequence
            await asyncio.to_thread(issue_own_card, ours.home.path, PASSPHRASE)
            ours.node.wake()
            await until(
                partial(_holds, theirs, ours.home.agency, before + 1), "the partner has the card"
            )
    check_homes(nl_home, gh_home)


def _holds(node: Serving, agency: AgencyId, sequence: int) -> bool:
    return node.office.directory().peers[agency].card.card.sequence == sequence


async def test_stranger_who_is_not_trusted_collects_nothing(tmp_path: Path) -> None:
    """An agency that trusts us, and that we do not trust, is not let in."""
    nl_home, gh_home = found_home(tmp_path, NL), found_home(tmp_path, GH, listens=False)
    pin(gh_home, nl_home)
    async with serve(nl_home), serve(gh_home) as gh:
        message = await gh.send(nl_home)
        await until(partial(_fails, gh), "gh.epa is not let in")
        assert gh.states(message) == {DeliveryState.QUEUED}
    check_homes(nl_home, gh_home)


def _fails(node: Serving) -> bool:
    with node.office.store.read() as transaction:
        return transaction.peers.link(NL).failures > 1
