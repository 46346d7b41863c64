"""Why a node refuses a message, in words that never change.

Mirrors `RefusalCode` of `proto/sesn/v1/exchange.proto`. One bad message never spoils its batch.
"""

from __future__ import annotations

from enum import StrEnum


class RefusalCode(StrEnum):
    """A refusal; permanent ones end the delivery, transient ones may be tried again."""

    NOT_TRUSTED = "NOT_TRUSTED"
    """The sender's card is not trusted, or does not name the seal key; or it is not the caller."""
    BAD_SEAL = "BAD_SEAL"
    """The seal does not verify, or its key was not in force."""
    NOT_IN_LEDGER = "NOT_IN_LEDGER"
    """The sender's ledger was not proven to hold the message."""
    LEDGER_FORK = "LEDGER_FORK"
    """The sender's ledger shows two histories."""
    NOT_FOR_US = "NOT_FOR_US"
    """The receiver is no addressee."""
    UNDECRYPTABLE = "UNDECRYPTABLE"
    """The key or the content does not open."""
    COMMITMENT_MISMATCH = "COMMITMENT_MISMATCH"
    """The content is not the one that header and ledger commit to."""
    MALFORMED = "MALFORMED"
    """Something breaks its format."""
    TOO_LARGE = "TOO_LARGE"
    """Over a limit of the receiver's card."""
    EXPIRED = "EXPIRED"
    """Past its expiry."""
    CLOCK_SKEW = "CLOCK_SKEW"
    """Created too far ahead of the receiver's clock."""
    CONFLICT = "CONFLICT"
    """Another header of the sender, or a message of the receiver's own, stands under this id."""
    POLICY = "POLICY"
    """A rule or an operator forbids it."""
    BUSY = "BUSY"
    """The receiver cannot store now; the refusal says when to try again."""

    @property
    def permanent(self) -> bool:
        """Whether sending the same message again cannot help."""
        return self not in _TRANSIENT


_TRANSIENT = frozenset(
    {
        RefusalCode.NOT_TRUSTED,
        RefusalCode.NOT_IN_LEDGER,
        RefusalCode.CLOCK_SKEW,
        RefusalCode.BUSY,
    }
)
