"""Every error that SESN raises, on one screen.

Each error carries a stable `code` that programs may match on, and a message for people that
says what happened, where, and what to do next.
"""

from __future__ import annotations


class SesnError(Exception):
    """Base of all errors of this package.

    Args:
        message: What happened, where, and the way out, in one or two sentences.
        code: Stable upper-case word; the class's own code when not given.
    """

    code = "ERROR"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.message


class MalformedError(SesnError):
    """Bytes, text or a value that break their format: nothing can be made of them."""

    code = "MALFORMED"


class VerificationError(SesnError):
    """Well-formed, but a signature, proof, key or commitment does not hold."""

    code = "VERIFICATION_FAILED"


class PolicyError(SesnError):
    """Well-formed and authentic, but a rule or an operator's decision forbids it."""

    code = "POLICY"


class ConflictError(SesnError):
    """At odds with what is already recorded, or with a concurrent change."""

    code = "CONFLICT"


class PeerUnavailable(SesnError):
    """A partner's node could not be reached or broke off; trying again may help."""

    code = "PEER_UNAVAILABLE"


class StorageError(SesnError):
    """The database or a file of this node failed, or must not be written to."""

    code = "STORAGE"


class ConfigError(SesnError):
    """A setting, an option or the environment of this node is unusable."""

    code = "CONFIG"
