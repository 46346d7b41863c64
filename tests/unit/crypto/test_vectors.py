"""The frozen vectors: what opened and verified once must do so for ever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sesn_node.crypto import keys, primitives, seal, signing
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.storage import StorageCipher
from sesn_node.errors import SesnError
from tests.vectors.crypto import generate, independent

FOLDER = Path(__file__).parents[2] / "vectors" / "crypto"
LOADERS: dict[str, Callable[[bytes], object]] = {
    "p256": keys.load_p256_public,
    "ed25519": keys.load_ed25519_public,
    "mldsa44": keys.load_mldsa44_public,
    "encryption": keys.load_encryption_public,
}


class Fields:
    """One vector."""

    def __init__(self, vector: dict[str, str]) -> None:
        self.vector = vector

    def text(self, name: str) -> str:
        """Return a field as it stands."""
        return self.vector[name]

    def data(self, name: str) -> bytes:
        """Return a field of hex as bytes."""
        return bytes.fromhex(self.vector[name])

    def judge(self, call: Callable[[], bytes], expected: str) -> None:
        """Hold the outcome and, if it is ok, the result (the field `expected`) to the vector."""
        if self.vector["outcome"] == "ok":
            assert call() == self.data(expected)
        else:
            with pytest.raises(SesnError) as caught:
                call()
            assert caught.value.code == self.vector["outcome"]


def load(name: str) -> list[object]:
    """Return the vectors of a file as parameters of a test."""
    vectors = json.loads((FOLDER / name).read_text(encoding="ascii"))
    return [pytest.param(Fields(vector), id=vector["name"]) for vector in vectors]


def open_message(v: Fields) -> bytes:
    """Open a vector of seal.json: the wrapped key, then the content."""
    context = seal.MessageContext(v.text("suite"), v.data("message_id"), v.text("sender"))
    digest, commitment = v.data("ciphertext_sha256"), v.data("commitment")
    content_key = seal.open_wrapped_key(
        v.data("wrapped"),
        context,
        v.text("recipient"),
        v.data("key_id"),
        keys.load_encryption_private(v.data("private")),
        digest,
        commitment,
    )
    return seal.open_content(v.data("ciphertext"), content_key, context, digest, commitment)


def verify(v: Fields) -> bytes:
    """Verify a vector of signatures.json; the identity of its body."""
    kind = signing.ObjectKind(v.text("kind"))
    signing.verify_object(v.data("spki"), kind, v.data("body"), v.data("signature"))
    return signing.body_hash(v.data("body"))


def unwrap(v: Fields) -> bytes:
    """Unwrap a vector of storage.json."""
    cipher = StorageCipher(v.data("key"))
    return cipher.unwrap(v.data("wrapped"), table=v.text("table"), row=v.data("row"))


def test_the_files_are_frozen() -> None:
    """Every file that can be generated is named in SHA256SUMS with the hash that it has."""
    sums = (FOLDER / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    found = [
        f"{hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()}  {name}"
        for name in sorted(generate.FILES)
    ]
    assert sums == found


def test_names_are_unique() -> None:
    """A vector is found by its name."""
    for name in generate.FILES:
        names = [v["name"] for v in json.loads((FOLDER / name).read_text(encoding="ascii"))]
        assert len(set(names)) == len(names), name


@pytest.mark.parametrize("v", load("commitments.json"))
def test_commitment(v: Fields) -> None:
    """A commitment is the same for ever, and another payload has another one."""
    computed = seal.commit(v.data("salt"), v.data("payload"))
    assert (computed == v.data("commitment")) is (v.text("outcome") == "ok")
    assert computed == independent.commitment(v.data("salt"), v.data("payload"))


@pytest.mark.parametrize("v", load("hpke.json"))
def test_hpke(v: Fields) -> None:
    """What was sealed with the hybrid KEM opens for ever; anything else does not."""
    private = keys.load_encryption_private(v.data("private"))
    v.judge(lambda: primitives.hpke_open(private, v.data("sealed"), v.data("info")), "plaintext")


@pytest.mark.parametrize("v", load("hpke.json")[:2])
def test_hpke_against_the_standards_text(v: Fields) -> None:
    """A second implementation of RFC 9180 and X-Wing opens the same bytes."""
    opened = independent.hpke_open(v.data("private"), v.data("sealed"), v.data("info"))
    assert opened == v.data("plaintext")


@pytest.mark.parametrize("v", load("seal.json"))
def test_seal(v: Fields) -> None:
    """A sealed message opens for ever, in its own context, to what was committed to."""
    v.judge(lambda: open_message(v), "payload")


@pytest.mark.parametrize("v", load("seal.json")[:3])
def test_seal_against_the_standards_text(v: Fields) -> None:
    """A second implementation of the whole envelope opens the same bytes."""
    info = independent.wrap_info(
        v.text("suite").encode(),
        v.data("message_id"),
        v.text("sender").encode(),
        v.text("recipient").encode(),
        v.data("key_id"),
        v.data("ciphertext_sha256"),
        v.data("commitment"),
    )
    key = independent.hpke_open(v.data("private"), v.data("wrapped"), info)
    opened = independent.open_content(key, v.data("message_id"), v.data("ciphertext"))
    assert opened[32:] == v.data("payload")
    assert independent.commitment(opened[:32], opened[32:]) == v.data("commitment")


@pytest.mark.parametrize("v", load("signatures.json"))
def test_signature(v: Fields) -> None:
    """A seal verifies over its own kind and body only, and only in strict DER."""
    v.judge(lambda: verify(v), "body_hash")


@pytest.mark.parametrize("v", load("private_keys.json"))
def test_private_key(v: Fields) -> None:
    """A private key gives the same public key for ever; a bad one is refused."""
    kind = keys.KeyKind(v.text("kind"))
    v.judge(lambda: keys.public_of(kind, v.data("private")), "public")
    if v.text("outcome") == "ok":
        assert keys.key_id(v.data("public")) == v.data("key_id")


@pytest.mark.parametrize("v", load("public_keys.json"))
def test_public_key(v: Fields) -> None:
    """A public key has one encoding, and keys that nobody can use safely are refused."""

    def decode() -> bytes:
        LOADERS[v.text("format")](v.data("public"))
        return v.data("public")

    v.judge(decode, "public")


@pytest.mark.parametrize("v", load("storage.json"))
def test_storage(v: Fields) -> None:
    """A stored content key unwraps for ever, in its own table and row."""
    v.judge(lambda: unwrap(v), "content_key")


@pytest.mark.parametrize("v", load("keyring.json"))
def test_keyring(v: Fields) -> None:
    """A key file opens for ever; a hostile one is refused before it costs anything."""

    def opened() -> bytes:
        ring = decrypt_keyring(v.text("document").encode(), v.text("passphrase").encode())
        assert ",".join(record.key_id.hex() for record in ring.records) == v.text("key_ids")
        return b""

    v.vector["nothing"] = ""
    v.judge(opened, "nothing")
