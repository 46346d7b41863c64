"""Why a node refuses a message, in words that never change.

Mirrors `RefusalCode` of `proto/sesn/v1/exchange.proto`. One bad message never spoils its batch.
"""

from __future__ import annotations

from enum import StrEnum


class RefusalCode(StrEnum):
    """A refusal; permanent ones end the delivery, transient ones may be tried again."""

    NOT_TRUSTED = "NOT_TRUSTED"
    """The sender's card is not trusted here, or not yet."""
    BAD_SEAL = "BAD_SEAL"
    """The seal does not verify, or its key was not in force."""
    NOT_IN_LEDGER = "NOT_IN_LEDGER"
    """The sender's ledger was not proven to hold the message."""
    LEDGER_FORK = "LEDGER_FORK"
    """The sender's ledger shows two histories."""
    NOT_FOR_US = "NOT_FOR_US"
    """This node is no addressee."""
    UNDECRYPTABLE = "UNDECRYPTABLE"
    """The key or the content does not open."""
    COMMITMENT_MISMATCH = "COMMITMENT_MISMATCH"
    """The content is not the one that header and ledger commit to."""
    MALFORMED = "MALFORMED"
    """Something breaks its format."""
    TOO_LARGE = "TOO_LARGE"
    """Over a limit of this node's card."""
    EXPIRED = "EXPIRED"
    """Past its expiry."""
    CLOCK_SKEW = "CLOCK_SKEW"
    """Created more than ten minutes in this node's future."""
    CONFLICT = "CONFLICT"
    """The same id was received with another header."""
    POLICY = "POLICY"
    """A rule of handling, or an operator's decision, forbids it."""
    BUSY = "BUSY"
    """No room at the moment; the refusal says when to try again."""

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
