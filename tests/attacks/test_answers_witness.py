"""Answers with forged witnessing: of the sender's checkpoint, or of the partner's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import WitnessAnswer
from sesn_node.domain.ids import ledger_origin
from sesn_node.errors import MalformedError, SesnError, VerificationError
from sesn_node.exchange.settle import settle
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.witness import format_add_checkpoint, parse_add_checkpoint
from tests.support.answering import Answering, answering
from tests.support.homes import BE, DE, NL
from tests.support.puppet import Puppet
from tests.support.snapshot import PROOF_OF_FORK, unchanged
from tests.support.wires import due_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sesn_node.domain.batches import Answer
    from tests.support.network import Network


@pytest.fixture
def scene(connect: Callable[..., Network]) -> Answering:
    """Two alerts are due for the German port, which has been taken over."""
    return answering(connect(NL, DE))


# Cosignatures on our checkpoint.


def _lines(scene: Answering) -> list[bytes]:
    return scene.puppet.cosigned(scene.batch).splitlines(keepends=True)


def _other_head(scene: Answering) -> TreeHead:
    head = parse_add_checkpoint(scene.batch.add_checkpoint).checkpoint.claimed
    return TreeHead(head.origin, head.size + 1, head.root)


def _own_lines(scene: Answering) -> bytes:
    note = parse_add_checkpoint(scene.batch.add_checkpoint).note
    return note.rpartition(b"\n\n")[2]


_COSIGNATURES: Mapping[str, Callable[[Answering], bytes]] = {
    "none": lambda _: b"",
    "Ed25519 alone": lambda scene: _lines(scene)[0],
    "ML-DSA-44 alone": lambda scene: _lines(scene)[1],
    "on another head": lambda scene: scene.puppet.cosign(_other_head(scene)),
    "the ledger's own signatures": _own_lines,
    "altered": lambda scene: scene.puppet.cosigned(scene.batch).replace(b"A", b"B"),
    "garbage": lambda _: b"\xff" * 100,
    "not canonical": lambda scene: scene.puppet.cosigned(scene.batch) + b"\n",
}


@pytest.mark.parametrize("name", list(_COSIGNATURES))
def test_receipt_without_a_cosignature(scene: Answering, name: str) -> None:
    """A receipt counts only with the partner's cosignature on our checkpoint, both schemes."""
    witness = WitnessAnswer(200, 0, _COSIGNATURES[name](scene))
    answer = replace(scene.answer(), witness=witness)
    with unchanged(scene.sender.office), pytest.raises(SesnError):
        scene.settle(answer)
    assert len(scene.settle(scene.answer()).acknowledged) == 2


def test_cosignature_of_another_witness(connect: Callable[..., Network]) -> None:
    """Another agency's cosignature does not stand for the recipient's."""
    net = connect(NL, DE, BE)
    net.share(NL, DE)
    puppet, other = Puppet(net[DE]), Puppet(net[BE])
    outgoing = due_batch(net[NL].office, DE)
    assert outgoing is not None
    witness = WitnessAnswer(200, 0, other.cosigned(outgoing.batch))
    answer = replace(puppet.answer(outgoing.batch, old=0), witness=witness)
    with unchanged(net[NL].office), pytest.raises(VerificationError):
        settle(net[NL].office, DE, outgoing, answer)


@pytest.mark.parametrize("status", [0, 400, 403, 404, 422])
def test_receipts_with_a_refused_checkpoint(scene: Answering, status: int) -> None:
    """Whoever did not cosign our checkpoint cannot have received what it proves."""
    cosigned = scene.puppet.cosigned(scene.batch)
    answer = replace(scene.answer(), witness=WitnessAnswer(status, 0, cosigned))
    scene.refuse(answer)


@pytest.mark.parametrize("size", [0, 1, 2**63 - 1])
def test_receipts_with_a_conflicting_size(scene: Answering, size: int) -> None:
    """Status 409 makes us prove again; receipts that come with it are not looked at."""
    answer = replace(scene.answer(), witness=WitnessAnswer(409, size))
    with unchanged(scene.sender.office, but=("link",)):
        settled = scene.settle(answer)
    assert settled.prove_again
    assert settled.acknowledged == ()
    outgoing = due_batch(scene.sender.office, DE, sequence=2)
    assert outgoing is not None
    assert len(outgoing.consigned) == 2


# The partner's own checkpoint.


def _with_head(scene: Answering, answer: Answer, head: TreeHead) -> Answer:
    body = format_add_checkpoint(0, [], scene.puppet.note(head))
    return replace(answer, add_checkpoint=body)


def test_receipts_without_a_checkpoint(scene: Answering) -> None:
    """Without a checkpoint there is nothing to prove a receipt under."""
    scene.refuse(replace(scene.answer(), add_checkpoint=b""))


@pytest.mark.parametrize("line", [0, 1])
def test_checkpoint_stripped_of_a_scheme(scene: Answering, line: int) -> None:
    """A checkpoint counts only with both signatures of its ledger."""
    answer = scene.answer()
    text, _, signatures = answer.add_checkpoint.rpartition(b"\n\n")
    kept = signatures.splitlines(keepends=True)[line]
    scene.refuse(replace(answer, add_checkpoint=text + b"\n\n" + kept))


def test_checkpoint_of_another_root(scene: Answering) -> None:
    """Receipts are proven under the signed root, not under the one that would suit them."""
    answer = scene.answer()
    head = replace(scene.puppet.head(), root=bytes(32))
    scene.refuse(_with_head(scene, answer, head))


def test_checkpoint_of_an_unknown_origin(scene: Answering) -> None:
    """A ledger that is not in the partner's card is nobody's."""
    answer = scene.answer()
    head = replace(scene.puppet.head(), origin=ledger_origin(DE, 2))
    scene.refuse(_with_head(scene, answer, head))


def test_our_own_checkpoint_as_theirs(scene: Answering) -> None:
    """Our own ledger, given back to us, proves no receipt."""
    scene.refuse(replace(scene.answer(), add_checkpoint=scene.batch.add_checkpoint))


@pytest.mark.parametrize("body", [b"garbage", b"old 0\n\n", b"old 00\n\n", b"\xff" * 1000])
def test_checkpoint_of_garbage(scene: Answering, body: bytes) -> None:
    """What is no add-checkpoint body is malformed."""
    scene.refuse(replace(scene.answer(), add_checkpoint=body), MalformedError)


def test_rolled_back_ledger(scene: Answering) -> None:
    """A partner cannot go back to before what we have witnessed."""
    scene.settle(scene.answer())
    scene.net.share(NL, DE)
    outgoing = due_batch(scene.sender.office, DE, sequence=2)
    assert outgoing is not None
    del scene.puppet.ledger[1:]
    answer = scene.puppet.answer(outgoing.batch, old=0)
    office = scene.sender.office
    with unchanged(office):
        assert settle(office, DE, outgoing, answer).answer_again
    note = parse_add_checkpoint(answer.add_checkpoint).note
    forced = replace(answer, add_checkpoint=format_add_checkpoint(scene.known, [], note))
    with unchanged(office), pytest.raises(VerificationError):
        settle(office, DE, outgoing, forced)


@pytest.mark.parametrize("longer", [0, 1, 5])
def test_rewritten_ledger(scene: Answering, longer: int) -> None:
    """A history that differs from what we have witnessed is not followed, however long it is."""
    scene.settle(scene.answer())
    scene.net.share(NL, DE)
    outgoing = due_batch(scene.sender.office, DE, sequence=2)
    assert outgoing is not None
    known = scene.known
    scene.puppet.ledger[0] = b"rewritten"
    del scene.puppet.ledger[known - 1 :]
    for number in range(longer):
        scene.puppet.append(bytes([number]))
    answer = scene.puppet.answer(outgoing.batch, old=known)
    office = scene.sender.office
    # Of the witnessed size, it is a fork, which is kept.
    but = () if longer else PROOF_OF_FORK
    with unchanged(office, but=but), pytest.raises(VerificationError):
        settle(office, DE, outgoing, answer)
