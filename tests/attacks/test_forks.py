"""Agencies that sign two histories: cut off once for each, and let in again by an operator only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import EVIDENCE
from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.domain.cards import ClosedLedger, LedgerKeySet
from sesn_node.domain.entries import EntryKind, PeerCode
from sesn_node.domain.ids import ledger_origin
from sesn_node.errors import ConflictError, PolicyError, VerificationError
from sesn_node.exchange.evidencefiles import standing_alarms, write_missing
from sesn_node.exchange.peers import QUARANTINED, add_peer, take_card
from sesn_node.exchange.release import NOT_QUARANTINED, release_peer
from sesn_node.exchange.settle import settle
from sesn_node.exchange.witness import add_checkpoint
from sesn_node.ledger.forkproof import parse_fork, verify_fork
from sesn_node.ledger.witness import Status, format_add_checkpoint
from sesn_node.trust.directory import PeerState
from sesn_node.wire.entries import decode_entry
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import DAY_MS
from tests.support.puppet import Puppet
from tests.support.serving import captured_logs
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.network import Member, Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Ghana and the Netherlands witness the German port, which has been taken over."""
    return connect(GH, NL, DE)


@pytest.fixture
def puppet(net: Network) -> Puppet:
    """The German port, of which Ghana keeps checkpoints at the sizes 1, 2 and 3."""
    puppet = Puppet(net[DE])
    for size in range(3):
        puppet.append(b"%d" % size)
        assert _show(net[GH], puppet, old=size) == Status.COSIGNED
    return puppet


def _show(member: Member, puppet: Puppet, *, old: int) -> int:
    return add_checkpoint(member.office, DE, puppet.add_checkpoint(old)).status


def _fork(net: Network, puppet: Puppet, size: int, content: bytes = b"other") -> int:
    """Show Ghana another history of a size; the puppet's own stays as it is."""
    honest = list(puppet.ledger)
    puppet.ledger[size - 1 :] = [content]
    note = puppet.note(puppet.head())
    puppet.ledger[:] = honest
    return add_checkpoint(net[GH].office, BE, format_add_checkpoint(0, (), note)).status


def _state(member: Member) -> PeerState:
    return member.office.directory().peers[DE].state


def _peer_entries(member: Member) -> list[str]:
    with member.office.store.read() as transaction:
        size = member.office.ledger(transaction).head.size
        rows = transaction.ledger.entries_at(range(size))
    entries = [decode_entry(rows[at].entry) for at in range(size)]
    return [one.code for one in entries if one.kind is EntryKind.PEER and one.agency == DE]


def _files(member: Member) -> list[Path]:
    return sorted((member.home / EVIDENCE).glob("*"))


def test_fork_quarantines_its_owner(net: Network, puppet: Puppet) -> None:
    """One transaction: state, entry, alarm; and a file that proves it by itself."""
    waiting = net.share(GH, DE)
    _fork(net, puppet, 2)
    net.check()
    assert _state(net[GH]) is PeerState.QUARANTINED
    assert _peer_entries(net[GH]) == [PeerCode.TRUSTED, PeerCode.QUARANTINED]
    (file,) = _files(net[GH])
    assert file.name == "de.port.sesn_ledger_1-2.fork"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    heads = verify_fork(parse_fork(file.read_bytes()))
    assert {head.root for head in heads} >= {puppet.head(2).root}
    # What waits for it stays queued.
    assert net[GH].states(waiting) == {DE: "queued"}
    with pytest.raises(PolicyError, match="quarantined"):
        net.share(GH, DE)


def test_same_fork_again(net: Network, puppet: Puppet) -> None:
    """One fork quarantines once: not again after the release, nor after a restart."""
    _fork(net, puppet, 2)
    net[GH].reopen()
    assert _state(net[GH]) is PeerState.QUARANTINED
    assert release_peer(net[GH].office, DE)
    net.check()
    net[GH].reopen()
    with unchanged(net[GH].office):
        assert _fork(net, puppet, 2) == Status.BAD_PROOF
        assert _fork(net, puppet, 2, b"a third history") == Status.BAD_PROOF
    assert _state(net[GH]) is PeerState.TRUSTED
    assert _show(net[GH], puppet, old=3) == Status.COSIGNED


def test_another_fork_after_the_release(net: Network, puppet: Puppet) -> None:
    """A fork at another size is a new one."""
    _fork(net, puppet, 2)
    release_peer(net[GH].office, DE)
    _fork(net, puppet, 1)
    net.check()
    assert _state(net[GH]) is PeerState.QUARANTINED
    codes = [PeerCode.TRUSTED, *(PeerCode.QUARANTINED, PeerCode.RELEASED) * 2]
    assert _peer_entries(net[GH]) == codes[:-1]
    assert len(_files(net[GH])) == 2


def test_flood_with_forks(net: Network, puppet: Puppet) -> None:
    """The first one cuts its owner off; the others change nothing, whoever shows them."""
    _fork(net, puppet, 1)
    with unchanged(net[GH].office):
        for size in (1, 2, 3):
            for number in range(5):
                status = _fork(net, puppet, size, bytes([number]))
                assert status == Status.UNKNOWN_ORIGIN
    assert len(_files(net[GH])) == 1


def test_fork_in_an_answer(net: Network, puppet: Puppet) -> None:
    """An answer that proves a fork quarantines as well; the copy stays queued."""
    message_id = net.share(GH, DE)
    wire = net.wire(GH, DE)
    outgoing = wire.prepare()
    assert outgoing is not None
    puppet.ledger[:] = [b"another history", b"of this size"]
    answer = puppet.answer(outgoing.batch, old=0)
    with pytest.raises(VerificationError, match="two histories"):
        settle(net[GH].office, DE, outgoing, answer)
    net.check()
    assert _state(net[GH]) is PeerState.QUARANTINED
    assert net[GH].states(message_id) == {DE: "queued"}


def test_failing_proof_quarantines_nobody(net: Network, puppet: Puppet) -> None:
    """A longer history that does not contain the witnessed one proves nothing."""
    puppet.ledger[0] = b"rewritten"
    puppet.append(b"more")
    with unchanged(net[GH].office):
        assert _show(net[GH], puppet, old=3) == Status.BAD_PROOF
    assert _state(net[GH]) is PeerState.TRUSTED
    assert not _files(net[GH])


def test_fork_of_an_old_epoch(net: Network, puppet: Puppet) -> None:
    """A closed ledger can fork as well: its owner is cut off."""
    net[DE].open()
    now_ms = net.clock.now_ms
    keys = [
        generate(kind, created_ms=now_ms, not_before_ms=now_ms, not_after_ms=now_ms + DAY_MS)
        for kind in (KeyKind.LOG_ED25519, KeyKind.LOG_MLDSA44)
    ]
    later = LedgerKeySet(ledger_origin(DE, 2), keys[0].public, keys[1].public)
    with net[GH].office.store.read() as transaction:
        row = transaction.witness.head(puppet.origin)
    assert row is not None
    card = net[DE].later_card(
        ledgers=(*net[DE].card.card.ledgers, later),
        closed=(ClosedLedger(puppet.origin, row.size, row.root),),
    )
    net[DE].close()
    assert take_card(net[GH].office, DE, card.sealed)
    _fork(net, puppet, 2)
    assert _state(net[GH]) is PeerState.QUARANTINED


def test_quarantined_agency_is_added_again(net: Network, puppet: Puppet) -> None:
    """Pinning its card once more does not end a quarantine; the words say what does."""
    _fork(net, puppet, 2)
    with pytest.raises(PolicyError, match=r"sesn peer release de\.port") as caught:
        add_peer(net[GH].office, puppet.card.sealed, fingerprint=puppet.card.fingerprint)
    assert caught.value.code == QUARANTINED


def test_quarantined_agency_is_revoked(net: Network, puppet: Puppet) -> None:
    """An operator may cut it off for good; no alarm stands then, and no release undoes it."""
    waiting = net.share(GH, DE)
    _fork(net, puppet, 2)
    net.revoke(GH, DE)
    assert net[GH].states(waiting) == {DE: "dead"}
    with net[GH].office.store.read() as transaction:
        assert standing_alarms(transaction) == ()
    with pytest.raises(ConflictError) as caught:
        release_peer(net[GH].office, DE)
    assert caught.value.code == NOT_QUARANTINED


def test_nobody_to_release(net: Network, puppet: Puppet) -> None:
    """Whoever is trusted, or unknown, cannot be released."""
    assert puppet.known_to(net[GH])
    with unchanged(net[GH].office):
        with pytest.raises(ConflictError, match="nothing to release"):
            release_peer(net[GH].office, DE)
        with pytest.raises(PolicyError, match="not a peer"):
            release_peer(net[GH].office, BE)


def test_lost_evidence_is_written_again(
    net: Network, puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database keeps what makes the file: a full disk, or another home, loses none."""
    logs = captured_logs(monkeypatch)
    _fork(net, puppet, 2)
    (line,) = [one for one in logs if one["event"] == "ledger-fork"]
    (file,) = _files(net[GH])
    assert line["file"] == str(file)
    data = file.read_bytes()
    file.unlink()
    write_missing(net[GH].office)
    assert file.read_bytes() == data
