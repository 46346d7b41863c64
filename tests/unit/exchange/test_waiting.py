"""Back-off and the limit on refusals: how often a node tries, and how often it writes."""

from __future__ import annotations

import pytest

from sesn_node.exchange import backoff
from sesn_node.exchange.backoff import backoff_ms
from sesn_node.exchange.limiter import REFUSALS, Limiter, Rate
from sesn_node.exchange.office import Terms

_TERMS = Terms(backoff_initial_ms=500, backoff_cap_ms=60_000)
_MINUTE_MS = 60_000


def _drawing(monkeypatch: pytest.MonkeyPatch, drawn: bytes) -> None:
    monkeypatch.setattr(backoff, "random_bytes", lambda size: drawn[:size])


@pytest.mark.parametrize(
    ("failures", "ceiling"),
    [(0, 500), (1, 500), (2, 1_000), (3, 2_000), (7, 32_000), (8, 60_000), (10**6, 60_000)],
)
def test_longest_wait_doubles_up_to_the_cap(
    monkeypatch: pytest.MonkeyPatch, failures: int, ceiling: int
) -> None:
    """The wait is drawn below a ceiling that doubles with every failure, and never exceeds it."""
    _drawing(monkeypatch, b"\xff" * 4)
    assert backoff_ms(_TERMS, failures) == ceiling - 1


@pytest.mark.parametrize("failures", [1, 5, 100])
def test_shortest_wait(monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
    """A partner that fails at once is not hammered: a tenth of the first ceiling at least."""
    _drawing(monkeypatch, b"\0" * 4)
    assert backoff_ms(_TERMS, failures) == 50


def test_full_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is spread over the whole range, so that nodes do not come back all at once."""
    _drawing(monkeypatch, b"\x80\0\0\0")
    assert backoff_ms(_TERMS, 4) == 2_000


def test_bucket_of_refusals() -> None:
    """A partner may cause a burst of entries, then a few a minute, and no more for waiting long."""
    limiter = Limiter(REFUSALS)
    allowed = [limiter.allow("gh.epa", 0) for _ in range(REFUSALS.burst + 1)]
    assert allowed == [True] * REFUSALS.burst + [False]
    assert not limiter.allow("gh.epa", REFUSALS.token_ms - 1)
    assert limiter.allow("gh.epa", REFUSALS.token_ms)
    later_ms = 365 * 24 * 60 * _MINUTE_MS
    assert sum(limiter.allow("gh.epa", later_ms) for _ in range(1_000)) == REFUSALS.burst


def test_buckets_are_apart() -> None:
    """Each partner has a bucket of its own."""
    limiter = Limiter(REFUSALS)
    for _ in range(REFUSALS.burst):
        limiter.allow("gh.epa", 0)
    assert not limiter.allow("gh.epa", 0)
    assert limiter.allow("be.police", 0)


def test_clock_that_goes_back_earns_nothing() -> None:
    """A clock that was set back neither fills a bucket nor empties it."""
    limiter = Limiter(REFUSALS)
    for _ in range(REFUSALS.burst):
        assert limiter.allow("gh.epa", _MINUTE_MS)
    assert not limiter.allow("gh.epa", 0)
    assert not limiter.allow("gh.epa", 0)


def test_looking_takes_nothing() -> None:
    """Whether a bucket is empty can be asked without taking from it."""
    limiter = Limiter(Rate(burst=1, token_ms=1_000))
    for _ in range(3):
        assert not limiter.empty("nl.customs", 0)
    assert limiter.allow("nl.customs", 0)
    assert limiter.empty("nl.customs", 999)
    assert not limiter.empty("gh.epa", 999)
    assert not limiter.empty("nl.customs", 1_000)
    assert limiter.allow("nl.customs", 1_000)
