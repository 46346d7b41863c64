"""Watchlist: what officers wait for is marked, whenever it came, and nobody else learns of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.ids import show_message_id
from sesn_node.domain.watching import MAX_ENTRIES, Watched, WatchKind
from sesn_node.errors import PolicyError
from sesn_node.exchange import watchlist
from sesn_node.exchange.rewrap import rewrap
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.standing import standing
from sesn_node.exchange.update import update
from sesn_node.exchange.views import alerts
from sesn_node.exchange.watchlist import entries, marked_alerts, unwatch, watch
from sesn_node.telemetry.metrics import Metrics
from tests.support.alerts import CONTAINER, IMO, PARTY, VESSEL, consignment
from tests.support.homes import GH, NL
from tests.support.network import DAY_MS
from tests.support.rotations import bring_in
from tests.support.serving import captured_logs
from tests.support.snapshot import counts, snapshot, unchanged
from tests.support.talking import day, sighting, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Network

BOX = Watched(WatchKind.CONTAINER, CONTAINER)


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


def _marked(net: Network) -> dict[bytes, tuple[str, ...]]:
    office = net[GH].office
    found = marked_alerts(office, alerts(office, 100))
    return {message_id: words for (_, message_id), words in found.items()}


def _status(net: Network) -> tuple[int, int]:
    found = standing(net[GH].office.store, net[GH].now_ms())
    return found.watch_entries, found.watch_matches


def test_before_and_after(net: Network) -> None:
    """An entry marks what came before it and what comes after; taken away, its marks go."""
    first = net.share(NL, GH, payload=consignment())
    other = net.share(NL, GH, payload=consignment("ABCU1234560", seal="", imo="", party="N"))
    net.deliver(NL, GH)
    assert _marked(net) == {}
    assert watch(net[GH].office, BOX)
    assert not watch(net[GH].office, Watched(WatchKind.CONTAINER, CONTAINER.lower()))
    second = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    words = (f"container {CONTAINER}",)
    assert _marked(net) == {first: words, second: words}
    assert _status(net) == (1, 2)
    (entry,) = entries(net[GH].office)
    unwatch(net[GH].office, entry.entry_id.upper())
    assert (_marked(net), _status(net)) == ({}, (0, 0))
    with pytest.raises(PolicyError, match="watched for"):
        unwatch(net[GH].office, entry.entry_id)
    assert other not in _marked(net)


@pytest.mark.parametrize(
    "watched",
    [
        Watched(WatchKind.OWNER, "qzwu"),
        Watched(WatchKind.VESSEL, IMO),
        Watched(WatchKind.VESSEL, VESSEL),
        Watched(WatchKind.PARTY, PARTY.upper()),
    ],
)
def test_each_kind(net: Network, watched: Watched) -> None:
    """However the alert writes it; a ship's number is one entry, though it may be a name too."""
    watch(net[GH].office, watched)
    message_id = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    assert _marked(net) == {message_id: (watched.words,)}
    assert len(entries(net[GH].office)) == 1
    assert _status(net)[1] == 1


def test_sent_alerts_are_not_marked(net: Network) -> None:
    """What we sent, we know; and old arrivals are not counted for ever."""
    watch(net[GH].office, BOX)
    net.share(GH, NL, payload=consignment())
    net.deliver(GH, NL)
    assert (_marked(net), _status(net)) == ({}, (1, 0))
    net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    assert _status(net) == (1, 1)
    net.pass_time(31 * DAY_MS)
    assert _status(net) == (1, 0)


def test_a_route_needs_both_ends(net: Network) -> None:
    """Two terms that one message must both have, in the status too."""
    watch(net[GH].office, Watched(WatchKind.ROUTE, "NLRTM", "GHTEM"))
    office = net[GH].office
    with office.store.read() as transaction:
        ((term, other),) = transaction.watch.keys()
    assert len(term) == len(other) == 16
    assert term != other


def test_owners_are_indexed_while_they_are_watched_for(net: Network) -> None:
    """The list marks all that name the owner; the status counts those that came since."""
    first = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    before = counts(net[GH].office)["search_term"]
    watch(net[GH].office, Watched(WatchKind.OWNER, "QZWU"))
    second = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    assert set(_marked(net)) == {first, second}
    assert _status(net) == (1, 1)
    assert counts(net[GH].office)["search_term"] == 2 * before + 1


def test_arrival_is_told_without_content(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line and a count for each arrival that is watched for, of any kind; no word of it."""
    logs = captured_logs(monkeypatch)
    metrics = Metrics()
    net[GH].office.watch.metrics = metrics
    watch(net[GH].office, BOX)
    first = net.share(NL, GH, payload=consignment())
    net.share(NL, GH)
    net.deliver(NL, GH)
    second = tell(net, NL, sighting("GHTEM", day(1), container=CONTAINER), GH)
    told = [line for line in logs if line["event"] == "message-watched"]
    assert [line["message_id"] for line in told] == [
        show_message_id(one) for one in (first, second)
    ]
    assert {line["peer"] for line in told} == {NL}
    assert CONTAINER not in str(logs)
    assert 'sesn_messages_watched_total{peer="nl.customs"} 2.0' in metrics.render({}).decode()


def test_an_update_may_name_it(net: Network) -> None:
    """The alert is marked by what it says now, and by what it said first."""
    first = net.share(NL, GH, payload=consignment("ABCU1234560", seal="", imo="", party="N"))
    watch(net[GH].office, BOX)
    net.deliver(NL, GH)
    assert _marked(net) == {}
    update(net[NL].office, first, consignment(), "Another container.")
    net.pass_time(1)
    net.deliver(NL, GH)
    assert _marked(net) == {first: (BOX.words,)}
    assert _status(net) == (1, 1)


def test_encrypted_at_rest(net: Network) -> None:
    """No word of the watchlist is in any column, and each agency's terms are its own."""
    for agency in (NL, GH):
        watch(net[agency].office, Watched(WatchKind.PARTY, "Xylocopa Recycling"))
    tables = {agency: snapshot(net[agency].office)["watch"] for agency in (NL, GH)}
    for rows in tables.values():
        (row,) = rows
        data = b"".join(one if isinstance(one, bytes) else str(one).encode() for one in row)
        assert b"ylocopa" not in data.lower()
        assert b"party" not in data
    assert tables[NL][0][0] != tables[GH][0][0]


def test_survives_a_new_storage_key(net: Network) -> None:
    """The storage key is rotated and the old one retired: the words can still be read."""
    office = net[GH].office
    watch(office, BOX)
    net.pass_time(1)
    bring_in(net[GH], Rotatable.STORAGE)
    assert [one.words for one in entries(office)] == [BOX.words]
    done = rewrap(office, lambda: False)
    assert (done.count, done.unreadable, done.finished) == (1, 0, True)
    (entry,) = entries(office)
    assert (entry.words, entry.readable) == (BOX.words, True)
    with office.store.read() as transaction:
        (row,) = transaction.watch.every()
    assert row.content_key.startswith(office.keys.storage.tag)
    net[GH].reopen()
    assert entries(net[GH].office) == (entry,)


def test_altered_rows_are_shown_as_unreadable(net: Network) -> None:
    """A row that was moved to other terms does not open; the others are shown, and it can go."""
    office = net[GH].office
    watch(office, BOX)
    with office.store.read() as transaction:
        (row,) = transaction.watch.every()
    office.sequencer.run(
        lambda work: work.transaction.watch.add(
            type(row)(bytes(16), b"", row.content_key, row.ciphertext, row.added_ms)
        )
    )
    assert sorted(one.readable for one in entries(office)) == [False, True]
    bad = next(one for one in entries(office) if not one.readable)
    unwatch(office, bad.entry_id)
    assert [one.words for one in entries(office)] == [BOX.words]


def test_a_giant_watchlist_is_refused(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an upper bound, and the error says what makes room."""
    assert MAX_ENTRIES == 1_000
    monkeypatch.setattr(watchlist, "MAX_ENTRIES", 3)
    office = net[GH].office
    for number in range(3):
        watch(office, Watched(WatchKind.PARTY, f"Party {number}"))
    with unchanged(office), pytest.raises(PolicyError, match="watch remove") as caught:
        watch(office, Watched(WatchKind.PARTY, "Party 4"))
    assert caught.value.code == "TOO_MANY_ENTRIES"


def test_nothing_is_lost_in_a_crash(net: Network) -> None:
    """A mark needs nothing but the message and the entry: after a restart it is there."""
    watch(net[GH].office, BOX)
    message_id = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    net[GH].reopen()
    assert set(_marked(net)) == {message_id}
