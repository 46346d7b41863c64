"""Delivery: how a recipient's copy of a message stands."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sesn_node.domain.times import HOUR_MS


class DeliveryState(StrEnum):
    """How one recipient's copy stands."""

    QUEUED = "queued"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    EXPIRED = "expired"
    DEAD = "dead"

    @property
    def ended(self) -> bool:
        """Whether the node gave it up without a receipt; a late receipt still settles it."""
        return self in ENDED


ENDED: Final = (DeliveryState.REFUSED, DeliveryState.EXPIRED, DeliveryState.DEAD)
"""States of copies that ended without a receipt."""

NO_ANSWER: Final = "NO_ANSWER"
"""Code of a copy that was sent alone, to a partner that could be greeted, and got no answer."""

LONGEST_WAIT_MS: Final = 2 * HOUR_MS
"""No copy is put off for longer. A time that is further away was set by a clock that ran ahead."""
