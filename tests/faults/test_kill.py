"""Real processes that are killed, and a database that is put back from an old copy."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE, open_home
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.errors import StorageError
from sesn_node.exchange.oldcopy import OLD_COPY
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.verify import verify_ledger
from sesn_node.store.headfile import HeadFile
from tests.support.check_node import check_node
from tests.support.commands import sesn
from tests.support.engines import current
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.officers import Officer, at_work
from tests.support.patience import wait_until
from tests.support.processes import Process, processes
from tests.support.serving import Home, check_homes, founded, note

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.domain.ids import MessageId

KILLS = 30
SEED = 20_261_123


@pytest.mark.engine("sqlite")
def test_thirty_kills_under_traffic(tmp_path: Path) -> None:
    """Sender, receiver and both are killed in turn, and every message ends exactly once."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    chance = random.Random(SEED)
    with (
        open_home(nl_home.path, PASSPHRASE) as nl_desk,
        open_home(gh_home.path, PASSPHRASE) as gh_desk,
        processes(nl_home, gh_home) as (nl, gh),
    ):
        officers = [Officer(nl_desk.office, GH), Officer(gh_desk.office, NL)]
        with at_work(*officers):
            for number in range(KILLS):
                _let_pass(officers, chance)
                victims = ([nl], [gh], [nl, gh])[number % 3]
                for victim in victims:
                    victim.kill()
                for victim in victims:
                    victim.start()
            for one in (nl, gh):
                one.await_serving()
        for officer in officers:
            wait_until(officer.is_settled, "every message has its receipt")
        for one in (nl, gh):
            one.stop()
    check_homes(nl_home, gh_home)
    for officer, home, other in zip(officers, (nl_home, gh_home), (gh_home, nl_home), strict=True):
        assert len(officer.shared) > KILLS
        _assert_exactly_once(home, other, officer.shared)
        _assert_verified(home)


def _let_pass(officers: list[Officer], chance: random.Random) -> None:
    """Wait until messages get through again, mostly, then for a random moment."""
    if chance.random() < 0.8:
        before = [officer.acknowledged() for officer in officers]
        more = chance.randrange(1, 4)

        def got_through() -> bool:
            return all(
                officer.acknowledged() >= count + more
                for officer, count in zip(officers, before, strict=True)
            )

        wait_until(got_through, "messages get through after a kill")
    time.sleep(chance.uniform(0.0, 0.3))


def _assert_exactly_once(home: Home, other: Home, shared: list[MessageId]) -> None:
    """One inbox row, one receipt, and one entry of each kind in both ledgers, per message."""
    with (
        open_home(home.path, PASSPHRASE) as sender,
        open_home(other.path, PASSPHRASE) as receiver,
        sender.office.store.read() as sent,
        receiver.office.store.read() as received,
    ):
        arrived = [row.message_id for row in received.inbox.every()]
        assert Counter(arrived) == Counter(shared)
        copies = sent.copies.every()
        assert Counter(copy.message_id for copy in copies) == Counter(shared)
        assert all(copy.receipt is not None for copy in copies)
        for message_id in shared:
            ours = [row.kind for row in sent.ledger.entries_of(message_id)]
            theirs = [row.kind for row in received.ledger.entries_of(message_id)]
            assert ours == [EntryKind.SHARED.value, EntryKind.ACKNOWLEDGED.value]
            assert theirs == [EntryKind.RECEIVED.value]


def _assert_verified(home: Home) -> None:
    """`sesn ledger verify`, whole."""
    with open_home(home.path, PASSPHRASE) as desk:
        verified = verify_ledger(desk.office.store, HeadFile(home.path / HEAD_FILE))
    assert verified.passed, verified.checks


OLD = 20


def test_database_put_back_from_an_old_copy(tmp_path: Path) -> None:
    """A node over a copy of 20 messages ago reads, refuses to append, and says why everywhere."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    with open_home(nl_home.path, PASSPHRASE) as desk:
        first = share(desk.office, Draft(note(), (GH,)))
    backup = tmp_path / "backup"
    current().save(nl_home.path, backup)
    with processes(nl_home, gh_home) as (nl, gh):
        with open_home(nl_home.path, PASSPHRASE) as desk:
            for _ in range(OLD):
                share(desk.office, Draft(note(), (GH,)))
            wait_until(Officer(desk.office, GH).is_done, "all of them arrive")
        nl.stop()
        current().put_back(nl_home.path, backup)
        nl.start()
        nl.await_serving()
        _assert_reads_only(nl, nl_home, first)
        _assert_partner_is_served(gh, gh_home)
        nl.stop()
        gh.stop()
    with open_home(nl_home.path, PASSPHRASE) as desk:
        check_node(desk.office, old_copy=True)


def _assert_reads_only(nl: Process, home: Home, first: MessageId) -> None:
    state = nl.state()
    assert state is not None
    assert "old copy" in state.problem
    assert '"event": "ledger-not-writable"' in nl.log()
    told = sesn("status", "--json", home=home.path)
    assert told.code == 0
    assert "old copy" in str(told.json["problem"])
    with open_home(home.path, PASSPHRASE) as desk:
        with desk.office.store.read() as transaction:
            assert transaction.outbox.message(first) is not None
            before = transaction.ledger.head()
        with pytest.raises(StorageError, match="old copy") as refused:
            share(desk.office, Draft(note(), (GH,)))
        assert refused.value.code == OLD_COPY
        with desk.office.store.read() as transaction:
            assert transaction.ledger.head() == before


def _assert_partner_is_served(gh: Process, gh_home: Home) -> None:
    """What partners send is put off, not lost and not refused for good."""
    assert gh.state() is not None
    with open_home(gh_home.path, PASSPHRASE) as desk:
        message = share(desk.office, Draft(note(), (NL,)))

        def put_off() -> bool:
            with desk.office.store.read() as transaction:
                (copy,) = transaction.outbox.copies(message)
            return copy.state is DeliveryState.QUEUED and copy.attempts > 0

        wait_until(put_off, "the old copy puts off what a partner sends")
