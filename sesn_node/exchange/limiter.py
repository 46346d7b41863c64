"""How many REFUSED entries a partner can cause."""

from __future__ import annotations


class RefusalLimiter:
    """Bounds how many REFUSED entries one partner can cause, so that nobody floods a ledger."""

    __slots__ = ("_buckets",)

    BURST = 100
    PER_MINUTE = 10

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, int]] = {}

    def allow(self, agency: str, now_ms: int) -> bool:
        """Take one token of an agency's bucket, if there is one."""
        tokens, since_ms = self._buckets.get(agency, (float(self.BURST), now_ms))
        gained = max(0, now_ms - since_ms) * self.PER_MINUTE / 60_000
        tokens = min(float(self.BURST), tokens + gained)
        allowed = tokens >= 1
        self._buckets[agency] = (tokens - allowed, now_ms)
        return allowed
