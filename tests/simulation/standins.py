"""What a simulation replaces below the node's own code: chance, and the cost of signatures.

Random bytes come from the seed. A signature of a checkpoint is a hash of the public key and the
message, of the length of a real one: another key, or a changed bit, fails as ever. Anybody could
write one, but nobody here forges; that is what `tests/attacks` is for. ML-DSA-44 alone would take
much of the time otherwise. Seals, certificates and encryption are cheap and stay real.
"""

from __future__ import annotations

import hashlib
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from sesn_node.crypto import primitives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

_LENGTHS = {"ed25519": 64, "mldsa44": 2420}

# Keys by identity; kept, so that no other key gets the same one.
_names: dict[int, tuple[object, bytes]] = {}


@contextmanager
def standing_in(chance: Callable[[], Random]) -> Iterator[None]:
    """Draw random bytes from `chance`, and sign cheaply, until the body ends.

    What was signed before still verifies.
    """
    genuine = primitives.random_bytes

    def random_bytes(size: int) -> bytes:
        return chance().randbytes(size)

    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("sesn_node") and getattr(module, "random_bytes", None) is genuine:
                stack.enter_context(patch.object(module, "random_bytes", random_bytes))
        for scheme, length in _LENGTHS.items():
            stack.enter_context(patch.object(primitives, f"{scheme}_sign", _signing(length)))
            verify = getattr(primitives, f"{scheme}_verify")
            stack.enter_context(
                patch.object(primitives, f"{scheme}_verify", _verifying(length, verify))
            )
        yield


# Keys of two schemes have no common type, but all have these methods.
def _signing(length: int) -> Callable[[Any, bytes], bytes]:
    def sign(private: Any, message: bytes) -> bytes:  # noqa: ANN401 - see above
        found = _names.get(id(private))
        if found is None:
            found = _names[id(private)] = private, _named(private.public_key())
        return _signature(found[1], message, length)

    return sign


def _verifying(length: int, genuine: Callable[..., None]) -> Callable[[Any, bytes, bytes], None]:
    def verify(public: Any, message: bytes, signature: bytes) -> None:  # noqa: ANN401 - see above
        found = _names.get(id(public))
        if found is None:
            found = _names[id(public)] = public, _named(public)
        if signature != _signature(found[1], message, length):
            # It may be a real one, of the homes that every history begins with.
            genuine(public, message, signature)

    return verify


def _named(public: Any) -> bytes:  # noqa: ANN401 - see above
    name: bytes = public.public_bytes_raw()
    return name


def _signature(name: bytes, message: bytes, length: int) -> bytes:
    digest = hashlib.sha256(name + message).digest()
    return (digest * (length // len(digest) + 1))[:length]
