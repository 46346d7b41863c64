"""Waiting after a failure: exponential, with full jitter, up to a cap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.crypto.primitives import random_bytes

if TYPE_CHECKING:
    from sesn_node.exchange.office import Terms

_MAX_DOUBLINGS = 30


def backoff_ms(terms: Terms, failures: int) -> int:
    """Draw a wait for the given number of failures in a row (at least 1), in milliseconds.

    Uniform between nothing and the current ceiling: nodes that lost a partner at the same
    moment do not all come back at the same moment. Never under a tenth of the first ceiling,
    so that a partner that fails at once is not hammered.
    """
    ceiling = min(
        terms.backoff_cap_ms, terms.backoff_initial_ms << min(max(failures, 1) - 1, _MAX_DOUBLINGS)
    )
    floor = terms.backoff_initial_ms // 10
    return max(floor, int.from_bytes(random_bytes(4), "big") * ceiling >> 32)
