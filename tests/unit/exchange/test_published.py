"""What leaves a node as evidence: exports that grow, proofs, checkpoints with cosignatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.domain.entries import EntryKind
from sesn_node.errors import ConflictError, PolicyError, StorageError
from sesn_node.exchange.export import export_tiles, verify_export
from sesn_node.exchange.prove import prove
from sesn_node.exchange.published import cosigned, published
from sesn_node.exchange.witnesses import view_witnesses
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.ledger.note import parse_note
from sesn_node.ledger.tiles import new_tiles
from sesn_node.ledger.tlogproof import verify_tlog_proof
from sesn_node.store.engine import Store
from sesn_node.store.headfile import HeadFile
from tests.support.exports import Ledgers, make_ledgers
from tests.support.homes import BE, GH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.homes import Homes


@pytest.fixture(scope="module")
def ledgers(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Ledgers:
    """One ledger at two sizes."""
    return make_ledgers(homes, tmp_path_factory.mktemp("ledgers"))


class Opened:
    """A home's database and head file."""

    def __init__(self, home: Path) -> None:
        self.store = Store(f"sqlite:///{home}/node.db")
        self.head_file = HeadFile(home / HEAD_FILE)


@pytest.fixture
def small(ledgers: Ledgers) -> Iterator[Opened]:
    """The small one; nothing here writes to it."""
    opened = Opened(ledgers.small)
    yield opened
    opened.store.close()


@pytest.fixture
def large(ledgers: Ledgers) -> Iterator[Opened]:
    """The large one."""
    opened = Opened(ledgers.large)
    yield opened
    opened.store.close()


def files(folder: Path) -> dict[str, bytes]:
    """All files of an export but the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".export.lock"
    }


@pytest.mark.parametrize("quick", [False, True])
def test_an_export_grows(small: Opened, large: Opened, tmp_path: Path, quick: bool) -> None:
    """What is there stays, byte for byte; the checkpoint alone is replaced."""
    folder = tmp_path / "a" / "b"
    first = export_tiles(small.store, small.head_file, folder)
    before = files(folder)
    told: list[tuple[int, int]] = []
    second = export_tiles(
        large.store,
        large.head_file,
        folder,
        quick=quick,
        progress=lambda done, total: told.append((done, total)),
    )
    after = files(folder)
    assert second.head.size > 512 > first.head.size == second.before
    assert {name: after[name] for name in before if name != "checkpoint"} == {
        name: data for name, data in before.items() if name != "checkpoint"
    }
    new = {tile.path() for tile in new_tiles(first.head.size, second.head.size)}
    assert set(after) - set(before) == new
    # No hash of size `first` is named again but within wider tiles.
    assert (second.written, second.compared) == (len(new), 0)
    assert told[-1] == (second.head.size, second.head.size)
    assert verify_export(large.store, large.head_file, folder) == second.head
    again = export_tiles(large.store, large.head_file, folder, quick=quick)
    assert (again.written, files(folder)) == (0, after)
    assert again.compared == (0 if quick else len(list(new_tiles(0, second.head.size))))


def test_a_blind_export_tells_no_entry(large: Opened, tmp_path: Path) -> None:
    """Hashes only; the same folder can be completed later, quickly too."""
    export_tiles(large.store, large.head_file, tmp_path, blind=True)
    assert not any("entries" in name for name in files(tmp_path))
    assert verify_export(large.store, large.head_file, tmp_path, blind=True).size > 512
    with pytest.raises(StorageError):
        verify_export(large.store, large.head_file, tmp_path)
    export_tiles(large.store, large.head_file, tmp_path, quick=True)
    assert verify_export(large.store, large.head_file, tmp_path).size > 512
    export_tiles(large.store, large.head_file, tmp_path, blind=True)
    assert any("entries" in name for name in files(tmp_path))


def test_files_can_be_read_by_a_web_server(small: Opened, tmp_path: Path) -> None:
    """Not by their owner alone, as everything else of a home."""
    export_tiles(small.store, small.head_file, tmp_path)
    for name in files(tmp_path):
        assert (tmp_path / name).stat().st_mode & 0o077 != 0, name


def test_the_most_cosigned_checkpoint(large: Opened) -> None:
    """Its lines verify, under the partners' cards, over that head."""
    with large.store.read() as transaction:
        ours = published(transaction, large.head_file.as_it_is())
        found = cosigned(transaction, ours)
        signatures = parse_note(found.note).signatures
        assert found.cosigners
        assert len(signatures) == 2 + 2 * len(found.cosigners)
        assert found.head.origin == ours.head.origin
        nobody = cosigned(transaction, ours, ours.head.size + 1)
        assert (nobody.note, nobody.cosigners) == (ours.note, ())


@pytest.mark.parametrize(
    ("kind", "agency"),
    [
        (None, None),
        (EntryKind.SHARED, None),
        (EntryKind.ACKNOWLEDGED, GH),
        (EntryKind.ACKNOWLEDGED, BE),
    ],
)
def test_entries_are_proven(
    large: Opened, ledgers: Ledgers, kind: EntryKind | None, agency: object
) -> None:
    """Whoever has the file, the entry and our keys needs nothing else."""
    partner = next((one for one in (GH, BE) if one == agency), None)
    found = prove(large.store, large.head_file, ledgers.message, kind=kind, agency=partner)
    assert found.entry.message_id == ledgers.message
    assert found.entry.kind is (kind or EntryKind.SHARED)
    assert found.entry.agency == partner
    assert found.proven.leaf == leaf_hash(found.leaf)
    with large.store.read() as transaction:
        ours = published(transaction, large.head_file)
    assert verify_tlog_proof(found.file, found.leaf, ours.key_sets) == found.proven
    assert found.cosigners
    signatures = parse_note(found.file.split(b"\n\n", 1)[1]).signatures
    with large.store.read() as transaction:
        for row in transaction.witness.cosigners(found.proven.head.origin, found.proven.head.size):
            assert parse_note(b"x\n\n" + row.lines).signatures[0] in signatures


def test_an_entry_that_is_not_there_is_not_proven(large: Opened, ledgers: Ledgers) -> None:
    """No such kind; no such message; and of several partners one must be named."""
    for kind in (EntryKind.RECEIVED, EntryKind.UNDELIVERED):
        with pytest.raises(PolicyError) as caught:
            prove(large.store, large.head_file, ledgers.message, kind=kind)
        assert caught.value.code == "NO_ENTRY"
    with pytest.raises(ConflictError) as ambiguous:
        prove(large.store, large.head_file, ledgers.message, kind=EntryKind.ACKNOWLEDGED)
    assert ambiguous.value.code == "AMBIGUOUS"
    assert "be.police, gh.epa" in ambiguous.value.message


def test_witnesses_both_ways(large: Opened) -> None:
    """Who cosigned us, and how far; whom we cosigned."""
    found = view_witnesses(large.store)
    assert [one.agency for one in found.ours] == [BE, GH]
    for one in found.ours:
        assert one.trusted
        assert one.size is not None
        assert one.behind == found.head.size - one.size
        assert one.time_s is not None
    assert [one.agency for one in found.theirs] == [BE, GH]
    assert all(one.time_s is not None and one.size > 0 for one in found.theirs)


def test_only_what_was_released_is_published(small: Opened, large: Opened, tmp_path: Path) -> None:
    """The head file decides: behind it, without it, or between commit and head file."""
    for missing in (HeadFile(tmp_path / "none"), large.head_file):
        with pytest.raises(StorageError), small.store.read() as transaction:
            published(transaction, missing)
    done = export_tiles(large.store, small.head_file, tmp_path / "export")
    assert done.head.size < 100
    assert verify_export(large.store, large.head_file, tmp_path / "export") == done.head
