"""The fault table: every write and every exchange of every trip goes wrong once, in every way.

After each fault the trip goes on as a node and its officers would, every invariant is checked
after every step, and the trip comes to exactly what it comes to without the fault: one inbox row
for each recipient, one receipt, matching entries in both ledgers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.faults import WireFault, WriteFault
from tests.support.homes import GH, NL
from tests.support.trips import TRIPS, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sesn_node.domain.ids import AgencyId
    from tests.support.network import Network
    from tests.support.trips import Result

_DELIVERED = (
    "nl.customs: deliver, link up",
    "gh.epa: deliver, receive",
    "nl.customs: deliver, settle",
    "gh.epa: deliver, receive word of a witness",
)
_DELIVERED_BACK = (
    "gh.epa: deliver, link up",
    "nl.customs: deliver, receive",
    "gh.epa: deliver, settle",
    "nl.customs: deliver, receive word of a witness",
)

WRITES: Mapping[str, tuple[str, ...]] = {
    "first_contact": ("nl.customs: pin", "gh.epa: pin", "nl.customs: share", *_DELIVERED),
    "response": ("nl.customs: share", *_DELIVERED, "gh.epa: respond", *_DELIVERED_BACK),
    # The checkpoint is witnessed, whatever becomes of the message.
    "transient_refusal": ("nl.customs: share", *_DELIVERED, *_DELIVERED),
    "permanent_refusal": ("nl.customs: share", *_DELIVERED),
    "expiry": ("nl.customs: share", "nl.customs: expire"),
    "later_card": (
        "nl.customs: issue card",
        # Sealed with the directory that this process has seen last, and then with the newest.
        "nl.customs: share",
        "nl.customs: share",
        "gh.epa: deliver, take card",
        *_DELIVERED,
        "gh.epa: share",
        *_DELIVERED_BACK,
    ),
    "third_party": (
        "nl.customs: share",
        *_DELIVERED,
        "nl.customs: share",
        "gh.epa: share",
        "gh.epa: witness",
        "nl.customs: witness",
        "nl.customs: share",
        "nl.customs: deliver, link up",
        # Each has seen more of the other than it had said: both prove again.
        "nl.customs: deliver, settle",
        "gh.epa: deliver, receive",
        "gh.epa: deliver, receive word of a witness",
        "nl.customs: deliver, settle",
        "gh.epa: deliver, receive",
        "nl.customs: deliver, settle",
        "gh.epa: deliver, receive word of a witness",
        "nl.customs: deliver, link up",
        *_DELIVERED_BACK,
    ),
    "broken_link": ("nl.customs: share", "nl.customs: link down", *_DELIVERED),
    "revocation": (
        "nl.customs: share",
        "nl.customs: revoke",
        "nl.customs: pin",
    ),
    "dead_letter": (
        "nl.customs: share",
        "nl.customs: set aside",
        "nl.customs: requeue",
        *_DELIVERED,
    ),
    "sealed_anew": ("nl.customs: share", *_DELIVERED, "nl.customs: requeue"),
    "erasure": (
        "nl.customs: share",
        "nl.customs: share",
        # The content goes, then it is noted that its bytes are gone too.
        "nl.customs: erase",
        "nl.customs: erase",
        *_DELIVERED,
        "gh.epa: erase",
        "gh.epa: erase",
        "nl.customs: view",
    ),
}
"""Every write of every trip, in order; `test_table_is_complete` holds it against the trips."""

SENDS: Mapping[str, int] = {
    "first_contact": 2,
    "response": 4,
    "transient_refusal": 4,
    "permanent_refusal": 2,
    "expiry": 0,
    "later_card": 4,
    "third_party": 9,
    "broken_link": 2,
    "revocation": 0,
    "dead_letter": 2,
    "sealed_anew": 2,
    "erasure": 2,
}
"""How many exchanges each trip has."""

_CLEAN: dict[str, Mapping[AgencyId, Result]] = {}


def _connected(connect: Callable[..., Network], name: str) -> Network:
    return connect(NL, GH, pinned=name != "first_contact")


def _clean(connect: Callable[..., Network], name: str) -> Mapping[AgencyId, Result]:
    """What a trip comes to without a fault; found once."""
    if name not in _CLEAN:
        _CLEAN[name] = run(_connected(connect, name), name)
    return _CLEAN[name]


@pytest.mark.parametrize("name", list(TRIPS))
def test_table_is_complete(connect: Callable[..., Network], name: str) -> None:
    """The table names every write and counts every exchange of every trip."""
    net = _connected(connect, name)
    run(net, name)
    assert tuple(net.faults.writes) == WRITES[name]
    assert len(net.faults.sends) == SENDS[name]


_NUMBERED = [
    pytest.param(name, number, id=f"{name}-{number}-{purpose}")
    for name, purposes in WRITES.items()
    for number, purpose in enumerate(purposes, 1)
]


def _goes_wrong(connect: Callable[..., Network], name: str, number: int, fault: WriteFault) -> None:
    expected = _clean(connect, name)
    net = _connected(connect, name)
    net.faults.plan_write(number, fault)
    assert run(net, name) == expected
    net.rest()
    assert not net.faults.pending


_COMMITS = [WriteFault.COMMIT_FAILED, WriteFault.COMMIT_PERSISTED]


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("fault", _COMMITS)
@pytest.mark.parametrize(("name", "number"), _NUMBERED)
def test_failed_commit(
    connect: Callable[..., Network], name: str, number: int, fault: WriteFault
) -> None:
    """A commit that fails, persisted or not, changes nothing of what a trip comes to."""
    _goes_wrong(connect, name, number, fault)


@pytest.mark.engine("postgresql")
@pytest.mark.parametrize(("name", "number"), _NUMBERED)
def test_failed_commit_at_a_server(connect: Callable[..., Network], name: str, number: int) -> None:
    """Nor does one at a server: each write fails, every second one persisted."""
    _goes_wrong(connect, name, number, _COMMITS[number % 2])


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("fault", [WriteFault.HEAD_FILE_FAILED, WriteFault.HEAD_FILE_PERSISTED])
@pytest.mark.parametrize(("name", "number"), _NUMBERED)
def test_failed_head_file(
    connect: Callable[..., Network], name: str, number: int, fault: WriteFault
) -> None:
    """Nor does a head file that fails, replaced or not: a file, whatever the database is."""
    _goes_wrong(connect, name, number, fault)


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize("fault", list(WireFault))
@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name, count in SENDS.items() for number in range(1, count + 1)],
)
def test_failed_send(
    connect: Callable[..., Network], name: str, number: int, fault: WireFault
) -> None:
    """Nor does a batch or an answer that is lost or comes twice, whatever the database is."""
    expected = _clean(connect, name)
    net = _connected(connect, name)
    net.faults.plan_send(number, fault)
    assert run(net, name) == expected
    assert not net.faults.pending
