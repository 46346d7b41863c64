"""Auditing an agency that closed a ledger whose end is lost, alone and beside its partners."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.account import Selection
from sesn_node.audit.verify import verify
from sesn_node.exchange.auditexport import export_bundle
from tests.support.engines import SQLITE, current
from tests.support.homes import BE, GH, NL
from tests.support.reopening import get_back, inquire, open_next, put_back

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.audit.verdict import Verdict
    from sesn_node.domain.ids import AgencyId
    from tests.support.network import Network

pytestmark = pytest.mark.engine(SQLITE)


@pytest.fixture
def net(connect: Callable[..., Network], tmp_path: Path) -> Network:
    """Three agencies, of which one lost messages, opened a new ledger, and got some back."""
    made = connect(NL, GH, BE)
    made.share(NL, GH, BE)
    made.share(GH, NL)
    for one, other in ((NL, GH), (NL, BE), (GH, NL)):
        made.deliver(one, other)
    # One waits, one is received and not acknowledged here, when the copy is taken.
    made.share(NL, BE)
    made.share(NL, GH)
    current().save(made[NL].home, tmp_path / "saved")
    made.deliver(NL, GH)
    for _ in range(3):
        made.share(NL, GH)
        made.share(GH, NL)
    made.deliver(NL, GH)
    made.deliver(GH, NL)
    made.rest()
    put_back(made, made[NL], tmp_path / "saved")
    open_next(made[NL], inquire(made, made[NL], GH, BE))
    for one, other in ((NL, GH), (NL, BE)):
        made.deliver(one, other)
    assert get_back(made, made[NL], GH) == 3
    made.deliver(GH, NL)
    made.share(NL, GH, BE)
    made.share(BE, NL)
    for one, other in ((NL, GH), (NL, BE), (BE, NL)):
        made.deliver(one, other)
    made.rest()
    return made


def _audit(net: Network, folder: Path, *agencies: AgencyId, **selection: object) -> Verdict:
    with ExitStack() as stack:
        files = []
        for agency in agencies:
            path = folder / f"{agency}.sesnaudit"
            chosen = Selection(**selection)  # type: ignore[arg-type]
            export_bundle(net[agency].office, path, chosen, force=True)
            files.append(stack.enter_context(path.open("rb")))
        return verify(files, None, now_ms=net.clock.now_ms)


def _findings(verdict: Verdict) -> list[str]:
    return [
        f"{check.name} {finding.code} {finding.place}: {finding.text}"
        for check in verdict.checks
        for finding in check.findings
    ]


def test_alone(net: Network, tmp_path: Path) -> None:
    """Both ledgers hold; that the end of the first is lost is said, and is nobody's lie."""
    verdict = _audit(net, tmp_path, NL)
    assert not _findings(verdict)
    remarks = [remark for check in verdict.checks for remark in check.remarks]
    assert any("lost" in remark.text for remark in remarks)


@pytest.mark.parametrize("partner", [GH, BE])
def test_partner_alone(net: Network, tmp_path: Path, partner: AgencyId) -> None:
    """What a partner holds of the closed ledger still verifies."""
    assert not _findings(_audit(net, tmp_path, partner))


def test_side_by_side(net: Network, tmp_path: Path) -> None:
    """Beside its partners, nothing contradicts; what only they still have is named."""
    verdict = _audit(net, tmp_path, NL, GH, BE)
    assert not _findings(verdict)


def test_blind(net: Network, tmp_path: Path) -> None:
    """Hashes alone hold as well."""
    assert not _findings(_audit(net, tmp_path, NL, blind=True))
