"""Sealing and opening. The bad messages, one by one, are in the vectors."""

from __future__ import annotations

import pytest

from sesn_node.crypto import keys, primitives, seal
from sesn_node.crypto.keys import KeyKind
from sesn_node.errors import MalformedError, VerificationError
from tests.vectors.crypto import independent
from tests.vectors.crypto.material import flip, record, seed

MESSAGE_ID = bytes.fromhex("0198c0ffee007abc8def0123456789ab")
CONTEXT = seal.MessageContext("SESN-1", MESSAGE_ID, "nl.customs")
AGENCIES = ("be.customs", "fr.police", "de.port")
RECORDS = {agency: record(KeyKind.ENCRYPTION, agency) for agency in AGENCIES}
RECIPIENTS = [
    seal.SealRecipient(agency, key.key_id, keys.load_encryption_public(key.public))
    for agency, key in RECORDS.items()
]


def open_copy(content: seal.SealedContent, wrapped: seal.WrappedKey) -> bytes:
    """Open a message as the addressee of one of its wrapped keys."""
    content_key = seal.open_wrapped_key(
        wrapped.wrapped,
        CONTEXT,
        wrapped.agency,
        wrapped.key_id,
        keys.load_encryption_private(RECORDS[wrapped.agency].private),
        content.ciphertext_sha256,
        content.commitment,
    )
    return seal.open_content(
        content.ciphertext, content_key, CONTEXT, content.ciphertext_sha256, content.commitment
    )


@pytest.mark.parametrize("payload", [b"", b"payload", bytes(1_048_576)])
def test_every_recipient_opens(payload: bytes) -> None:
    """Each addressee opens the same payload with a wrapped key of its own."""
    content = seal.seal(payload, CONTEXT, RECIPIENTS)
    assert [wrapped.agency for wrapped in content.wrapped] == list(AGENCIES)
    for wrapped in content.wrapped:
        assert wrapped.key_id == RECORDS[wrapped.agency].key_id
        assert len(wrapped.wrapped) == seal.WRAPPED_KEY_BYTES == 1168
        assert wrapped.sha256 == primitives.sha256(wrapped.wrapped)
        assert open_copy(content, wrapped) == payload


def test_the_sender_opens_its_own_copy() -> None:
    """The content key that `seal` returns opens the ciphertext."""
    content = seal.seal(b"payload", CONTEXT, RECIPIENTS[:1])
    opened = seal.open_content(
        content.ciphertext,
        content.content_key,
        CONTEXT,
        content.ciphertext_sha256,
        content.commitment,
    )
    assert opened == b"payload"


def test_salt_and_payload_open_the_commitment() -> None:
    """Whoever is shown both needs neither key nor ciphertext to know that this was said."""
    content = seal.seal(b"payload", CONTEXT, RECIPIENTS[:1])
    salt, payload = seal.open_commitment(
        content.ciphertext,
        content.content_key,
        CONTEXT,
        content.ciphertext_sha256,
        content.commitment,
    )
    assert (len(salt), payload) == (seal.SALT_BYTES, b"payload")
    assert seal.commit(salt, payload) == content.commitment


def test_the_ciphertext_is_what_the_format_says() -> None:
    """Length, hash and commitment are those of envelope.proto, worked out by hand."""
    content = seal.seal(b"payload", CONTEXT, RECIPIENTS[:1])
    assert len(content.ciphertext) == len(b"payload") + seal.CIPHERTEXT_OVERHEAD == 55
    assert content.ciphertext_sha256 == primitives.sha256(content.ciphertext)
    opened = independent.open_content(content.content_key, MESSAGE_ID, content.ciphertext)
    assert opened[32:] == b"payload"
    assert content.commitment == independent.commitment(opened[:32], b"payload")


def test_nothing_repeats() -> None:
    """The same payload twice shares no key, salt, ciphertext, commitment or wrapped key."""
    first, second = (seal.seal(b"payload", CONTEXT, RECIPIENTS[:1]) for _ in range(2))
    assert first.content_key != second.content_key
    assert first.ciphertext != second.ciphertext
    assert first.commitment != second.commitment
    assert first.wrapped[0].wrapped != second.wrapped[0].wrapped


def test_no_secret_is_shown() -> None:
    """The content key is not in the repr of sealed content."""
    content = seal.seal(b"payload", CONTEXT, RECIPIENTS[:1])
    assert "content_key" not in repr(content)
    assert repr(content.content_key)[2:-1] not in repr(content)


def test_no_recipient_is_refused() -> None:
    """A message is for somebody."""
    with pytest.raises(MalformedError, match="at least one"):
        seal.seal(b"payload", CONTEXT, [])


def test_an_agency_named_twice_is_refused() -> None:
    """Two copies for one agency would be two receipts for one message."""
    with pytest.raises(MalformedError, match="twice"):
        seal.seal(b"payload", CONTEXT, [RECIPIENTS[0], RECIPIENTS[0]])


def test_a_recipient_whose_name_is_not_ascii_is_refused() -> None:
    """An agency id is ASCII; a look-alike letter is not one."""
    recipient = RECIPIENTS[0]
    odd = seal.SealRecipient("bе.customs", recipient.key_id, recipient.public)  # noqa: RUF001 - a Cyrillic letter is the point
    with pytest.raises(MalformedError, match="ASCII"):
        seal.seal(b"payload", CONTEXT, [odd])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_id_of_another_length_is_refused(length: int) -> None:
    """A key id is a SHA-256."""
    with pytest.raises(MalformedError, match=r"key id of be\.customs"):
        seal.SealRecipient("be.customs", bytes(length), RECIPIENTS[0].public)


@pytest.mark.parametrize(
    ("suite", "message_id", "problem"),
    [
        ("SESN-2", MESSAGE_ID, "SESN-1 only"),
        ("", MESSAGE_ID, "SESN-1 only"),
        ("SESN-1", b"", "message id"),
        ("SESN-1", MESSAGE_ID + b"\0", "message id"),
    ],
)
def test_a_bad_context_is_refused(suite: str, message_id: bytes, problem: str) -> None:
    """There is one suite, and a message id has 16 bytes."""
    with pytest.raises(MalformedError, match=problem):
        seal.MessageContext(suite, message_id, "nl.customs")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_content_key_of_another_length_is_refused(length: int) -> None:
    """A content key has 32 bytes."""
    with pytest.raises(MalformedError, match="content key"):
        seal.open_content(bytes(48), bytes(length), CONTEXT, bytes(32), bytes(32))


def test_each_bit_of_the_wrapped_key_counts() -> None:
    """Turning one bit anywhere in the 1,168 bytes makes it undecryptable."""
    content = seal.seal(b"payload", CONTEXT, RECIPIENTS[:1])
    good = content.wrapped[0]
    for at in range(0, seal.WRAPPED_KEY_BYTES, 73):
        bad = seal.WrappedKey(good.agency, good.key_id, flip(good.wrapped, at), good.sha256)
        with pytest.raises(VerificationError) as caught:
            open_copy(content, bad)
        assert caught.value.code == "UNDECRYPTABLE"


def test_attack_one_ciphertext_that_opens_to_two_messages() -> None:
    """GCM commits to no key: the tag fits twice. The commitment lets one of them through."""
    one, two = seed("attack key one"), seed("attack key two")
    aad = b"sesn/v1/content\0" + MESSAGE_ID
    blocks = [seed(f"attack {index}", 16) for index in range(4)]
    ciphertext = independent.one_ciphertext_two_keys((one, two), blocks, aad)
    opened = [primitives.aes_gcm_decrypt(key, bytes(12), ciphertext, aad) for key in (one, two)]
    assert opened[0] != opened[1]
    digest = primitives.sha256(ciphertext)
    commitment = seal.commit(opened[0][:32], opened[0][32:])
    assert seal.open_content(ciphertext, one, CONTEXT, digest, commitment) == opened[0][32:]
    with pytest.raises(VerificationError) as caught:
        seal.open_content(ciphertext, two, CONTEXT, digest, commitment)
    assert caught.value.code == "COMMITMENT_MISMATCH"


def test_attack_replay_of_a_wrapped_key_to_another_message() -> None:
    """A wrapped key opens for its own ciphertext and message id only."""
    first = seal.seal(b"first", CONTEXT, RECIPIENTS[:1])
    second = seal.seal(b"second", CONTEXT, RECIPIENTS[:1])
    with pytest.raises(VerificationError) as caught:
        open_copy(second, first.wrapped[0])
    assert caught.value.code == "UNDECRYPTABLE"


def test_attack_forwarding_under_another_senders_name() -> None:
    """A recipient cannot pass a message on as its own: the sender is part of the info."""
    content = seal.seal(b"payload", CONTEXT, RECIPIENTS[:1])
    wrapped = content.wrapped[0]
    with pytest.raises(VerificationError) as caught:
        seal.open_wrapped_key(
            wrapped.wrapped,
            seal.MessageContext("SESN-1", MESSAGE_ID, "it.customs"),
            wrapped.agency,
            wrapped.key_id,
            keys.load_encryption_private(RECORDS[wrapped.agency].private),
            content.ciphertext_sha256,
            content.commitment,
        )
    assert caught.value.code == "UNDECRYPTABLE"
