"""Spans: ids that two nodes work out alike, and which messages are traced."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesn_node.domain.ids import new_message_id
from sesn_node.telemetry.spans import (
    Timeline,
    chosen,
    delivery_span,
    root_span,
    written_ns,
)

MESSAGE = new_message_id(1_763_879_900_000, bytes(range(10)))


def test_span_ids_follow_from_the_message_alone() -> None:
    """The specification's words give the same ids as the code."""
    root = sha256(b"sesn/v1/span\0" + MESSAGE).digest()[:8]
    copy = sha256(b"sesn/v1/span\0" + MESSAGE + b"gh.epa").digest()[:8]
    assert root_span(MESSAGE).to_bytes(8, "big") == root
    assert delivery_span(MESSAGE, "gh.epa").to_bytes(8, "big") == copy


def test_recipients_have_spans_of_their_own() -> None:
    """Root and deliveries of one message, and of two messages, never share an id."""
    other = new_message_id(1_763_879_900_000, bytes(10))
    ids = [
        *(root_span(one) for one in (MESSAGE, other)),
        *(delivery_span(one, to) for one in (MESSAGE, other) for to in ("gh.epa", "nl.customs")),
    ]
    assert len(set(ids)) == len(ids)


def test_time_of_a_message_is_read_from_its_id() -> None:
    """A delivery begins when its message was written, to the millisecond."""
    assert written_ns(MESSAGE) == 1_763_879_900_000 * 1_000_000


@given(st.binary(min_size=10, max_size=10), st.integers(1, 1_000_000))
def test_choice_depends_on_random_bits_alone(entropy: bytes, one_in: int) -> None:
    """Neither the time nor the fixed bits of a UUID weigh in; every node chooses alike."""
    first, later = new_message_id(1, entropy), new_message_id(2**47, entropy)
    assert chosen(first, one_in) == chosen(later, one_in)
    assert chosen(first, 1)


@pytest.mark.parametrize("one_in", [2, 10, 100])
def test_about_one_in_so_many_is_chosen(one_in: int) -> None:
    """Of many messages, about the share that was asked for is traced."""
    ids = [new_message_id(1, sha256(str(number).encode()).digest()) for number in range(20_000)]
    found = sum(chosen(one, one_in) for one in ids)
    assert 0.8 < found * one_in / len(ids) < 1.2


def test_timeline_does_not_run_backwards() -> None:
    """Marks come in order and not before the start, whatever the clock of the machine does."""
    timeline = Timeline()
    times = [timeline.mark(str(number)) for number in range(100)]
    assert [timeline.start_ns, *times] == sorted([timeline.start_ns, *times])
    assert [mark.name for mark in timeline.marks] == [str(number) for number in range(100)]
    assert timeline.seconds >= 0
