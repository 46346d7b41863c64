"""`sesn ledger recover` and `confirm`, as an operator calls them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE, RUN_FOLDER
from sesn_node.exchange.inquiry import ANSWERS
from tests.support.commands import sesn, untouched
from tests.support.engines import current
from tests.support.exports import Ledgers, make_ledgers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Homes


@pytest.fixture(scope="module")
def ledgers(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Ledgers:
    """One ledger at two sizes."""
    return make_ledgers(homes, tmp_path_factory.mktemp("ledgers"))


@pytest.fixture
def old(ledgers: Ledgers, tmp_path: Path) -> Path:
    """A home whose database was put back: the head file knows more."""
    home = tmp_path / "old"
    current().copy(ledgers.small, home)
    shutil.copy(ledgers.large / HEAD_FILE, home / HEAD_FILE)
    return home


@pytest.fixture
def export(ledgers: Ledgers, tmp_path: Path) -> Path:
    """The newer export."""
    folder = tmp_path / "export"
    assert sesn("ledger", "export", "--tiles", folder, home=ledgers.large).code == 0
    return folder


def test_recover_says_what_came_back(old: Path, export: Path) -> None:
    """What came back, what is missing, and what to do; then the checks pass and say so too."""
    assert sesn("status", "--json", home=old).json["trouble"]
    said = sesn("ledger", "recover", "--tiles", export, home=old)
    assert said.code == 0, said
    for words in ("came back, verified", "were there before", "evidence kept", "ledger verify"):
        assert words in " ".join(said.out.split()), said.out
    verified = sesn("ledger", "verify", home=old)
    assert verified.code == 0, verified
    assert "content missing, evidence kept" in verified.out
    assert sesn("ledger", "verify", "--json", home=old).json["missing"]
    status = sesn("status", "--json", home=old).json
    assert status["trouble"] is None
    assert status["missing"]
    assert "content missing, evidence kept" in sesn("status", home=old).out
    again = sesn("ledger", "recover", "--tiles", export, "--json", home=old).json
    assert again["size"] == again["size_before"]
    assert again["head_file_written"] is True


def test_recover_without_a_head_file(old: Path, export: Path) -> None:
    """The ledger comes back, and the partners are still to be asked."""
    (old / HEAD_FILE).unlink()
    said = sesn("ledger", "recover", "--tiles", export, home=old)
    assert said.code == 0, said
    assert "ledger confirm' first" in " ".join(said.out.split())
    assert not (old / HEAD_FILE).exists()


def test_recover_from_what_is_none(old: Path, tmp_path: Path, ledgers: Ledgers) -> None:
    """An empty folder, an older export, another history: nothing is changed."""
    small = tmp_path / "small"
    assert sesn("ledger", "export", "--tiles", small, home=ledgers.small).code == 0
    forked = tmp_path / "forked"
    assert sesn("ledger", "export", "--tiles", forked, home=ledgers.forked).code == 0
    with untouched(old):
        sesn("ledger", "recover", "--tiles", tmp_path, home=old).failed(9, "STORAGE")
        sesn("ledger", "recover", "--tiles", small, home=old).failed(7, "EXPORT_OLD")
        said = sesn("ledger", "recover", "--tiles", forked, home=old)
        assert said.code != 0


def test_confirm_what_is_no_doubt(old: Path, ledgers: Ledgers) -> None:
    """A head file that is there is nobody's to replace."""
    for home in (old, ledgers.large):
        with untouched(home):
            found = sesn("ledger", "confirm", "--unanswered", "--timeout", "0.2", home=home)
            found.failed(7, "NO_DOUBT")


def test_confirm_for_partners_that_do_not_answer(old: Path) -> None:
    """Not without being told to."""
    (old / HEAD_FILE).unlink()
    sesn("ledger", "confirm", "--timeout", "0.2", home=old).failed(7, "NOT_ALL_ANSWERED")
    assert not (old / HEAD_FILE).exists()
    said = sesn("ledger", "confirm", "--timeout", "0.2", "--unanswered", "--json", home=old)
    assert said.code == 0, said
    assert (old / HEAD_FILE).exists()
    assert sesn("status", "--json", home=old).json["trouble"] is None


def test_status_tells_what_partners_said(old: Path) -> None:
    """Whatever the file holds, nothing but sentences is shown."""
    path = old / RUN_FOLDER / ANSWERS
    for content, shown in (
        (b'["gh.epa has not answered", 7]', ["gh.epa has not answered"]),
        (b"{}", []),
        (b"\xff", []),
        (b"[" * 5_000, []),
    ):
        path.write_bytes(content)
        assert sesn("status", "--json", home=old).json["partners_know"] == shown
