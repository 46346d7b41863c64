"""Answers that a partner's dishonest or broken node gives, where the sender settles them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import NOTHING_WITNESSED, ProvenEntry, Refused
from sesn_node.domain.entries import EntryKind, EntryRef
from sesn_node.domain.ids import ledger_origin, new_message_id
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.exchange.settle import settle
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire.batches import answer_to_pb
from sesn_node.wire.entries import decode_entry, encode_entry
from tests.support import protobuf
from tests.support.answering import Answering, answering
from tests.support.homes import BE, DE, NL
from tests.support.puppet import Puppet
from tests.support.snapshot import unchanged
from tests.support.wires import due_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sesn_node.domain.batches import Answer
    from tests.support.network import Network

_ANSWERS = 7
_CODE = 9


@pytest.fixture
def scene(connect: Callable[..., Network]) -> Answering:
    """Two alerts are due for the German port, which has been taken over."""
    return answering(connect(NL, DE))


def test_honest_answer_of_the_puppet(scene: Answering) -> None:
    """The attacks fail for what their names tell: without it, the answer settles the batch."""
    settled = scene.settle(scene.answer())
    assert len(settled.acknowledged) == 2
    assert settled.witness.cosignatures


def test_refused_answer_does_no_harm(scene: Answering) -> None:
    """After a bad answer, an honest one to the same messages settles them."""
    scene.refuse(scene.answer(object_sha256=bytes(32)))
    assert len(scene.settle(scene.answer()).acknowledged) == 2


# Receipts.


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"message_id": new_message_id(1, bytes(10))}, id="another message"),
        pytest.param({"object_sha256": bytes(32)}, id="another header"),
        pytest.param({"commitment": bytes(32)}, id="another payload"),
        pytest.param({"agency": BE}, id="another sender"),
        pytest.param({"answers": EntryRef(ledger_origin(NL, 1), 0, bytes(32))}, id="another entry"),
        pytest.param({"kind": EntryKind.ACKNOWLEDGED}, id="another kind"),
    ],
)
def test_receipt_for_something_else(scene: Answering, changes: dict[str, object]) -> None:
    """A proven RECEIVED entry that names anything but this message is no receipt for it."""
    assert "receipt" in scene.refuse(scene.answer(**changes))


@pytest.mark.parametrize("field", ["origin", "index", "leaf_hash"])
def test_receipt_that_answers_another_entry(scene: Answering, field: str) -> None:
    """A receipt names our SHARED entry by ledger, index and hash."""
    entries = []
    for data in scene.puppet.receipts(scene.batch):
        entry = decode_entry(data)
        assert entry.answers is not None
        other = {
            "origin": replace(entry.answers, origin=ledger_origin(BE, 1)),
            "index": replace(entry.answers, index=entry.answers.index + 1),
            "leaf_hash": replace(entry.answers, leaf_hash=bytes(32)),
        }[field]
        entries.append(encode_entry(replace(entry, answers=other)))
    scene.refuse(scene.puppet.answer(scene.batch, old=scene.known, entries=entries))


def test_receipts_swapped(scene: Answering) -> None:
    """Receipts in another order than the messages are receipts for other messages."""
    answer = scene.answer()
    scene.refuse(replace(answer, outcomes=answer.outcomes[::-1]))


def test_receipt_given_twice(scene: Answering) -> None:
    """One receipt does not settle two messages."""
    answer = scene.answer()
    scene.refuse(replace(answer, outcomes=(answer.outcomes[0],) * 2))


@pytest.mark.parametrize("count", [0, 1, 3, 250])
def test_wrong_number_of_outcomes(scene: Answering, count: int) -> None:
    """An answer has one outcome for each message, no fewer and no more."""
    answer = scene.answer()
    scene.refuse(replace(answer, outcomes=(answer.outcomes * 250)[:count]))


_ENCODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[:-1],
    "garbage": lambda _: b"\xff" * 100,
    "trailing byte": lambda data: data + b"\0",
    **protobuf.encodings(_ANSWERS, _CODE),
}


@pytest.mark.parametrize("encoding", list(_ENCODINGS))
def test_reencoded_receipt(scene: Answering, encoding: str) -> None:
    """A receipt that is proven, but not in its one encoding, is malformed."""
    entries = [_ENCODINGS[encoding](one) for one in scene.puppet.receipts(scene.batch)]
    answer = scene.puppet.answer(scene.batch, old=scene.known, entries=entries)
    scene.refuse(answer, MalformedError)


def _first_receipt(answer: Answer) -> tuple[pb.DeliverResponse, pb.ProvenEntry]:
    message = answer_to_pb(answer)
    return message, message.outcomes[0].receipt


def test_altered_receipt(scene: Answering) -> None:
    """An entry that is not in the partner's ledger is no receipt, whatever it says."""
    entries = scene.puppet.receipts(scene.batch)
    message, receipt = _first_receipt(scene.answer())
    receipt.entry = entries[0]
    scene.refuse(message)


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param(lambda hashes: hashes[:-1], id="truncated"),
        pytest.param(lambda hashes: [*hashes, bytes(32)], id="extended"),
        pytest.param(lambda hashes: hashes[::-1], id="reordered"),
        pytest.param(lambda _: [], id="none"),
        pytest.param(lambda hashes: [bytes(32)] * len(hashes), id="zeroes"),
    ],
)
def test_receipt_with_a_bad_proof(
    scene: Answering, proof: Callable[[list[bytes]], list[bytes]]
) -> None:
    """A receipt must be proven under the checkpoint that comes with it."""
    message, receipt = _first_receipt(scene.answer())
    receipt.proof[:] = proof(list(receipt.proof))
    scene.refuse(message)


@pytest.mark.parametrize("index", [0, 4, 2**63 - 1])
def test_receipt_with_another_index(scene: Answering, index: int) -> None:
    """The index is part of the proof."""
    message, receipt = _first_receipt(scene.answer())
    receipt.index = index
    scene.refuse(message)


def test_receipt_proven_under_an_older_checkpoint(scene: Answering) -> None:
    """A proof under another checkpoint than the one that comes with it proves nothing here."""
    answer = scene.answer()
    scene.puppet.append(b"later")
    scene.refuse(replace(answer, add_checkpoint=scene.puppet.add_checkpoint(scene.known)))


def test_receipt_from_another_ledger(connect: Callable[..., Network]) -> None:
    """Receipts in the ledger of another agency that we trust do not speak for the recipient."""
    net = connect(NL, DE, BE)
    net.share(NL, BE)
    puppet = Puppet(net[DE])
    outgoing = due_batch(net[NL].office, BE)
    assert outgoing is not None
    answer = puppet.answer(outgoing.batch, old=0)
    with unchanged(net[NL].office), pytest.raises(VerificationError):
        settle(net[NL].office, BE, outgoing, answer)


def test_answer_to_an_older_batch(scene: Answering) -> None:
    """The answer to one batch does not settle another."""
    old = scene.answer()
    scene.settle(old)
    message_id = scene.net.share(NL, DE)
    outgoing = due_batch(scene.sender.office, DE, sequence=2)
    assert outgoing is not None
    one = replace(old, outcomes=old.outcomes[:1])
    office = scene.sender.office
    with unchanged(office), pytest.raises(VerificationError):
        settle(office, DE, outgoing, one)
    again = replace(one, add_checkpoint=scene.puppet.add_checkpoint(scene.known))
    with unchanged(office), pytest.raises(VerificationError):
        settle(office, DE, outgoing, again)
    assert scene.sender.states(message_id) == {DE: "queued"}


def test_duplicated_answer(scene: Answering) -> None:
    """The same answer a second time acknowledges nothing and changes nothing."""
    answer = scene.answer()
    scene.settle(answer)
    again = replace(answer, add_checkpoint=scene.puppet.add_checkpoint(scene.known))
    with unchanged(scene.sender.office):
        assert scene.settle(again).acknowledged == ()


def test_second_receipt_for_a_message(scene: Answering) -> None:
    """A partner that writes another receipt later does not replace the first."""
    scene.settle(scene.answer())
    with scene.sender.office.store.read() as transaction:
        before = transaction.copies.every()
    assert scene.settle(scene.answer()).acknowledged == ()
    with scene.sender.office.store.read() as transaction:
        assert transaction.copies.every() == before


# Refusals, and what no codec writes.


def test_mixed_answer(scene: Answering) -> None:
    """Of a batch, one message may be received and another refused."""
    answer = scene.answer()
    refused = Refused(RefusalCode.POLICY, "Not here.")
    settled = scene.settle(replace(answer, outcomes=(answer.outcomes[0], refused)))
    assert len(settled.acknowledged) == 1
    assert len(settled.refused) == 1


@pytest.mark.parametrize("code", list(RefusalCode))
def test_every_refusal(scene: Answering, code: RefusalCode) -> None:
    """A permanent refusal ends a copy, with an entry; a transient one defers it, without."""
    size = scene.sender.size()
    refused = Refused(code, "Because.", 1_000)
    settled = scene.settle(replace(scene.answer(), outcomes=(refused,) * 2))
    assert [one.code for _, one in settled.refused] == [code] * 2
    states = {scene.sender.states(one.message_id)[DE] for one in scene.outgoing.consigned}
    assert states == {"refused" if code.permanent else "queued"}
    assert scene.sender.size() == size + (2 if code.permanent else 0)


def test_refusal_after_a_receipt(scene: Answering) -> None:
    """What was acknowledged stays so: a receipt cannot be taken back."""
    scene.settle(scene.answer())
    refused = Refused(RefusalCode.POLICY, "We changed our mind.")
    answer = replace(
        scene.answer(), witness=NOTHING_WITNESSED, add_checkpoint=b"", outcomes=(refused,) * 2
    )
    with unchanged(scene.sender.office):
        scene.settle(answer)


def test_receipt_after_a_refusal(scene: Answering) -> None:
    """A receipt that comes in later settles even a refused copy: it is the stronger evidence."""
    refused = Refused(RefusalCode.POLICY, "Not here.")
    scene.settle(replace(scene.answer(), outcomes=(refused,) * 2))
    assert len(scene.settle(scene.answer()).acknowledged) == 2


def test_detail_that_would_move_a_cursor(scene: Answering) -> None:
    """A partner's words end up on a screen: what is stored of them is short and printable."""
    refused = Refused(RefusalCode.POLICY, "\x1b[2J" + "no " * 1000 + "\u202e")
    scene.settle(replace(scene.answer(), outcomes=(refused,) * 2))
    detail = scene.sender.copies(scene.outgoing.consigned[0].message_id)[DE].detail
    assert detail is not None
    assert detail.isprintable()
    assert len(detail) <= 500


def _each(message: pb.DeliverResponse, field: str, value: object) -> None:
    for outcome in message.outcomes:
        setattr(outcome.receipt, field, value)


def _refusal_of_code(message: pb.DeliverResponse, code: int) -> None:
    message.outcomes[0].refusal.code = code  # type: ignore[assignment] # no name has this number


def _no_outcome(message: pb.DeliverResponse) -> None:
    message.outcomes[0].Clear()


def _long_proof(message: pb.DeliverResponse) -> None:
    message.outcomes[0].receipt.proof[:] = [bytes(32)] * 64


def _short_hash(message: pb.DeliverResponse) -> None:
    message.outcomes[0].receipt.proof[0] = bytes(31)


@pytest.mark.parametrize(
    "mangle",
    [
        pytest.param(lambda one: setattr(one, "add_checkpoint", bytes(64 * 1024 + 1)), id="note"),
        pytest.param(
            lambda one: setattr(one.witness, "cosignatures", bytes(16 * 1024 + 1)), id="lines"
        ),
        pytest.param(lambda one: setattr(one.witness, "status", 201), id="status"),
        pytest.param(lambda one: setattr(one.witness, "size", 2**63), id="size"),
        pytest.param(lambda one: _each(one, "entry", bytes(65_536)), id="entry"),
        pytest.param(lambda one: _each(one, "entry", b""), id="no entry"),
        pytest.param(lambda one: _each(one, "index", 2**63), id="index"),
        pytest.param(_long_proof, id="proof"),
        pytest.param(_short_hash, id="hash"),
        pytest.param(_no_outcome, id="no outcome"),
        pytest.param(lambda one: _refusal_of_code(one, 0), id="no code"),
        pytest.param(lambda one: _refusal_of_code(one, 99), id="unknown code"),
    ],
)
def test_field_out_of_bounds(
    scene: Answering, mangle: Callable[[pb.DeliverResponse], object]
) -> None:
    """A field of an answer that is too large, or no value at all, makes it malformed."""
    message = answer_to_pb(scene.answer())
    mangle(message)
    scene.refuse(message, MalformedError)


def test_proof_is_kept_as_it_came(scene: Answering) -> None:
    """What the partner proved is what is stored, byte for byte."""
    answer = scene.answer()
    scene.settle(answer)
    for consigned, outcome in zip(scene.outgoing.consigned, answer.outcomes, strict=True):
        receipt = scene.sender.copies(consigned.message_id)[DE].receipt
        assert isinstance(outcome, ProvenEntry)
        assert receipt is not None
        assert (receipt.entry, receipt.index) == (outcome.entry, outcome.index)
        assert receipt.proof == b"".join(outcome.proof)
