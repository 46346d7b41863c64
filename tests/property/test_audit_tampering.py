"""Whatever is done to a bundle, the audit finds it, and says where."""

from __future__ import annotations

from io import BytesIO

from hypothesis import given, settings
from hypothesis import strategies as st

from sesn_node.audit.verify import verify
from tests.soak.tampering import missed
from tests.support.tampering import honest, tampering


def test_the_bundle_that_is_tampered_with_holds() -> None:
    """What is found below is the tampering's doing."""
    verdict = verify([BytesIO(honest()[1])])
    assert verdict.holds
    assert not [check.name for check in verdict.checks if check.failed]


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1))
def test_every_tampering_is_found_out(number: int) -> None:
    """A bit anywhere; entries and records removed, added, put elsewhere, dated anew.

    `make tamper ARGS="--tamperings 10000"` makes more of them.
    """
    tampered = tampering(number)
    assert not missed(tampered), tampered.what
