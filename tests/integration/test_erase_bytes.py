"""Erased content is gone from every file, for somebody who has all keys and all passphrases.

Each search first shows that it finds what it looks for, before the erasure.
"""

from __future__ import annotations

import random
import sqlite3
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sesn_node.exchange.erase import erase
from sesn_node.exchange.scrub import scrub, scrub_what_is_left
from sesn_node.store import sqlite
from sesn_node.store.schema import metadata
from sesn_node.store.scrubbed import AT_MOST_BYTES
from tests.support.alerts import consignment
from tests.support.engines import SQLITE
from tests.support.erased_bytes import backup_of, files_of, found_in, pieces_of, secrets_of
from tests.support.homes import GH, NL
from tests.support.network import alert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.payload import Payload
    from tests.support.network import Member, Network

_WHY = "Held longer than the law allows"
_SHORT = consignment()
_LONG = alert("Zirconium in the third row", narrative="Zephyrine told them. " * 900)


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


@pytest.fixture(params=["short", "long"])
def payload(request: pytest.FixtureRequest) -> Payload:
    """An alert that fits into a page of the database, and one that does not."""
    return _SHORT if request.param == "short" else _LONG


def test_no_byte_is_left(net: Network, tmp_path: Path, payload: Payload) -> None:
    """Neither files nor backups made since hold a piece of content, of its keys or its terms."""
    before = [net.share(NL, GH, payload=alert()) for _ in range(3)]
    message_id = net.share(NL, GH, payload=payload)
    kept = [*before, *(net.share(NL, GH, payload=alert()) for _ in range(3))]
    net.deliver(NL, GH)
    for member in net:
        secrets = secrets_of(member, message_id)
        assert found_in(secrets, dict(files_of(member))) == set(secrets)
        assert found_in(secrets, {"backup": backup_of(member, tmp_path / "before")}) == set(secrets)
        done = erase(member.office, message_id, _WHY)
        assert done.scrubbed.done, done.scrubbed
        assert found_in(secrets, dict(files_of(member))) == set()
        assert found_in(secrets, {"backup": backup_of(member, tmp_path / "after")}) == set()
        # What was not erased is still found, so the search was one.
        assert found_in(secrets_of(member, kept[0]), dict(files_of(member)))
        with member.office.store.read() as transaction:
            assert transaction.erasures.not_scrubbed() == []
    net.check()


def test_no_byte_is_left_after_a_restart(net: Network, payload: Payload) -> None:
    """Nor when the home was closed and is opened again."""
    message_id = net.share(NL, GH, payload=payload)
    secrets = secrets_of(net[NL], message_id)
    erase(net[NL].office, message_id, _WHY)
    net[NL].close()
    assert found_in(secrets, dict(files_of(net[NL]))) == set()
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
    secrets = secrets_of(net[NL], message_id)
    with ExitStack() as stack:
        _busy(net[NL], stack)
        done = erase(net[NL].office, message_id, _WHY)
        assert not done.scrubbed.done
        assert any("somebody reads" in one for one in done.scrubbed.remains)
        assert found_in(secrets, dict(files_of(net[NL])))
    again = erase(net[NL].office, message_id, _WHY)
    assert again.scrubbed.done
    assert found_in(secrets, dict(files_of(net[NL]))) == set()
    assert scrub_what_is_left(net[NL].office) is None


def test_upkeep_ends_what_an_erasure_could_not(net: Network, payload: Payload) -> None:
    """A node that serves comes back to it."""
    message_id = net.share(NL, GH, payload=payload)
    secrets = secrets_of(net[NL], message_id)
    with ExitStack() as stack:
        _busy(net[NL], stack)
        erase(net[NL].office, message_id, _WHY)
    left = scrub_what_is_left(net[NL].office)
    assert left is not None
    assert left.done
    assert found_in(secrets, dict(files_of(net[NL]))) == set()


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
    for number in range(800):
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
            pieces |= pieces_of(there.pop(gone))
            run("UPDATE outbox SET wrapped_key = NULL WHERE message_id = ?", (gone,))
    return pieces
