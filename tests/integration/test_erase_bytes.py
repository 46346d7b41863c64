"""Erased content is gone from every file, for somebody who has all keys and all passphrases.

Each search first shows that it finds what it looks for, before the erasure.
"""

from __future__ import annotations

import random
import sqlite3
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sesn_node.exchange.backup import opened
from sesn_node.exchange.erase import erase
from sesn_node.exchange.scrub import scrub, scrub_what_is_left
from sesn_node.store import sqlite
from sesn_node.store.schema import metadata
from sesn_node.store.scrubbed import AT_MOST_BYTES
from tests.support.alerts import consignment
from tests.support.backups import backed_up
from tests.support.engines import SQLITE, current
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.network import alert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.domain.alert import Payload
    from sesn_node.domain.ids import MessageId
    from tests.support.network import Member, Network

_WHY = "Held longer than the law allows"
_SHORT = consignment()
_LONG = alert("Zirconium in the third row", narrative="Zephyrine told them. " * 900)
_PIECE = 24
"""Of long secrets, pieces of this length are looked for."""


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


@pytest.fixture(params=["short", "long"])
def payload(request: pytest.FixtureRequest) -> Payload:
    """An alert that fits into a page of the database, and one that does not."""
    return _SHORT if request.param == "short" else _LONG


def _pieces(secret: bytes) -> set[bytes]:
    """Cut a secret into pieces, of which any that is left gives something away."""
    step = max(_PIECE, len(secret) // 40)
    return {secret[at : at + _PIECE] for at in range(0, max(1, len(secret) - _PIECE + 1), step)}


def _secrets(member: Member, message_id: MessageId) -> dict[str, set[bytes]]:
    """All that a message can be read with or found by, in pieces, as a database holds it.

    Whoever has the storage key opens the content key with it; a recipient's private key opens the
    wrapped key; either opens the ciphertext, and nothing else does.
    """
    found: dict[str, set[bytes]] = {}
    with member.office.store.read() as transaction:
        sent = transaction.outbox.message(message_id)
        rows = [] if sent is None else [sent.sealed]
        rows += [row.sealed for row in transaction.inbox.find(message_id)]
        for sealed in rows:
            assert sealed.ciphertext is not None
            assert sealed.content_key is not None
            found["ciphertext"] = _pieces(sealed.ciphertext)
            found["content key"] = _pieces(sealed.content_key)
        connection = transaction._connection  # noqa: SLF001 - no table offers this
        for row in connection.exec_driver_sql("SELECT message_id, wrapped_key FROM outbox").all():
            if row.message_id == message_id:
                found.setdefault("wrapped key", set()).update(_pieces(row.wrapped_key))
        terms = {row.term for row in transaction.search.every() if row.message_id == message_id}
    return {**found, "term": terms} if terms else found


def _files(member: Member) -> Iterator[tuple[str, bytes]]:
    for path in sorted(member.home.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()
    for path, data in current().files(member.home):
        # The server's log is written over when it pleases: docs/operations.md says so.
        if path.parent.name != "pg_wal":
            yield path.name, data


def _backup(member: Member, path: Path) -> bytes:
    """Make a backup, and return all that its passphrase opens."""
    backed_up(member, path, force=True)
    with opened(path, PASSPHRASE) as found:
        rows = [row.values.values() for row in found.rows()]
    inside = [value for row in rows for value in row if isinstance(value, bytes)]
    return b"\0".join([path.read_bytes(), *inside])


def _found(secrets: dict[str, set[bytes]], places: dict[str, bytes]) -> set[str]:
    """Name the secrets of which some piece is in some place."""
    return {
        name
        for name, pieces in secrets.items()
        if any(piece in data for data in places.values() for piece in pieces)
    }


def test_no_byte_is_left(net: Network, tmp_path: Path, payload: Payload) -> None:
    """Neither files nor backups made since hold a piece of content, of its keys or its terms."""
    before = [net.share(NL, GH, payload=alert()) for _ in range(3)]
    message_id = net.share(NL, GH, payload=payload)
    kept = [*before, *(net.share(NL, GH, payload=alert()) for _ in range(3))]
    net.deliver(NL, GH)
    for member in net:
        secrets = _secrets(member, message_id)
        assert _found(secrets, dict(_files(member))) == set(secrets)
        assert _found(secrets, {"backup": _backup(member, tmp_path / "before")}) == set(secrets)
        done = erase(member.office, message_id, _WHY)
        assert done.scrubbed.done, done.scrubbed
        assert _found(secrets, dict(_files(member))) == set()
        assert _found(secrets, {"backup": _backup(member, tmp_path / "after")}) == set()
        # What was not erased is still found, so the search was one.
        assert _found(_secrets(member, kept[0]), dict(_files(member)))
        with member.office.store.read() as transaction:
            assert transaction.erasures.not_scrubbed() == []
    net.check()


def test_no_byte_is_left_after_a_restart(net: Network, payload: Payload) -> None:
    """Nor when the home was closed and is opened again."""
    message_id = net.share(NL, GH, payload=payload)
    secrets = _secrets(net[NL], message_id)
    erase(net[NL].office, message_id, _WHY)
    net[NL].close()
    assert _found(secrets, dict(_files(net[NL]))) == set()
    net[NL].open()
    net.check()


def _busy(member: Member, stack: ExitStack) -> None:
    """Read something, and go on reading: what was there stays for whoever reads."""
    transaction = stack.enter_context(member.office.store.read())
    transaction.copies.every()
    transaction.inbox.every()


def test_reader_holds_the_bytes_and_says_so(net: Network, payload: Payload) -> None:
    """While somebody reads, the bytes cannot go: it is told, and done later."""
    message_id = net.share(NL, GH, payload=payload)
    secrets = _secrets(net[NL], message_id)
    with ExitStack() as stack:
        _busy(net[NL], stack)
        done = erase(net[NL].office, message_id, _WHY)
        assert not done.scrubbed.done
        assert any("somebody reads" in one for one in done.scrubbed.remains)
        assert _found(secrets, dict(_files(net[NL])))
    again = erase(net[NL].office, message_id, _WHY)
    assert again.scrubbed.done
    assert _found(secrets, dict(_files(net[NL]))) == set()
    assert scrub_what_is_left(net[NL].office) is None


def test_upkeep_ends_what_an_erasure_could_not(net: Network, payload: Payload) -> None:
    """A node that serves comes back to it."""
    message_id = net.share(NL, GH, payload=payload)
    secrets = _secrets(net[NL], message_id)
    with ExitStack() as stack:
        _busy(net[NL], stack)
        erase(net[NL].office, message_id, _WHY)
    left = scrub_what_is_left(net[NL].office)
    assert left is not None
    assert left.done
    assert _found(secrets, dict(_files(net[NL]))) == set()


def test_large_database_is_written_anew_only_when_asked(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can write meanwhile, so somebody has to want it; until then it is told."""
    message_id = net.share(NL, GH)
    store = net[NL].office.store
    whole = store.scrub
    monkeypatch.setattr(store, "scrub", lambda most: whole(most if most > AT_MOST_BYTES else 1))
    done = erase(net[NL].office, message_id, _WHY)
    assert not done.scrubbed.done
    assert any("--compact" in one for one in done.scrubbed.remains)
    assert scrub(net[NL].office, compact=True).done
    with store.read() as transaction:
        assert transaction.erasures.not_scrubbed() == []


@pytest.mark.engine(SQLITE)
def test_overwriting_alone_leaves_pieces(tmp_path: Path) -> None:
    """Why the file is written anew: rows that moved between pages leave copies of themselves.

    The same history, first with `secure_delete` and an empty log alone, then written anew.
    """
    path = tmp_path / "node.db"
    engine = sqlite.create(f"{path}", 1)
    metadata.create_all(engine)
    pooled = engine.raw_connection()
    pieces = _erased_by_hand(pooled.driver_connection, random.Random(0))
    pooled.close()
    sqlite.scrub(engine, most_bytes=0)
    assert path.with_name("node.db-wal").stat().st_size == 0
    data = path.read_bytes()
    assert any(piece in data for piece in pieces)
    assert sqlite.scrub(engine, AT_MOST_BYTES).done
    data = path.read_bytes()
    assert not any(piece in data for piece in pieces)
    engine.dispose()


def _erased_by_hand(database: object, chance: random.Random) -> set[bytes]:
    """Send messages, take receipts and erase wrapped keys, in any order; return what was erased."""
    assert isinstance(database, sqlite3.Connection)
    run = database.execute
    run("PRAGMA foreign_keys = OFF")
    run("PRAGMA synchronous = OFF")
    insert = (
        "INSERT INTO outbox (message_id, agency, wrapped_key, state, priority, expires_ms) "
        "VALUES (?, 'gh.epa', ?, 'queued', 1, 1)"
    )
    there: dict[bytes, bytes] = {}
    waiting: list[bytes] = []
    pieces: set[bytes] = set()
    for number in range(4000):
        name = number.to_bytes(16)
        there[name] = chance.randbytes(chance.choice([60, 1200]))
        run(insert, (name, there[name]))
        waiting.append(name)
        if chance.random() < 0.7:
            done = waiting.pop(chance.randrange(len(waiting)))
            receipt = (chance.randbytes(300), chance.randbytes(chance.choice([200, 900])), done)
            run("UPDATE outbox SET receipt_entry=?, receipt_proof=? WHERE message_id=?", receipt)
        if chance.random() < 0.3:
            gone = chance.choice(list(there))
            pieces |= _pieces(there.pop(gone))
            run("UPDATE outbox SET wrapped_key = NULL WHERE message_id = ?", (gone,))
    return pieces
