r"""Sealing a payload to its recipients, and opening it.

One fresh key encrypts the payload once; HPKE wraps that key to each recipient. The header
(not made here) carries the hash of the ciphertext, a commitment to the payload and the hash
of every wrapped key, and the sender signs it.

    salt        32 random bytes
    commitment  SHA-256("sesn/v1/commit\0" || salt || payload)
    mark        SHA-256("sesn/v1/case\0" || salt || mark), of a case's step, each step its own salt
    plaintext   salt || payload
    ciphertext  AES-256-GCM(key, zero nonce, plaintext, "sesn/v1/content\0" || message id)
    wrapped     HPKE(recipient's key, info, key), 1,168 bytes
    info        "sesn/v1/wrap\0", then with u16 big-endian lengths: suite, message id, sender,
                recipient, recipient's key id, SHA-256 of the ciphertext, commitment

`info` ties a wrapped key to one message, sender and addressee: it opens nowhere else. The
commitment is compared after opening, because GCM alone lets one ciphertext open under two
keys to two messages.

Not checked here: the sender's seal, and that `WrappedKey.sha256` is the one in the header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sesn_node.crypto import primitives
from sesn_node.crypto.framing import ascii_bytes, frame
from sesn_node.crypto.keys import KEY_ID_BYTES
from sesn_node.crypto.primitives import HpkePrivateKey, HpkePublicKey, sha256
from sesn_node.domain.messages import SUITE
from sesn_node.errors import MalformedError, VerificationError

SALT_BYTES: Final = 32
WRAPPED_KEY_BYTES: Final = (
    primitives.HPKE_ENC_BYTES + primitives.AES_KEY_BYTES + primitives.AES_TAG_BYTES
)
CIPHERTEXT_OVERHEAD: Final = SALT_BYTES + primitives.AES_TAG_BYTES
"""How many bytes a ciphertext is longer than its payload."""

COMMITMENT_MISMATCH: Final = "COMMITMENT_MISMATCH"

_MESSAGE_ID_BYTES: Final = 16
_CONTENT_PREFIX: Final = b"sesn/v1/content\0"
_COMMIT_PREFIX: Final = b"sesn/v1/commit\0"
_WRAP_PREFIX: Final = b"sesn/v1/wrap\0"
_MARK_PREFIX: Final = b"sesn/v1/case\0"
# Safe because every key encrypts exactly one plaintext (NIST SP 800-38D section 8).
_ZERO_NONCE: Final = bytes(primitives.AES_NONCE_BYTES)


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What a sealed payload is bound to, beside its recipients.

    Raises:
        MalformedError: Another suite than `SESN-1`, or a message id that has not 16 bytes.
    """

    suite: str
    message_id: bytes
    """UUIDv7, 16 bytes."""
    sender: str
    """Agency id."""

    def __post_init__(self) -> None:
        if self.suite != SUITE:
            raise MalformedError(f"suite {self.suite[:32]!r}: this node knows {SUITE} only")
        if len(self.message_id) != _MESSAGE_ID_BYTES:
            raise MalformedError(f"message id: expected {_MESSAGE_ID_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class SealRecipient:
    """An addressee with the decoded key that its copy is sealed to (`load_encryption_public`).

    Raises:
        MalformedError: A key id that has not 32 bytes.
    """

    agency: str
    key_id: bytes
    public: HpkePublicKey

    def __post_init__(self) -> None:
        if len(self.key_id) != KEY_ID_BYTES:
            raise MalformedError(f"key id of {self.agency}: expected {KEY_ID_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """The content key, sealed to one addressee."""

    agency: str
    key_id: bytes
    wrapped: bytes
    """HPKE `enc || ct`, 1,168 bytes."""
    sha256: bytes
    """Hash of `wrapped`, for the header."""


@dataclass(frozen=True, slots=True)
class SealedContent:
    """A payload sealed to its recipients."""

    ciphertext: bytes
    """48 bytes longer than the payload."""
    ciphertext_sha256: bytes
    commitment: bytes
    content_key: bytes = field(repr=False)
    """For the sender's own copy. To be stored wrapped (`storage`), never sent."""
    wrapped: tuple[WrappedKey, ...]
    """One per recipient, in the order given."""


def seal(
    payload: bytes, context: MessageContext, recipients: Sequence[SealRecipient]
) -> SealedContent:
    """Encrypt `payload` once and wrap its key to every recipient.

    Raises:
        MalformedError: No recipient, an agency named twice, or a recipient's key that cannot
            be sealed to.
    """
    if not recipients:
        raise MalformedError("recipients: expected at least one")
    if len({recipient.agency for recipient in recipients}) != len(recipients):
        raise MalformedError("recipients: an agency is named twice")
    salt = primitives.random_bytes(SALT_BYTES)
    content_key = primitives.random_bytes(primitives.AES_KEY_BYTES)
    ciphertext = primitives.aes_gcm_encrypt(
        content_key, _ZERO_NONCE, salt + payload, _CONTENT_PREFIX + context.message_id
    )
    ciphertext_sha256 = sha256(ciphertext)
    commitment = commit(salt, payload)
    # Everything but the addressee is the same in each info; frame it once.
    head, tail = _info_head(context), frame(ciphertext_sha256, commitment)
    return SealedContent(
        ciphertext=ciphertext,
        ciphertext_sha256=ciphertext_sha256,
        commitment=commitment,
        content_key=content_key,
        wrapped=tuple(_wrap(content_key, to, head, tail) for to in recipients),
    )


def open_wrapped_key(  # noqa: PLR0913, PLR0917 - one argument for each thing that the key is bound to
    wrapped: bytes,
    context: MessageContext,
    recipient: str,
    key_id: bytes,
    private: HpkePrivateKey,
    ciphertext_sha256: bytes,
    commitment: bytes,
) -> bytes:
    """Open the content key (32 bytes) that was wrapped to `recipient`.

    Raises:
        MalformedError: `wrapped` has not 1,168 bytes.
        VerificationError: `UNDECRYPTABLE`: sealed to another key or for another message,
            sender, recipient or ciphertext, or altered.
    """
    if len(wrapped) != WRAPPED_KEY_BYTES:
        raise MalformedError(
            f"wrapped key: expected {WRAPPED_KEY_BYTES} bytes, found {len(wrapped)}"
        )
    info = _info_head(context) + frame(
        ascii_bytes(recipient), key_id, ciphertext_sha256, commitment
    )
    return primitives.hpke_open(private, wrapped, info)


def open_content(
    ciphertext: bytes,
    content_key: bytes,
    context: MessageContext,
    ciphertext_sha256: bytes,
    commitment: bytes,
) -> bytes:
    """Open a ciphertext and return its payload, if it is the one that was committed to.

    As `open_commitment`, which raises the same.
    """
    _, payload = open_commitment(ciphertext, content_key, context, ciphertext_sha256, commitment)
    return payload


def open_commitment(
    ciphertext: bytes,
    content_key: bytes,
    context: MessageContext,
    ciphertext_sha256: bytes,
    commitment: bytes,
) -> tuple[bytes, bytes]:
    """Open a ciphertext and return its salt and payload: what opens the commitment to others.

    1. The ciphertext has the hash that the header states.
    2. The tag fits the content key and the message id.
    3. Salt and payload have the commitment that the header states.

    Raises:
        MalformedError: Too short to hold a salt and a tag, or a key that has not 32 bytes.
        VerificationError: `UNDECRYPTABLE` (steps 1 and 2) or `COMMITMENT_MISMATCH` (step 3).
    """
    if len(ciphertext) < CIPHERTEXT_OVERHEAD:
        raise MalformedError(f"ciphertext: expected at least {CIPHERTEXT_OVERHEAD} bytes")
    if len(content_key) != primitives.AES_KEY_BYTES:
        raise MalformedError(f"content key: expected {primitives.AES_KEY_BYTES} bytes")
    if not primitives.constant_time_equal(sha256(ciphertext), ciphertext_sha256):
        raise VerificationError(
            "ciphertext: its hash is not the one in the header; ask the sender to send it again",
            code=primitives.UNDECRYPTABLE,
        )
    plaintext = primitives.aes_gcm_decrypt(
        content_key, _ZERO_NONCE, ciphertext, _CONTENT_PREFIX + context.message_id
    )
    salt, payload = plaintext[:SALT_BYTES], plaintext[SALT_BYTES:]
    if not primitives.constant_time_equal(commit(salt, payload), commitment):
        raise VerificationError(
            "payload: not the one that the header and the sender's ledger commit to; the "
            "sender's node is faulty or dishonest",
            code=COMMITMENT_MISMATCH,
        )
    return salt, payload


def commit(salt: bytes, payload: bytes) -> bytes:
    """Commit to a payload without telling it: 32 bytes. `salt` has 32."""
    return sha256(_COMMIT_PREFIX, salt, payload)


def commit_mark(salt: bytes, mark: bytes) -> bytes:
    """Commit to the mark of a case's step without telling it: 32 bytes. `salt` has 32."""
    return sha256(_MARK_PREFIX, salt, mark)


def _wrap(content_key: bytes, to: SealRecipient, head: bytes, tail: bytes) -> WrappedKey:
    info = head + frame(ascii_bytes(to.agency), to.key_id) + tail
    wrapped = primitives.hpke_seal(to.public, content_key, info)
    return WrappedKey(to.agency, to.key_id, wrapped, sha256(wrapped))


def _info_head(context: MessageContext) -> bytes:
    return _WRAP_PREFIX + frame(
        ascii_bytes(context.suite), context.message_id, ascii_bytes(context.sender)
    )
