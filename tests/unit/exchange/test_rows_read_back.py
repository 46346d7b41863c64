"""Rows that were altered behind the node's back: one clear error each, and nothing follows."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.conversation import Decision
from sesn_node.errors import MalformedError, SesnError, StorageError, VerificationError
from sesn_node.exchange.expire import expire
from sesn_node.exchange.open import open_received, open_sent
from sesn_node.exchange.respond import respond
from tests.support.homes import GH, NL
from tests.support.network import DAY_MS
from tests.support.snapshot import unchanged
from tests.support.wires import due_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import MessageId
    from tests.support.network import Member, Network


@pytest.fixture
def scene(connect: Callable[..., Network]) -> tuple[Network, MessageId]:
    """One alert that arrived, and one that waits."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    net.share(NL, GH)
    return net, message_id


def _alter(net: Network, member: Member, *statements: str) -> None:
    """Change a closed database with any tool."""
    net.unchecked.add(member.agency)
    member.close()
    with closing(sqlite3.connect(member.home / "node.db")) as database, database:
        for table in ("card", "ledger_entry", "ledger_node"):
            database.execute(f"DROP TRIGGER {table}_no_update")
            database.execute(f"DROP TRIGGER {table}_no_delete")
        for statement in statements:
            database.execute(statement)
    member.open()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE inbox SET content_key = zeroblob(68)", VerificationError),
        ("UPDATE inbox SET content_key = x'00'", SesnError),
        ("UPDATE inbox SET ciphertext = zeroblob(100)", VerificationError),
        ("UPDATE inbox SET ciphertext = x'00'", MalformedError),
        ("UPDATE inbox SET header = zeroblob(100)", MalformedError),
        ("UPDATE inbox SET sender = 'be.police'", VerificationError),
        ("UPDATE inbox SET ciphertext = NULL, content_key = NULL", SesnError),
    ],
)
def test_received_message_that_was_altered(
    scene: tuple[Network, MessageId], statement: str, kind: type[SesnError]
) -> None:
    """It cannot be opened, nor decided on."""
    net, message_id = scene
    _alter(net, net[GH], statement)
    (row,) = net[GH].received(message_id)
    with pytest.raises(kind):
        open_received(net[GH].office, row)
    with unchanged(net[GH].office), pytest.raises(kind):
        respond(net[GH].office, message_id, Decision.ACCEPTED, "Seen.")


def test_sent_message_that_was_altered(scene: tuple[Network, MessageId]) -> None:
    """A message of ours that was exchanged for another does not open."""
    net, message_id = scene
    _alter(net, net[NL], "UPDATE sent SET content_key = (SELECT content_key FROM sent LIMIT 1)")
    with net[NL].office.store.read() as transaction:
        rows = transaction.browse.newest_sent(["alert"], 2)
    assert message_id in {row.message_id for row in rows}
    opened = 0
    for row in rows:
        with suppress(VerificationError):
            opened += bool(open_sent(net[NL].office, row))
    assert opened == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sent SET entry_index = 1000000",
        "UPDATE sent SET entry_index = -1",
        "UPDATE ledger_entry SET entry = x'ff' WHERE kind = 'SHARED'",
        "DELETE FROM ledger_entry WHERE kind = 'SHARED'",
        "DELETE FROM ledger_node",
        "UPDATE ledger_head SET size = size + 1",
        "UPDATE ledger_head SET note = x'ff'",
    ],
)
def test_ledger_that_was_altered(scene: tuple[Network, MessageId], statement: str) -> None:
    """Nothing is sent from a ledger that does not hold what it should."""
    net, _ = scene
    _alter(net, net[NL], statement)
    with unchanged(net[NL].office), pytest.raises(SesnError):
        due_batch(net[NL].office, GH)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE sent SET entry_index = 1000000", "DELETE FROM ledger_entry WHERE kind = 'SHARED'"],
)
def test_expiring_a_message_whose_entry_is_gone(
    scene: tuple[Network, MessageId], statement: str
) -> None:
    """A copy that cannot be ended as the ledger demands is not ended otherwise."""
    net, _ = scene
    _alter(net, net[NL], statement)
    net.pass_time(40 * DAY_MS)
    with unchanged(net[NL].office), pytest.raises(SesnError):
        expire(net[NL].office)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE card SET sealed = x'ff' WHERE agency = 'gh.epa'",
        "UPDATE card SET sealed = x'ff' WHERE agency = 'nl.customs'",
        "UPDATE card SET sealed = (SELECT sealed FROM card WHERE agency = 'nl.customs')",
        "DELETE FROM card WHERE agency = 'nl.customs'",
        "UPDATE directory SET own_card_sha256 = x'00'",
        "DELETE FROM directory",
    ],
)
def test_directory_that_was_altered(scene: tuple[Network, MessageId], statement: str) -> None:
    """A node does not work with a directory that it cannot read: a fault of the store."""
    net, _ = scene
    _alter(net, net[NL], statement)
    with pytest.raises(StorageError):
        net[NL].office.directory()
    with unchanged(net[NL].office), pytest.raises(StorageError):
        net.share(NL, GH)


def test_ledger_that_is_gone(scene: tuple[Network, MessageId]) -> None:
    """A database without a ledger says so, with the way out."""
    net, _ = scene
    _alter(net, net[NL], "DELETE FROM ledger_head")
    with pytest.raises(StorageError, match="no ledger"):
        due_batch(net[NL].office, GH)
    with pytest.raises(StorageError, match="no ledger"):
        net[NL].office.sequencer.run(lambda _: None)
