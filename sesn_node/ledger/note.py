"""Signed notes (C2SP signed-note): text, a blank line, then one line for each signature.

    This is an example message.

    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Z...

A signature line names its key twice, by a name and by a 4-byte id, and both must match. Lines of
other keys are somebody else's business and are ignored. A line of a known key that does not
verify spoils the whole note.

Parsing verifies nothing: the text of a `Note` is a claim until the keys say otherwise. What a
signature of each type covers is told by `checkpoint` (0x01, 0x06) and `cosignature` (0x04).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from sesn_node.crypto import keys, primitives
from sesn_node.errors import MalformedError
from sesn_node.ledger.encoding import check_text, decode_base64, decode_text, encode_base64

KEY_ID_BYTES = 4
MAX_NOTE_BYTES = 128 * 1024
"""Default limit: verifiers must take 16 signatures, and those of ML-DSA-87 have 4.6 kB."""

MAX_SIGNATURES = 100
"""As in Go's `note.Open`; the specification asks for a limit of at least 16."""

MISSING_SIGNATURE = "MISSING_SIGNATURE"
"""Code of the error of lines that are not by the keys they are held against."""

_DASH = "\N{EM DASH} "
_VKEY_PARTS = 3


class SignatureType(IntEnum):
    """Signature types that a SESN ledger uses, of those that signed-note assigns."""

    ED25519 = 0x01
    ED25519_COSIGNATURE = 0x04
    MLDSA44 = 0x06


def note_key_id(name: str, kind: SignatureType, public: bytes) -> bytes:
    """Key id: SHA-256(name || 0x0A || type || public key), the first 4 bytes.

    Short, because it only finds the key. A colliding key gains nothing: its signatures do not
    verify under the key that the verifier was given.
    """
    return primitives.sha256(name.encode(), b"\n", bytes([kind]), public)[:KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line.

    Attributes:
        name: Key name, without spaces or plus.
        key_id: 4 bytes.
        payload: The rest: a signature, preceded by a timestamp in types 0x04 and 0x06.

    Raises:
        MalformedError: A name that no key can have, another key id length, an empty payload.
    """

    name: str
    key_id: bytes
    payload: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.key_id) != KEY_ID_BYTES or not self.payload:
            raise MalformedError(
                f"signature of {self.name}: expected a {KEY_ID_BYTES}-byte key id and a signature"
            )

    def line(self) -> str:
        """Write the line, its newline included."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.payload)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it was read; nothing in it is verified.

    Attributes:
        text: What is signed: ends in a newline, may contain empty lines.
        signatures: 1 to `MAX_SIGNATURES` lines, in the order of the note, repeats included.

    Raises:
        MalformedError: Text without final newline or with control characters; no signature, or
            too many.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        check_text(self.text, "note text")
        _check_count(len(self.signatures))


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key that a verifier trusts under a name.

    The key is decoded here, once: for Ed25519 that costs as much as a verification. Keep the
    object, or what holds it (`LogKeys`, `WitnessKeys`), for as long as the key is trusted.

    Attributes:
        name: Key name.
        kind: Signature type.
        public: Raw public key: 32 bytes for Ed25519, 1,312 for ML-DSA-44.
        key_id: Derived, 4 bytes.

    Raises:
        MalformedError: A name that no key can have, or a key that does not decode.
    """

    name: str
    kind: SignatureType
    public: bytes = field(repr=False)
    key_id: bytes = field(init=False)
    _key: primitives.Ed25519Public | primitives.MlDsa44Public = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        check_key_name(self.name)
        decode = (
            keys.load_mldsa44_public
            if self.kind is SignatureType.MLDSA44
            else keys.load_ed25519_public
        )
        # A frozen dataclass lets only object.__setattr__ fill a derived field.
        object.__setattr__(self, "_key", decode(self.public))
        object.__setattr__(self, "key_id", note_key_id(self.name, self.kind, self.public))

    def vkey(self) -> str:
        """Write the key as `<name>+<key id in hex>+<base64(type || public key)>`."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.kind]) + self.public)}"

    def payloads(self, signatures: Iterable[NoteSignature]) -> tuple[bytes, ...]:
        """Payloads of the lines that match this key by name *and* id, without exact repeats."""
        return tuple(
            dict.fromkeys(
                line.payload
                for line in signatures
                if line.key_id == self.key_id and line.name == self.name
            )
        )

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify one signature over exactly these bytes.

        Raises:
            VerificationError: BAD_SIGNATURE.
        """
        # `cryptography` gives both kinds of key one verify method but no common type.
        if isinstance(self._key, primitives.MlDsa44Public):
            primitives.mldsa44_verify(self._key, message, signature)
        else:
            primitives.ed25519_verify(self._key, message, signature)


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key.

    Raises:
        MalformedError: Another format, a type that SESN does not use, or a key id that is not
            that of the name and key.
    """
    # Neither name nor hex may contain a plus, but base64 may.
    parts = text.split("+", _VKEY_PARTS - 1)
    if len(parts) != _VKEY_PARTS:
        raise MalformedError("verifier key: expected <name>+<key id>+<base64 key>")
    name, key_id, encoded = parts
    data = decode_base64(encoded, f"verifier key {name}")
    try:
        kind = SignatureType(data[0] if data else 0)
    except ValueError as exc:
        raise MalformedError(
            f"verifier key {name}: signature type 0x{data[:1].hex() or '00'}; SESN uses 0x01, "
            "0x04 and 0x06"
        ) from exc
    key = VerifierKey(name, kind, data[1:])
    if key.key_id.hex() != key_id:
        raise MalformedError(f"verifier key {name}: key id {key_id!r}, but this key has another")
    return key


def parse_note(data: bytes, *, limit: int = MAX_NOTE_BYTES) -> Note:
    """Read a signed note; verify nothing.

    Raises:
        MalformedError: Over `limit` bytes; not UTF-8; a control character other than newline; no
            blank line; no final newline; a malformed signature line; too many signatures.
    """
    content = decode_text(data, "note", limit=limit)
    # The *last* blank line: the text may contain others, so an earlier one would let the same
    # bytes be read as a shorter text with lines nobody signed below it.
    split = content.rfind("\n\n")
    if split < 0:
        raise MalformedError("note: no blank line between text and signatures")
    return Note(content[: split + 1], _parse_lines(content[split + 2 :]))


def parse_signature_lines(data: bytes, *, limit: int = MAX_NOTE_BYTES) -> tuple[NoteSignature, ...]:
    """Read bare signature lines, as a witness returns them; at least one.

    Raises:
        MalformedError: As for `parse_note`.
    """
    return _parse_lines(decode_text(data, "signature lines", limit=limit))


def format_note(note: Note) -> bytes:
    """Write a note: the inverse of `parse_note`."""
    return f"{note.text}\n{''.join(line.line() for line in note.signatures)}".encode()


def check_key_name(name: str) -> None:
    """Check a key name: not empty, no Unicode space, no plus, no control character.

    Raises:
        MalformedError: The name breaks this.
    """
    if not name or "+" in name or any(char.isspace() for char in name):
        raise MalformedError(f"key name {name!r}: empty, or contains a space or plus")
    check_text(f"{name}\n", f"key name {name!r}")


def _parse_lines(text: str) -> tuple[NoteSignature, ...]:
    # Not splitlines(): it also splits at U+0085, U+2028 and others that are no line ends here.
    lines = text.split("\n")[:-1]
    _check_count(len(lines))
    return tuple(_parse_line(line) for line in lines)


def _parse_line(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise MalformedError("signature line: expected em dash, key name and base64")
    data = decode_base64(encoded, "signature line")
    return NoteSignature(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])


def _check_count(signatures: int) -> None:
    if not 1 <= signatures <= MAX_SIGNATURES:
        raise MalformedError(f"note: {signatures} signature lines, expected 1 to {MAX_SIGNATURES}")
