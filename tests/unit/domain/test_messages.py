"""Headers, recipients and envelopes are valid by construction."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.messages import (
    MAX_LIFETIME_MS,
    MAX_PAYLOAD_BYTES,
    MAX_RECIPIENTS,
    Priority,
    Recipient,
)
from sesn_node.errors import MalformedError
from tests.support.objects import MESSAGE_ID, NOW_MS, RECEIVER, changed, envelope, header, recipient


def test_addressee_is_found() -> None:
    """A node finds its own entry, and nobody else's."""
    assert header().addressee(RECEIVER) == recipient()
    assert header().addressee(AgencyId("fr.douane")) is None


def test_priorities_order() -> None:
    """The outbox may sort by the value: what leaves first is greatest."""
    assert Priority.IMMEDIATE > Priority.URGENT > Priority.ROUTINE


def test_recipients_out_of_order_are_refused() -> None:
    """Ascending order is what makes duplicates impossible."""
    with pytest.raises(MalformedError, match=r"^recipients\[1\]\.agency: .*ascending"):
        replace(header(), recipients=(recipient("nl.police"), recipient("be.police")))


def test_duplicate_recipients_are_refused() -> None:
    """The same agency twice would get two copies under one id."""
    with pytest.raises(MalformedError, match=r"^recipients\[1\]\.agency"):
        replace(header(), recipients=(recipient(), recipient()))


@pytest.mark.parametrize("count", [0, MAX_RECIPIENTS + 1])
def test_number_of_recipients_is_bounded(count: int) -> None:
    """A message has 1 to 500 recipients."""
    recipients = tuple(recipient(f"nl.a{index:03d}") for index in range(count))
    with pytest.raises(MalformedError, match=r"^recipients: expected 1 to 500"):
        replace(header(), recipients=recipients)


def test_largest_number_of_recipients_is_taken() -> None:
    """Exactly 500 is within the limit."""
    recipients = tuple(recipient(f"nl.a{index:03d}") for index in range(MAX_RECIPIENTS))
    assert len(replace(header(), recipients=recipients).recipients) == MAX_RECIPIENTS


@pytest.mark.parametrize("created_ms", [0, -1, 253_402_300_800_000])
def test_creation_time_is_bounded(created_ms: int) -> None:
    """Times are Unix milliseconds that a calendar can show."""
    with pytest.raises(MalformedError, match=r"^created_ms"):
        replace(header(), created_ms=created_ms)


@pytest.mark.parametrize("lifetime_ms", [0, -1, MAX_LIFETIME_MS + 1])
def test_lifetime_is_bounded(lifetime_ms: int) -> None:
    """A message expires after it was created, and at most 366 days later."""
    with pytest.raises(MalformedError, match=r"^expires_ms"):
        replace(header(), expires_ms=NOW_MS + lifetime_ms)


def test_longest_lifetime_is_taken() -> None:
    """Exactly 366 days is within the limit."""
    assert replace(header(), expires_ms=NOW_MS + MAX_LIFETIME_MS).expires_ms > NOW_MS


def test_message_that_answers_itself_is_refused() -> None:
    """A conversation must not loop."""
    with pytest.raises(MalformedError, match=r"^in_reply_to: .*itself"):
        replace(header(), in_reply_to=MESSAGE_ID)


def test_other_suite_is_refused() -> None:
    """There is no negotiation and no fallback."""
    with pytest.raises(MalformedError, match=r"^suite: expected SESN-1"):
        replace(header(), suite="SESN-0")


@pytest.mark.parametrize("field", ["seal_key_id", "ciphertext_sha256", "commitment"])
def test_hash_of_another_length_is_refused(field: str) -> None:
    """Hashes have 32 bytes, each by its own name."""
    for size in (0, 31, 33):
        with pytest.raises(MalformedError, match=rf"^{field}: expected 32 bytes, got {size}$"):
            changed(header(), **{field: bytes(size)})


@pytest.mark.parametrize("field", ["message_id", "conversation_id", "in_reply_to"])
def test_id_that_is_no_uuidv7_is_refused(field: str) -> None:
    """Ids are UUIDv7 wherever they stand."""
    with pytest.raises(MalformedError, match=rf"^{field}: expected the 16 bytes of a UUIDv7"):
        changed(header(), **{field: MessageId(bytes(16))})


def test_recipient_is_checked() -> None:
    """A recipient needs an agency id and two hashes."""
    with pytest.raises(MalformedError, match=r"^agency: "):
        Recipient(AgencyId("nobody"), b"k" * 32, b"w" * 32)
    with pytest.raises(MalformedError, match=r"^key_id: "):
        replace(recipient(), key_id=b"k")
    with pytest.raises(MalformedError, match=r"^wrapped_key_sha256: "):
        replace(recipient(), wrapped_key_sha256=b"w")


@pytest.mark.parametrize(
    ("field", "sizes"),
    [
        ("header", (0, 65_537)),
        ("seal", (7, 73)),
        ("wrapped_key", (1_167, 1_169)),
        ("ciphertext", (47, MAX_PAYLOAD_BYTES + 49)),
    ],
)
def test_envelope_lengths_are_bounded(field: str, sizes: tuple[int, int]) -> None:
    """One byte too few or too many is refused by name."""
    for size in sizes:
        with pytest.raises(MalformedError, match=rf"^{field}: "):
            changed(envelope(), **{field: bytes(size)})
