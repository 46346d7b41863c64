"""Properties of `sesn_node.crypto`: round trips, and nothing but `SesnError` for any bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesn_node.crypto import keys, seal, signing
from sesn_node.crypto.documents import read_document
from sesn_node.crypto.framing import frame
from sesn_node.crypto.kdf import KdfParams
from sesn_node.crypto.keyring import Keyring, decrypt_keyring, encrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.storage import StorageCipher
from sesn_node.errors import MalformedError, SesnError, VerificationError
from tests.vectors.crypto.material import record

BOX = record(KeyKind.ENCRYPTION, "property")
PRIVATE = keys.load_encryption_private(BOX.private)
RECIPIENT = seal.SealRecipient("be.customs", BOX.key_id, keys.load_encryption_public(BOX.public))
SEAL = record(KeyKind.SEAL, "property")
SIGNER = signer_for(SEAL)
VERIFIER = signing.EcdsaVerifier(SEAL.public)
CIPHER = StorageCipher(bytes(32))
CHEAP = KdfParams(memory_kib=8, iterations=1, lanes=1)
EMPTY_FILE = encrypt_keyring(Keyring(), b"passphrase", CHEAP)

ids = st.binary(min_size=16, max_size=16)
keys32 = st.binary(min_size=32, max_size=32)


def open_copy(content: seal.SealedContent, context: seal.MessageContext, wrapped: bytes) -> bytes:
    """Open a message as its one recipient."""
    digests = content.ciphertext_sha256, content.commitment
    key = seal.open_wrapped_key(wrapped, context, "be.customs", BOX.key_id, PRIVATE, *digests)
    return seal.open_content(content.ciphertext, key, context, *digests)


@given(payload=st.binary(max_size=5_000), message_id=ids)
@settings(max_examples=50)
def test_what_is_sealed_opens(payload: bytes, message_id: bytes) -> None:
    """Any payload comes back as it was."""
    context = seal.MessageContext("SESN-1", message_id, "nl.customs")
    content = seal.seal(payload, context, [RECIPIENT])
    assert open_copy(content, context, content.wrapped[0].wrapped) == payload


@given(payload=st.binary(max_size=200), data=st.data())
@settings(max_examples=50)
def test_no_changed_byte_opens(payload: bytes, data: st.DataObject) -> None:
    """Changing any byte of the ciphertext or of the wrapped key is noticed."""
    context = seal.MessageContext("SESN-1", bytes(16), "nl.customs")
    content = seal.seal(payload, context, [RECIPIENT])
    wrapped = bytearray(content.wrapped[0].wrapped)
    wrapped[data.draw(st.integers(0, len(wrapped) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VerificationError):
        open_copy(content, context, bytes(wrapped))
    changed = bytearray(content.ciphertext)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    for digest in (content.ciphertext_sha256, sha256(bytes(changed))):
        with pytest.raises(VerificationError):
            seal.open_content(
                bytes(changed), content.content_key, context, digest, content.commitment
            )


@given(left=st.lists(st.binary(max_size=6), max_size=4), right=st.lists(st.binary(max_size=6)))
@settings(max_examples=100)
def test_framing_is_injective(left: list[bytes], right: list[bytes]) -> None:
    """Two lists of fields give the same bytes only if they are the same."""
    assert (frame(*left) == frame(*right)) is (left == right)


@given(body=st.binary(max_size=300), kind=st.sampled_from(signing.ObjectKind), junk=st.binary())
@settings(max_examples=50)
def test_seals_verify_and_junk_does_not(body: bytes, kind: signing.ObjectKind, junk: bytes) -> None:
    """A seal verifies over any body; any other bytes are `BAD_SIGNATURE` and no crash."""
    signing.verify_object(VERIFIER, kind, body, signing.sign_object(SIGNER, kind, body))
    with pytest.raises(VerificationError) as caught:
        signing.verify_object(VERIFIER, kind, body, junk)
    assert caught.value.code == "BAD_SIGNATURE"


@given(key=keys32, table=st.sampled_from(["inbox", "outbox"]), row=st.binary(max_size=40))
@settings(max_examples=50)
def test_storage_round_trip(key: bytes, table: str, row: bytes) -> None:
    """Any content key comes back from its own row, and from no other."""
    wrapped = CIPHER.wrap(key, table=table, row=row)
    assert CIPHER.unwrap(wrapped, table=table, row=row) == key
    with pytest.raises(VerificationError):
        CIPHER.unwrap(wrapped, table=table, row=row + b"\0")


@given(kinds=st.lists(st.sampled_from(KeyKind), max_size=5), passphrase=st.binary(min_size=1))
@settings(max_examples=25)
def test_key_files_round_trip(kinds: list[KeyKind], passphrase: bytes) -> None:
    """Any set of keys under any passphrase comes back as it was."""
    ring = Keyring(tuple(record(kind, f"property {i}") for i, kind in enumerate(kinds)))
    assert decrypt_keyring(encrypt_keyring(ring, passphrase, CHEAP), passphrase) == ring


@pytest.mark.parametrize(
    "decode",
    [
        keys.load_p256_public,
        keys.load_p256_private,
        keys.load_ed25519_public,
        keys.load_ed25519_private,
        keys.load_mldsa44_public,
        keys.load_mldsa44_private,
        keys.load_encryption_public,
        keys.load_encryption_private,
        lambda data: read_document(data, "test", limit=1_000),
        lambda data: decrypt_keyring(data, b"passphrase"),
    ],
)
@given(data=st.binary(max_size=200) | st.integers(0, 1_400).map(bytes))
@settings(max_examples=50)
def test_decoders_raise_nothing_but_malformed(
    decode: Callable[[bytes], object], data: bytes
) -> None:
    """Any bytes are decoded or `MALFORMED`; no library error gets through."""
    with suppress(MalformedError):
        decode(data)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    ),
    name=st.sampled_from(["kdf", "salt", "nonce", "box", "format"]),
)
@settings(max_examples=100)
def test_a_key_file_with_any_value_in_it_is_refused(value: object, name: str) -> None:
    """Whatever a member is replaced by, the answer is a `SesnError`."""
    document = json.loads(EMPTY_FILE)
    document[name] = value
    with pytest.raises(SesnError):
        decrypt_keyring(json.dumps(document).encode(), b"passphrase")
