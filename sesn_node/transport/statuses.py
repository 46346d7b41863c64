"""What a partner is told of an error: the one table from errors to gRPC statuses."""

from __future__ import annotations

from typing import Final

import grpc

from sesn_node.errors import (
    ConflictError,
    MalformedError,
    PeerUnavailable,
    PolicyError,
    SesnError,
    StorageError,
    VerificationError,
)
from sesn_node.exchange.gossip import TOO_MANY_PROOFS
from sesn_node.exchange.witness import TOO_MANY_CHECKPOINTS
from sesn_node.transport.pacing import TOO_MANY

_STATUSES: Final[tuple[tuple[type[SesnError], grpc.StatusCode], ...]] = (
    (MalformedError, grpc.StatusCode.INVALID_ARGUMENT),
    (VerificationError, grpc.StatusCode.FAILED_PRECONDITION),
    (PolicyError, grpc.StatusCode.PERMISSION_DENIED),
    (ConflictError, grpc.StatusCode.ABORTED),
    (PeerUnavailable, grpc.StatusCode.UNAVAILABLE),
    (StorageError, grpc.StatusCode.UNAVAILABLE),
)
_TOO_MUCH: Final = frozenset({TOO_MANY, TOO_MANY_CHECKPOINTS, TOO_MANY_PROOFS})
"""Codes of what would be allowed later."""


def status_of(error: SesnError) -> grpc.StatusCode:
    """Return the status of a call that ends with an error."""
    if error.code in _TOO_MUCH:
        return grpc.StatusCode.RESOURCE_EXHAUSTED
    return next(
        (status for kind, status in _STATUSES if isinstance(error, kind)),
        grpc.StatusCode.INTERNAL,
    )


def details_of(error: SesnError) -> str:
    """Return the words that go with the status: the code is the partner's business.

    Our paths and disks are not.
    """
    detail = "this node has a fault" if isinstance(error, StorageError) else str(error)
    return f"{error.code}: {detail}"
