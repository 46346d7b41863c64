"""Vectors of keys: their encodings, and the keys that nobody may use."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sesn_node.crypto.keys import P256_KINDS, KeyKind
from tests.vectors.crypto.material import Vector, flip, p256, record, seed

# y coordinates of the points of order 8 (RFC 8032 section 5.1 has the curve).
_ORDER_8_A = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
_ORDER_8_B = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
_PRIME = 2**255 - 19


def private_keys() -> list[Vector]:
    """Return the vectors of `keys.public_of`."""
    vectors = []
    for kind in KeyKind:
        good = record(kind, f"private {kind}")
        vectors.append(_private(kind, kind, "one key of each kind", good.private, good.public))
    for kind in (k for k in KeyKind if k not in P256_KINDS):
        private = record(kind, f"private {kind}").private
        vectors.append(_private(f"{kind} truncated", kind, "one byte short", private[:-1]))
        vectors.append(_private(f"{kind} oversized", kind, "one byte too long", private + b"\0"))
    key = p256("private seal")
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    head = bytes.fromhex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420")
    locked = key.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")
    )
    p384 = ec.derive_private_key(7, ec.SECP384R1())
    bad = [
        ("truncated", "the last byte is missing", plain[:-1]),
        ("trailing byte", "one byte after the DER sequence", plain + b"\0"),
        ("garbage", "not DER", seed("garbage", 138)),
        ("encrypted", "PKCS #8 with a passphrase of its own", locked),
        (
            "SEC 1",
            "RFC 5915 without PKCS #8 around it",
            key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        ),
        ("no public key", "valid PKCS #8, but a second encoding", head + plain[36:68]),
        ("zero scalar", "FIPS 186-5 wants 1 to n - 1", head + bytes(32)),
        ("scalar of order", "one above n - 1", head + _order()),
        (
            "another curve",
            "P-384",
            p384.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        ),
    ]
    vectors += [_private(f"seal {name}", KeyKind.SEAL, why, data) for name, why, data in bad]
    return vectors


def public_keys() -> list[Vector]:
    """Return the vectors of `keys.load_*_public`."""
    return [*_p256(), *_ed25519(), *_mldsa44(), *_encryption()]


def _p256() -> list[Vector]:
    key = p256("public").public_key()
    good = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    hybrid = good[:26] + bytes([6 + (good[-1] & 1)]) + good[27:]
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    compressed = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    p384 = ec.derive_private_key(7, ec.SECP384R1()).public_key()
    modulus = int.from_bytes(b"\xc0" + seed("rsa", 254) + b"\x01")
    bad = [
        ("truncated", "the last byte is missing", good[:-1]),
        ("trailing byte", "one byte after the DER sequence", good + b"\0"),
        ("compressed point", "RFC 5480 allows it; SESN keys have one encoding", compressed),
        ("hybrid point", "X9.62 form 6 or 7; OpenSSL reads it", hybrid),
        ("off the curve", "one bit of y", flip(good, -1)),
        ("bare point", "X9.62 without SubjectPublicKeyInfo", good[26:]),
        ("empty", "no bytes", b""),
        (
            "another curve",
            "P-384",
            p384.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        ),
        (
            "another algorithm",
            "RSA",
            rsa.RSAPublicNumbers(65537, modulus)
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        ),
    ]
    return _family("p256", good, bad)


def _ed25519() -> list[Vector]:
    good = record(KeyKind.LOG_ED25519, "public").public
    small = {
        "order 1": "01" + 31 * "00",
        "order 1, sign set": "01" + 30 * "00" + "80",
        "order 2": "ec" + 30 * "ff" + "7f",
        "order 4": 32 * "00",
        "order 4, sign set": 31 * "00" + "80",
        "order 8, first": _ORDER_8_A,
        "order 8, second": _ORDER_8_B,
        "order 8, first, sign set": _flip_sign(_ORDER_8_A),
        "order 8, second, sign set": _flip_sign(_ORDER_8_B),
    }
    bad = [
        ("truncated", "31 bytes", good[:-1]),
        ("oversized", "33 bytes", good + b"\0"),
        ("not on the curve", "y = 2 has no x", b"\x02" + bytes(31)),
        ("not canonical", "y = p + 3; y = 3 is on the curve", (_PRIME + 3).to_bytes(32, "little")),
        ("not canonical, order 1", "y = p + 1", (_PRIME + 1).to_bytes(32, "little")),
    ]
    why = "of small order: anybody can write a signature that verifies"
    bad += [(name, why, bytes.fromhex(value)) for name, value in small.items()]
    return _family("ed25519", good, bad)


def _mldsa44() -> list[Vector]:
    good = record(KeyKind.LOG_MLDSA44, "public").public
    bad = [
        ("truncated", "1,311 bytes", good[:-1]),
        ("oversized", "1,313 bytes", good + b"\0"),
    ]
    return _family("mldsa44", good, bad)


def _encryption() -> list[Vector]:
    good = record(KeyKind.ENCRYPTION, "public").public
    mlkem, x25519 = good[:1184], good[1184:]
    low = {
        "zero": bytes(32),
        "one": b"\x01" + bytes(31),
        "order 8, first": bytes.fromhex(
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"
        ),
        "order 8, second": bytes.fromhex(
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"
        ),
        "p - 1": (_PRIME - 1).to_bytes(32, "little"),
        "p": _PRIME.to_bytes(32, "little"),
        "p + 1": (_PRIME + 1).to_bytes(32, "little"),
        "zero, high bit set": bytes(31) + b"\x80",
    }
    bad = [
        ("truncated", "1,215 bytes", good[:-1]),
        ("oversized", "1,217 bytes", good + b"\0"),
        ("halves swapped", "X25519 first", x25519 + mlkem),
        ("coefficients not below q", "FIPS 203 section 7.2", b"\xff" * 1152 + good[1152:]),
    ]
    why = "low-order X25519 half: decodes, but nothing can be sealed to it"
    bad += [(f"low-order point {name}", why, mlkem + value) for name, value in low.items()]
    return _family("encryption", good, bad)


def _flip_sign(hexed: str) -> str:
    """Turn the sign bit of an Ed25519 point."""
    raw = bytearray(bytes.fromhex(hexed))
    raw[31] ^= 0x80
    return raw.hex()


def _order() -> bytes:
    return bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")


def _family(form: str, good: bytes, bad: list[tuple[str, str, bytes]]) -> list[Vector]:
    rows = [("good", "must decode", good, "ok"), *((*row, "MALFORMED") for row in bad)]
    return [
        {
            "name": f"{form} {name}",
            "comment": comment,
            "format": form,
            "public": public.hex(),
            "outcome": outcome,
        }
        for name, comment, public, outcome in rows
    ]


def _private(
    name: str, kind: KeyKind, comment: str, private: bytes, public: bytes | None = None
) -> Vector:
    return {
        "name": name,
        "comment": comment,
        "kind": kind.value,
        "private": private.hex(),
        "public": "" if public is None else public.hex(),
        "key_id": "" if public is None else hashlib.sha256(public).hexdigest(),
        "outcome": "MALFORMED" if public is None else "ok",
    }
