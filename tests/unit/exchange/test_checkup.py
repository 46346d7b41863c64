"""What the database says of partners, for `sesn doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.exchange.checkup import ENDED_MS, partner_facts
from sesn_node.exchange.expire import expire
from tests.support.homes import BE, GH, NL

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.exchange.checkup import PartnerFacts
    from tests.support.network import Member, Network

_MINUTE_MS = 60_000


def _facts(member: Member) -> dict[str, PartnerFacts]:
    with member.office.store.read() as transaction:
        return {one.card.agency: one for one in partner_facts(transaction, member.now_ms())}


def test_what_waits_and_since_when(connect: Callable[..., Network]) -> None:
    """Queued copies are counted by partner, with the time of the oldest message."""
    net = connect(NL, GH, BE)
    began_ms = net.clock.now_ms
    for _ in range(3):
        net.share(NL, GH)
        net.pass_time(_MINUTE_MS)
    found = _facts(net[NL])
    assert set(found) == {GH, BE}
    assert (found[GH].queued, found[BE].queued) == (3, 0)
    assert found[BE].oldest_ms is None
    assert began_ms <= (found[GH].oldest_ms or 0) < began_ms + _MINUTE_MS
    net.deliver(NL, GH)
    assert _facts(net[NL])[GH].queued == 0


def test_what_was_not_cosigned(connect: Callable[..., Network]) -> None:
    """The first entry that a partner has not cosigned tells for how long it has not."""
    net = connect(NL, GH, BE)
    net.share(NL, GH)
    net.pass_time(_MINUTE_MS)
    now_ms = net.clock.now_ms
    net.deliver(NL, GH)
    found = _facts(net[NL])
    # The partner's receipt itself was recorded after it had cosigned.
    assert (found[GH].unwitnessed_ms or 0) >= now_ms
    assert 0 < (found[BE].unwitnessed_ms or 0) < now_ms
    assert found[BE].link.witnessed_size == 0


def test_what_ended_without_a_receipt(connect: Callable[..., Network]) -> None:
    """What expired is told for thirty days; what ended by a revocation is not."""
    net = connect(NL, GH, BE)
    net.share(NL, GH, BE, expires_ms=net.clock.now_ms + _MINUTE_MS)
    net.pass_time(2 * _MINUTE_MS)
    while expire(net[NL].office):
        pass
    assert _facts(net[NL])[GH].ended == (("expired", 1),)
    net.share(NL, BE)
    net.revoke(NL, BE)
    assert set(_facts(net[NL])) == {GH}
    net.pass_time(ENDED_MS + 1)
    assert _facts(net[NL])[GH].ended == ()
