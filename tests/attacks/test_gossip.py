"""Split views: a ledger that tells two partners two histories comes to light when they gossip."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import grpc
import pytest

from sesn_node.errors import PolicyError
from sesn_node.exchange.evidencefiles import standing_alarms
from sesn_node.exchange.gossip import NO_PROOF, TOO_MANY_PROOFS, Outcome, compare, prove_consistency
from sesn_node.exchange.limiter import PROOFS
from sesn_node.exchange.release import release_peer
from sesn_node.exchange.witness import add_checkpoint, cosigned_checkpoint
from sesn_node.ledger.witness import Status, parse_add_checkpoint
from sesn_node.store.alarms import FORK, UNPROVEN
from sesn_node.trust.directory import PeerState
from tests.support.gossiping import GossipConnection, failing, gossiping, honest, of_puppet
from tests.support.homes import DE, GH, NL
from tests.support.patience import until
from tests.support.puppet import Puppet
from tests.support.serving import captured_logs
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.store.alarms import AlarmRow
    from tests.support.network import Member, Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Ghana and the Netherlands both witness the German port, which has been taken over."""
    return connect(GH, NL, DE)


@pytest.fixture
def puppet(net: Network) -> Puppet:
    """The German port; it has shown nobody anything."""
    return Puppet(net[DE])


def _tell(member: Member, puppet: Puppet, *entries: bytes) -> None:
    """Let the puppet's ledger be this one, and have a member witness it."""
    puppet.ledger[:] = entries
    old = puppet.known_to(member)
    status = add_checkpoint(member.office, DE, puppet.add_checkpoint(old)).status
    assert status == Status.COSIGNED


def _alarms(member: Member) -> list[AlarmRow]:
    with member.office.store.read() as transaction:
        return list(standing_alarms(transaction))


def _state(member: Member) -> PeerState:
    return member.office.directory().peers[DE].state


async def test_split_view_of_one_size(net: Network, puppet: Puppet) -> None:
    """Two roots of one size prove the fork: who asks first quarantines its owner."""
    _tell(net[GH], puppet, b"one", b"two")
    _tell(net[NL], puppet, b"one", b"TWO")
    async with gossiping(net[GH], nl_customs=honest(net[NL], GH)):
        await until(lambda: _state(net[GH]) is PeerState.QUARANTINED, "a quarantine")
    (alarm,) = _alarms(net[GH])
    assert (alarm.kind, alarm.agency, alarm.shown_by, alarm.size) == (FORK, DE, NL, 2)
    assert _state(net[NL]) is PeerState.TRUSTED
    net.check()


async def test_split_view_of_two_sizes(net: Network, puppet: Puppet) -> None:
    """Its owner cannot prove one history; the alarm is raised, and nobody is cut off."""
    _tell(net[GH], puppet, b"one", b"two")
    _tell(net[NL], puppet, b"one", b"TWO", b"three")

    def refuses(_: object) -> bytes:
        raise PolicyError("no", code=NO_PROOF)

    port = GossipConnection(GH, proves=refuses)
    async with gossiping(net[GH], nl_customs=honest(net[NL], GH), de_port=port):
        await until(lambda: _alarms(net[GH]), "an alarm")
    (alarm,) = _alarms(net[GH])
    assert (alarm.kind, alarm.held_size, alarm.size) == (UNPROVEN, 2, 3)
    assert _state(net[GH]) is PeerState.TRUSTED
    assert port.asked.count("ProveConsistency") >= 3
    net.check()


async def test_owner_proves_a_history_that_is_not_ours(net: Network, puppet: Puppet) -> None:
    """It signs the larger size that was shown, but its proof is of another start."""
    _tell(net[GH], puppet, b"one", b"two")
    _tell(net[NL], puppet, b"one", b"TWO", b"three")
    customs, port = honest(net[NL], GH), of_puppet(puppet, GH)
    async with gossiping(net[GH], nl_customs=customs, de_port=port):
        await until(lambda: _alarms(net[GH]), "an alarm")
    (alarm,) = _alarms(net[GH])
    assert alarm.kind == UNPROVEN
    assert _state(net[GH]) is PeerState.TRUSTED


async def test_owner_contradicts_what_it_showed_others(net: Network, puppet: Puppet) -> None:
    """To prove ours, it signs another root of the size that it showed the Netherlands: a fork."""
    _tell(net[NL], puppet, b"one", b"TWO", b"three")
    _tell(net[GH], puppet, b"one", b"two")
    puppet.append(b"three")
    customs, port = honest(net[NL], GH), of_puppet(puppet, GH)
    async with gossiping(net[GH], nl_customs=customs, de_port=port):
        await until(lambda: _state(net[GH]) is PeerState.QUARANTINED, "a quarantine")
    (alarm,) = _alarms(net[GH])
    assert (alarm.kind, alarm.size) == (FORK, 3)
    assert parse_add_checkpoint(b"old 0\n\n" + alarm.held_note).origin == puppet.origin
    net.check()


@pytest.mark.parametrize("held", [1, 5])
async def test_honest_owner(net: Network, puppet: Puppet, held: int) -> None:
    """One history at two sizes is proven, and asked about once."""
    entries = [b"%d" % number for number in range(5)]
    _tell(net[GH], puppet, *entries[:held])
    _tell(net[NL], puppet, *entries[:3])
    puppet.ledger[:] = entries
    customs, port = honest(net[NL], GH), of_puppet(puppet, GH)
    async with gossiping(net[GH], nl_customs=customs, de_port=port):
        await until(lambda: customs.asked.count("GetCheckpoint") > 3, "some rounds")
    assert port.asked.count("ProveConsistency") == 1
    assert not _alarms(net[GH])
    assert _state(net[GH]) is PeerState.TRUSTED


async def test_alarm_ends_with_the_proof(net: Network, puppet: Puppet) -> None:
    """An owner that could not prove its ledger for a while does so; the alarm is over."""
    _tell(net[GH], puppet, b"one")
    _tell(net[NL], puppet, b"one", b"two")
    port = GossipConnection(GH)
    async with gossiping(net[GH], nl_customs=honest(net[NL], GH), de_port=port):
        await until(lambda: _alarms(net[GH]), "an alarm")
        port.proves = of_puppet(puppet, GH).proves
        await until(lambda: not _alarms(net[GH]), "the end of the alarm")
    assert _state(net[GH]) is PeerState.TRUSTED


async def test_operator_puts_an_alarm_down(net: Network, puppet: Puppet) -> None:
    """What is not proven can be accepted: nobody was cut off, and nobody is released."""
    _tell(net[GH], puppet, b"one")
    _tell(net[NL], puppet, b"one", b"two")
    async with gossiping(net[GH], nl_customs=honest(net[NL], GH), de_port=GossipConnection(GH)):
        await until(lambda: _alarms(net[GH]), "an alarm")
    size = net[GH].size()
    assert not release_peer(net[GH].office, DE)
    assert not _alarms(net[GH])
    assert net[GH].size() == size


async def test_evasive_owner(net: Network, puppet: Puppet) -> None:
    """Always busy is no answer either: it takes longer, and the alarm is raised."""
    _tell(net[GH], puppet, b"one")
    _tell(net[NL], puppet, b"one", b"two")

    def busy(_: object) -> bytes:
        raise failing(grpc.StatusCode.RESOURCE_EXHAUSTED)

    port = GossipConnection(GH, proves=busy)
    async with gossiping(net[GH], nl_customs=honest(net[NL], GH), de_port=port):
        await until(lambda: _alarms(net[GH]), "an alarm")
    assert port.asked.count("ProveConsistency") >= 30


@pytest.mark.parametrize("lie", ["of another signer", "one scheme", "garbage", "of another ledger"])
async def test_partner_lies_about_a_third(
    net: Network, puppet: Puppet, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    """What the owner did not sign proves nothing: it is ignored, and logged."""
    logs = captured_logs(monkeypatch)
    _tell(net[GH], puppet, b"one")
    puppet.ledger[:] = [b"ONE"]
    note = puppet.note(puppet.head())
    notes = {
        "of another signer": _own_note(net[NL]).replace(b"nl.customs", b"de.port"),
        "one scheme": note[: note.rindex("—".encode())],
        "garbage": b"garbage",
        "of another ledger": _own_note(net[NL]),
    }
    with unchanged(net[GH].office):
        outcome, question = compare(net[GH].office, NL, puppet.origin, notes[lie])
    assert (outcome, question) == (Outcome.IGNORED, None)
    (line,) = [one for one in logs if one["event"] == "gossip-ignored"]
    assert (line["peer"], line["origin"]) == (NL, puppet.origin)


def test_ledgers_of_which_nothing_is_held(net: Network, puppet: Puppet) -> None:
    """Nothing is compared that we do not witness ourselves."""
    puppet.append(b"one")
    note = puppet.note(puppet.head())
    assert compare(net[GH].office, NL, puppet.origin, note) == (Outcome.NOTHING, None)


async def test_fault_in_a_round_ends_nothing(
    net: Network, puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partner whose answers break our code is asked again."""
    _tell(net[GH], puppet, b"one")
    logs = captured_logs(monkeypatch)

    def breaks(_: str) -> bytes:
        raise RuntimeError("broken")

    customs = GossipConnection(GH, shows=breaks)
    async with gossiping(net[GH], nl_customs=customs):
        await until(lambda: customs.asked.count("GetCheckpoint") > 2, "some rounds")
    assert {one["event"] for one in logs} == {"gossip-fault"}


@pytest.mark.parametrize(("old", "new"), [(0, 1), (2, 1), (1, 10_000), (1, 2**63)])
def test_proof_of_what_is_not_there(net: Network, old: int, new: int) -> None:
    """Sizes that the ledger has not are refused."""
    office = net[GH].office
    origin = office.log_keys.origin
    with unchanged(office), pytest.raises(PolicyError) as caught:
        prove_consistency(office, NL, origin, old, new)
    assert caught.value.code == NO_PROOF


def test_proof_of_another_ledger(net: Network) -> None:
    """Only the ledger that is written now is proven."""
    with pytest.raises(PolicyError) as caught:
        prove_consistency(net[GH].office, NL, "nl.customs.sesn/ledger/1", 1, 1)
    assert caught.value.code == NO_PROOF


def test_words_in_a_question_do_not_fill_our_log(net: Network) -> None:
    """What is asked about stands in a log line; a partner chooses it, 128 KiB at a time."""
    with pytest.raises(PolicyError) as caught:
        prove_consistency(net[GH].office, NL, "\x1b[2J\u202e" * 20_000, 1, 1)
    assert caught.value.code == NO_PROOF
    assert len(str(caught.value)) < 700
    assert str(caught.value).isprintable()


def test_flood_of_questions(net: Network) -> None:
    """Each proof is a signature: one partner gets so many of them, and others still get theirs."""
    office = net[GH].office
    ask = partial(prove_consistency, office, origin=office.log_keys.origin, old_size=1, new_size=2)
    for _ in range(PROOFS.burst):
        ask(caller=NL)
    with pytest.raises(PolicyError) as caught:
        ask(caller=NL)
    assert caught.value.code == TOO_MANY_PROOFS
    assert ask(caller=DE)


def _own_note(member: Member) -> bytes:
    """Return the newest checkpoint of a member's own ledger."""
    with member.office.store.read() as transaction:
        return member.office.ledger(transaction).head.note


def test_shown_with_cosignatures(net: Network, puppet: Puppet) -> None:
    """What a partner shows carries its own lines, which are none of our business."""
    _tell(net[GH], puppet, b"one")
    _tell(net[NL], puppet, b"one")
    note = cosigned_checkpoint(net[NL].office, puppet.origin)
    assert compare(net[GH].office, NL, puppet.origin, note) == (Outcome.SAME, None)
