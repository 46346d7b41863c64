"""A disk that is full: nothing is half written, nobody is told otherwise, and all goes on later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import StorageError
from tests.support.homes import GH, NL
from tests.support.network import alert
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Network

_LONG = alert(narrative="Loaded before the profile fired. " * 500)


def test_receiver_without_room(connect: Callable[..., Network]) -> None:
    """A receiver whose disk is full asks to come back later; then everything arrives."""
    net = connect(NL, GH)
    ids = [net.share(NL, GH, payload=_LONG) for _ in range(3)]
    net.faults.full_disks.add(GH)
    with unchanged(net[GH].office):
        net.deliver(NL, GH)
    assert {net[NL].copies(one)[GH].code for one in ids} == {"BUSY"}
    net.faults.full_disks.clear()
    net.pass_time(65_000)
    net.deliver(NL, GH)
    assert {net[NL].states(one)[GH] for one in ids} == {"acknowledged"}


def test_sender_without_room(connect: Callable[..., Network]) -> None:
    """A sender whose disk is full says that nothing was shared, and nothing was."""
    net = connect(NL, GH)
    net.faults.full_disks.add(NL)
    with unchanged(net[NL].office), pytest.raises(StorageError, match="full"):
        net.share(NL, GH, payload=_LONG)
    net.faults.full_disks.clear()
    message_id = net.share(NL, GH, payload=_LONG)
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}


def test_sender_without_room_for_a_receipt(connect: Callable[..., Network]) -> None:
    """A receipt that cannot be stored is asked for again; the receiver keeps one message."""
    net = connect(NL, GH)
    ids = [net.share(NL, GH) for _ in range(30)]
    wire = net.wire(NL, GH)
    wire.connect()
    net.faults.full_disks.add(NL)
    with unchanged(net[NL].office), pytest.raises(StorageError):
        wire.turn()
    assert all(len(net[GH].received(one)) == 1 for one in ids)
    net.faults.full_disks.clear()
    net.deliver(NL, GH)
    assert {net[NL].states(one)[GH] for one in ids} == {"acknowledged"}
