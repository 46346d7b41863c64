"""`sesn backup` and `sesn restore`: what they say, above all about what comes next."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.config import FILE_NAME
from sesn_node.store.files import locked
from tests.support.commands import contents, sesn, untouched
from tests.support.homes import BE, GH, NL

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("_wide")

ALERT = {
    "markings": {"tlp": "AMBER"},
    "alert": {
        "subject": "Two containers",
        "urgency": "URGENT",
        "requested_action": "INSPECT",
        "narrative": "Loaded before the profile fired.",
    },
}
_DATABASE = ("node.db", "node.db-wal", "node.db-shm")


@pytest.fixture
def backup(home: Path, tmp_path: Path) -> Path:
    """A backup of the home of nl.customs, which has sent an alert."""
    _send(home)
    path = tmp_path / "nl.sesnbackup"
    assert sesn("backup", path, home=home).code == 0
    return path


def _send(home: Path) -> None:
    path = home.parent / "alert.json"
    path.write_text(json.dumps(ALERT))
    assert sesn("alert", "send", path, "--to", GH, "--yes", home=home).code == 0


def _move_away(home: Path) -> None:
    """Move the database away, as `restore` asks for."""
    away = home.with_name("away")
    away.mkdir()
    for name in _DATABASE:
        if (home / name).exists():
            shutil.move(home / name, away / name)


def _sorted(found: dict[str, str | bytes]) -> dict[str, object]:
    """The same without the order of the rows, which a table does not have."""
    return {**found, "node.db": sorted(str(found["node.db"]).splitlines())}


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def test_backup_says_what_it_holds(home: Path, tmp_path: Path) -> None:
    """Whose, of when, how large, and what is not in it; nothing in the home changes."""
    path = tmp_path / "nl.sesnbackup"
    with untouched(home):
        ran = sesn("backup", path, home=home)
    assert ran.code == 0
    for words in ("written, read back and verified", NL, "entries", "ledger.head", "keys/"):
        assert words in _in_one_line(ran.out)
    assert path.stat().st_mode & 0o777 == 0o600


def test_backup_for_programs(home: Path, tmp_path: Path) -> None:
    """One line of JSON says the same."""
    path = tmp_path / "nl.sesnbackup"
    found = sesn("backup", path, "--json", home=home).json
    assert (found["verified"], found["agency"], found["trouble"]) == (True, NL, None)
    assert found["bytes"] == path.stat().st_size
    assert sesn("ledger", "status", "--json", home=home).json == found["ledger"]


def test_verifying_needs_no_home(backup: Path) -> None:
    """Anybody who has the passphrase can verify a backup, wherever it is."""
    ran = sesn("backup", "--verify", backup)
    assert ran.code == 0
    assert "is whole" in ran.out
    assert sesn("backup", "--verify", backup, "--json").json["verified"] is True


def test_altered_backup(backup: Path) -> None:
    """A backup that was altered ends with 5, and names what is wrong with it."""
    data = bytearray(backup.read_bytes())
    data[-100] ^= 1
    backup.write_bytes(data)
    sesn("backup", "--verify", backup).failed(5, "ALTERED", "does not open")


def test_verifying_what_is_no_backup(home: Path) -> None:
    """A database is no backup; the error says so."""
    sesn("backup", "--verify", home / "node.db").failed(4, "MALFORMED", "backup")
    sesn("backup", "--verify", home / "nothing").failed(9, "STORAGE", "cannot be read")


def test_what_is_wrong_with_a_file_names_it(home: Path, backup: Path, tmp_path: Path) -> None:
    """Whoever has many backups learns which one it is, and that another one is needed."""
    script = tmp_path / "env.sh"
    script.write_text("export SESN_HOME=nl\n")
    cut = tmp_path / "cut.sesnbackup"
    cut.write_bytes(backup.read_bytes()[:-5_000])
    _move_away(home)
    for line in (("backup", "--verify"), ("restore",)):
        sesn(*line, script, home=home).failed(4, "MALFORMED", f"{script}: this is no backup")
        ran = sesn(*line, cut, home=home)
        ran.failed(5, "ALTERED", f"{cut} was cut off or altered", "use another backup")


def test_backup_under_a_mistyped_passphrase(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The passphrase must open the key file, or the backup could never be opened."""
    monkeypatch.setenv("SESN_PASSPHRASE", "a passphrase of tesst")
    sesn("backup", tmp_path / "x", home=home).failed(5, "WRONG_PASSPHRASE")
    assert not (tmp_path / "x").exists()


def test_backup_is_not_replaced_unasked(home: Path, backup: Path) -> None:
    """A file of that name stays, unless --force was given."""
    data = backup.read_bytes()
    sesn("backup", backup, home=home).failed(9, "FILE_EXISTS", "--force")
    assert backup.read_bytes() == data
    assert sesn("backup", backup, "--force", home=home).code == 0
    assert backup.read_bytes() != data


def test_restored_and_nothing_is_missing(home: Path, backup: Path) -> None:
    """If the head file fits, the node is to be started, and appends at once."""
    before = _sorted(contents(home))
    _move_away(home)
    ran = sesn("restore", backup, home=home)
    assert ran.code == 0, ran
    assert "Nothing is missing" in ran.out
    assert f"sesn --home {home} serve" in _in_one_line(ran.out)
    assert _sorted(contents(home)) == before
    assert "What to do" not in sesn("status", home=home).out
    _send(home)


def test_restored_and_entries_are_missing(home: Path, backup: Path) -> None:
    """An old copy says so wherever somebody may look: how many, since when, and what to do."""
    _send(home)
    _send(home)
    signed = sesn("ledger", "status", "--json", home=home).json["size"]
    _move_away(home)
    restored = sesn("restore", backup, home=home)
    assert restored.code == 0
    size = sesn("ledger", "status", "--json", home=home).json["size"]
    status = sesn("status", home=home)
    wanted = (
        "old copy",
        f"holds {size} ledger entries",
        f"signed {signed}",
        "2 entries are missing",
        f"{GH}",
        f"{signed} entries or more",
        "Find a newer copy",
        f"sesn --home {home} restore FILE",
        f"Leave {home / HEAD_FILE} as it is",
        "appends nothing",
        "--epoch 2",
    )
    refused = sesn("alert", "send", home.parent / "alert.json", "--to", GH, "--yes", home=home)
    for text in (restored.out, status.out):
        for words in wanted:
            assert words in _in_one_line(text), (words, text)
    refused.failed(9, "OLD_COPY", *wanted[:5], f"'sesn --home {home} status' says what to do")
    assert "Find a newer copy" not in refused.err
    told = sesn("status", "--json", home=home).json["trouble"]
    assert isinstance(told, dict)
    assert told["code"] == "behind"
    assert len(told["steps"]) == 3  # type: ignore[arg-type]  # it is a list


def test_restored_without_a_head_file(home: Path, backup: Path) -> None:
    """On a new machine: where to look for the head file, and what it means if it is lost."""
    kept = (home / HEAD_FILE).read_bytes()
    (home / HEAD_FILE).unlink()
    _move_away(home)
    ran = sesn("restore", backup, "--json", home=home)
    trouble = ran.json["trouble"]
    assert isinstance(trouble, dict)
    assert trouble["code"] == "no-head-file"
    out = _in_one_line(sesn("status", home=home).out)
    assert f"Copy it to {home / HEAD_FILE}" in out
    assert "Only the newest will do" in out
    # The way out that it tells works.
    (home / HEAD_FILE).write_bytes(kept)
    assert sesn("status", "--json", home=home).json["trouble"] is None
    _send(home)


def test_backup_of_an_old_copy(home: Path, backup: Path, tmp_path: Path) -> None:
    """An old copy can be backed up, as evidence; the command says that it is one."""
    _send(home)
    _move_away(home)
    assert sesn("restore", backup, home=home).code == 0
    ran = sesn("backup", tmp_path / "old", home=home)
    assert ran.code == 0
    assert "old copy" in ran.out


def test_not_over_a_database(home: Path, backup: Path) -> None:
    """A database that is there stays; the error says how to move it away."""
    with untouched(home):
        sesn("restore", backup, home=home).failed(7, "NOT_EMPTY", "node.db", "move it away")


def test_not_while_a_node_serves(home: Path, backup: Path) -> None:
    """A node that serves has the database open; nobody exchanges it under its hands."""
    _move_away(home)
    with locked(home / "run" / "node.lock", wait=False):
        sesn("restore", backup, home=home).failed(7, "ALREADY_SERVING", "stop it")
    assert not (home / "node.db").exists()


def test_backup_of_another_agency(home: Path, backup: Path) -> None:
    """A backup belongs to its agency's home; nothing is written into another one."""
    other = home.parent / GH
    for name in _DATABASE:
        (other / name).unlink(missing_ok=True)
    with untouched(other):
        sesn("restore", backup, home=other).failed(5, "OTHER_AGENCY", NL, GH)


def test_keys_of_another_node(home: Path, backup: Path) -> None:
    """The same agency with other keys is another node: it could not read one message."""
    _move_away(home)
    (home / "keys" / "node.key").write_bytes((home.parent / BE / "keys" / "node.key").read_bytes())
    sesn("restore", backup, home=home).failed(5, "OTHER_KEYS", "storage key", "put back")
    assert not (home / "node.db").exists()


def test_home_without_keys(backup: Path, tmp_path: Path) -> None:
    """Keys are not in a backup; the error says what to put where."""
    sesn("restore", backup, home=tmp_path / "new").failed(10, "CONFIG", "node.key", "first")
    assert not (tmp_path / "new").exists()


def test_restore_under_another_passphrase(
    home: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong passphrase changes nothing."""
    _move_away(home)
    monkeypatch.setenv("SESN_PASSPHRASE", "another passphrase")
    sesn("restore", backup, home=home).failed(5, "WRONG_PASSPHRASE")
    assert not (home / "node.db").exists()


@pytest.fixture
def new_machine(home: Path, tmp_path: Path) -> Path:
    """A home that has nothing but the key files."""
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    shutil.copytree(home / "keys", new / "keys")
    return new


def test_new_machine(home: Path, backup: Path, new_machine: Path) -> None:
    """Keys and a backup make a home: the settings come from the backup."""
    assert sesn("restore", backup, home=new_machine).code == 0
    made = new_machine / FILE_NAME
    assert made.read_bytes() == (home / FILE_NAME).read_bytes()
    assert made.stat().st_mode & 0o777 == 0o600
    assert sesn("ledger", "status", home=new_machine).code == 0
    # With the head file of the old one it goes on.
    shutil.copy(home / HEAD_FILE, new_machine)
    _send(new_machine)


def test_new_machine_with_other_settings(home: Path, backup: Path, new_machine: Path) -> None:
    """Settings that are given stand for those of the backup: another database, for example."""
    given = home.parent / "given.toml"
    text = (home / FILE_NAME).read_text()
    given.write_text(text.replace("{home}/node.db", "{home}/other.db"))
    assert sesn("restore", backup, "--config", given, home=new_machine).code == 0
    assert (new_machine / FILE_NAME).read_bytes() == given.read_bytes()
    assert (new_machine / "other.db").exists()


def test_settings_given_twice(home: Path, backup: Path, new_machine: Path) -> None:
    """If the home has settings, they are the ones; another file is not silently left out."""
    shutil.copy(home / FILE_NAME, new_machine)
    with untouched(new_machine):
        ran = sesn("restore", backup, "--config", home / FILE_NAME, home=new_machine)
    ran.failed(10, "CONFIG", "--config")


def test_settings_that_cannot_be_read(home: Path, backup: Path, new_machine: Path) -> None:
    """Unusable settings are told before a passphrase is asked for; nothing is written."""
    given = home.parent / "given.toml"
    given.write_text("[agency]\nid = 7\n")
    with untouched(new_machine):
        ran = sesn("restore", backup, "--config", given, home=new_machine)
    ran.failed(10, "CONFIG", str(given), "agency.name")


def test_failed_restore_leaves_no_settings(backup: Path, new_machine: Path) -> None:
    """If a restore fails, the home is as before: the settings that it wrote go again."""
    data = bytearray(backup.read_bytes())
    data[-100] ^= 1
    backup.write_bytes(data)
    with untouched(new_machine):
        sesn("restore", backup, home=new_machine).failed(5, "ALTERED")


def test_passphrase_from_a_descriptor(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timer that backs up gives the passphrase as every other command takes it."""
    monkeypatch.delenv("SESN_PASSPHRASE")
    sesn("backup", tmp_path / "x", home=home).failed(10, "NO_PASSPHRASE")
    reading, writing = os.pipe()
    os.write(writing, b"a passphrase of tests\n")
    os.close(writing)
    ran = sesn("--home", home, "--passphrase-fd", reading, "backup", tmp_path / "x")
    assert ran.code == 0, ran
