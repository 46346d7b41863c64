"""Strict parsing of protobuf.

Protobuf is not canonical: fields may come in any order or twice, integers may be overlong, and
unknown fields are kept in silence. Signed bytes must have one meaning, so only the deterministic
serialisation of known fields is accepted. It is compared with what was received, never hashed or
stored in its place.
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from sesn_node.errors import MalformedError

M = TypeVar("M", bound=Message)


def parse_strict(cls: type[M], data: bytes, *, what: str, limit: int) -> M:
    """Parse bytes that have exactly one meaning.

    Strings are UTF-8: the parser of proto3 refuses the rest.

    Args:
        cls: Generated class.
        data: Bytes from anywhere.
        what: What is parsed, for the message: "header".
        limit: Most bytes that are looked at.

    Raises:
        MalformedError: Over the limit, not this message, an unknown field at any depth, or another
            encoding than the deterministic one (reordered, repeated or overlong).
    """
    if len(data) > limit:
        raise MalformedError(f"{what}: at most {limit:,} bytes, got {len(data):,}")
    try:
        message = cls.FromString(data)
    except DecodeError as exc:
        raise MalformedError(f"{what}: not a serialised {cls.DESCRIPTOR.name}") from exc
    # Unknown fields would survive a re-serialisation, so they go before the comparison.
    message.DiscardUnknownFields()
    if message.SerializeToString(deterministic=True) != data:
        raise MalformedError(
            f"{what}: unknown fields, or not the deterministic encoding of a {cls.DESCRIPTOR.name}"
        )
    return message
