"""Delivery: which states end a copy."""

from __future__ import annotations

from sesn_node.domain.delivery import DeliveryState


def test_what_is_neither_queued_nor_acknowledged_has_ended() -> None:
    """Every other state ends a copy without a receipt."""
    assert {one for one in DeliveryState if not one.ended} == {
        DeliveryState.QUEUED,
        DeliveryState.ACKNOWLEDGED,
    }
