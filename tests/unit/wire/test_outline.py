"""Outlines: what an ordinary message may consist of, and what is refused before it is parsed."""

from __future__ import annotations

import pytest

from sesn_node.errors import MalformedError
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire.batches import decode_answer, decode_batch
from sesn_node.wire.outline import Outline

INNER = Outline("Inner", 2)
OUTER = Outline("Outer", 1, {3: INNER})


def field(number: int, data: bytes) -> bytes:
    """Write a short field of bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x08\x01" * 5,
        b"\x08" + b"\xff" * 9 + b"\x01",
        b"\x09" + bytes(8),
        b"\x0d" + bytes(4),
        field(3, field(1, b"x") * 6),
        field(4, b"\xff\xff"),
        b"\xfa\x01\x80\x01" + bytes(128),
    ],
)
def test_ordinary(data: bytes) -> None:
    """Any order, unknown fields, every kind that proto3 writes."""
    OUTER.check(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x08\x01" * 6, "Outer: more than 5 fields"),
        (field(3, field(1, b"") * 7), "Inner: more than 6 fields"),
        (b"\x08", "Outer: cut off"),
        (b"\x0a\x02x", "Outer: cut off"),
        (b"\x09" + bytes(7), "Outer: cut off"),
        (field(3, b"\x0d" + bytes(3)), "Inner: cut off"),
        (field(3, b"\x08") + b"\x01\x01", "Inner: cut off"),
        (b"\x0a\x80", "Outer: cut off"),
        (b"\x0b\x0c", "Outer: wire type 3"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "more than 64 bits"),
    ],
)
def test_refused(data: bytes, why: str) -> None:
    """Too many fields at any depth, groups, and what is no protobuf."""
    with pytest.raises(MalformedError, match=why):
        OUTER.check(data)


def test_largest_batch_and_answer() -> None:
    """As many elements as a batch and an answer may have pass, each with its longest proof."""
    proven = pb.ProvenEntry(entry=b"e", index=1, proof=[bytes(32)] * 63)
    shipment = pb.Shipment(shared=proven)
    batch = pb.DeliverRequest(
        sequence=1, add_checkpoint=b"c", shipments=[shipment] * 256, witness=pb.WitnessAnswer()
    )
    assert len(decode_batch(batch.SerializeToString()).shipments) == 256
    outcome = pb.Outcome(receipt=proven)
    answer = pb.DeliverResponse(sequence=1, outcomes=[outcome] * 256)
    assert len(decode_answer(answer.SerializeToString()).outcomes) == 256


def test_what_is_no_message() -> None:
    """A field of number 0, or text that is none, passes the count and not the parser."""
    with pytest.raises(MalformedError, match="not a DeliverRequest"):
        decode_batch(b"\x02\x00")
    with pytest.raises(MalformedError, match="not a DeliverResponse"):
        decode_answer(field(4, field(2, field(2, b"\xff"))))
