"""The nodes of the demonstration's second act: real ones, under virtual time, in its process."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import system_clock
from sesn_node.demo.bureau import Bureau, served
from sesn_node.demo.returns import AUTHORITIES
from sesn_node.demo.virtual_time import VirtualTime
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.times import DAY_MS
from sesn_node.exchange.share import Draft
from tests.support.serving import note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# They found their own homes, on SQLite.
pytestmark = pytest.mark.engine("sqlite")


@pytest.fixture
def bureaus(tmp_path: Path) -> Iterator[tuple[Bureau, Bureau]]:
    """Two authorities that trust each other, forty days ago."""
    clock = VirtualTime(40)
    with ExitStack() as opened:
        one, other = (
            Bureau(member, tmp_path, "of no consequence", clock, opened)
            for member in AUTHORITIES[:2]
        )
        one.trust(other)
        other.trust(one)
        yield one, other


def test_a_message_of_the_past_arrives_over_tls(bureaus: tuple[Bureau, Bureau]) -> None:
    """Its receipt is dated in virtual time, under certificates that hold in both times."""
    one, other = bureaus
    store = one.office.store

    def acknowledged() -> bool:
        with store.read() as transaction:
            copies = transaction.outbox.copies(message_id)
        return {copy.state for copy in copies} == {DeliveryState.ACKNOWLEDGED}

    with served(bureaus) as running:
        message_id, by_two = one.send(lambda _office: Draft(note(), (other.agency,)))
        running.wait_until(acknowledged, "the receipt arrives")
    assert not by_two
    with other.office.store.read() as transaction:
        (received,) = transaction.inbox.every()
    assert 39 * DAY_MS < system_clock() - received.received_ms < 41 * DAY_MS


def test_nodes_end_with_the_block_however_it_ends(bureaus: tuple[Bureau, Bureau]) -> None:
    """Ctrl-C in the middle leaves no thread that would keep the process from ending."""
    with pytest.raises(KeyboardInterrupt), served(bureaus):
        raise KeyboardInterrupt
    assert not [one for one in threading.enumerate() if one.name.startswith("virtual-nodes")]
