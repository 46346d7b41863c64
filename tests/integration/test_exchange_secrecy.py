"""What a node writes to its home tells nobody what a message says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.conversation import Decision
from sesn_node.errors import VerificationError
from sesn_node.exchange.storedkeys import INBOX_TABLE, SENT_TABLE, inbox_row_id
from tests.support.engines import SQLITE, current
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.network import alert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from tests.support.network import Member, Network

_SUBJECT = "Quicksilver lamps under sawdust"
_NARRATIVE = "The harbourmaster overheard Zephyrine on channel twelve."
_REASON = "Our xylophone does not fit that berth."
_WORDS = ("Quicksilver", "sawdust", "harbourmaster", "Zephyrine", "xylophone", "berth")
_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")


@pytest.fixture
def exchanged(connect: Callable[..., Network]) -> tuple[Network, MessageId]:
    """An alert that was sent, received and declined."""
    net = connect(NL, GH)
    payload = alert(_SUBJECT, narrative=_NARRATIVE)
    message_id = net.share(NL, GH, payload=payload)
    net.deliver(NL, GH)
    net.respond(GH, message_id, Decision.DECLINED, _REASON)
    net.deliver(GH, NL)
    return net, message_id


def _files(home: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(home.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()


def _content_keys(member: Member) -> list[bytes]:
    """Unwrap every content key that a node holds."""
    keys = member.office.keys.storage
    found = []
    with member.office.store.read() as transaction:
        for copy in transaction.copies.every():
            message = transaction.outbox.message(copy.message_id)
            assert message is not None
            wrapped = message.sealed.content_key or b""
            found.append(keys.unwrap(wrapped, table=SENT_TABLE, row=message.message_id))
        for row in transaction.inbox.every():
            wrapped = row.sealed.content_key or b""
            name = inbox_row_id(row.sender, row.message_id)
            found.append(keys.unwrap(wrapped, table=INBOX_TABLE, row=name))
    return found


@pytest.mark.parametrize("closed", [False, True])
def test_no_content_in_any_file(exchanged: tuple[Network, MessageId], *, closed: bool) -> None:
    """Neither the words of a message nor a content key is in the database, its log or any file."""
    net, _ = exchanged
    secrets = [word.encode(encoding) for word in _WORDS for encoding in _ENCODINGS]
    for member in net:
        keys = _content_keys(member)
        assert len(keys) == 2
        secrets += keys
        secrets += [key.hex().encode() for key in keys]
    names = set[str]()
    for member in net:
        if closed:
            member.close()
        for path, data in (*_files(member.home), *current().files(member.home)):
            names.add(path.name)
            for secret in secrets:
                assert secret not in data, f"{path} holds {secret!r}"
    assert {"ledger.head", "node.key"} <= names
    if current().name == SQLITE:
        assert "node.db" in names
        assert closed or "node.db-wal" in names


def test_no_passphrase_and_no_private_key_in_clear(
    exchanged: tuple[Network, MessageId],
) -> None:
    """What opens the key files, and what is in them, is nowhere in a home."""
    net, _ = exchanged
    for member in net:
        for path, data in _files(member.home):
            assert PASSPHRASE not in data, path
            assert b"PRIVATE KEY" not in data, path


def test_header_and_ledger_do_not_tell(exchanged: tuple[Network, MessageId]) -> None:
    """Partners' columns in the clear hold ids, hashes, times and names of agencies: no words."""
    net, message_id = exchanged
    with current().raw(net[GH].home) as database:
        rows = [
            *database.rows("SELECT header FROM inbox WHERE message_id = ?", message_id),
            *database.rows("SELECT entry FROM ledger_entry"),
        ]
    assert len(rows) > 1
    for (data,) in rows:
        assert isinstance(data, bytes)
        for word in _WORDS:
            assert word.encode() not in data


def test_content_key_of_one_row_does_not_open_another(
    exchanged: tuple[Network, MessageId],
) -> None:
    """A wrapped key that was moved to another row or table does not unwrap."""
    net, message_id = exchanged
    office = net[GH].office
    (row,) = net[GH].received(message_id)
    wrapped = row.sealed.content_key or b""
    right = inbox_row_id(row.sender, row.message_id)
    office.keys.storage.unwrap(wrapped, table=INBOX_TABLE, row=right)
    for table, name in (
        (SENT_TABLE, right),
        (INBOX_TABLE, row.message_id),
        (INBOX_TABLE, inbox_row_id(GH, row.message_id)),
    ):
        with pytest.raises(VerificationError):
            office.keys.storage.unwrap(wrapped, table=table, row=name)
