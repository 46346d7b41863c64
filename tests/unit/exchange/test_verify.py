"""`verify_ledger`: a whole node passes every check; each alteration fails the check meant for it.

The alterations are made with SQL, past the triggers: what a faulty disk, an intruder with the
database or a wrong restore could do.
"""
# ruff: noqa: S608 - the statements are this file's own

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.domain.case_terms import Action, Member, Role
from sesn_node.domain.conversation import Decision
from sesn_node.errors import StorageError, VerificationError
from sesn_node.exchange.erase import erase
from sesn_node.exchange.expire import expire
from sesn_node.exchange.verify import Verification, verify_ledger
from sesn_node.store.engine import Store
from sesn_node.store.headfile import HeadFile
from tests.support.casework import Casework
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import DAY_MS, HOUR_MS, Network

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Homes

CHECKS = (
    "cards",
    "head-file",
    "entries",
    "tree",
    "checkpoints",
    "partners",
    "cosignatures",
    "sent",
    "receipts",
    "endings",
    "received",
    "messages",
    "erased",
    "cases",
)


@pytest.fixture(scope="module")
def whole(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network where one node has every kind of record: receipts, endings, and decisions."""
    folder = tmp_path_factory.mktemp("whole")
    copies = homes.copy((NL, GH, BE, DE), folder)
    net = Network(copies, max(homes.card(one).card.issued_ms for one in copies) + HOUR_MS)
    first, second = net.share(NL, GH, BE), net.share(NL, GH)
    net.deliver(NL, GH)
    net.deliver(NL, BE)
    net.respond(GH, first, Decision.ACCEPTED)
    net.respond(GH, second, Decision.DECLINED)
    received = net.share(BE, NL)
    net.share(BE, NL)
    net.deliver(GH, NL)
    net.deliver(BE, NL)
    _work_on_cases(net)
    net.share(NL, DE, expires_ms=net.clock.now_ms + HOUR_MS)
    net.pass_time(HOUR_MS)
    expire(net[NL].office)
    net.share(NL, DE)
    net.revoke(NL, DE)
    net.share(NL, GH)
    erase(net[NL].office, net.share(NL, GH, BE), "Sent by mistake")
    erase(net[NL].office, received, "No longer needed")
    net.check()
    net.close()
    return folder


def _work_on_cases(net: Network) -> None:
    """One case of nl.customs, whose due date is near; and one that it joins later."""
    work = Casework(net)
    work.request(NL, GH)
    work.post()
    joined = work.request(GH, BE)
    work.post()
    work.step(GH, joined, Action.INVITE, members=(Member(NL, (Role.TRN,)),))
    work.post()
    net.pass_time(27 * DAY_MS)
    work.post()


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Path:
    """A copy of that node, to be altered."""
    return shutil.copytree(whole / NL, tmp_path / NL)


def _verify(home: Path) -> Verification:
    store = Store(f"sqlite:///{home}/node.db")
    try:
        return verify_ledger(store, HeadFile(home / HEAD_FILE))
    finally:
        store.close()


def _alter(home: Path, *statements: str) -> None:
    """Change rows, append-only or not."""
    database = sqlite3.connect(home / "node.db")
    with database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            changed = database.execute(statement).rowcount
            assert changed > 0, f"changed nothing: {statement}"
    database.close()


def _failed(found: Verification) -> set[str]:
    return {check.name for check in found.checks if check.failed}


def _flip(table: str, column: str, where: str) -> str:
    """Change the last byte of a blob in one row."""
    return (
        f"UPDATE {table} SET {column} = CAST(substr({column}, 1, length({column}) - 1) || "
        f"CASE WHEN substr({column}, -1) = x'00' THEN x'01' ELSE x'00' END AS BLOB) WHERE {where}"
    )


def test_whole_node_passes(home: Path) -> None:
    """Every check looked at something, and nothing failed."""
    found = _verify(home)
    assert tuple(check.name for check in found.checks) == CHECKS
    assert found.passed
    assert all(check.count > 0 and not check.first for check in found.checks)
    assert found.checks[2].count == found.head.size


A_RECEIPT = "state = 'acknowledged' AND agency = 'gh.epa'"


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        (_flip("ledger_entry", "entry", "entry_index = 5"), "tree"),
        (_flip("ledger_entry", "entry", "entry_index = 5"), "checkpoints"),
        ("UPDATE ledger_entry SET kind = 'RECEIVED' WHERE kind = 'SHARED'", "entries"),
        ("UPDATE ledger_entry SET message_id = NULL WHERE entry_index = 4", "entries"),
        ("DELETE FROM ledger_entry WHERE entry_index = 3", "entries"),
        (
            "DELETE FROM ledger_entry WHERE entry_index IN (SELECT size - 1 FROM ledger_head)",
            "entries",
        ),
        (_flip("ledger_node", "hash", "position = 6"), "tree"),
        ("DELETE FROM ledger_node WHERE position = 7", "tree"),
        (_flip("ledger_head", "root", "id = 1"), "checkpoints"),
        ("UPDATE ledger_head SET size = size - 1", "entries"),
        ("UPDATE ledger_head SET note = (SELECT note FROM checkpoint LIMIT 1)", "checkpoints"),
        (_flip("checkpoint", "note", "origin LIKE 'nl.customs%'"), "checkpoints"),
        (_flip("checkpoint", "root", "origin LIKE 'nl.customs%'"), "checkpoints"),
        (_flip("checkpoint", "note", "origin LIKE 'gh.epa%'"), "partners"),
        (_flip("checkpoint", "note", "origin LIKE 'gh.epa%'"), "receipts"),
        (_flip("checkpoint", "root", "origin LIKE 'gh.epa%'"), "partners"),
        (_flip("witness_head", "root", "agency = 'gh.epa'"), "partners"),
        ("UPDATE witness_head SET size = size + 1 WHERE agency = 'gh.epa'", "partners"),
        ("UPDATE cosignature SET time_s = time_s + 1", "cosignatures"),
        ("UPDATE cosignature SET agency = 'be.police' WHERE agency = 'gh.epa'", "cosignatures"),
        ("DELETE FROM cosignature WHERE agency = 'gh.epa'", "receipts"),
        ("DELETE FROM cosignature WHERE agency = 'nl.customs'", "received"),
        (_flip("sent", "header", "kind = 'alert'"), "sent"),
        (_flip("sent", "header_sha256", "kind = 'alert'"), "sent"),
        ("UPDATE sent SET seal = (SELECT seal FROM inbox LIMIT 1)", "sent"),
        ("UPDATE sent SET entry_index = entry_index + 1", "sent"),
        ("DELETE FROM sent WHERE kind = 'alert'", "messages"),
        (_flip("outbox", "receipt_proof", A_RECEIPT), "receipts"),
        (_flip("outbox", "receipt_entry", A_RECEIPT), "receipts"),
        (f"UPDATE outbox SET receipt_index = receipt_index + 1 WHERE {A_RECEIPT}", "receipts"),
        (f"UPDATE outbox SET receipt_size = receipt_size + 1 WHERE {A_RECEIPT}", "receipts"),
        (
            f"UPDATE outbox SET receipt_origin = 'be.police.sesn/ledger/1' WHERE {A_RECEIPT}",
            "receipts",
        ),
        (f"UPDATE outbox SET shared_size = 1 WHERE {A_RECEIPT}", "receipts"),
        (f"UPDATE outbox SET receipt_entry = NULL WHERE {A_RECEIPT}", "receipts"),
        ("UPDATE outbox SET agency = 'fr.police' WHERE agency = 'be.police'", "receipts"),
        (f"UPDATE outbox SET state = 'queued' WHERE {A_RECEIPT}", "messages"),
        (f"UPDATE outbox SET state = 'refused' WHERE {A_RECEIPT}", "endings"),
        ("UPDATE outbox SET state = 'refused' WHERE state = 'dead'", "endings"),
        ("UPDATE outbox SET code = 'EXPIRED' WHERE state = 'dead'", "endings"),
        ("UPDATE outbox SET state = 'expired' WHERE state = 'queued'", "endings"),
        (_flip("inbox", "header", "kind = 'alert'"), "received"),
        ("UPDATE inbox SET seal = (SELECT seal FROM sent LIMIT 1)", "received"),
        (_flip("inbox", "shared_proof", "kind = 'alert'"), "received"),
        (_flip("inbox", "shared_entry", "kind = 'alert'"), "received"),
        ("UPDATE inbox SET shared_index = shared_index + 1", "received"),
        ("UPDATE inbox SET shared_origin = 'nl.customs.sesn/ledger/1'", "received"),
        ("UPDATE inbox SET entry_index = entry_index - 1", "received"),
        ("UPDATE inbox SET sender = 'fr.police' WHERE sender = 'be.police'", "received"),
        ("DELETE FROM inbox WHERE kind = 'alert'", "messages"),
        ("DELETE FROM erasure", "erased"),
        ("UPDATE erasure SET entry_index = entry_index - 1", "erased"),
        ("UPDATE erasure SET sender = 'fr.police'", "erased"),
        ("UPDATE sent SET ciphertext = x'00' WHERE ciphertext IS NULL", "erased"),
        ("UPDATE inbox SET content_key = x'00' WHERE content_key IS NULL", "erased"),
        ("UPDATE outbox SET wrapped_key = x'00' WHERE wrapped_key IS NULL", "erased"),
        ("UPDATE sent SET ciphertext = NULL", "erased"),
        ("UPDATE inbox SET content_key = NULL", "erased"),
        ("INSERT INTO search_term SELECT x'00', 1, sender, message_id FROM erasure", "erased"),
        (_flip("case_step", "mark", "carrier IS NULL"), "cases"),
        (_flip("case_step", "salt", "carrier IS NOT NULL"), "cases"),
        (_flip("case_step", "header", "carrier IS NOT NULL"), "cases"),
        (_flip("case_step", "case_id", "carrier IS NULL"), "cases"),
        ("UPDATE case_step SET sender = 'fr.police' WHERE carrier IS NULL", "cases"),
        ("UPDATE case_step SET carrier = 'be.police' WHERE carrier IS NOT NULL", "cases"),
        ("UPDATE case_step SET carrier = NULL WHERE carrier IS NOT NULL", "cases"),
        ("UPDATE case_step SET entry_index = entry_index - 1", "cases"),
        ("DELETE FROM case_step WHERE carrier IS NOT NULL", "cases"),
        ("DELETE FROM case_notice", "cases"),
        ("UPDATE case_notice SET code = 'OVERDUE'", "cases"),
        ("UPDATE case_notice SET entry_index = 1000000", "cases"),
        (_flip("card", "sealed", "agency = 'gh.epa'"), "cards"),
        ("UPDATE card SET sha256 = x'00' WHERE agency = 'gh.epa'", "cards"),
        ("DELETE FROM card WHERE agency = 'be.police'", "entries"),
    ],
)
def test_altered_row(home: Path, statement: str, check: str) -> None:
    """The check meant for it fails, and says where; the others still run."""
    _alter(home, statement)
    found = _verify(home)
    assert check in _failed(found)
    assert tuple(one.name for one in found.checks) == CHECKS
    (failed,) = [one for one in found.checks if one.name == check]
    assert failed.first
    assert len(failed.first) == min(failed.failed, 5)


def test_swapped_receipts(home: Path) -> None:
    """A genuine receipt of one message does not stand for another."""
    columns = ("receipt_entry", "receipt_index", "receipt_proof", "receipt_size", "shared_size")
    first = f"(SELECT min(message_id) FROM outbox WHERE {A_RECEIPT})"
    for column in columns:
        _alter(
            home,
            f"UPDATE outbox SET {column} = (SELECT {column} FROM outbox WHERE agency = 'gh.epa' "
            f"AND message_id = {first}) WHERE {A_RECEIPT}",
        )
    assert _failed(_verify(home)) == {"receipts"}


def test_head_file_is_missing(home: Path) -> None:
    """Without the head file nothing shows that the database is the newest copy."""
    (home / HEAD_FILE).unlink()
    assert _failed(_verify(home)) == {"head-file"}


def test_head_file_of_another_agency(whole: Path, home: Path) -> None:
    """A head file that another ledger signed proves nothing."""
    shutil.copy(whole / GH / HEAD_FILE, home / HEAD_FILE)
    assert _failed(_verify(home)) == {"head-file"}


def test_head_file_may_be_behind(home: Path) -> None:
    """A crash between commit and head file leaves it behind, which is no failure."""
    database = sqlite3.connect(home / "node.db")
    query = "SELECT note FROM checkpoint WHERE origin LIKE 'nl.customs%' ORDER BY size LIMIT 1"
    (note,) = database.execute(query).fetchone()
    database.close()
    (home / HEAD_FILE).write_bytes(b"witnessed 0\n" + note)
    assert _verify(home).passed


def test_head_file_has_witnessed_more(home: Path) -> None:
    """A database that forgot what it cosigned of others is an old copy, whatever else it holds."""
    first, _, note = (home / HEAD_FILE).read_bytes().partition(b"\n")
    witnessed = int(first.removeprefix(b"witnessed "))
    (home / HEAD_FILE).write_bytes(b"witnessed %d\n%s" % (witnessed + 1, note))
    found = _verify(home)
    assert _failed(found) == {"head-file"}
    (check,) = [one for one in found.checks if one.name == "head-file"]
    assert "old copy" in check.first[0]


def test_old_copy_of_the_database(home: Path) -> None:
    """A ledger that lost its end is consistent in itself; only the head file tells."""
    statements = [
        "DELETE FROM checkpoint WHERE origin LIKE 'nl.customs%' AND size > 3",
        "DELETE FROM ledger_entry WHERE entry_index >= 4",
        "UPDATE ledger_head SET size = 4",
    ]
    _alter(home, *statements)
    found = _verify(home)
    assert "head-file" in _failed(found)
    (check,) = [one for one in found.checks if one.name == "head-file"]
    assert "old copy" in check.first[0]


def test_own_card_is_gone(home: Path) -> None:
    """Without a card of ours there is no key to verify our ledger with: the error says so."""
    _alter(home, "DELETE FROM card WHERE agency = 'nl.customs'")
    with pytest.raises(VerificationError, match=r"no kept card lists the ledger nl\.customs"):
        _verify(home)


def test_no_ledger(tmp_path: Path) -> None:
    """An empty database has nothing to verify."""
    with pytest.raises(StorageError, match="no ledger"):
        _verify(tmp_path)
