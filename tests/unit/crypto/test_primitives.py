"""The primitives against published test vectors, and against everything that is not theirs."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from sesn_node.crypto import keys, primitives
from sesn_node.errors import MalformedError, VerificationError
from tests.vectors.crypto.material import P256_ORDER, record, sign_p256

# RFC 6979 appendix A.2.5, SHA-256, message "sample".
RFC6979_X = 0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
RFC6979_Y = 0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299
RFC6979_R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
RFC6979_S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8

# RFC 8032 section 7.1, test 1: the empty message.
RFC8032_SECRET = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
RFC8032_PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
RFC8032_SIGNATURE = (
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
    "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)


def test_random_bytes_have_the_length_asked_for_and_differ() -> None:
    """Randomness comes in any length, and not twice the same."""
    assert [len(primitives.random_bytes(n)) for n in (0, 1, 12, 32)] == [0, 1, 12, 32]
    assert primitives.random_bytes(32) != primitives.random_bytes(32)


def test_hmac_and_hkdf_are_the_published_ones() -> None:
    """RFC 4231 section 4.3, and the first 32 bytes of RFC 5869 appendix A.1."""
    tag = primitives.hmac_sha256(b"Jefe", b"what do ya want for nothing?")
    assert tag.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    prk = "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    okm = primitives.hkdf_expand(bytes.fromhex(prk), bytes(range(0xF0, 0xFA)))
    assert okm.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"


def test_sha256_hashes_the_concatenation() -> None:
    """FIPS 180-4's example, whole, in parts, and of nothing."""
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert primitives.sha256(b"abc").hex() == abc
    assert primitives.sha256(b"a", b"", b"bc").hex() == abc
    assert primitives.sha256() == hashlib.sha256().digest()


@pytest.mark.parametrize(("left", "right", "same"), [(b"ab", b"ab", True), (b"ab", b"abc", False)])
def test_constant_time_equal(left: bytes, right: bytes, same: bool) -> None:
    """Equal is equal; another length is different, not an error."""
    assert primitives.constant_time_equal(left, right) is same


def test_ecdsa_verifies_the_example_of_rfc_6979() -> None:
    """The published signature verifies over its own message only."""
    public = ec.EllipticCurvePublicNumbers(RFC6979_X, RFC6979_Y, ec.SECP256R1()).public_key()
    signature = encode_dss_signature(RFC6979_R, RFC6979_S)
    primitives.ecdsa_verify(public, b"sample", signature)
    with pytest.raises(VerificationError, match="ECDSA") as caught:
        primitives.ecdsa_verify(public, b"test", signature)
    assert caught.value.code == "BAD_SIGNATURE"


def test_a_negated_ecdsa_signature_verifies_too() -> None:
    """ECDSA is malleable: (r, n - s) verifies, so a signature must never be an identity."""
    public = keys.load_p256_public(record(keys.KeyKind.SEAL, "malleable").public)
    r, s = sign_p256("malleable", b"message")
    first, second = encode_dss_signature(r, s), encode_dss_signature(r, P256_ORDER - s)
    assert first != second
    primitives.ecdsa_verify(public, b"message", first)
    primitives.ecdsa_verify(public, b"message", second)


def test_ecdsa_signs_what_verifies() -> None:
    """A fresh signature verifies, and is another one each time."""
    private = keys.load_p256_private(record(keys.KeyKind.SEAL, "signer").private)
    first, second = (primitives.ecdsa_sign(private, b"message") for _ in range(2))
    assert first != second
    primitives.ecdsa_verify(private.public_key(), b"message", first)
    primitives.ecdsa_verify(private.public_key(), b"message", second)


def test_ed25519_makes_the_signature_of_rfc_8032() -> None:
    """Secret, public key and signature are the published ones."""
    private = keys.load_ed25519_private(bytes.fromhex(RFC8032_SECRET))
    public = keys.load_ed25519_public(bytes.fromhex(RFC8032_PUBLIC))
    assert private.public_key() == public
    assert primitives.ed25519_sign(private, b"").hex() == RFC8032_SIGNATURE
    primitives.ed25519_verify(public, b"", bytes.fromhex(RFC8032_SIGNATURE))


def test_ed25519_is_not_malleable() -> None:
    """Adding the group order to S gives no second signature (RFC 8032 section 5.1.7)."""
    order = 2**252 + 27742317777372353535851937790883648493
    good = bytes.fromhex(RFC8032_SIGNATURE)
    s = int.from_bytes(good[32:], "little") + order
    public = keys.load_ed25519_public(bytes.fromhex(RFC8032_PUBLIC))
    with pytest.raises(VerificationError):
        primitives.ed25519_verify(public, b"", good[:32] + s.to_bytes(32, "little"))


def test_a_small_order_ed25519_key_would_verify_anything() -> None:
    """Why `load_ed25519_public` refuses them: the library takes R = identity, S = 0."""
    identity = b"\x01" + bytes(31)
    unchecked = ed25519.Ed25519PublicKey.from_public_bytes(identity)
    primitives.ed25519_verify(unchecked, b"whatever", identity + bytes(32))
    with pytest.raises(MalformedError, match="small order"):
        keys.load_ed25519_public(identity)


@pytest.mark.parametrize("cut", [0, 1, 63])
def test_ed25519_refuses_a_truncated_signature(cut: int) -> None:
    """Any other length than 64 bytes is a bad signature."""
    public = keys.load_ed25519_public(bytes.fromhex(RFC8032_PUBLIC))
    with pytest.raises(VerificationError) as caught:
        primitives.ed25519_verify(public, b"", bytes.fromhex(RFC8032_SIGNATURE)[:cut])
    assert caught.value.code == "BAD_SIGNATURE"


def test_mldsa44_signs_what_verifies() -> None:
    """Signatures have 2,420 bytes, are hedged, and verify over their own message only."""
    private = keys.load_mldsa44_private(bytes(32))
    public = private.public_key()
    first, second = (primitives.mldsa44_sign(private, b"message") for _ in range(2))
    assert first != second
    assert len(first) == 2420
    primitives.mldsa44_verify(public, b"message", first)
    for message, signature in [
        (b"massage", first),
        (b"message", first[:-1]),
        (b"message", first + b"\0"),
        (b"message", b""),
    ]:
        with pytest.raises(VerificationError) as caught:
            primitives.mldsa44_verify(public, message, signature)
        assert caught.value.code == "BAD_SIGNATURE"


def test_aes_gcm_makes_the_ciphertext_of_the_gcm_specification() -> None:
    """Test case 14 of McGrew and Viega: all zero, AES-256, zero nonce."""
    expected = "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    sealed = primitives.aes_gcm_encrypt(bytes(32), bytes(12), bytes(16), b"")
    assert sealed.hex() == expected
    assert primitives.aes_gcm_decrypt(bytes(32), bytes(12), sealed, b"") == bytes(16)


@pytest.mark.parametrize(
    ("key", "nonce", "aad", "cut"),
    [
        (b"\x01" * 32, bytes(12), b"", 0),
        (bytes(32), b"\x01" * 12, b"", 0),
        (bytes(32), bytes(12), b"x", 0),
        (bytes(32), bytes(12), b"", 1),
        (bytes(32), bytes(12), b"", 32),
    ],
)
def test_aes_gcm_refuses(key: bytes, nonce: bytes, aad: bytes, cut: int) -> None:
    """Another key, nonce or additional data, and a truncated ciphertext do not open."""
    sealed = primitives.aes_gcm_encrypt(bytes(32), bytes(12), bytes(16), b"")
    with pytest.raises(VerificationError) as caught:
        primitives.aes_gcm_decrypt(key, nonce, sealed[: len(sealed) - cut], aad)
    assert caught.value.code == "UNDECRYPTABLE"


@pytest.mark.parametrize(("key", "nonce"), [(16, 12), (31, 12), (33, 12), (32, 11), (32, 16)])
def test_aes_gcm_takes_no_other_lengths(key: int, nonce: int) -> None:
    """A key of 16 bytes must not quietly turn AES-256 into AES-128."""
    with pytest.raises(MalformedError, match="AES-256-GCM"):
        primitives.aes_gcm_encrypt(bytes(key), bytes(nonce), b"", b"")
    with pytest.raises(MalformedError, match="AES-256-GCM"):
        primitives.aes_gcm_decrypt(bytes(key), bytes(nonce), bytes(16), b"")


def test_hpke_opens_what_it_sealed() -> None:
    """A content key of 32 bytes gives 1,168 bytes, different each time."""
    key = record(keys.KeyKind.ENCRYPTION, "hpke")
    public, private = (
        keys.load_encryption_public(key.public),
        keys.load_encryption_private(key.private),
    )
    first, second = (primitives.hpke_seal(public, bytes(32), b"info") for _ in range(2))
    assert first != second
    assert len(first) == 1168
    assert primitives.hpke_open(private, first, b"info") == bytes(32)


def test_hpke_refuses_to_seal_to_a_low_order_point() -> None:
    """The library decodes such a key and fails only at sealing; that is a malformed key."""
    good = record(keys.KeyKind.ENCRYPTION, "hpke").public
    public = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(good[:1184]),
        x25519.X25519PublicKey.from_public_bytes(bytes(32)),
    )
    with pytest.raises(MalformedError, match="low-order"):
        primitives.hpke_seal(public, bytes(32), b"info")


def test_argon2id_depends_on_every_argument() -> None:
    """Passphrase, salt and each cost parameter change the key."""
    base = primitives.argon2id(b"p", bytes(16), memory_kib=64, iterations=1, lanes=1)
    others = [
        primitives.argon2id(b"q", bytes(16), memory_kib=64, iterations=1, lanes=1),
        primitives.argon2id(b"p", b"\x01" * 16, memory_kib=64, iterations=1, lanes=1),
        primitives.argon2id(b"p", bytes(16), memory_kib=72, iterations=1, lanes=1),
        primitives.argon2id(b"p", bytes(16), memory_kib=64, iterations=2, lanes=1),
        primitives.argon2id(b"p", bytes(16), memory_kib=64, iterations=1, lanes=2),
    ]
    assert len({base, *others}) == 6
    assert len(base) == 32
    assert base == primitives.argon2id(b"p", bytes(16), memory_kib=64, iterations=1, lanes=1)
