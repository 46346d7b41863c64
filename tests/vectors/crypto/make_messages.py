"""Vectors of commitments, HPKE and whole sealed messages, honest and not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sesn_node.crypto import primitives, seal
from sesn_node.crypto.keys import KeyKind, load_encryption_public
from tests.vectors.crypto import independent
from tests.vectors.crypto.material import Vector, flip, record, seed

_KEY = record(KeyKind.ENCRYPTION, "recipient be.customs")
_OTHER_KEY = record(KeyKind.ENCRYPTION, "recipient fr.police")
_MESSAGE_ID = bytes.fromhex("0198c0ffee007abc8def0123456789ab")
_CONTENT_AAD = b"sesn/v1/content\0" + _MESSAGE_ID


def commitments() -> list[Vector]:
    """Return the vectors of `seal.commit`."""
    salt = seed("salt")
    rows = [
        ("empty payload", "no bytes", b"", ""),
        ("short payload", "three bytes", b"abc", ""),
        ("long payload", "more than one block of SHA-256", seed("payload", 1000), ""),
        ("another payload", "one bit of it", flip(b"abc", 0), "abc"),
        ("longer payload", "one byte more", b"abc\0", "abc"),
    ]
    return [
        {
            "name": name,
            "comment": comment,
            "salt": salt.hex(),
            "payload": payload.hex(),
            "commitment": independent.commitment(salt, other.encode() or payload).hex(),
            "outcome": "COMMITMENT_MISMATCH" if other else "ok",
        }
        for name, comment, payload, other in rows
    ]


def hpke() -> list[Vector]:
    """Return the vectors of `primitives.hpke_open`."""
    public, info, plaintext = load_encryption_public(_KEY.public), b"info", seed("content key")
    good = primitives.hpke_seal(public, plaintext, info)
    empty = primitives.hpke_seal(public, b"", b"")
    zero_point = good[:1088] + bytes(32) + good[1120:]
    bad = [
        ("wrong info", "bound to another context", _KEY.private, b"infp", good),
        ("no info", "bound to no context", _KEY.private, b"", good),
        ("wrong key", "another recipient's", _OTHER_KEY.private, info, good),
        ("altered ML-KEM part", "implicit rejection, FIPS 203", _KEY.private, info, flip(good, 0)),
        ("altered X25519 part", "one bit", _KEY.private, info, flip(good, 1100)),
        ("zero X25519 part", "a low-order point", _KEY.private, info, zero_point),
        ("altered ciphertext", "one bit", _KEY.private, info, flip(good, 1120)),
        ("altered tag", "one bit", _KEY.private, info, flip(good, -1)),
        ("truncated", "one byte short", _KEY.private, info, good[:-1]),
        ("only enc", "no ciphertext", _KEY.private, info, good[:1120]),
        ("empty", "no bytes", _KEY.private, info, b""),
        ("oversized", "one byte too long", _KEY.private, info, good + b"\0"),
    ]
    rows = [
        ("content key", "32 bytes, as in a message", _KEY.private, info, good, plaintext),
        ("empty plaintext and info", "the least that HPKE does", _KEY.private, b"", empty, b""),
        *((*row, None) for row in bad),
    ]
    return [
        {
            "name": name,
            "comment": comment,
            "private": private.hex(),
            "info": bound.hex(),
            "sealed": sealed_bytes.hex(),
            "plaintext": "" if result is None else result.hex(),
            "outcome": "UNDECRYPTABLE" if result is None else "ok",
        }
        for name, comment, private, bound, sealed_bytes, result in rows
    ]


@dataclass(frozen=True, kw_only=True)
class _Message:
    """One addressee's view of a message; `replace` makes the bad ones."""

    name: str
    comment: str
    private: bytes = _KEY.private
    suite: str = "SESN-1"
    message_id: bytes = _MESSAGE_ID
    sender: str = "nl.customs"
    recipient: str = "be.customs"
    key_id: bytes = _KEY.key_id
    wrapped: bytes
    ciphertext: bytes
    ciphertext_sha256: bytes
    commitment: bytes
    payload: bytes = b""
    outcome: str = "ok"

    def vector(self) -> Vector:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {k: v.hex() if isinstance(v, bytes) else v for k, v in fields.items()}


def sealed() -> list[Vector]:
    """Return the vectors of `seal.open_wrapped_key` and `seal.open_content`."""
    payload = b"container MSCU 123456 6: declared as used goods, 24 t of lead-acid batteries"
    first, second = _honest(payload)
    empty, _ = _honest(b"")
    empty = replace(empty, name="empty payload", comment="no bytes")
    altered = [
        _bad("another sender", replace(first, sender="nl.police")),
        _bad("another recipient", replace(first, recipient="fr.police")),
        _bad("another key id", replace(first, key_id=_OTHER_KEY.key_id)),
        _bad("another message id", replace(first, message_id=flip(_MESSAGE_ID, -1))),
        _bad("another commitment", replace(first, commitment=flip(first.commitment, 0))),
        _bad("another ciphertext hash", replace(first, ciphertext_sha256=seed("hash"))),
        _bad("another ciphertext", replace(first, ciphertext=flip(first.ciphertext, 40))),
        _bad("truncated ciphertext", replace(first, ciphertext=first.ciphertext[:-1])),
        _bad("another private key", replace(first, private=_OTHER_KEY.private)),
        _bad("another recipient's wrapped key", replace(first, wrapped=second.wrapped)),
        _bad("altered wrapped key", replace(first, wrapped=flip(first.wrapped, -1))),
        _bad("truncated wrapped key", replace(first, wrapped=first.wrapped[:-1]), "MALFORMED"),
        _bad("oversized wrapped key", replace(first, wrapped=first.wrapped + b"\0"), "MALFORMED"),
        _bad("no room for a tag", replace(first, ciphertext=first.ciphertext[:47]), "MALFORMED"),
        _bad("another suite", replace(first, suite="SESN-2"), "MALFORMED"),
        _bad("short message id", replace(first, message_id=_MESSAGE_ID[:-1]), "MALFORMED"),
    ]
    messages = [first, second, empty, *altered, _dishonest(), *_two_messages()]
    return [message.vector() for message in messages]


def _honest(payload: bytes) -> tuple[_Message, _Message]:
    recipients = (
        seal.SealRecipient("be.customs", _KEY.key_id, load_encryption_public(_KEY.public)),
        seal.SealRecipient(
            "fr.police", _OTHER_KEY.key_id, load_encryption_public(_OTHER_KEY.public)
        ),
    )
    context = seal.MessageContext("SESN-1", _MESSAGE_ID, "nl.customs")
    content = seal.seal(payload, context, recipients)
    first = _Message(
        name="first recipient",
        comment="of two",
        wrapped=content.wrapped[0].wrapped,
        ciphertext=content.ciphertext,
        ciphertext_sha256=content.ciphertext_sha256,
        commitment=content.commitment,
        payload=payload,
    )
    second = replace(
        first,
        name="second recipient",
        private=_OTHER_KEY.private,
        recipient="fr.police",
        key_id=_OTHER_KEY.key_id,
        wrapped=content.wrapped[1].wrapped,
    )
    return first, second


def _bad(name: str, changed: _Message, outcome: str = "UNDECRYPTABLE") -> _Message:
    comment = "the message of the first recipient, with one change"
    return replace(changed, name=name, comment=comment, payload=b"", outcome=outcome)


def _forged(
    name: str, key: bytes, content: bytes, commitment: bytes, to: tuple[str, bytes, bytes, bytes]
) -> _Message:
    """Wrap a key by hand, as a dishonest sender does, who signs whatever it likes."""
    agency, key_id, public, private = to
    digest = primitives.sha256(content)
    info = independent.wrap_info(
        b"SESN-1", _MESSAGE_ID, b"nl.customs", agency.encode(), key_id, digest, commitment
    )
    return _Message(
        name=name,
        comment="made by a dishonest sender",
        private=private,
        recipient=agency,
        key_id=key_id,
        wrapped=primitives.hpke_seal(load_encryption_public(public), key, info),
        ciphertext=content,
        ciphertext_sha256=digest,
        commitment=commitment,
    )


def _dishonest() -> _Message:
    """Commit to one payload in the ledger and send another."""
    key, salt = seed("dishonest key"), seed("dishonest salt")
    content = primitives.aes_gcm_encrypt(key, bytes(12), salt + b"sent", _CONTENT_AAD)
    forged = _forged(
        "commits to another payload",
        key,
        content,
        independent.commitment(salt, b"committed"),
        ("be.customs", _KEY.key_id, _KEY.public, _KEY.private),
    )
    return replace(forged, outcome="COMMITMENT_MISMATCH")


def _two_messages() -> list[_Message]:
    """Make one ciphertext open to two messages, one for each recipient."""
    one, two = seed("first of two keys"), seed("second of two keys")
    blocks = [seed(f"block {i}", 16) for i in range(2)]
    for index, key, text in ((2, one, b"seize it, please"), (3, two, b"let it pass, all")):
        stream = independent.gcm_keystream(key, index)
        blocks.append(bytes(a ^ b for a, b in zip(stream, text, strict=True)))
    content = independent.one_ciphertext_two_keys((one, two), blocks, _CONTENT_AAD)
    opened = primitives.aes_gcm_decrypt(one, bytes(12), content, _CONTENT_AAD)
    commitment = independent.commitment(opened[:32], opened[32:])
    first = _forged(
        "one ciphertext, two messages: first",
        one,
        content,
        commitment,
        ("be.customs", _KEY.key_id, _KEY.public, _KEY.private),
    )
    second = _forged(
        "one ciphertext, two messages: second",
        two,
        content,
        commitment,
        ("fr.police", _OTHER_KEY.key_id, _OTHER_KEY.public, _OTHER_KEY.private),
    )
    return [
        replace(first, payload=opened[32:], comment="the message that was committed to"),
        replace(
            second, outcome="COMMITMENT_MISMATCH", comment="the tag fits; the commitment does not"
        ),
    ]
