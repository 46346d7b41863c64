"""Alerts on their way, and the receipts that come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.delivery import DeliveryState
from sesn_node.errors import PeerUnavailable
from sesn_node.exchange.copyviews import copies_of
from sesn_node.exchange.share import Draft, share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sesn_node.demo.cast import Dispatch
    from sesn_node.demo.network import Station
    from sesn_node.demo.screen import Board
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.copyviews import CopyView


@dataclass(slots=True)
class Parcel:
    """A shared alert; `missing` are the recipients whose receipt is not here yet."""

    dispatch: Dispatch
    message_id: MessageId
    missing: set[AgencyId]


class Post:
    """What the officers of all agencies have shared, by the alert's number."""

    def __init__(self, stations: Mapping[AgencyId, Station]) -> None:
        self._stations = stations
        self.parcels: dict[str, Parcel] = {}

    def send(self, dispatch: Dispatch, board: Board) -> None:
        """Share an alert, and wake its sender's node."""
        sender = self._stations[dispatch.sender]
        message_id = share(sender.office, Draft(dispatch.payload, dispatch.to))
        sender.wake()
        self.parcels[dispatch.number] = Parcel(dispatch, message_id, set(dispatch.to))
        board.add(dispatch)

    def collect(self, board: Board) -> set[AgencyId]:
        """Show the receipts that have arrived; return the agencies whose receipts are missing.

        Raises:
            PeerUnavailable: A recipient refused an alert.
        """
        for parcel in self.parcels.values():
            # Nothing is looked up for an alert that everybody has.
            for copy in self._copies(parcel) if parcel.missing else ():
                if copy.agency in parcel.missing and _has_receipt(parcel, copy):
                    parcel.missing.discard(copy.agency)
                    board.receipt(parcel.dispatch, copy)
        return {agency for parcel in self.parcels.values() for agency in parcel.missing}

    def receipts(self) -> int:
        """How many receipts the senders' nodes keep."""
        return sum(
            copy.receipt is not None
            for parcel in self.parcels.values()
            for copy in self._copies(parcel)
        )

    def waiting_for(self, agency: AgencyId) -> int:
        """How many alerts an agency has not received yet."""
        return sum(agency in parcel.missing for parcel in self.parcels.values())

    def _copies(self, parcel: Parcel) -> tuple[CopyView, ...]:
        return copies_of(self._stations[parcel.dispatch.sender].office.store, parcel.message_id)


def _has_receipt(parcel: Parcel, copy: CopyView) -> bool:
    if not copy.state.ended:
        return copy.state is DeliveryState.ACKNOWLEDGED
    raise PeerUnavailable(
        f"{copy.agency} did not take alert {parcel.dispatch.number}: {copy.state.value}, "
        f"{copy.code}: {copy.detail or 'no reason given'}"
    )
