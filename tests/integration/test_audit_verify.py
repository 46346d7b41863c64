"""Auditing the bundles of nodes: whatever honest nodes do, the audit holds, alone and matched."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.account import Selection
from sesn_node.audit.codes import Code
from sesn_node.audit.verdict import State
from sesn_node.audit.verify import verify
from sesn_node.domain.conversation import Decision
from sesn_node.exchange.auditexport import export_bundle
from sesn_node.exchange.erase import erase
from sesn_node.exchange.expire import expire
from sesn_node.exchange.requeue import requeue
from sesn_node.ledger.policyfile import parse_policy
from tests.support.homes import BE, GH, NL
from tests.support.network import HOUR_MS
from tests.support.rotations import EVERYTHING, rotate_all_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.audit.verdict import Check, Verdict
    from sesn_node.domain.ids import AgencyId
    from sesn_node.ledger.policy import Policy
    from tests.support.network import Network


class Auditor:
    """Exports the bundles of a network's members, and audits them together."""

    def __init__(self, net: Network, folder: Path) -> None:
        self._net = net
        self._folder = folder

    def audit(
        self, *agencies: AgencyId, policy: Policy | None = None, **selection: object
    ) -> Verdict:
        """Audit fresh bundles of these agencies."""
        with ExitStack() as stack:
            files = []
            for agency in agencies:
                path = self._folder / f"{agency}.sesnaudit"
                chosen = Selection(**selection)  # type: ignore[arg-type]
                export_bundle(self._net[agency].office, path, chosen, force=True)
                files.append(stack.enter_context(path.open("rb")))
            return verify(files, policy, now_ms=self._net.clock.now_ms)


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies."""
    return connect(NL, GH, BE)


@pytest.fixture
def auditor(net: Network, tmp_path: Path) -> Auditor:
    """Somebody who audits them."""
    return Auditor(net, tmp_path)


def _check(verdict: Verdict, name: str, bundle: int = 0) -> Check:
    checks = verdict.bundles[bundle].checks + verdict.matching
    return next(check for check in checks if check.name == name)


def _require(verdict: Verdict) -> None:
    """Nothing fails, and the reader sees why if something does."""
    found = [
        f"{check.number} {finding.code} {finding.place}: {finding.text}"
        for check in verdict.checks
        for finding in check.findings
    ]
    assert not found
    assert verdict.holds


def test_a_day_of_three_agencies(net: Network, auditor: Auditor) -> None:
    """Alerts and answers; keys rotated; refused, sent again; expired, revoked, erased."""
    first = net.share(NL, GH, BE)
    net.deliver(NL, GH)
    net.deliver(NL, BE)
    net.respond(GH, first, Decision.ACCEPTED)
    net.deliver(GH, NL)
    for member in (net[NL], net[GH]):
        rotate_all_of(member, *EVERYTHING)
    late = net.share(NL, GH, expires_ms=net.clock.now_ms + HOUR_MS)
    net.pass_time(2 * HOUR_MS)
    expire(net[NL].office)
    net[NL].deal(attempts=1)
    again = net.share(NL, BE)
    net.deliver(NL, BE)
    erased = net.share(NL, GH)
    erase(net[NL].office, erased, "asked for by its author")
    erase(net[NL].office, first, "asked for by its author")
    net.share(GH, BE)
    net.revoke(GH, BE)
    net.share(NL, GH)
    net.deliver(NL, GH)
    net.deliver(GH, NL)
    assert net[NL].states(again) == {BE: "acknowledged"}
    assert net[NL].states(late) == {GH: "expired"}
    verdict = auditor.audit(NL, GH, BE)
    _require(verdict)
    assert {remark.code for remark in _check(verdict, "acts").remarks} == {Code.ERASED}
    assert all(check.state is State.HOLDS for check in verdict.matching)
    assert _check(verdict, "deliveries").count > 0


def test_a_refused_message_that_was_sent_again(net: Network, auditor: Auditor) -> None:
    """REFUSED on one side, REFUSED_BY_PEER on the other; then REQUEUED."""
    expires_ms = net.clock.now_ms + HOUR_MS
    message_id = net.share(NL, GH, expires_ms=expires_ms)
    net[GH].skew_ms = 2 * HOUR_MS
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "refused"}
    verdict = auditor.audit(NL, GH)
    _require(verdict)
    assert _check(verdict, "outcomes").count == 1
    requeue(net[NL].office, message_id)
    _require(auditor.audit(NL, GH))


def test_what_is_open_is_said(net: Network, auditor: Auditor) -> None:
    """A copy without an end, and entries that nobody has cosigned."""
    net.share(NL, GH)
    verdict = auditor.audit(NL)
    _require(verdict)
    (remark,) = _check(verdict, "endings").remarks
    assert remark.code is Code.COPY_OPEN
    (tail,) = _check(verdict, "quorum").remarks
    assert tail.code is Code.TAIL_NOT_COSIGNED
    assert all(check.state is State.NOT_MADE for check in verdict.matching)


def test_a_policy_that_asks_for_partners(net: Network, auditor: Auditor) -> None:
    """The quorum is there for what both partners cosigned; the rest is said to be the tail."""
    net.share(NL, GH, BE)
    net.deliver(NL, GH)
    lines = ""
    for name, agency in (("gh", GH), ("be", BE)):
        keys = net[agency].card.witness_keys
        lines += f"witness {name}-1 {keys.ed25519_key.vkey()}\n"
        lines += f"witness {name}-2 {keys.mldsa44_key.vkey()}\n"
        lines += f"group {name} all {name}-1 {name}-2\n"
    one = parse_policy(f"{lines}group any-of any gh be\nquorum any-of\n".encode())
    both = parse_policy(f"{lines}group all-of all gh be\nquorum all-of\n".encode())
    verdict = auditor.audit(NL, policy=one)
    _require(verdict)
    assert _check(verdict, "quorum").state is State.HOLDS
    (ledger,) = verdict.bundles[0].ledgers
    assert 0 < ledger.vouched < ledger.size
    verdict = auditor.audit(NL, policy=both)
    assert not verdict.holds
    (finding,) = _check(verdict, "quorum").findings
    assert finding.code is Code.NO_QUORUM
    # Nothing else is wrong.
    assert [check.name for check in verdict.checks if check.failed] == ["quorum"]


def test_selections(net: Network, auditor: Auditor) -> None:
    """What is left out is said; what is in it holds, and so does the whole tree."""
    first = net.share(NL, GH, BE)
    net.deliver(NL, GH)
    net.deliver(NL, BE)
    net.pass_time(HOUR_MS)
    later_ms = net.clock.now_ms
    second = net.share(NL, GH)
    net.deliver(NL, GH)
    for selection in (
        {"messages": (first,)},
        {"conversation": second},
        {"from_ms": later_ms},
        {"to_ms": later_ms},
        {"blind": True},
        {"blind": True, "messages": (first,)},
        {"disclosed": (first,)},
    ):
        verdict = auditor.audit(NL, **selection)
        _require(verdict)
        assert _check(verdict, "tree").state is State.HOLDS
        blind = selection.get("blind", False)
        assert (_check(verdict, "entries").state is State.NOT_MADE) == blind
    disclosing = auditor.audit(NL, disclosed=(first,))
    assert _check(disclosing, "contents").count == 1
    matched = auditor.audit(NL, GH, messages=(first,))
    _require(matched)
    remarks = {remark.code for remark in _check(matched, "deliveries").remarks}
    assert Code.NOT_VISIBLE in remarks
