"""Length-prefixed fields, for bytes that are authenticated but never sent.

Without lengths, `("ab", "c")` and `("a", "bc")` would authenticate as the same bytes.
"""

from __future__ import annotations

from typing import Final

from sesn_node.errors import MalformedError

_U16_MAX: Final = 0xFFFF


def frame(*parts: bytes) -> bytes:
    """Prefix each part with its length, u16 big-endian: no two lists give the same bytes.

    Raises:
        MalformedError: A part is longer than 65,535 bytes.
    """
    framed = bytearray()
    for part in parts:
        if len(part) > _U16_MAX:
            raise MalformedError(f"authenticated field: longer than {_U16_MAX} bytes")
        framed += len(part).to_bytes(2, "big") + part
    return bytes(framed)


def ascii_bytes(text: str) -> bytes:
    """Encode an agency id or another name that is ASCII by definition.

    Raises:
        MalformedError: It is not.
    """
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as exc:
        raise MalformedError("authenticated field: a name is not ASCII") from exc
