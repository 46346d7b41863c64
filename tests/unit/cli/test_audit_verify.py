"""`sesn audit verify`: what it says, how it ends, and that it needs no home and no passphrase."""

from __future__ import annotations

import errno
import json
import os
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit import report
from sesn_node.domain.case_clock import last_moment
from sesn_node.domain.entries import CaseCode
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import DAY_MS
from sesn_node.store.newfile import NewFile
from tests.support.bundling import Draft
from tests.support.case_scribes import CaseScribes
from tests.support.commands import rows, sesn
from tests.support.homes import GH, NL
from tests.support.scribes import Scribe
from tests.vectors.tamper.generate import EXPECTED, FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("_wide", "_nothing")

_WHOLE = FOLDER / "whole.sesnaudit"


@pytest.fixture
def _nothing(_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An auditor's machine: no home, no passphrase, an empty folder."""
    monkeypatch.delenv("SESN_PASSPHRASE")
    monkeypatch.chdir(tmp_path)


def _policy(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy"
    path.write_text(text, encoding="ascii")
    return path


def test_a_bundle_that_holds() -> None:
    """Every check by its number, what nobody vouches for, and the fingerprints to compare."""
    ran = sesn("audit", "verify", _WHOLE)
    assert ran.code == 0, ran
    for number in (*range(1, 17), 23, 24):
        assert f"\n{number:2} " in ran.out, ran.out
    for words in (
        "nl.customs.sesn/ledger/1",
        "TAIL_NOT_COSIGNED",
        "No check fails",
        "Compare each fingerprint",
        "No policy was given",
    ):
        assert words in ran.out, ran.out


def test_a_bundle_that_does_not_hold() -> None:
    """Ends with 5; check, code and place stand in one line."""
    ran = sesn("audit", "verify", FOLDER / "an-entry-redated.sesnaudit")
    assert ran.code == 5
    assert "5 LEAF_MISMATCH ledger/1/entries.pb #2: it does not hash" in ran.out
    assert " of 25 checks fail." in ran.out


def test_a_case_is_told(tmp_path: Path) -> None:
    """Its dates, who was waited for, each step and reminder; for programs likewise."""
    scribes = [Scribe(NL), Scribe(GH)]
    for one, other in permutations(scribes):
        one.trust(other)
    case = CaseScribes(*scribes)
    case.inform()
    older = Draft.of(case.det).write()
    case.exp.now_ms = last_moment(case.informed_ms, 30) + DAY_MS
    case.notice(case.exp, CaseCode.OVERDUE)
    draft = Draft.of(case.exp)
    draft.created_ms = last_moment(case.informed_ms, 30) + 3 * DAY_MS
    path = tmp_path / "gh.sesnaudit"
    path.write_bytes(draft.write())
    ran = sesn("audit", "verify", path)
    assert ran.code == 0, ran
    for words in (
        f"Case {show_message_id(case.case_id)}",
        f"{GH} (EXP), {NL} (DET)",
        "OVERDUE, 3 days late",
        f", by {GH}",
        "REQUEST NO_NOTIFICATION",
        f"ledger of {GH}",
    ):
        assert words in ran.out, ran.out
    (told,) = rows(sesn("audit", "verify", path, "--json").json["cases"])
    deadline = told["deadline"]
    assert isinstance(deadline, dict)
    assert (told["state"], deadline["missed_by"]) == ("REQUESTED", [GH])
    earlier = tmp_path / "nl.sesnaudit"
    earlier.write_bytes(older)
    case.acknowledge()
    path.write_bytes(Draft.of(case.exp).write())
    both = sesn("audit", "verify", earlier, path)
    assert f"{NL} lacks 1 step; by itself REQUESTED" in both.out, both.out


def test_what_is_no_bundle() -> None:
    """Ends with 4, and says so for programs too."""
    ran = sesn("audit", "verify", FOLDER / "cut-off.sesnaudit", "--json")
    assert ran.code == 4
    assert ran.json["holds"] is False


def test_several_bundles_are_matched() -> None:
    """A second table, and the findings of it."""
    name = "a-refusal-that-was-none"
    files = [FOLDER / f"{name}-{number}.sesnaudit" for number in (1, 2)]
    ran = sesn("audit", "verify", *files)
    assert ran.code == 5
    assert "Bundles against each other" in ran.out
    assert "21 DELIVERY_DIFFERS messages.pb" in ran.out


def test_for_programs() -> None:
    """One line of JSON with every check."""
    found = sesn("audit", "verify", _WHOLE, "--json").json
    assert found["holds"] is True
    assert found["files"] == [str(_WHOLE)]
    (bundle,) = found["bundles"] if isinstance(found["bundles"], list) else []
    assert isinstance(bundle, dict)
    assert bundle["agency"] == "nl.customs"


def test_a_policy_is_read_strictly(tmp_path: Path) -> None:
    """One without a quorum line asks for nothing, and is refused; `quorum none` says it."""
    text = (
        "witness one be.police.sesn/witness+6b39445d+BAWEnBpQKq4rFpBiVFkEmqUXbPpm4vBYFcXvNEFZBKYz\n"
    )
    wrong = sesn("audit", "verify", _WHOLE, "--policy", _policy(tmp_path, text))
    assert wrong.code == 4
    asked = sesn("audit", "verify", _WHOLE, "--policy", _policy(tmp_path, "quorum none\n"))
    assert asked.code == 0
    assert "No policy was given" not in asked.out


def test_a_policy_that_a_corpus_bundle_breaks(tmp_path: Path) -> None:
    """The bundle is whole; the witness that the policy names is not its witness."""
    way = json.loads(EXPECTED.read_text("ascii"))["another-witness-than-the-policys"]
    policy = _policy(tmp_path, way["policy"])
    ran = sesn("audit", "verify", FOLDER / way["files"][0], "--policy", policy)
    assert ran.code == 5
    assert "9 NO_QUORUM" in ran.out


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """A mistyped name is wrong usage."""
    sesn("audit", "verify", tmp_path / "none.sesnaudit").failed(2, "USAGE", "none.sesnaudit")
    sesn("audit", "verify", _WHOLE, "--policy", tmp_path / "none").failed(2, "USAGE", "none")
    sesn("audit", "verify").failed(2, "USAGE")


def test_a_report(tmp_path: Path) -> None:
    """It is written whatever the verdict is, and replaces nothing unasked."""
    page = tmp_path / "out.html"
    broken = FOLDER / "an-entry-redated.sesnaudit"
    assert sesn("audit", "verify", broken, "--report", page).code == 5
    first = page.read_text("utf-8")
    assert "LEAF_MISMATCH" in first
    sesn("audit", "verify", _WHOLE, "--report", page).failed(9, "FILE_EXISTS")
    assert page.read_text("utf-8") == first
    assert sesn("audit", "verify", _WHOLE, "--report", page, "--force").code == 0
    assert page.read_text("utf-8") != first


def _only(tmp_path: Path) -> dict[str, str]:
    """Every file of the folder, and what is in it."""
    return {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}


def test_a_report_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what, where and what next; the old report stands, and no part of the new one."""
    page = tmp_path / "out.html"
    sesn("audit", "verify", _WHOLE, "--report", tmp_path / "none" / "out.html").failed(
        9, "STORAGE", f"no folder {tmp_path / 'none'}"
    )
    page.write_text("the old one", "utf-8")

    def full(_self: object, _file: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(NewFile, "sync", full)
    ran = sesn("audit", "verify", _WHOLE, "--report", page, "--force")
    ran.failed(9, "STORAGE", f"{page}: cannot be written (No space left on device)")
    assert "Check free space" in ran.err
    assert _only(tmp_path) == {"out.html": "the old one"}


def test_a_bundle_that_fails_while_the_report_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle is named and not the report, and no report is left."""

    def fail(*_: object) -> Iterator[str]:
        yield "half a page"
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(report, "report", fail)
    ran = sesn("audit", "verify", _WHOLE, "--report", tmp_path / "out.html")
    ran.failed(9, "STORAGE", f"{_WHOLE}: cannot be read (Input/output error)")
    assert not _only(tmp_path)
