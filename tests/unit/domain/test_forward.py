"""Forwards: the bounds of what is carried."""

from __future__ import annotations

import pytest

from sesn_node.domain.cards import MAX_CARD_BYTES
from sesn_node.domain.conversation import MAX_RESPONSE_TEXT
from sesn_node.domain.forward import MAX_FORWARD_BYTES, Forward, Original
from sesn_node.domain.markings import Evaluation, EvaluationScheme, HandlingCode, Markings, Tlp
from sesn_node.domain.messages import MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.wire.payloads import decode_payload, encode_payload
from tests.support.bodies import AT, original
from tests.support.objects import changed


@pytest.mark.parametrize(
    ("field", "size", "start"),
    [
        ("header", 0, "header: expected 1 to 65,536 bytes, got 0"),
        ("header", MAX_HEADER_BYTES + 1, "header: expected 1 to 65,536"),
        ("seal", 7, "seal: expected 8 to 72"),
        ("seal", 73, "seal: expected 8 to 72"),
        ("salt", 31, "salt: expected 32"),
        ("salt", 33, "salt: expected 32"),
        ("payload", 0, "payload: expected 1 to"),
        ("payload", MAX_FORWARD_BYTES + 1, "payload: expected 1 to"),
        ("card", 0, "card: expected 1 to"),
        ("card", MAX_CARD_BYTES + 1025, "card: expected 1 to"),
    ],
)
def test_part_out_of_its_bounds(field: str, size: int, start: str) -> None:
    """Each part has a length of its own."""
    with pytest.raises(MalformedError) as refused:
        changed(original(), **{field: bytes(size)})
    assert refused.value.message.startswith(start)


def _filled(size: int) -> Original:
    """An original of this size in all."""
    small = original()
    return changed(small, payload=bytes(size - small.size + len(small.payload)))


def test_all_parts_together() -> None:
    """What is passed on has one bound, with and without a consent."""
    assert Forward(_filled(MAX_FORWARD_BYTES)).original.size == MAX_FORWARD_BYTES
    with pytest.raises(MalformedError, match=r"^original: at most 1,032,192 bytes"):
        Forward(_filled(MAX_FORWARD_BYTES + 1))
    with pytest.raises(MalformedError, match=r"^original: at most 1,032,192 bytes"):
        Forward(_filled(MAX_FORWARD_BYTES - original().size + 1), original())


def test_largest_forward_fits_into_a_payload() -> None:
    """With the longest of markings and words around it."""
    wide = "\U0001f6a2"
    markings = Markings(
        tlp=Tlp.AMBER,
        handling=tuple(HandlingCode),
        handling_text=wide * 500,
        evaluation=Evaluation(EvaluationScheme.BRITISH_5X5X5, "A", "1", "1"),
        purpose=wide * 200,
        legal_basis=wide * 500,
        retain_until=AT,
        onward=tuple(f"nl.{'x' * 20}.a{number:03}" for number in range(100)),
    )
    carried = _filled(MAX_FORWARD_BYTES - original().size)
    body = Forward(carried, original(), wide * MAX_RESPONSE_TEXT)
    data = encode_payload(Payload(markings, body))
    assert len(data) <= MAX_PAYLOAD_BYTES
    assert decode_payload(data).body == body


def test_words_have_a_bound() -> None:
    """Why it is passed on: 2,000 characters."""
    with pytest.raises(MalformedError, match=r"^text: at most 2,000"):
        Forward(original(), text="x" * 2001)
