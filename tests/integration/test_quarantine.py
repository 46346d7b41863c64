"""Forks between nodes that serve: who forked is cut off at once, and let in again when released."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node import bootstrap
from sesn_node.bootstrap import EVIDENCE, NODE_KEY, open_home, system_clock
from sesn_node.config import Delivery
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind, PeerCode
from sesn_node.exchange.release import release_peer
from sesn_node.exchange.witness import add_checkpoint
from sesn_node.ledger.checkpoint import sign_checkpoint
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.witness import format_add_checkpoint
from sesn_node.telemetry.watch import Watch
from sesn_node.trust.directory import PeerState
from sesn_node.wire.entries import decode_entry
from tests.support.homes import BE, DE, GH, NL, PASSPHRASE
from tests.support.patience import until
from tests.support.puppet import Puppet
from tests.support.serving import captured_logs, check_homes, founded, serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.exchange.office import Office
    from tests.support.network import Network
    from tests.support.serving import Home, Serving

# Nothing is looked at because time has passed.
_PATIENT = Delivery(poll_ms=60_000, backoff_initial_ms=50, backoff_cap_ms=500)


def _forked(home: Home, size: int, content: bytes = b"r" * 32) -> bytes:
    """Let an agency sign another root for a size of its ledger."""
    ring = decrypt_keyring((home.path / NODE_KEY).read_bytes(), PASSPHRASE)
    now_ms = system_clock()
    note = sign_checkpoint(
        TreeHead(home.card.current_origin, size, content),
        ed25519=signer_for(ring.newest(KeyKind.LOG_ED25519, now_ms)),
        mldsa44=signer_for(ring.newest(KeyKind.LOG_MLDSA44, now_ms)),
        time_s=now_ms // 1000,
    )
    return format_add_checkpoint(size, (), note)


def _state(node: Serving, home: Home) -> PeerState:
    return node.office.directory().peers[home.agency].state


def _witnessed(node: Serving, home: Home) -> int:
    with node.office.store.read() as transaction:
        row = transaction.witness.head(home.card.current_origin)
    return 0 if row is None else row.size


async def test_fork_cuts_off_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open streams end without a poll; copies wait, and go when the partner is released."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE, delivery=_PATIENT)
    logs = captured_logs(monkeypatch)
    async with serve(nl_home) as nl, serve(gh_home) as gh:
        await nl.acknowledged(await nl.send(gh_home))
        await gh.acknowledged(await gh.send(nl_home))
        body = _forked(gh_home, _witnessed(nl, gh_home))
        answer = await asyncio.to_thread(add_checkpoint, nl.office, be_home.agency, body)
        assert answer.status == 422
        await until(
            lambda: {"call-cut-off", "delivery-stopped"} <= {one["event"] for one in logs},
            "the streams end",
        )
        assert _state(nl, gh_home) is PeerState.QUARANTINED
        waiting = await gh.send(nl_home)
        assert await asyncio.to_thread(release_peer, nl.office, gh_home.agency)
        await gh.acknowledged(waiting)
        await nl.acknowledged(await nl.send(gh_home))
    assert len(list((nl_home.path / EVIDENCE).glob("*.fork"))) == 1
    check_homes(nl_home, gh_home, be_home)


def test_copies_wait_for_the_release(connect: Callable[..., Network]) -> None:
    """What is queued for a quarantined partner stays queued, and arrives after its release."""
    net = connect(NL, GH)
    first = net.share(GH, NL)
    net.deliver(GH, NL)
    waiting = net.share(NL, GH)
    office = net[NL].office
    with office.store.read() as transaction:
        row = transaction.witness.head(net[GH].card.current_origin)
    assert row is not None
    vault = net[GH].office.keys.log
    note = sign_checkpoint(
        TreeHead(net[GH].card.current_origin, row.size, b"x" * 32),
        ed25519=vault.ed25519,
        mldsa44=vault.mldsa44,
        time_s=net.clock.now_ms // 1000,
    )
    assert add_checkpoint(office, GH, format_add_checkpoint(0, (), note)).status == 409
    net.check()
    assert net[NL].states(waiting) == {GH: DeliveryState.QUEUED.value}
    assert release_peer(office, GH)
    net.check()
    net.deliver(NL, GH)
    assert net[NL].states(waiting) == {GH: DeliveryState.ACKNOWLEDGED.value}
    assert net[GH].states(first) == {NL: DeliveryState.ACKNOWLEDGED.value}


def test_two_processes_see_one_fork(connect: Callable[..., Network]) -> None:
    """Whichever comes first quarantines; there is one entry, and one file."""
    net = connect(GH, DE)
    puppet = Puppet(net[DE])
    puppet.append(b"one")
    assert add_checkpoint(net[GH].office, DE, puppet.add_checkpoint(0)).status == 200
    puppet.ledger[0] = b"ONE"
    body = puppet.add_checkpoint(0)
    with bootstrap.open_home(net[GH].home, PASSPHRASE, clock=net[GH].now_ms) as desk:
        offices = [net[GH].office, desk.office] * 4
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(partial(_show, body), offices))
    net.check()
    assert _codes(net[GH].office) == [PeerCode.TRUSTED.value, PeerCode.QUARANTINED.value]
    assert len(list((net[GH].home / EVIDENCE).iterdir())) == 1


def _show(body: bytes, office: Office) -> None:
    add_checkpoint(office, DE, body)


def _codes(office: Office) -> list[str]:
    with office.store.read() as transaction:
        size = office.ledger(transaction).head.size
        rows = transaction.ledger.entries_at(range(size))
    entries = [decode_entry(rows[at].entry) for at in range(size)]
    return [one.code for one in entries if one.kind is EntryKind.PEER]


async def test_nodes_compare_a_third(tmp_path: Path) -> None:
    """Two nodes that serve find the fork of a third without anybody's help."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    with open_home(nl_home.path, PASSPHRASE) as nl, open_home(be_home.path, PASSPHRASE) as be:
        for office, root in ((nl.office, b"1" * 32), (be.office, b"2" * 32)):
            body = _forked(gh_home, 7, root).replace(b"old 7", b"old 0")
            assert add_checkpoint(office, GH, body).status == 200
    async with serve(nl_home) as nl_node, serve(be_home) as be_node:
        nodes = (nl_node, be_node)
        await until(
            lambda: any(_state(one, gh_home) is PeerState.QUARANTINED for one in nodes),
            "a quarantine",
        )


async def test_nodes_ask_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An honest third proves its ledger over the wire, at two sizes that two partners hold."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    logs = captured_logs(monkeypatch)
    async with serve(gh_home) as gh, serve(nl_home):
        await gh.acknowledged(await gh.send(nl_home))
    async with serve(gh_home) as gh, serve(be_home) as be:
        await gh.acknowledged(await gh.send(be_home))
        assert _witnessed(be, gh_home) > 0
    outcomes: list[str] = []
    monkeypatch.setattr(Watch, "compared", lambda _self, _peer, outcome: outcomes.append(outcome))
    async with serve(nl_home), serve(be_home), serve(gh_home):
        await until(lambda: "proven" in outcomes, "a proof")
    assert not [one for one in logs if one["event"] in {"ledger-unproven", "ledger-fork"}]
    check_homes(nl_home, gh_home, be_home)
