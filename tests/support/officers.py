"""Officers who share alerts all the time, whatever happens to the nodes meanwhile."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sesn_node.domain.delivery import DeliveryState
from sesn_node.errors import StorageError
from sesn_node.exchange.share import Draft, share
from tests.support.serving import note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.office import Office

_PACE_S = 0.02
_BACKLOG = 50


class Officer:
    """Somebody at a command line of an agency who shares alerts with a partner.

    While many copies wait, the officer waits too. `shared` are the messages that were reported as
    shared, in order; `uncertain` counts the tries of which nobody could tell whether they
    succeeded, since the database broke off.

    Args:
        office: Whose.
        to: The partner.
        database_breaks: Whether the database may be away; if not, that is a failure.
    """

    def __init__(self, office: Office, to: AgencyId, *, database_breaks: bool = False) -> None:
        self.office = office
        self.to = to
        self.shared: list[MessageId] = []
        self.uncertain = 0
        self._database_breaks = database_breaks
        self._over = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._work)

    def begin(self) -> None:
        """Begin to share."""
        self._thread.start()

    def end(self) -> None:
        """Share nothing more; nothing may have failed."""
        self._over.set()
        self._thread.join()
        assert self._failed == []

    def count(self, state: DeliveryState) -> int:
        """Count the copies in a state.

        Raises:
            StorageError: The database is away.
        """
        with self.office.store.read() as transaction:
            return transaction.figures.counts().get(state, 0)

    def acknowledged(self) -> int:
        """How many copies have a receipt."""
        return self.count(DeliveryState.ACKNOWLEDGED)

    def has_receipts(self, count: int) -> bool:
        """Whether so many copies have a receipt."""
        return self.acknowledged() >= count

    def is_settled(self) -> bool:
        """Whether every message that was reported as shared has its receipt."""
        return self.acknowledged() == len(self.shared)

    def is_done(self) -> bool:
        """Whether nothing waits any more."""
        return self.count(DeliveryState.QUEUED) == 0

    def _work(self) -> None:
        try:
            while not self._over.wait(_PACE_S):
                self._turn()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the end
            self._failed.append(error)

    def _turn(self) -> None:
        sharing = False
        try:
            if self.count(DeliveryState.QUEUED) < _BACKLOG:
                sharing = True
                self.shared.append(share(self.office, Draft(note(), (self.to,))))
        except StorageError:
            if not self._database_breaks:
                raise
            # Looking changes nothing.
            self.uncertain += sharing


@contextmanager
def at_work(*officers: Officer) -> Iterator[None]:
    """Let officers share until the block ends; fail if one could not."""
    for one in officers:
        one.begin()
    try:
        yield
    finally:
        for one in officers:
            one.end()
