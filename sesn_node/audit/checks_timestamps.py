"""Time-stamps (RFC 3161): somebody else's clock over a checkpoint. Not verified yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code

if TYPE_CHECKING:
    from sesn_node.audit.docket import Docket


def check_timestamps(docket: Docket) -> None:
    """Look at the tokens of a bundle: each must be over a checkpoint that verified."""
    tally = docket.tally(subjects.TIMESTAMPS)
    found = 0
    records = docket.records(names.TIMESTAMPS, docket.bundle.timestamps(), subjects.TIMESTAMPS)
    for place, token in enumerate(records):
        found += 1
        with tally.case(Code.TIMESTAMP_INVALID, names.TIMESTAMPS, place):
            if token.root not in docket.heads.roots(token.origin, token.size):
                tally.fail(
                    Code.TIMESTAMP_INVALID,
                    f"a token over {token.origin} at size {token.size}: no such checkpoint "
                    "verifies here",
                    names.TIMESTAMPS,
                    place,
                )
    tally.cannot("tokens are not verified yet" if found else "the bundle has no tokens")
