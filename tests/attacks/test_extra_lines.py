"""Attacks with signature lines beside those that count, and with numbers that nobody can hold."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import ROOT_KEY
from sesn_node.crypto import keys
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.batches import Batch, WitnessAnswer
from sesn_node.domain.cards import WitnessKeySet
from sesn_node.domain.ids import witness_name
from sesn_node.errors import VerificationError
from sesn_node.exchange.peers import take_card
from sesn_node.exchange.settle import settle
from sesn_node.exchange.verify import verify_ledger
from sesn_node.exchange.witness import MAX_WITNESSED_SIZE, add_checkpoint
from sesn_node.ledger.cosignature import cosign
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.note import NoteSignature, parse_note
from sesn_node.ledger.subtree import encode_time, subtree_message
from sesn_node.ledger.witness import Status, format_add_checkpoint, parse_add_checkpoint
from sesn_node.trust.card import issue_card
from tests.support.homes import DE, NL, PASSPHRASE
from tests.support.puppet import Puppet
from tests.support.snapshot import unchanged
from tests.support.wires import due_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Member, Network


def _failing(member: Member) -> list[str]:
    """Verify a node; return what fails."""
    verified = verify_ledger(member.office.store, member.office.sequencer.head_file)
    return [check.title for check in verified.checks if check.failed]


def test_cosignature_under_keys_of_a_later_card(connect: Callable[..., Network]) -> None:
    """Lines under keys that a later card names are not kept: they would spoil the evidence."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])
    now_ms = puppet.now_ms()
    ed25519, mldsa44 = (
        keys.generate(
            kind, created_ms=now_ms, not_before_ms=now_ms - 1_000, not_after_ms=now_ms + 10**11
        )
        for kind in (KeyKind.WITNESS_ED25519, KeyKind.WITNESS_MLDSA44)
    )
    intake = net[NL].receiver.open(DE)
    answer = intake.receive(puppet.batch(puppet.letter(net[NL].card), old=0))
    head = parse_add_checkpoint(answer.add_checkpoint).checkpoint.claimed
    later = cosign(
        head,
        name=witness_name(DE),
        ed25519=signer_for(ed25519),
        mldsa44=signer_for(mldsa44),
        time_s=now_ms // 1_000 + 12_345,
    )
    good = puppet.cosign(head)
    intake.receive(Batch(2, witness=WitnessAnswer(int(Status.COSIGNED), 0, good + later)))
    with net[NL].office.store.read() as transaction:
        kept = transaction.witness.cosignature(head.origin, head.size, DE)
    assert kept is not None
    assert kept.lines == good
    root = signer_for(
        decrypt_keyring((net[DE].home / ROOT_KEY).read_bytes(), PASSPHRASE).newest(
            KeyKind.ROOT, now_ms
        )
    )
    card = puppet.card
    body = replace(
        card.card,
        sequence=card.card.sequence + 1,
        previous_sha256=card.sha256,
        witness=WitnessKeySet(card.card.witness.name, ed25519.public, mldsa44.public),
    )
    assert take_card(net[NL].office, DE, issue_card(body, root))
    assert _failing(net[NL]) == []


def test_checkpoint_with_lines_of_strangers(connect: Callable[..., Network]) -> None:
    """A checkpoint is kept with the lines of its ledger's keys, however many came with it."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])
    head = puppet.head()
    strangers = "".join(
        NoteSignature(f"stranger-{number}", bytes(4), bytes(64)).line() for number in range(90)
    )
    note = puppet.note(head)
    body = format_add_checkpoint(0, (), note + strangers.encode())
    assert add_checkpoint(net[NL].office, DE, body).status == Status.COSIGNED
    with net[NL].office.store.read() as transaction:
        (kept,) = transaction.witness.checkpoints(head.origin, head.size).values()
    assert parse_note(kept) == parse_note(note)


@pytest.mark.parametrize("size", [MAX_WITNESSED_SIZE + 1, 2**63 - 1])
def test_ledger_that_is_larger_than_any(connect: Callable[..., Network], size: int) -> None:
    """Sizes that cannot be added up are refused: the head file counts all of them."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])
    body = format_add_checkpoint(
        0, (), puppet.note(TreeHead(puppet.origin, size, sha256(b"root").digest()))
    )
    with unchanged(net[NL].office):
        answer = add_checkpoint(net[NL].office, DE, body)
    assert answer.status == Status.BAD_REQUEST


@pytest.mark.parametrize("size", [2**40 + 1, 2**41, MAX_WITNESSED_SIZE])
def test_growth_of_a_large_ledger_counts(connect: Callable[..., Network], size: int) -> None:
    """What is witnessed of a ledger of any size moves what the head file covers."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])

    def witnessed() -> int:
        with net[NL].office.store.read() as transaction:
            return transaction.ledger.require_head().witnessed

    before = witnessed()
    note = puppet.note(TreeHead(puppet.origin, size, sha256(b"root").digest()))
    answer = add_checkpoint(net[NL].office, DE, format_add_checkpoint(0, (), note))
    assert answer.status == Status.COSIGNED
    assert witnessed() == before + size + 1


@pytest.mark.parametrize("time_s", [253_402_300_800, 2**62])
def test_cosignature_after_the_last_year(connect: Callable[..., Network], time_s: int) -> None:
    """A time that no calendar shows is no time, and nothing is kept."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])
    message_id = net.share(NL, DE)
    outgoing = due_batch(net[NL].office, DE)
    assert outgoing is not None
    head = parse_add_checkpoint(outgoing.batch.add_checkpoint).checkpoint.claimed
    name = witness_name(DE)
    good = parse_note(b"x\n\n" + puppet.cosign(head)).signatures
    signature = puppet.witness_mldsa44.sign(subtree_message(head, name, time_s))
    lines = "".join(
        replace(one, payload=encode_time(time_s) + signature[: len(one.payload) - 8]).line()
        for one in good
    )
    answer = replace(
        puppet.answer(outgoing.batch, old=0),
        witness=WitnessAnswer(int(Status.COSIGNED), 0, lines.encode()),
    )
    with unchanged(net[NL].office), pytest.raises(VerificationError, match="no valid timestamp"):
        settle(net[NL].office, DE, outgoing, answer)
    assert net[NL].states(message_id) == {DE: "queued"}
