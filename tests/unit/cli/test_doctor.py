"""`sesn doctor`: each thing that may be wrong is found, and comes with something to do."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE, system_clock
from sesn_node.cli.runfile import NodeState, encode_state
from sesn_node.config import FILE_NAME
from sesn_node.domain.times import utc_minute
from sesn_node.errors import StorageError
from sesn_node.exchange.checkup import check_disk
from sesn_node.store.disk import MIB, Volume
from sesn_node.store.engine import Store
from sesn_node.store.erasures import ErasureRow
from sesn_node.store.files import locked
from sesn_node.store.pulse import PulseTable
from tests.support.commands import Ran, assert_commands_exist, contents, sesn
from tests.support.homes import BE, NL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Homes

_DAY_MS = 24 * 60 * 60 * 1000
_YEAR_MS = 365 * _DAY_MS


def _doctor(home: Path, *options: str) -> Ran:
    """Look, without asking partners; nobody serves their homes here."""
    return sesn("doctor", "--offline", "--json", *options, home=home)


def _found(ran: Ran, *grades: str) -> dict[str, dict[str, object]]:
    """What was found, by check; of several of one check the last."""
    checks = ran.json["checks"]
    assert isinstance(checks, list)
    found: dict[str, dict[str, object]] = {}
    for one in checks:
        assert isinstance(one, dict)
        # Whatever is wrong can be put right, or at least looked into.
        assert bool(one["remedy"]) == (one["grade"] != "ok"), one
        assert_commands_exist(str(one["remedy"]))
        if not grades or one["grade"] in grades:
            found[str(one["check"])] = dict(one)
    return found


@pytest.fixture
def served(home: Path) -> Path:
    """A home whose lock is held, as if a node served it."""
    run = home / "run"
    (run / "node.json").write_bytes(encode_state(NodeState(4711, "127.0.0.1:7443", "")))
    return home


def test_all_is_well(served: Path) -> None:
    """Nothing is wrong with a home as `sesn init` makes it, while a node serves it."""
    with locked(served / "run" / "node.lock", wait=False):
        ran = _doctor(served)
        told = sesn("doctor", "--offline", home=served)
    assert (ran.code, ran.json["health"]) == (0, "ok"), ran.out
    assert _found(ran, "failed", "warning") == {}
    assert {"permissions", "settings", "disk", "serving", "schema", "write", "ledger"} <= set(
        _found(ran)
    )
    assert told.code == 0
    assert "All is well" in told.out


def test_looking_changes_nothing(home: Path) -> None:
    """All that is written is the pulse, which is there to be written."""
    before = contents(home)
    _doctor(home)
    after = contents(home)
    different = [
        line
        for line in str(after["node.db"]).splitlines()
        if line not in str(before["node.db"]).splitlines()
    ]
    assert all("pulse" in line for line in different)
    assert {**after, "node.db": ""} == {**before, "node.db": ""}


def test_nobody_serves(home: Path) -> None:
    """A node that does not run is a warning, with the command that starts it."""
    ran = _doctor(home)
    assert (ran.code, ran.json["health"]) == (12, "warning")
    found = _found(ran, "warning")
    assert set(found) == {"serving"}
    assert f"sesn --home {home} serve" in str(found["serving"]["remedy"])


def test_bytes_of_what_was_erased_are_left(home: Path) -> None:
    """Since when, and what to do; once they are gone, that is said too."""
    store = Store(f"sqlite:///{home / 'node.db'}", create=False)
    erased_ms = 1_796_000_000_000
    rows = [ErasureRow(NL, bytes([at]) * 16, erased_ms + at, at, "why") for at in (1, 2)]
    with store.write() as transaction:
        for row in rows:
            transaction.erasures.add(row)
    found = _found(_doctor(home), "warning")["erased"]
    assert "may still hold bytes of 2 erased messages" in str(found["text"])
    assert utc_minute(erased_ms) in str(found["text"])
    assert "--compact" in str(found["remedy"])
    with store.write() as transaction:
        transaction.erasures.set_scrubbed([(NL, row.message_id) for row in rows[1:]], erased_ms)
    assert "bytes of 1 erased message," in str(_found(_doctor(home), "warning")["erased"]["text"])
    with store.write() as transaction:
        transaction.erasures.set_scrubbed([(NL, rows[0].message_id)], erased_ms)
    found = _found(_doctor(home))["erased"]
    assert (found["grade"], found["text"]) == (
        "ok",
        "the files of the database hold no byte of 2 erased messages",
    )
    store.close()


def test_serving_with_a_problem(home: Path) -> None:
    """A node that takes no messages is a failure, and its own words are passed on."""
    run = home / "run"
    (run / "node.json").write_bytes(encode_state(NodeState(4711, "", "the disk is full")))
    with locked(run / "node.lock", wait=False):
        ran = _doctor(home)
    assert (ran.code, ran.json["health"]) == (11, "failed")
    assert "the disk is full" in str(_found(ran, "failed")["serving"]["text"])


def test_serving_an_old_copy(home: Path) -> None:
    """What the check of the ledger says at length is not said twice."""
    (home / HEAD_FILE).unlink()
    run = home / "run"
    problem = "the head file is missing: a long story. What to do: a longer one"
    (run / "node.json").write_bytes(encode_state(NodeState(4711, "", problem)))
    with locked(run / "node.lock", wait=False):
        found = _found(_doctor(home), "failed")
    assert found["serving"]["text"] == "process 4711 serves, and takes no new messages"
    assert "'ledger' below" in str(found["serving"]["remedy"])
    assert "is missing" in str(found["ledger"]["text"])


@pytest.mark.parametrize(
    ("name", "mode", "remedy"),
    [
        (".", 0o755, "chmod 700"),
        ("keys", 0o750, "chmod 700"),
        ("keys/node.key", 0o644, "chmod 600"),
        ("keys/node.key", 0o644, "keys rotate tls seal encryption log witness storage'"),
        ("keys/root.key", 0o640, "The root key cannot be rotated"),
        (FILE_NAME, 0o604, "chmod 600"),
        (HEAD_FILE, 0o666, "chmod 600"),
    ],
)
def test_others_may_get_at_it(home: Path, name: str, mode: int, remedy: str) -> None:
    """Whatever others may read or write is found, and the remedy is the command that ends it."""
    path = home / name
    path.chmod(mode)
    ran = _doctor(home)
    assert ran.code == 11
    found = _found(ran, "failed")["permissions"]
    assert remedy in str(found["remedy"])
    assert f"mode {mode:04o}" in str(found["text"])
    path.chmod(0o700 if path.is_dir() else 0o600)
    assert "permissions" not in _found(_doctor(home), "failed", "warning")


def test_home_of_another_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of another user cannot be replaced by the node; the warning names both."""
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    found = _found(_doctor(home), "warning")["permissions"]
    assert "belongs to user" in str(found["text"])


def test_settings_cannot_be_read(home: Path) -> None:
    """With broken settings nothing else can be found, and the error names the key."""
    (home / FILE_NAME).write_text("[agency]\nid = 7\n")
    ran = _doctor(home)
    assert ran.code == 11
    assert "agency." in str(_found(ran, "failed")["settings"]["text"])


def test_no_home(tmp_path: Path) -> None:
    """A home that is not there fails in its settings, not with a traceback."""
    ran = _doctor(tmp_path / "nothing")
    assert ran.code == 11
    assert set(_found(ran, "failed")) == {"settings"}


def test_database_is_gone(home: Path) -> None:
    """A lost database leads to `restore`; none is made in its place."""
    (home / "node.db").unlink()
    ran = _doctor(home)
    assert ran.code == 11
    assert "restore FILE" in str(_found(ran, "failed")["database"]["remedy"])
    assert not (home / "node.db").exists()


def test_database_is_garbage(home: Path) -> None:
    """A file that is no database is told as one."""
    (home / "node.db").write_bytes(b"not a database" * 1000)
    ran = _doctor(home)
    assert ran.code == 11
    assert "database" in _found(ran, "failed")


def test_database_refuses_to_write(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that can only be read is found by writing to it."""

    def refuse(_: PulseTable) -> None:
        raise StorageError("attempt to write a readonly database")

    monkeypatch.setattr(PulseTable, "beat", refuse)
    ran = _doctor(home)
    assert ran.code == 11
    assert "readonly" in str(_found(ran, "failed")["write"]["text"])


def test_old_copy(home: Path) -> None:
    """An old copy fails with the same steps as `sesn status` tells."""
    (home / HEAD_FILE).unlink()
    found = _found(_doctor(home), "failed")["ledger"]
    status = sesn("status", "--json", home=home).json["trouble"]
    assert isinstance(status, dict)
    assert (found["text"], found["remedy"]) == (status["what"], status["steps"])


def test_without_a_passphrase(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Much can be looked at without the keys; what could not is said."""
    monkeypatch.delenv("SESN_PASSPHRASE")
    ran = _doctor(home)
    found = _found(ran, "warning")
    assert ran.code == 12
    assert "no passphrase" in str(found["keys"]["text"])
    assert "ledger" in _found(ran, "ok")
    assert "the encryption key is good" in str(_found(ran, "ok")["key"]["text"])


def test_wrong_passphrase(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase that does not open the keys is a failure: the node could not start."""
    monkeypatch.setenv("SESN_PASSPHRASE", "another passphrase")
    ran = _doctor(home)
    assert ran.code == 11
    assert "wrong passphrase" in str(_found(ran, "failed")["keys"]["text"])


def test_key_file_is_gone(home: Path) -> None:
    """Without its key file a node cannot start."""
    (home / "keys" / "node.key").unlink()
    found = _found(_doctor(home), "failed")
    assert "put back" in str(found["keys"]["text"])


def test_key_file_of_another_agency(home: Path) -> None:
    """Keys that our card names and the key file does not hold are told one by one."""
    shutil.copy(home.parent / BE / "keys" / "node.key", home / "keys" / "node.key")
    found = _found(_doctor(home), "failed")
    assert "not in keys/node.key" in str(found["key"]["text"])


@pytest.mark.parametrize(
    ("days_left", "grade"),
    [(61, "ok"), (59, "warning"), (15, "warning"), (13, "failed"), (-1, "failed")],
)
def test_what_ends_soon(
    home: Path, monkeypatch: pytest.MonkeyPatch, days_left: int, grade: str
) -> None:
    """Card and keys warn 60 days before they end, and fail 14 days before, with the command."""
    now_ms = system_clock() + 2 * _YEAR_MS - days_left * _DAY_MS + _DAY_MS // 2
    monkeypatch.setattr("sesn_node.cli.doctor.system_clock", lambda: now_ms)
    found = _found(_doctor(home))
    assert found["card"]["grade"] == grade
    assert found["key"]["grade"] == grade
    if grade != "ok":
        assert "sesn keys rotate" in str(found["key"]["remedy"])


@pytest.mark.parametrize(
    ("free_mib", "problem", "grade"),
    [(10_000, "", "ok"), (511, "", "warning"), (10, "less than limits.disk_floor_mib", "failed")],
)
def test_disk(tmp_path: Path, free_mib: int, problem: str, grade: str) -> None:
    """Less than twice the floor is a warning; what the node refuses work for is a failure."""
    volume = Volume("home", tmp_path, free_mib * MIB, problem)
    (found,) = check_disk([volume], 256 * MIB)
    assert found.grade == grade
    assert bool(found.remedy) == (grade != "ok")
    assert str(tmp_path) in "".join(found.remedy) or grade == "ok"


def test_no_partner(homes: Homes, tmp_path: Path) -> None:
    """A node that trusts nobody is told how to begin."""
    alone = homes.copy((NL,), tmp_path / "alone", pinned=False)[NL]
    found = _found(_doctor(alone), "warning")["partner"]
    assert "peer add" in str(found["remedy"])
