"""A copy, a loss, a recovery, an audit: what is lost is said, and partners show it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.account import Selection
from sesn_node.audit.codes import Code
from sesn_node.audit.verdict import State
from sesn_node.audit.verify import verify
from sesn_node.domain.entries import EntryKind
from sesn_node.exchange.auditexport import export_bundle
from sesn_node.exchange.erase import erase
from sesn_node.exchange.expire import expire
from sesn_node.exchange.export import export_tiles
from sesn_node.exchange.recover import recover_tiles
from sesn_node.exchange.redeliver import deliver_again, lost_from
from sesn_node.exchange.viewing import view_alert
from sesn_node.wire.entries import decode_entry
from tests.support.engines import current
from tests.support.homes import BE, GH, NL
from tests.support.network import HOUR_MS
from tests.support.reopening import head_file, put_back

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.audit.verdict import Check, Verdict
    from sesn_node.domain.ids import AgencyId
    from tests.support.network import Member, Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies with traffic behind them."""
    made = connect(NL, GH, BE)
    made.share(NL, GH, BE)
    made.share(GH, NL)
    made.deliver(NL, GH)
    made.deliver(GH, NL)
    return made


def _lose(net: Network, folder: Path, since: Callable[[], None]) -> int:
    """Take a copy, let something happen, put the copy back, recover; return the copy's size."""
    member = net[NL]
    current().save(member.home, folder / "saved")
    size = member.size()
    since()
    member.office.sequencer.check()
    export_tiles(member.office.store, head_file(member), folder / "tiles")
    put_back(net, member, folder / "saved")
    _recover(member, folder / "tiles")
    return size


def _recover(member: Member, tiles: Path) -> None:
    recover_tiles(member.office.store, head_file(member), tiles, now_ms=member.now_ms())


def _get_back(net: Network) -> None:
    """Have Ghana deliver again what nl.customs lost."""
    deliver_again(net[GH].office, NL, lost_from(net[NL].office, GH))
    net.deliver(GH, NL)


def _audit(net: Network, folder: Path, *agencies: AgencyId) -> Verdict:
    with ExitStack() as stack:
        files = []
        for agency in agencies:
            path = folder / f"{agency}.sesnaudit"
            export_bundle(net[agency].office, path, Selection(), force=True)
            files.append(stack.enter_context(path.open("rb")))
        verdict = verify(files, now_ms=net.clock.now_ms)
    found = [(one.number, finding) for one in verdict.checks for finding in one.findings]
    assert not found
    assert verdict.holds
    return verdict


def _check(verdict: Verdict, name: str) -> Check:
    return next(one for one in (*verdict.bundles[0].checks, *verdict.matching) if one.name == name)


def _entries(member: Member, kind: EntryKind) -> list[int]:
    with member.office.store.read() as transaction:
        rows = list(transaction.ledger.entries(0, member.size()))
    return [row.index for row in rows if decode_entry(row.entry).kind is kind]


def test_what_was_lost_is_said_and_shown_by_partners(net: Network, tmp_path: Path) -> None:
    """Alone the bundle holds but for what is lost; the partners' bundles show that."""
    queued = net.share(NL, BE)
    late = net.share(NL, GH, expires_ms=net.clock.now_ms + HOUR_MS)

    def since() -> None:
        net.deliver(NL, BE)
        ours, theirs = net.share(NL, GH), net.share(GH, NL)
        net.share(NL, BE)
        net.pass_time(2 * HOUR_MS)
        expire(net[NL].office)
        net.deliver(NL, GH)
        net.deliver(GH, NL)
        view_alert(net[NL].office, theirs)
        erase(net[NL].office, ours, "asked for by its author")

    size = _lose(net, tmp_path, since)
    end = net[NL].size()
    assert net[NL].states(late) == {GH: "expired"}

    verdict = _audit(net, tmp_path, NL)
    assert _entries(net[NL], EntryKind.RECOVERED) == [end]
    losses = _check(verdict, "losses")
    assert losses.state is State.NOT_MADE
    # Two sent and one received; two receipts of Belgium for older alerts, and one of Ghana.
    assert "3 messages and 3 receipts cannot be verified here" in losses.reason
    (ledger,) = verdict.bundles[0].ledgers
    assert [(one.start, one.end) for one in ledger.recovered] == [(size, end)]
    assert ledger.lost == 6

    matched = _audit(net, tmp_path, NL, GH, BE)
    assert _check(matched, "deliveries").state is State.HOLDS
    shown = [one for one in _check(matched, "deliveries").remarks if one.code is Code.CONTENT_LOST]
    assert len(shown) == 1

    # What comes again is verified again; what was sent is gone for good.
    _get_back(net)
    net.deliver(NL, BE)
    assert net[NL].states(queued) == {BE: "acknowledged"}
    after = _audit(net, tmp_path, NL, GH, BE)
    assert "2 messages and 1 receipt cannot" in _check(after, "losses").reason
    assert _entries(net[NL], EntryKind.RECOVERED) == [end]


def test_a_recovery_that_lost_nothing(net: Network, tmp_path: Path) -> None:
    """All that it brought back was delivered again: the check holds, and the recovery is said."""

    def since() -> None:
        net.share(GH, NL)
        net.deliver(GH, NL)

    _lose(net, tmp_path, since)
    _get_back(net)
    losses = _check(_audit(net, tmp_path, NL, GH), "losses")
    assert (losses.state, losses.count) == (State.HOLDS, 1)
    assert [one.code for one in losses.remarks] == [Code.RECOVERED]


def test_two_recoveries_one_behind_the_other(net: Network, tmp_path: Path) -> None:
    """Nothing was appended in between: the ledger says it once, of both."""
    member = net[NL]

    def since() -> None:
        net.share(NL, GH)
        member.office.sequencer.check()
        export_tiles(member.office.store, head_file(member), tmp_path / "first")
        net.share(NL, GH)

    current().save(member.home, tmp_path / "old")
    start = member.size()
    _lose(net, tmp_path, since)
    put_back(net, member, tmp_path / "old")
    path = head_file(member).path
    kept = path.read_bytes()
    path.unlink()
    _recover(member, tmp_path / "first")
    path.write_bytes(kept)
    _recover(member, tmp_path / "tiles")
    end = member.size()
    verdict = _audit(net, tmp_path, NL)
    assert [(one.start, one.end) for one in verdict.bundles[0].ledgers[0].recovered] == [
        (start, end)
    ]
    assert _entries(member, EntryKind.RECOVERED) == [end]
