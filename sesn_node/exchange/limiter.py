"""How much one partner can cause to be written: a token bucket for each agency."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from sesn_node.domain.times import MINUTE_MS


@dataclass(frozen=True, slots=True)
class Rate:
    """What a bucket allows: `burst` at once, then one every `token_ms` milliseconds."""

    burst: int
    token_ms: int


REFUSALS: Final = Rate(burst=100, token_ms=6_000)
"""REFUSED entries that one partner can cause, so that nobody floods a ledger."""
CARDS: Final = Rate(burst=5, token_ms=10 * MINUTE_MS)
"""Later cards of one partner that are taken by themselves; each is an entry."""
REFUSED_CARDS: Final = Rate(burst=20, token_ms=30_000)
"""Cards of one partner that are opened and then refused; each costs the work of all its keys."""
GREETINGS: Final = Rate(burst=20, token_ms=5_000)
"""Greetings of one partner that end a wait of ours; each can make us write, and dial."""
AGAIN: Final = Rate(burst=20, token_ms=60_000)
"""Questions of one partner for messages that it lost; each makes us send up to a thousand again."""
CHECKPOINTS: Final = Rate(burst=100, token_ms=6_000)
"""Checkpoints that one partner has us witness without a message; each is kept, 7 KB."""
PROOFS: Final = Rate(burst=60, token_ms=5_000)
"""Proofs that one partner is given that our ledger has one history; each is a signature."""


class Limiter:
    """Keeps one token bucket for each agency. Any thread may ask."""

    __slots__ = ("_buckets", "_lock", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, int]] = {}

    def allow(self, agency: str, now_ms: int) -> bool:
        """Take one token of an agency's bucket, if there is one."""
        with self._lock:
            tokens = self._tokens(agency, now_ms)
            allowed = tokens >= 1
            self._buckets[agency] = (tokens - allowed, now_ms)
        return allowed

    def empty(self, agency: str, now_ms: int) -> bool:
        """Say whether an agency's bucket has no token, and take none."""
        with self._lock:
            return self._tokens(agency, now_ms) < 1

    def _tokens(self, agency: str, now_ms: int) -> float:
        full = float(self._rate.burst)
        tokens, since_ms = self._buckets.get(agency, (full, now_ms))
        return min(full, tokens + max(0, now_ms - since_ms) / self._rate.token_ms)
