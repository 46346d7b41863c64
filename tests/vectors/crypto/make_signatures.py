"""Vectors of seals: what verifies, and every way in which one does not."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.vectors.crypto.material import P256_ORDER, Vector, flip, p256, sign_p256

_BODY = b"the serialised header of a message"


def signatures() -> list[Vector]:
    """Return the vectors of `signing.verify_object`."""
    r, s = sign_p256("seal a", b"sesn/v1/envelope\0" + _BODY)
    card_r, card_s = sign_p256("seal a", b"sesn/v1/card\0" + _BODY)
    good, card = _der(r, s), _der(card_r, card_s)
    long_form = b"\x30\x81" + good[1:]
    padded = _sequence(b"\x02" + bytes([len(_integer(r)) - 1]) + b"\0" + _integer(r)[2:], s)
    x, y = (good[:2] + _integer(r) + _integer(s) + b"\x05\x00", good + b"\0")
    trailing_inside = bytes([x[0], x[1] + 2]) + x[2:]
    bad = [
        ("card seal on an envelope", "another kind of object", card),
        ("altered r", "one bit of the signature", flip(good, 10)),
        ("truncated", "the last byte is missing", good[:-1]),
        ("empty", "no signature at all", b""),
        ("trailing byte", "one byte after the DER sequence", y),
        ("trailing null", "a third element inside the sequence", trailing_inside),
        ("long-form length", "BER, not DER: length in two bytes", long_form),
        ("padded integer", "BER, not DER: r with a leading zero too many", padded),
        ("zero r and s", "CVE-2022-21449: r = s = 0", _der(0, 0)),
        ("r plus order", "r must be below the order", _der(r + P256_ORDER, s)),
        ("s of order", "s must be below the order", _der(r, P256_ORDER)),
        ("raw r and s", "64 bytes (IEEE P1363), not DER", r.to_bytes(32) + s.to_bytes(32)),
    ]
    malleated = "ECDSA is malleable: it verifies, and the identity of the body is the same"
    vectors = [
        _vector("envelope", "a seal on a header", good),
        _vector("card", "a seal on a card", card, kind="card"),
        _vector("malleated", malleated, _der(r, P256_ORDER - s)),
        *(_vector(name, why, data, outcome="BAD_SIGNATURE") for name, why, data in bad),
        _vector(
            "altered body", "one bit of it", good, body=flip(_BODY, 0), outcome="BAD_SIGNATURE"
        ),
        _vector("empty body", "of the good seal", good, body=b"", outcome="BAD_SIGNATURE"),
        _vector("another key", "of the same agency", good, key="seal b", outcome="BAD_SIGNATURE"),
        _vector("malformed key", "one byte is missing", good, outcome="MALFORMED"),
    ]
    vectors[-1]["spki"] = vectors[-1]["spki"][:-2]
    return vectors


def _vector(
    name: str,
    comment: str,
    signature: bytes,
    *,
    kind: str = "envelope",
    body: bytes = _BODY,
    key: str = "seal a",
    outcome: str = "ok",
) -> Vector:
    spki = p256(key).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "name": name,
        "comment": comment,
        "spki": spki.hex(),
        "kind": kind,
        "body": body.hex(),
        "body_hash": hashlib.sha256(body).hexdigest() if outcome == "ok" else "",
        "signature": signature.hex(),
        "outcome": outcome,
    }


def _der(r: int, s: int) -> bytes:
    return _sequence(_integer(r), s)


def _sequence(first: bytes, s: int) -> bytes:
    content = first + _integer(s)
    return b"\x30" + bytes([len(content)]) + content


def _integer(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1)
    return b"\x02" + bytes([len(content)]) + content
