"""Time-stamps in an audit: what they prove, and that nothing counts without a trusted root."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Final

import pytest

from sesn_node.audit.account import Selection
from sesn_node.audit.codes import Code
from sesn_node.audit.dates import Dated, Dates
from sesn_node.audit.own import Own
from sesn_node.audit.records import BundleCheckpoint, TimestampToken
from sesn_node.audit.verdict import BundleVerdict, Check, Stamped, State
from sesn_node.audit.verify import verify
from sesn_node.domain.entries import Entry, EntryKind
from sesn_node.domain.ids import ledger_origin
from sesn_node.ledger.checkpoint import parse_checkpoint
from sesn_node.ledger.head import TreeHead, checkpoint_text
from sesn_node.trust.timestamp_signers import TimestampRoots, read_roots
from tests.support.bundling import Draft
from tests.support.homes import GH, NL
from tests.support.scribes import Scribe
from tests.support.tsa import Tsa, certify

if TYPE_CHECKING:
    from collections.abc import Callable

_TOLERANCE: Final = timedelta(minutes=15)
_ORIGIN: Final = ledger_origin(NL, 1)
_HASH: Final = bytes(32)


@pytest.fixture(scope="module")
def scribe() -> Scribe:
    """An agency; one message is delivered."""
    nl, gh = Scribe(NL), Scribe(GH)
    nl.trust(gh)
    gh.trust(nl)
    nl.deliver(gh, [nl.share(gh)])
    return nl


@pytest.fixture(scope="module")
def tsa(scribe: Scribe) -> Tsa:
    """An authority whose clock is that of the agency."""
    return Tsa.when(scribe.now_ms)


@pytest.fixture(scope="module")
def roots(tsa: Tsa) -> TimestampRoots:
    """Trust in it."""
    return read_roots(tsa.root.pem)


def _over(record: BundleCheckpoint, token: bytes) -> TimestampToken:
    return TimestampToken(record.origin, record.size, _head(record).root, token)


def _head(record: BundleCheckpoint) -> TreeHead:
    return parse_checkpoint(record.note).claimed


def _stamped(record: BundleCheckpoint, tsa: Tsa) -> TimestampToken:
    """Have a checkpoint of a bundle time-stamped."""
    return _over(record, tsa.token(checkpoint_text(_head(record)).encode()))


def _ours(draft: Draft) -> list[BundleCheckpoint]:
    """Return the checkpoints of the bundle's own ledger, the largest last."""
    return [one for one in draft.checkpoints if one.origin == draft.ledgers[-1].origin]


def _audit(
    scribe: Scribe, roots: TimestampRoots | None, *tokens: TimestampToken, **changes: object
) -> tuple[Check, BundleVerdict]:
    """Audit a bundle with these tokens; return the check of time-stamps, and the verdict."""
    draft = Draft.of(scribe, **changes)
    draft.timestamps = sorted(tokens, key=lambda one: (one.origin, one.size, one.root, one.token))
    (bundle,) = verify([BytesIO(draft.write())], roots=roots).bundles
    assert sum(one.failed for one in bundle.checks) == bundle.checks[15].failed
    return bundle.checks[15], bundle


def test_a_token_bounds_the_ledger(scribe: Scribe, tsa: Tsa, roots: TimestampRoots) -> None:
    """The verdict says how many entries existed when, by whose clock."""
    *_, newest = _ours(Draft.of(scribe))
    check, bundle = _audit(scribe, roots, _stamped(newest, tsa))
    assert (check.state, check.count) == (State.HOLDS, 1)
    (ledger,) = bundle.ledgers
    time_ms = int(tsa.at.timestamp()) * 1000
    assert ledger.stamped == Stamped(newest.size, time_ms, "CN=clock")
    assert ledger.json()["stamped"] == {
        "size": newest.size,
        "time_ms": time_ms,
        "authority": "CN=clock",
    }


def test_the_largest_size_counts_and_of_it_the_earliest(
    scribe: Scribe, tsa: Tsa, roots: TimestampRoots
) -> None:
    """Whatever the order of the tokens."""
    first, *_, newest = _ours(Draft.of(scribe))
    assert first.size < newest.size
    later = tsa.but(at=tsa.at + timedelta(days=1))
    check, bundle = _audit(
        scribe, roots, _stamped(first, tsa), _stamped(newest, later), _stamped(newest, tsa)
    )
    assert (check.state, check.count) == (State.HOLDS, 3)
    stamped = bundle.ledgers[0].stamped
    assert stamped is not None
    assert (stamped.size, stamped.time_ms) == (newest.size, int(tsa.at.timestamp()) * 1000)


def test_without_roots_nothing_is_said_to_hold(scribe: Scribe, tsa: Tsa) -> None:
    """Anybody can write a token; but one over something else is found all the same."""
    *_, newest = _ours(Draft.of(scribe))
    check, bundle = _audit(scribe, None, _stamped(newest, tsa))
    assert check.state is State.NOT_MADE
    assert "--timestamp-roots" in check.reason
    assert bundle.ledgers[0].stamped is None
    check, _ = _audit(scribe, None, _over(newest, tsa.token(b"something else")))
    assert check.state is State.FAILS


def test_without_tokens_nothing_is_said_to_hold(scribe: Scribe, roots: TimestampRoots) -> None:
    """Roots or not."""
    for given in (None, roots):
        check, _ = _audit(scribe, given)
        assert (check.state, check.reason) == (State.NOT_MADE, "the bundle has no tokens")


_FORGERIES: Final[dict[str, tuple[Callable[[Tsa, bytes], bytes], str]]] = {
    "a token over something else": (lambda tsa, text: tsa.token(text + b"x"), "something else"),
    "no token": (lambda _tsa, _text: b"a token", "DER"),
    "an authority under another root": (
        lambda tsa, text: tsa.but(signer=Tsa.new(at=tsa.at).signer).token(text),
        "trusted root",
    ),
    "an authority that had expired": (
        lambda tsa, text: tsa.but(
            signer=certify("expired", tsa.root, at=tsa.at, days=(-20, -10))
        ).token(text),
        "trusted root",
    ),
    "a certificate for mail": (
        lambda tsa, text: tsa.but(signer=certify("mail", tsa.root, at=tsa.at, purposes=None)).token(
            text
        ),
        "certified for time-stamps",
    ),
    "a forged signature": (
        lambda tsa, text: Tsa(
            tsa.root, replace(certify("x"), certificate=tsa.signer.certificate), at=tsa.at
        ).token(text),
        "verifying",
    ),
}


@pytest.mark.parametrize("forgery", _FORGERIES)
def test_forged_tokens(scribe: Scribe, tsa: Tsa, roots: TimestampRoots, forgery: str) -> None:
    """Each is a finding at its record, and bounds nothing."""
    make, problem = _FORGERIES[forgery]
    first, *_, newest = _ours(Draft.of(scribe))
    token = make(tsa, checkpoint_text(_head(newest)).encode())
    check, bundle = _audit(scribe, roots, _stamped(first, tsa), _over(newest, token))
    assert (check.state, check.count, check.failed) == (State.FAILS, 2, 1)
    (finding,) = check.findings
    assert finding.code is Code.TIMESTAMP_INVALID
    assert finding.place == "timestamps.pb #1"
    assert problem in finding.text
    stamped = bundle.ledgers[0].stamped
    assert stamped is not None
    assert stamped.size == first.size


def test_a_token_over_a_checkpoint_that_is_not_here(
    scribe: Scribe, tsa: Tsa, roots: TimestampRoots
) -> None:
    """Another root, and another size."""
    *_, newest = _ours(Draft.of(scribe))
    for head in (
        TreeHead(newest.origin, newest.size, bytes(32)),
        TreeHead(newest.origin, newest.size + 1, _head(newest).root),
    ):
        token = tsa.token(checkpoint_text(head).encode())
        record = TimestampToken(head.origin, head.size, head.root, token)
        check, _ = _audit(scribe, roots, record)
        assert check.failed == 1
        assert "no such checkpoint" in check.findings[0].text


def test_an_entry_that_is_dated_after_its_time_stamp(
    scribe: Scribe, tsa: Tsa, roots: TimestampRoots
) -> None:
    """It existed before, so its date is wrong; clocks may differ by a quarter of an hour."""
    *_, newest = _ours(Draft.of(scribe))
    latest_ms = scribe.now_ms
    at = datetime.fromtimestamp(latest_ms // 1000, UTC)
    just = tsa.but(at=at - _TOLERANCE + timedelta(seconds=1))
    check, _ = _audit(scribe, roots, _stamped(newest, just))
    assert check.state is State.HOLDS
    early = tsa.but(at=at - timedelta(days=1))
    check, bundle = _audit(scribe, roots, _stamped(newest, early))
    assert check.failed == 1
    assert f"entry {newest.size - 1} of {newest.origin} existed at" in check.findings[0].text
    assert bundle.ledgers[0].stamped is None


def test_a_blind_bundle(scribe: Scribe, tsa: Tsa, roots: TimestampRoots) -> None:
    """Without entries there are no dates to hold against a token; the token verifies."""
    draft = Draft.of(scribe)
    *_, newest = _ours(draft)
    ledger = replace(draft.ledgers[0], entries=[])
    token = _stamped(newest, tsa.but(at=tsa.at - timedelta(days=1)))
    check, _ = _audit(
        scribe, roots, token, ledgers=[ledger], messages=[], selection=Selection(blind=True)
    )
    assert check.state is State.HOLDS


def test_dates_by_size() -> None:
    """Of each size the latest date among its entries, whatever comes behind."""
    dates = Dates()
    for size in (0, 2, 2, 3, 9):
        dates.want(_ORIGIN, size)
    for index, time_ms in enumerate((5, 3, 8, 4)):
        entry = Entry(kind=EntryKind.EXPORTED, time_ms=time_ms, salt=bytes(32), object_sha256=_HASH)
        dates.meet(Own(_ORIGIN, index, _HASH, entry))
        dates.meet(Own(ledger_origin(GH, 1), index, _HASH, entry))
    assert dates.latest(_ORIGIN, 0) is None
    assert dates.latest(_ORIGIN, 2) == Dated(0, 5)
    assert dates.latest(_ORIGIN, 3) == Dated(2, 8)
    assert dates.latest(_ORIGIN, 9) == Dated(2, 8)
    assert dates.latest(ledger_origin(GH, 1), 2) is None
