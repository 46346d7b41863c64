"""Which time-stamps an audit bundle holds: those that bound what was asked for."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.account import Selection
from sesn_node.audit.bundle import open_bundle
from sesn_node.audit.verdict import State
from sesn_node.audit.verify import verify
from sesn_node.exchange.auditexport import export_bundle
from sesn_node.trust.timestamp_signers import read_roots
from tests.support.homes import GH, NL
from tests.support.stamping import stamp
from tests.support.tsa import Tsa

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from tests.support.network import Network

_HOUR_MS = 3_600_000


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


def _stamped_messages(net: Network, tsa: Tsa, count: int) -> list[MessageId]:
    """Deliver messages, and have our ledger time-stamped after each, an hour later."""
    messages = []
    for _ in range(count):
        messages.append(net.share(NL, GH))
        net.deliver(NL, GH)
        net.pass_time(_HOUR_MS)
        tsa = Tsa.when(net.clock.now_ms).but(root=tsa.root, signer=tsa.signer)
        stamp(net[NL].office, tsa)
    return messages


def test_what_was_asked_for_is_bounded_best(net: Network, tmp_path: Path) -> None:
    """The first token behind each selected message, and the newest; with everything, all."""
    tsa = Tsa.when(net.clock.now_ms)
    messages = _stamped_messages(net, tsa, 5)
    office = net[NL].office
    with office.store.read() as transaction:
        sizes = [row.size for row in transaction.timestamps.every()]
    assert len(sizes) == 5
    roots = read_roots(tsa.root.pem)
    for selection, expected in (
        (Selection(), sizes),
        (Selection(messages=(messages[1],)), [sizes[1], sizes[-1]]),
        (Selection(messages=tuple(sorted(messages[:3]))), [*sizes[:3], sizes[-1]]),
        (Selection(messages=(messages[4],)), sizes[-1:]),
        (Selection(blind=True), sizes[-1:]),
    ):
        path = tmp_path / "bundle"
        done = export_bundle(office, path, selection, force=True)
        data = path.read_bytes()
        assert [one.size for one in open_bundle(BytesIO(data)).timestamps()] == expected
        assert done.timestamps == len(expected)
        (bundle,) = verify([BytesIO(data)], roots=roots).bundles
        assert all(check.failed == 0 for check in bundle.checks)
        assert bundle.checks[15].state is State.HOLDS
        stamped = bundle.ledgers[0].stamped
        assert stamped is not None
        assert stamped.size == sizes[-1]


def test_several_authorities_over_one_checkpoint(net: Network, tmp_path: Path) -> None:
    """Each token is in the bundle, once, in the order of a bundle."""
    net.share(NL, GH)
    first, second = Tsa.when(net.clock.now_ms), Tsa.when(net.clock.now_ms)
    office = net[NL].office
    with office.store.read() as transaction:
        size = transaction.ledger.require_head().size
    tokens = {stamp(office, first, "http://first/")}
    net.pass_time(_HOUR_MS)
    tokens.add(stamp(office, second, "http://second/", again=True))
    path = tmp_path / "bundle"
    export_bundle(office, path, Selection())
    found = list(open_bundle(BytesIO(path.read_bytes())).timestamps())
    assert [(one.size, one.token) for one in found] == [(size, one) for one in sorted(tokens)]
    roots = read_roots(first.root.pem + second.root.pem)
    assert verify([BytesIO(path.read_bytes())], roots=roots).holds
