"""Viewing: whoever is shown what a message says leaves an entry, before it is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.conversation import Decision
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.times import HOUR_MS
from sesn_node.errors import StorageError
from sesn_node.exchange import viewing
from sesn_node.exchange.erase import erase
from sesn_node.exchange.viewing import view_alert
from sesn_node.exchange.views import alert_file, alerts
from sesn_node.store.disk import Disk
from tests.support.faults import WriteFault
from tests.support.held_sequencer import at_once
from tests.support.homes import BE, GH, NL
from tests.support.puppet import Puppet
from tests.support.snapshot import unchanged
from tests.support.view import view

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.office import Office
    from tests.support.network import Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


def _viewed(office: Office) -> list[bytes | None]:
    return [entry.message_id for _, entry in view(office).of_kind(EntryKind.VIEWED)]


def test_once_per_message_and_hour(net: Network) -> None:
    """Within an hour nothing is added; after it, or if the clock went back, one entry more."""
    message_id = net.share(NL, GH)
    office = net[NL].office
    assert view_alert(office, message_id).file.entries[-1].kind is EntryKind.VIEWED
    net.pass_time(HOUR_MS - 1)
    with unchanged(office):
        assert view_alert(office, message_id).unrecorded is None
    net.pass_time(1)
    view_alert(office, message_id)
    net[NL].skew_ms = -2 * HOUR_MS
    view_alert(office, message_id)
    assert _viewed(office) == [message_id] * 3
    net.check()


def test_every_message_that_is_shown(net: Network) -> None:
    """Answers are shown in full with the alert, so they are recorded too; a list is not."""
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    answer = net.respond(GH, message_id, Decision.ACCEPTED, "We hold it.")
    net.deliver(GH, NL)
    for member in net:
        with unchanged(member.office):
            alerts(member.office, 10)
        view_alert(member.office, message_id)
        assert _viewed(member.office) == [message_id, answer]
    net.check()


def test_what_cannot_be_read_is_not_viewed(net: Network) -> None:
    """Nothing is shown of erased content, so nothing is recorded."""
    message_id = net.share(NL, GH)
    erase(net[NL].office, message_id, "Sent by mistake")
    with unchanged(net[NL].office):
        assert view_alert(net[NL].office, message_id).file.alert.payload is None


def test_erased_while_it_was_about_to_be_shown(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was erased between reading and recording is neither recorded nor shown."""
    message_id = net.share(NL, GH)
    office = net[NL].office
    seen: list[object] = []

    def late(office: Office, message_id: MessageId, sender: AgencyId | None = None) -> object:
        found = alert_file(office, message_id, sender)
        if not seen:
            erase(office, message_id, "Sent by mistake")
        seen.append(found)
        return found

    monkeypatch.setattr(viewing, "alert_file", late)
    assert view_alert(office, message_id).file.alert.payload is None
    assert _viewed(office) == []
    net.check()


def test_shown_though_it_cannot_be_recorded(net: Network) -> None:
    """A failed commit does not keep an officer from reading; the next view is recorded."""
    message_id = net.share(NL, GH)
    office = net[NL].office
    net.rest()
    net.faults.plan_write(1, WriteFault.COMMIT_FAILED)
    found = view_alert(office, message_id)
    assert isinstance(found.unrecorded, StorageError)
    assert found.file.alert.payload is not None
    assert view_alert(office, message_id).unrecorded is None
    assert _viewed(office) == [message_id]


def test_recorded_below_the_disk_floor(net: Network) -> None:
    """An entry is small, and the room below the floor is for such."""
    message_id = net.share(NL, GH)
    full = Disk({"home": net[NL].home}, 1 << 62)
    office = replace(net[NL].office, disk=full)
    assert full.problem()
    assert view_alert(office, message_id).unrecorded is None
    assert _viewed(office) == [message_id]


def test_views_in_many_threads(net: Network) -> None:
    """Shown to several people at once, it is recorded once."""
    message_id = net.share(NL, GH)
    office = net[NL].office
    at_once(office.sequencer, [lambda: view_alert(office, message_id)] * 4)
    assert _viewed(office) == [message_id]
    net.check()


def test_view_concerns_one_of_two_senders(connect: Callable[..., Network]) -> None:
    """Of two messages under one id, the entry says which was shown."""
    net = connect(NL, GH, BE)
    message_id = net.share(BE, GH)
    net.deliver(BE, GH)
    net.pass_time(1)
    puppet = Puppet(net[NL])
    decoy = puppet.letter(net[GH].card, message_id=message_id)
    net[GH].receiver.receive(NL, puppet.batch(decoy, old=0))
    office = net[GH].office
    view_alert(office, message_id, BE)
    kinds = {
        sender: [one.kind for one in alert_file(office, message_id, sender).entries]
        for sender in (BE, NL)
    }
    assert kinds == {
        BE: [EntryKind.RECEIVED, EntryKind.VIEWED],
        NL: [EntryKind.RECEIVED],
    }
    view_alert(office, message_id, NL)
    assert len(_viewed(office)) == 2
    net.unchecked.add(NL)
