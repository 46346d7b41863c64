"""Backup and restore: between engines, whole or not at all, and what a restored node may do."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from sesn_node import bootstrap, config
from sesn_node.errors import ConflictError, StorageError, VerificationError
from sesn_node.exchange import backup as backups
from sesn_node.exchange import restore as restoring
from sesn_node.exchange.backup import back_up, opened, verify_backup
from sesn_node.exchange.guard import inspect
from sesn_node.exchange.oldcopy import OLD_COPY, Trouble
from sesn_node.exchange.open import open_sent
from sesn_node.exchange.restore import NOT_EMPTY
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.witness import add_checkpoint
from sesn_node.store.engine import Store
from sesn_node.store.files import locked
from sesn_node.store.headfile import HeadFile
from sesn_node.store.newfile import FILE_EXISTS
from tests.support.backups import backed_up, place_for, restored, rows_of
from tests.support.check_node import check_node
from tests.support.engines import POSTGRESQL, SQLITE, current
from tests.support.homes import BE, CHEAP, GH, NL, PASSPHRASE
from tests.support.network import alert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.exchange.contents import Contents
    from sesn_node.exchange.restore import Place
    from tests.support.engines import Engine
    from tests.support.fixtures import Shelf
    from tests.support.network import Member, Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies with traffic behind them: sent, received, queued, and given up."""
    made = connect(NL, GH, BE)
    made.share(NL, GH, BE)
    made.share(GH, NL)
    made.deliver(NL, GH)
    made.deliver(GH, NL)
    made.deliver(NL, BE)
    made.share(NL, GH, BE)
    made.revoke(NL, BE)
    return made


@pytest.fixture
def backup(net: Network, tmp_path: Path) -> Path:
    """A backup of nl.customs."""
    path = tmp_path / "nl.sesnbackup"
    backed_up(net[NL], path)
    return path


@pytest.fixture
def other(engine: Engine, shelf: Shelf, tmp_path: Path) -> Iterator[Engine]:
    """The engine that the test does not run on."""
    found = shelf.engine(SQLITE if engine.name == POSTGRESQL else POSTGRESQL)
    yield found
    found.discard(tmp_path)


def _put_in_place(member: Member, backup: Path, folder: Path) -> None:
    """Restore a backup, and let a closed member's home have the database."""
    restored(backup, place_for(current(), folder / "new"))
    current().save(folder / "new", folder / "saved")
    current().put_back(member.home, folder / "saved")


def _trouble(member: Member) -> Trouble | None:
    found = inspect(member.office.store, HeadFile(member.home / bootstrap.HEAD_FILE))
    return None if found is None else found.trouble


def _refusal(member: Member) -> str:
    with pytest.raises(StorageError) as error:
        share(member.office, Draft(alert(), (GH,)))
    assert error.value.code == OLD_COPY
    return error.value.message


def _rows_of(member: Member) -> object:
    return rows_of(config.load(member.home / config.FILE_NAME).database_url)


def test_every_row_comes_back(net: Network, backup: Path, tmp_path: Path) -> None:
    """What was backed up is what is restored, and everything in it verifies."""
    place = place_for(current(), tmp_path / "new")
    done = restored(backup, place)
    net.close()
    assert done.verification.passed
    assert rows_of(place.url) == _rows_of(net[NL])


def test_into_the_other_engine_and_back(
    net: Network, backup: Path, other: Engine, tmp_path: Path
) -> None:
    """A backup does not know what it is a backup of: either engine takes the other's."""
    place = place_for(other, tmp_path / "other")
    assert restored(backup, place).verification.passed
    again = tmp_path / "again.sesnbackup"
    store = Store(place.url)
    back_up(store, b"", again, PASSPHRASE, now_ms=net[NL].now_ms(), kdf=CHEAP)
    store.close()
    place = place_for(current(), tmp_path / "back")
    assert restored(again, place).verification.passed
    net.close()
    assert rows_of(place.url) == _rows_of(net[NL])


def test_a_restored_node_goes_on(net: Network, backup: Path, tmp_path: Path) -> None:
    """If the backup holds the newest state, its node appends at once, and delivers what waited."""
    net[NL].close()
    _put_in_place(net[NL], backup, tmp_path)
    net[NL].open()
    assert _trouble(net[NL]) is None
    net.check()
    net.share(NL, GH)
    assert net.deliver(NL, GH).sizes == [2]


def test_what_a_backup_says_of_itself(net: Network, backup: Path) -> None:
    """The first line tells everybody what the backup is; it is true."""
    facts = backups.read_facts(backup)
    with net[NL].office.store.read() as transaction:
        head = transaction.ledger.require_head()
    assert (facts.origin, facts.size, facts.root) == (head.origin, head.size, head.root)
    assert facts.witnessed == head.witnessed > 0
    assert facts.agency == NL
    contents = verify_backup(backup, PASSPHRASE)
    assert contents.facts == facts
    assert contents.own.agency == NL
    assert contents.settings == (net[NL].home / config.FILE_NAME).read_bytes()
    assert contents.file_bytes == backup.stat().st_size


def test_nothing_secret_in_clear(net: Network, backup: Path) -> None:
    """Behind the first line nothing can be read, and no key is in it at all."""
    data = backup.read_bytes().partition(b"\n")[2]
    for word in (b"nl.customs", b"gh.epa", b"[agency]", b"ledger"):
        assert word not in data
    assert backup.stat().st_mode & 0o777 == 0o600
    with opened(backup, PASSPHRASE) as found:
        plain = found.dump.settings + repr([row.values for row in found.rows()]).encode()
    for record in net[NL].office.vault.file.ring.records:
        assert record.private not in plain
        assert repr(record.private).encode()[2:-1] not in plain


def test_a_backup_of_one_moment(net: Network, tmp_path: Path) -> None:
    """Officers send while a backup is written: it holds one state, whole."""
    member = net[NL]
    over = threading.Event()
    sent: list[bytes] = []

    def send() -> None:
        while not over.is_set():
            sent.append(share(member.office, Draft(alert(), (GH,))))

    thread = threading.Thread(target=send)
    thread.start()
    made: list[Contents] = []
    try:
        while len(made) < 5 or len(sent) < 20:
            made.append(backed_up(member, tmp_path / f"{len(made)}.sesnbackup"))
    finally:
        over.set()
        thread.join()
    sizes = [one.facts.size for one in made]
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]
    for number in range(len(made)):
        place = place_for(current(), tmp_path / f"new-{number}")
        assert restored(tmp_path / f"{number}.sesnbackup", place).verification.passed


def test_old_copy_says_what_is_missing(net: Network, backup: Path, tmp_path: Path) -> None:
    """Entries were signed since: the node reads, appends nothing, and says how many are missing."""
    member = net[NL]
    size = member.size()
    for _ in range(3):
        net.share(NL, GH)
    net.deliver(NL, GH)
    signed = member.size()
    member.close()
    _put_in_place(member, backup, tmp_path)
    member.open()
    net.unchecked.add(NL)
    assert _trouble(member) is Trouble.BEHIND
    why = _refusal(member)
    for words in (f"holds {size}", f"signed {signed}", f"{signed - size} entries are missing", GH):
        assert words in why, why
    found = inspect(member.office.store, HeadFile(member.home / bootstrap.HEAD_FILE))
    assert found is not None
    assert any("restore FILE'" in step for step in found.steps)
    with member.office.store.read() as transaction:
        (row, *_) = transaction.browse.newest_sent(["alert"], 1)
    assert open_sent(member.office, row) == alert()
    check_node(member.office, old_copy=True)


def test_missing_head_file(net: Network, backup: Path, tmp_path: Path) -> None:
    """On a new machine without the head file nothing shows that the backup is the newest state."""
    member = net[NL]
    member.close()
    _put_in_place(member, backup, tmp_path)
    head_file = member.home / bootstrap.HEAD_FILE
    kept = head_file.read_bytes()
    head_file.unlink()
    member.open()
    net.unchecked.add(NL)
    assert _trouble(member) is Trouble.NO_HEAD_FILE
    _refusal(member)
    found = inspect(member.office.store, HeadFile(head_file))
    assert found is not None
    assert any(f"Copy it to {head_file}" in step for step in found.steps)
    assert not head_file.exists()
    head_file.write_bytes(kept)
    assert _trouble(member) is None
    share(member.office, Draft(alert(), (GH,)))


def test_behind_only_in_what_it_witnessed(net: Network, tmp_path: Path) -> None:
    """A database that forgot a cosignature, and no entry, does not cosign a second history."""
    member, ghana = net[NL], net[GH]
    backup = tmp_path / "nl.sesnbackup"
    backed_up(member, backup)
    size = member.size()
    net.share(GH, BE)
    with ghana.office.store.read() as transaction:
        body = ghana.office.ledger(transaction).add_checkpoint(_held(member, ghana))
    assert add_checkpoint(member.office, GH, body).status == 200
    assert member.size() == size
    member.close()
    _put_in_place(member, backup, tmp_path)
    member.open()
    net.unchecked.add(NL)
    assert _trouble(member) is Trouble.WITNESS_BEHIND
    assert "forgotten checkpoints of partners' ledgers" in _refusal(member)
    with pytest.raises(StorageError) as error:
        add_checkpoint(member.office, GH, body)
    assert error.value.code == OLD_COPY
    check_node(member.office, old_copy=True)


def _held(member: Member, of: Member) -> int:
    """Size of one member's ledger that another has cosigned."""
    with member.office.store.read() as transaction:
        row = transaction.witness.head(of.office.log_keys.origin)
    return 0 if row is None else row.size


# A file of SQLite that was swapped is refused for that, whatever it holds.
@pytest.mark.engine("postgresql")
def test_database_swapped_while_the_node_is_open(net: Network, tmp_path: Path) -> None:
    """What was witnessed is compared with every write, so a swapped database is noticed at once."""
    member, ghana = net[NL], net[GH]
    current().save(member.home, tmp_path / "saved")
    net.share(GH, BE)
    with ghana.office.store.read() as transaction:
        body = ghana.office.ledger(transaction).add_checkpoint(_held(member, ghana))
    add_checkpoint(member.office, GH, body)
    # Connections of the pool must not keep the old database open.
    member.office.store._engine.dispose()  # noqa: SLF001 - nobody does this while a node serves
    current().put_back(member.home, tmp_path / "saved")
    net.unchecked.add(NL)
    assert "forgotten checkpoints" in _refusal(member)


def test_cosignature_waits_for_the_head_file(net: Network) -> None:
    """While the head file cannot be written, no new cosignature leaves the node."""
    member, ghana = net[NL], net[GH]
    net.share(GH, BE)
    with ghana.office.store.read() as transaction:
        body = ghana.office.ledger(transaction).add_checkpoint(_held(member, ghana))
    net.faults.broken_head_files.add(NL)
    with pytest.raises(StorageError, match="head file"):
        add_checkpoint(member.office, GH, body)
    net.faults.broken_head_files.clear()
    with ghana.office.store.read() as transaction:
        body = ghana.office.ledger(transaction).add_checkpoint(_held(member, ghana))
    answer = add_checkpoint(member.office, GH, body)
    assert (answer.status, bool(answer.cosignatures)) == (200, True)


def _assert_empty(place: Place) -> None:
    """Nothing is there: no file, or a database without a row."""
    if place.path is not None:
        assert list(place.path.parent.iterdir()) == []
        return
    store = Store(place.url)
    with store.read() as transaction:
        assert transaction.upkeep.rows() == {}
    store.close()


def test_refused_at_the_end(backup: Path, tmp_path: Path) -> None:
    """Whoever finds at the very end that a backup does not belong here leaves nothing behind."""
    place = place_for(current(), tmp_path / "new")

    def refuse(_: Contents) -> None:
        raise VerificationError("not ours")

    with opened(backup, PASSPHRASE) as found, pytest.raises(VerificationError, match="not ours"):
        restoring.restore(found, place, refuse)
    _assert_empty(place)
    assert restored(backup, place).verification.passed


def test_truncated_backup(backup: Path, tmp_path: Path) -> None:
    """A backup that ends too early is found out before anything is in its place."""
    data = backup.read_bytes()
    backup.write_bytes(data[: len(data) * 9 // 10])
    place = place_for(current(), tmp_path / "new")
    with pytest.raises(VerificationError, match="cut off"):
        restored(backup, place)
    _assert_empty(place)


def test_what_does_not_verify_is_not_restored(net: Network, tmp_path: Path) -> None:
    """A backup of a database that was tampered with says so, and is not put in place."""
    member = net[NL]
    with current().raw(member.home) as database:
        database.lift_guards()
        assert database.change("UPDATE sent SET seal = zeroblob(70)")
    backup = tmp_path / "tampered.sesnbackup"
    # The ledger in it is whole, so it is a backup; what the ledger refers to is not.
    backed_up(member, backup)
    place = place_for(current(), tmp_path / "new")
    with pytest.raises(VerificationError, match="does not verify, so nothing was restored"):
        restored(backup, place)
    _assert_empty(place)


def test_damaged_ledger_gives_no_backup(net: Network, tmp_path: Path) -> None:
    """A backup whose ledger does not hash to its root is never told to be one."""
    member = net[NL]
    with current().raw(member.home) as database:
        database.lift_guards()
        assert database.change("UPDATE ledger_entry SET entry = zeroblob(90) WHERE entry_index = 1")
    with pytest.raises(VerificationError, match="do not hash to its root"):
        backed_up(member, tmp_path / "damaged.sesnbackup")
    assert list(tmp_path.glob("damaged*")) == []


def test_not_into_a_database_that_is_in_use(net: Network, backup: Path) -> None:
    """Restoring never overwrites: what is there stays, and the error says what to do with it."""
    member = net[NL]
    settings = config.load(member.home / config.FILE_NAME)
    place = restoring.Place(settings.database_url, settings.database_path, "here")
    before = rows_of(place.url)
    with pytest.raises(ConflictError) as error:
        restored(backup, place)
    assert error.value.code == NOT_EMPTY
    assert rows_of(place.url) == before


def test_no_backup_is_overwritten_unasked(net: Network, backup: Path) -> None:
    """A file of that name stands, unless its replacement was asked for and is whole."""
    data = backup.read_bytes()
    with pytest.raises(StorageError) as error:
        backed_up(net[NL], backup)
    assert error.value.code == FILE_EXISTS
    assert backup.read_bytes() == data
    backed_up(net[NL], backup, force=True)
    assert backup.read_bytes() != data
    assert sorted(one.name for one in backup.parent.glob("*sesnbackup*")) == [backup.name]


def test_failed_backup_leaves_the_old_one(
    net: Network, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If what was written cannot be read back, the backup of before stands and no rest is left."""
    data = backup.read_bytes()

    def spoil(*_: object, **__: object) -> None:
        raise VerificationError("it does not open")

    monkeypatch.setattr(backups, "verify_backup", spoil)
    with pytest.raises(VerificationError, match="does not open"):
        backed_up(net[NL], backup, force=True)
    assert backup.read_bytes() == data
    assert sorted(one.name for one in backup.parent.glob("*sesnbackup*")) == [backup.name]


def test_rest_of_a_killed_backup(net: Network, tmp_path: Path) -> None:
    """What a killed backup left behind is taken over by the next one of that name."""
    (tmp_path / "nl.sesnbackup.part").write_bytes(b"half of a backup")
    backed_up(net[NL], tmp_path / "nl.sesnbackup")
    assert sorted(one.name for one in tmp_path.glob("nl*")) == ["nl.sesnbackup"]


def test_two_backups_into_one_file(net: Network, tmp_path: Path) -> None:
    """Whoever comes second is told to wait, and the first one's file is whole."""
    target = tmp_path / "nl.sesnbackup"
    with (
        locked(target.with_name("nl.sesnbackup.part")),
        pytest.raises(StorageError, match="another backup"),
    ):
        backed_up(net[NL], target)
    assert not target.exists()


def test_file_system_without_links(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory stick knows no links: the backup gets there all the same."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    target = tmp_path / "nl.sesnbackup"
    backed_up(net[NL], target)
    assert verify_backup(target, PASSPHRASE).facts.agency == NL
    assert not target.with_name("nl.sesnbackup.part").exists()


def test_nowhere_to_write(net: Network, tmp_path: Path) -> None:
    """A folder that is not there is told, not made."""
    with pytest.raises(StorageError):
        backed_up(net[NL], tmp_path / "missing" / "nl.sesnbackup")


@pytest.mark.engine(SQLITE)
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_rest_of_another_sqlite_database(backup: Path, tmp_path: Path, suffix: str) -> None:
    """A log left behind would be played into the restored database; it may hold newest commits."""
    place = place_for(current(), tmp_path / "new")
    assert place.path is not None
    left = place.path.with_name(place.path.name + suffix)
    left.write_bytes(b"the newest commits")
    with pytest.raises(ConflictError, match="newest commits") as error:
        restored(backup, place)
    assert error.value.code == NOT_EMPTY
    assert list(place.path.parent.iterdir()) == [left]


@pytest.mark.engine(SQLITE)
def test_rest_of_a_killed_restore(backup: Path, tmp_path: Path) -> None:
    """What a killed restore left behind is no database, and goes with the next one."""
    place = place_for(current(), tmp_path / "new")
    assert place.path is not None
    for name in (".node.db.restored", ".node.db.restored-wal"):
        (place.path.parent / name).write_bytes(b"half of a database")
    assert restored(backup, place).verification.passed
    assert [one.name for one in place.path.parent.iterdir()] == ["node.db"]
    assert place.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.engine(SQLITE)
def test_full_disk_while_restoring(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the last step fails, no database is there."""
    place = place_for(current(), tmp_path / "new")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sesn_node.exchange.restore.sync_folder", fail)
    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(StorageError, match="No space left"):
        restored(backup, place)
    monkeypatch.undo()
    _assert_empty(place)


def test_several_homes_on_one_database(net: Network, engine: Engine, tmp_path: Path) -> None:
    """Each process has a head file of its own; the newest of them tells that a copy is old."""
    member = net[NL]
    backup = tmp_path / "nl.sesnbackup"
    backed_up(member, backup)
    second = tmp_path / "second"
    shutil.copytree(member.home, second)
    net.share(NL, GH)
    net.rest()
    member.close()
    _put_in_place(member, backup, tmp_path)
    member.open()
    net.unchecked.add(NL)
    store = member.office.store
    # The second home's process was not running meanwhile: its file knows of nothing newer.
    assert inspect(store, HeadFile(second / bootstrap.HEAD_FILE)) is None
    assert _trouble(member) is Trouble.BEHIND
    assert engine.name in {SQLITE, POSTGRESQL}
