r"""Terms of the search index: equal values can be found, and not read.

    field key   HKDF-Expand-SHA256 of the index key, info "sesn/v1/index\0" and the field's name
    term        first 16 bytes of HMAC-SHA256 under the field key, over "sesn/v1/term\0", the
                field's name and the normalised value, the latter two with u16 big-endian lengths

Without the index key a term tells nothing of its value, not even to somebody who has a list of
all values that there are. Each field has a key of its own, so a container and a seal of one
number have different terms.
"""

from __future__ import annotations

from typing import Final

from sesn_node.crypto import primitives
from sesn_node.crypto.framing import ascii_bytes, frame
from sesn_node.errors import MalformedError

TERM_BYTES: Final = 16
"""Among 10^12 different values, the chance that any two share a term is 10^-15."""

_KEY_BYTES: Final = 32
_KEY_INFO: Final = b"sesn/v1/index\0"
_PREFIX: Final = b"sesn/v1/term\0"


class BlindIndex:
    """Makes terms with one index key. Any thread may ask.

    Args:
        key: 32 bytes: the private part of a key of kind `INDEX`.

    Raises:
        MalformedError: `key` has another length.
    """

    __slots__ = ("_field_keys", "_key")

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise MalformedError(f"index key: expected {_KEY_BYTES} bytes")
        self._key: Final = key
        self._field_keys: Final[dict[str, bytes]] = {}

    def __repr__(self) -> str:
        return "BlindIndex()"

    def term(self, field: str, value: str) -> bytes:
        """Return the term of a normalised value, 16 bytes.

        Args:
            field: Which kind of thing the value names, in ASCII.
            value: Normalised; see `sesn_node.domain.terms`.

        Raises:
            MalformedError: The value is longer than 65,535 bytes.
        """
        name = ascii_bytes(field)
        key = self._field_keys.get(field)
        if key is None:
            # Two threads derive the same.
            key = primitives.hkdf_expand(self._key, _KEY_INFO + name)
            self._field_keys[field] = key
        message = _PREFIX + frame(name, value.encode())
        return primitives.hmac_sha256(key, message)[:TERM_BYTES]
