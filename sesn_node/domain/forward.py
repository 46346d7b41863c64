"""A message of a third agency, passed on with what proves who said it.

Mirrors `Original` and `Forward` of `proto/sesn/v1/conversation.proto`. Only bounds are checked
here: what an original says, and whether its originator said so, `sesn_node.exchange` verifies.
"""

from __future__ import annotations

from dataclasses import dataclass

from sesn_node.domain.cards import MAX_CARD_BYTES
from sesn_node.domain.checks import check_fixed, check_length, check_text
from sesn_node.domain.conversation import MAX_RESPONSE_TEXT
from sesn_node.domain.entries import SALT_BYTES
from sesn_node.domain.messages import (
    MAX_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_SEAL_BYTES,
    MIN_SEAL_BYTES,
)
from sesn_node.errors import MalformedError

MAX_FORWARD_BYTES = MAX_PAYLOAD_BYTES - 16 * 1024
"""Everything that is passed on; the rest of the payload has room in what is left."""

_MAX_SEALED_CARD_BYTES = MAX_CARD_BYTES + 1024


@dataclass(frozen=True, slots=True)
class Original:
    """A message as its originator sealed it, opened.

    Args:
        header: The header, verbatim.
        seal: Its seal, ECDSA P-256 in DER.
        salt: Salt of the commitment in the header, 32 bytes.
        payload: The payload, verbatim.
        card: The originator's signed card that lists the sealing key, verbatim.
    """

    header: bytes
    seal: bytes
    salt: bytes
    payload: bytes
    card: bytes

    def __post_init__(self) -> None:
        check_length("header", self.header, 1, MAX_HEADER_BYTES)
        check_length("seal", self.seal, MIN_SEAL_BYTES, MAX_SEAL_BYTES)
        check_fixed("salt", self.salt, SALT_BYTES)
        check_length("payload", self.payload, 1, MAX_FORWARD_BYTES)
        check_length("card", self.card, 1, _MAX_SEALED_CARD_BYTES)

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(map(len, (self.header, self.seal, self.salt, self.payload, self.card)))


@dataclass(frozen=True, slots=True)
class Forward:
    """A message passed on by somebody who received it.

    Args:
        original: The message.
        consent: The originator's consent, where the message itself does not allow it.
        text: Why it is passed on, at most 2,000 characters.
    """

    original: Original
    consent: Original | None = None
    text: str = ""

    def __post_init__(self) -> None:
        check_text("text", self.text, MAX_RESPONSE_TEXT)
        size = self.original.size + (self.consent.size if self.consent else 0)
        if size > MAX_FORWARD_BYTES:
            raise MalformedError(
                f"original: at most {MAX_FORWARD_BYTES:,} bytes can be passed on, got {size:,}"
            )
