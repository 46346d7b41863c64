"""Whoever holds keys that were rotated out: what they still sign counts for nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.signing import ObjectKind, sign_object
from sesn_node.domain.batches import Refused, Shipment, WitnessAnswer
from sesn_node.domain.ids import Origin, witness_name
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import VerificationError
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.settle import Settled, settle
from sesn_node.exchange.verify import verify_ledger
from sesn_node.exchange.witness import add_checkpoint
from sesn_node.ledger.checkpoint import parse_checkpoint, sign_checkpoint
from sesn_node.ledger.cosignature import cosign
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.note import Note, format_note
from sesn_node.ledger.witness import Status, format_add_checkpoint, parse_add_checkpoint
from sesn_node.store.headfile import HeadFile
from sesn_node.wire.envelopes import decode_header, encode_header
from tests.support.homes import BE, GH, NL
from tests.support.network import HOUR_MS
from tests.support.rotations import bring_in, ring_of
from tests.support.serving import captured_logs
from tests.support.snapshot import PROOF_BY_REPLACED_KEYS, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.crypto.keyring import Keyring
    from tests.support.network import Member, Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Ghana has witnessed some of the Dutch ledger."""
    made = connect(NL, GH, BE)
    for _ in range(2):
        made.share(NL, GH)
        made.deliver(NL, GH)
    return made


@pytest.fixture
def stolen(net: Network) -> Keyring:
    """The Dutch keys of before; all are rotated, and Ghana knows."""
    held = ring_of(net[NL])
    bring_in(net[NL], Rotatable.SEAL, Rotatable.LOG, Rotatable.WITNESS)
    net.share(NL, GH)
    net.deliver(NL, GH)
    assert len(net[GH].office.directory().peer(NL).card.card.ledgers) == 2
    return held


def _note(member: Member, ring: Keyring, head: TreeHead) -> bytes:
    """Sign a head with stolen log keys."""
    ed25519, mldsa44 = (
        signer_for(ring.of_kind(kind)[-1]) for kind in (KeyKind.LOG_ED25519, KeyKind.LOG_MLDSA44)
    )
    return sign_checkpoint(head, ed25519, mldsa44, member.now_ms() // 1000)


def _witnessed(net: Network) -> TreeHead:
    """Return what Ghana holds of the Dutch ledger."""
    with net[GH].office.store.read() as transaction:
        row = transaction.witness.head(net[NL].office.log_keys.origin)
    assert row is not None
    return TreeHead(Origin(row.origin), row.size, row.root)


def _shown(net: Network, head: TreeHead, ring: Keyring, old: int) -> WitnessAnswer:
    """Let Belgium submit a checkpoint to Ghana."""
    body = format_add_checkpoint(old, [], _note(net[NL], ring, head))
    return add_checkpoint(net[GH].office, BE, body)


def test_old_log_key_signs_a_fork_after_the_rotation(
    net: Network, stolen: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not accepted; it is kept, and told, since nobody can say who signed it, and when."""
    logs = captured_logs(monkeypatch)
    held = _witnessed(net)
    forked = replace(held, root=b"f" * 32)
    with unchanged(net[GH].office, but=PROOF_BY_REPLACED_KEYS):
        answer = _shown(net, forked, stolen, held.size)
    assert answer == WitnessAnswer(Status.NO_TRUSTED_SIGNATURE)
    (line,) = [one for one in logs if one["event"] == "ledger-fork"]
    assert (line["size"], line["quarantined"]) == (held.size, False)
    # Nobody is cut off for it.
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}
    net.rest()
    head_file = HeadFile(net[GH].home / "ledger.head")
    assert verify_ledger(net[GH].office.store, head_file).passed


def test_old_log_key_signs_a_longer_ledger(net: Network, stolen: Keyring) -> None:
    """A checkpoint beyond what was witnessed is not accepted, and proves nothing."""
    held = _witnessed(net)
    longer = replace(held, size=held.size + 7, root=b"l" * 32)
    with unchanged(net[GH].office):
        answer = _shown(net, longer, stolen, held.size)
    assert answer == WitnessAnswer(Status.NO_TRUSTED_SIGNATURE)


def test_old_log_key_signs_what_is_true(net: Network, stolen: Keyring) -> None:
    """Not even the head that was witnessed counts under replaced keys."""
    held = _witnessed(net)
    with unchanged(net[GH].office):
        answer = _shown(net, held, stolen, held.size)
    assert answer == WitnessAnswer(Status.NO_TRUSTED_SIGNATURE)


def test_agency_rotates_to_get_rid_of_a_fork(net: Network) -> None:
    """A second history that was signed before the rotation still proves the fork after it."""
    held = _witnessed(net)
    before = ring_of(net[NL])
    bring_in(net[NL], Rotatable.LOG)
    net.share(NL, GH)
    net.deliver(NL, GH)
    with unchanged(net[GH].office, but=PROOF_BY_REPLACED_KEYS):
        answer = _shown(net, replace(held, root=b"o" * 32), before, 0)
    assert answer.status == Status.NO_TRUSTED_SIGNATURE
    with net[GH].office.store.read() as transaction:
        assert len(transaction.witness.checkpoints(held.origin, held.size)) == 2


def test_new_lines_are_stripped_from_the_announcing_checkpoint(net: Network) -> None:
    """The checkpoint that changes the keys counts for the old card, and not for the new one."""
    bring_in(net[NL], Rotatable.LOG)
    with net[NL].office.store.read() as transaction:
        head = net[NL].office.ledger(transaction).head
    read = parse_checkpoint(head.note)
    assert len(read.note.signatures) == 4
    body = parse_add_checkpoint(format_add_checkpoint(0, [], head.note))
    stripped = format_note(Note(read.note.text, read.note.signatures[:2]))
    held = _witnessed(net)
    wire = net.wire(NL, GH)
    wire.connect()
    with unchanged(net[GH].office):
        answer = add_checkpoint(
            net[GH].office, NL, format_add_checkpoint(held.size, body.proof, stripped)
        )
    assert answer.status == Status.NO_TRUSTED_SIGNATURE


def test_rotated_out_witness_key_cosigns(net: Network, stolen: Keyring) -> None:
    """An answer with cosignatures by replaced keys settles nothing: it is asked for again."""
    message_id = net.share(GH, NL)
    wire = net.wire(GH, NL)
    wire.connect()
    outgoing = wire.prepare()
    answer = wire.carry(outgoing.batch)
    head = parse_add_checkpoint(outgoing.batch.add_checkpoint).checkpoint.claimed
    ed25519, mldsa44 = (
        signer_for(stolen.of_kind(kind)[-1])
        for kind in (KeyKind.WITNESS_ED25519, KeyKind.WITNESS_MLDSA44)
    )
    lines = cosign(head, witness_name(NL), ed25519, mldsa44, net[NL].now_ms() // 1000)
    forged = replace(answer, witness=replace(answer.witness, cosignatures=lines))
    with unchanged(net[GH].office):
        assert settle(net[GH].office, NL, outgoing, forged) == Settled(prove_again=True)
    lines = cosign(replace(head, size=1), witness_name(NL), ed25519, mldsa44, 1)
    forged = replace(answer, witness=replace(answer.witness, cosignatures=lines))
    with unchanged(net[GH].office), pytest.raises(VerificationError, match="both its keys"):
        settle(net[GH].office, NL, outgoing, forged)
    net.deliver(GH, NL)
    assert net[GH].states(message_id) == {NL: "acknowledged"}


def test_rotated_out_seal_key_seals(net: Network, stolen: Keyring) -> None:
    """A message that was written after the old key ended is refused for good."""
    net.pass_time(2 * HOUR_MS)
    net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    batch = wire.prepare().batch
    (shipment,) = batch.shipments
    assert isinstance(shipment, Shipment)
    signer = signer_for(stolen.of_kind(KeyKind.SEAL)[-1])
    envelope = shipment.envelope
    header = encode_header(replace(decode_header(envelope.header), seal_key_id=signer.key_id))
    seal = sign_object(signer, ObjectKind.ENVELOPE, header)
    forged = replace(shipment, envelope=replace(envelope, header=header, seal=seal))
    answer = wire.carry(replace(batch, shipments=(forged,)))
    assert [one.code for one in answer.outcomes if isinstance(one, Refused)] == [
        RefusalCode.BAD_SEAL
    ]


def test_old_log_key_signs_a_checkpoint_into_our_database(net: Network, stolen: Keyring) -> None:
    """Each size has one key set that signs it: another one is found, though the root is right."""
    office = net[NL].office
    net.rest()
    with office.store.read() as transaction:
        head = office.ledger(transaction).head
    forged = _note(net[NL], stolen, TreeHead(Origin(head.origin), head.size, head.root))
    office.sequencer.run(
        lambda work: work.transaction.witness.keep_checkpoint(
            origin=head.origin, size=head.size, root=head.root, note=forged
        )
    )
    found = verify_ledger(office.store, HeadFile(net[NL].home / "ledger.head"))
    assert [check.name for check in found.checks if check.failed] == ["checkpoints"]
