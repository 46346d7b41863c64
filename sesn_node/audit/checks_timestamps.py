"""Time-stamps (RFC 3161): somebody else's clock over a checkpoint."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code
from sesn_node.audit.subjects import CLOCK_TOLERANCE_MS
from sesn_node.audit.tally import require
from sesn_node.audit.verdict import Stamped
from sesn_node.domain.times import utc_second
from sesn_node.errors import MalformedError
from sesn_node.ledger.head import TreeHead, checkpoint_text
from sesn_node.trust.timestamps import check_imprint, verify_timestamp

if TYPE_CHECKING:
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.records import TimestampToken
    from sesn_node.domain.ids import Origin
    from sesn_node.trust.timestamp_signers import TimestampRoots


def want_dates(docket: Docket) -> None:
    """Ask for the dates of the entries that tokens cover, before the entries are read."""
    # What breaks off here is found when the tokens are checked.
    with suppress(MalformedError):
        for token in docket.bundle.timestamps():
            docket.dates.want(token.origin, token.size)


def check_timestamps(docket: Docket) -> None:
    """Verify the tokens of a bundle.

    1. Each is over a checkpoint that verified.
    2. Each verifies under the roots that the auditor trusts, as of its own time. Without roots
       this is not made: anybody can write a token.
    3. No entry that it covers is dated later than it, as clocks go.
    """
    tally = docket.tally(subjects.TIMESTAMPS)
    found = 0
    records = docket.records(names.TIMESTAMPS, docket.bundle.timestamps(), subjects.TIMESTAMPS)
    for place, token in enumerate(records):
        found += 1
        with tally.case(Code.TIMESTAMP_INVALID, names.TIMESTAMPS, place):
            require(
                token.root in docket.heads.roots(token.origin, token.size),
                Code.TIMESTAMP_INVALID,
                f"a token over {token.origin} at size {token.size}: no such checkpoint verifies "
                "here",
            )
            text = checkpoint_text(TreeHead(token.origin, token.size, token.root)).encode()
            if docket.roots is None:
                check_imprint(token.token, text)
            else:
                _check(docket, token, text, docket.roots)
    if not found:
        tally.cannot("the bundle has no tokens")
    elif docket.roots is None:
        tally.cannot(
            "no roots were given: name those of the authorities that you trust with "
            "--timestamp-roots"
        )


def _check(docket: Docket, token: TimestampToken, text: bytes, roots: TimestampRoots) -> None:
    said = verify_timestamp(token.token, text, roots)
    latest = docket.dates.latest(token.origin, token.size)
    if latest is not None:
        require(
            latest.time_ms <= said.time_ms + said.accuracy_ms + CLOCK_TOLERANCE_MS,
            Code.TIMESTAMP_INVALID,
            f"entry {latest.index} of {token.origin} existed at {utc_second(said.time_ms)} UTC, "
            f"says {said.authority}, and is dated {utc_second(latest.time_ms)} UTC",
        )
    _remember(docket.stamped, token.origin, Stamped(token.size, said.time_ms, said.authority))


def _remember(stamped: dict[Origin, Stamped], origin: Origin, found: Stamped) -> None:
    """Keep the largest size, and of tokens over one size the earliest."""
    before = stamped.get(origin)
    if before is None or (before.size, -before.time_ms) < (found.size, -found.time_ms):
        stamped[origin] = found
