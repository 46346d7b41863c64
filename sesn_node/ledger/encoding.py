"""Text conventions that all C2SP formats share: canonical base64 and decimals, plain lines.

Each value has exactly one spelling. A second spelling of the same note, proof or size would let
two parties hold different bytes for one statement, so it is malformed here, never repaired.
"""

from __future__ import annotations

import base64
import binascii
import re

from sesn_node.errors import MalformedError
from sesn_node.ledger.merkle import HASH_BYTES, MAX_SIZE

# Of the control characters below U+0020, only newline may stand in a note (C2SP signed-note).
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_SHOWN = 60


def encode_base64(data: bytes) -> str:
    """Write standard, padded base64 (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str, what: str) -> bytes:
    """Read standard, padded base64, and only the spelling that encoding gives.

    RFC 4648 section 3.5 lets decoders accept stray trailing bits; then one signature would have
    several spellings. Encoding again and comparing excludes these and all other liberties.

    Raises:
        MalformedError: Anything but the canonical encoding.
    """
    try:
        data = binascii.a2b_base64(text)
    except ValueError as exc:
        raise MalformedError(f"{what}: {text[:_SHOWN]!r} is not base64") from exc
    if encode_base64(data) != text:
        raise MalformedError(f"{what}: {text[:_SHOWN]!r} is not canonical base64")
    return data


def decode_hash(text: str, what: str) -> bytes:
    """Read one base64-encoded SHA-256 hash.

    Raises:
        MalformedError: Not canonical base64, or not 32 bytes.
    """
    data = decode_base64(text, what)
    if len(data) != HASH_BYTES:
        raise MalformedError(f"{what}: {len(data)} bytes, expected {HASH_BYTES}")
    return data


def decode_decimal(text: str, what: str) -> int:
    """Read a size, index or time: ASCII digits, no sign, no leading zeroes, at most 2^63 - 1.

    `int()` alone also takes signs, spaces, underscores and the digits of other scripts.

    Raises:
        MalformedError: Any other spelling, or too large.
    """
    if _DECIMAL.fullmatch(text) is None or (value := int(text)) > MAX_SIZE:
        raise MalformedError(
            f"{what}: {text[:_SHOWN]!r} is not a decimal without leading zeroes up to 2^63 - 1"
        )
    return value


def decode_text(data: bytes, what: str, *, limit: int) -> str:
    """Read UTF-8 whose only control character is newline, and which ends in one.

    Raises:
        MalformedError: Over `limit` bytes, or against one of these rules.
    """
    if len(data) > limit:
        raise MalformedError(f"{what}: {len(data)} bytes, the limit is {limit}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise MalformedError(f"{what}: not UTF-8 at byte {exc.start}") from exc
    check_text(text, what)
    return text


def check_text(text: str, what: str) -> None:
    """Check text that is to be encoded, by the rules of `decode_text`.

    Raises:
        MalformedError: A control character other than newline, no final newline, or a lone
            surrogate, which UTF-8 cannot carry.
    """
    if not text.endswith("\n"):
        raise MalformedError(f"{what}: does not end in a newline")
    if found := _CONTROL.search(text):
        raise MalformedError(f"{what}: control character U+{ord(found[0]):04X}")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as exc:
            raise MalformedError(f"{what}: cannot be written in UTF-8") from exc
