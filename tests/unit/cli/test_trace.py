"""`sesn trace`, and what commands say of a disk without room."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.cli.exits import ExitCode
from sesn_node.config import FILE_NAME, Config, Limits, Traces, load, render
from sesn_node.domain.ids import show_message_id
from tests.support.commands import sesn, untouched

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.commands import Ran

ALERT = {
    "markings": {"tlp": "AMBER"},
    "alert": {
        "subject": "Fridges declared as furniture",
        "urgency": "URGENT",
        "requestedAction": "INSPECT",
        "narrative": "Loaded before the profile fired.",
    },
}


def _set(home: Path, **sections: object) -> Config:
    path = home / FILE_NAME
    changed = replace(load(path), **sections)  # type: ignore[arg-type]  # sections, by their names
    path.write_text(render(changed), encoding="utf-8")
    return changed


def _send(home: Path, folder: Path) -> Ran:
    path = folder / "alert.json"
    path.write_text(json.dumps(ALERT), encoding="utf-8")
    return sesn("alert", "send", path, "--to", "gh.epa", "--yes", "--json", home=home)


@pytest.fixture
def traced(home: Path, tmp_path: Path) -> tuple[Path, str]:
    """A home that writes traces, and a message that was shared from it."""
    _set(home, traces=Traces(file="traces.jsonl"))
    ran = _send(home, tmp_path)
    assert ran.code == 0, ran.err
    return home, str(ran.json["message_id"])


def test_life_begins_with_the_command_that_shared(traced: tuple[Path, str]) -> None:
    """The command's own process writes the root, and the home's file is found by itself."""
    home, message = traced
    ran = sesn("trace", message, home=home)
    assert ran.code == 0, ran.err
    assert f"message {message}" in ran.out
    assert re.search(r"nl\.customs +share to 1 recipient", ran.out)
    for moment in ("sealed", "committed"):
        assert moment in ran.out


def test_json_is_one_line(traced: tuple[Path, str]) -> None:
    """Programs get the same, with times in nanoseconds."""
    home, message = traced
    shown = sesn("trace", message[:13], "--json", home=home).json
    assert (shown["message_id"], shown["unread_lines"]) == (message, 0)
    steps = shown["steps"]
    assert isinstance(steps, list)
    (step,) = steps
    assert isinstance(step, dict)
    assert (step["depth"], step["node"], step["step"]) == (0, "nl.customs", "share")
    assert (step["parent_span_id"], step["failed"]) == (None, None)


def test_files_are_enough_without_a_home(traced: tuple[Path, str], tmp_path: Path) -> None:
    """Somebody with no node at all can read the files of others."""
    home, message = traced
    copy = tmp_path / "from-a-partner.jsonl"
    copy.write_bytes((home / "traces.jsonl").read_bytes() + b'{"torn": "' + message.encode())
    ran = sesn("trace", message, copy)
    assert ran.code == 0, ran.err


def test_lines_that_cannot_be_read_are_told(traced: tuple[Path, str]) -> None:
    """A torn line about this message is counted under the tree."""
    home, message = traced
    with (home / "traces.jsonl").open("a") as file:
        file.write('{"torn": "' + message.replace("-", ""))
    assert "1 line could not be read as spans." in sesn("trace", message, home=home).out


def test_file_that_is_no_trace(traced: tuple[Path, str], tmp_path: Path) -> None:
    """Whoever names the wrong file learns it, even if the home's own file has the message."""
    home, message = traced
    for text in ("export SESN_HOME=nl\n", '{"a": 1}\n', "[1]\n", "\xff\x00"):
        (tmp_path / "env.sh").write_text(text, encoding="latin-1")
        ran = sesn("trace", message, tmp_path / "env.sh", home=home)
        ran.failed(ExitCode.MALFORMED, "MALFORMED", f"{tmp_path / 'env.sh'}: this is no trace file")


@pytest.mark.usefixtures("_wide")
def test_file_that_says_nothing(traced: tuple[Path, str], tmp_path: Path) -> None:
    """A trace file without this message is told beside what the others say."""
    home, message = traced
    theirs = tmp_path / "theirs.jsonl"
    for text in ('{"resourceSpans": []}\n', ""):
        theirs.write_text(text)
        ran = sesn("trace", message, theirs, home=home)
        assert ran.code == 0
        assert f"{theirs} says nothing about this message." in ran.out
        assert sesn("trace", message, theirs, "--json", home=home).json["silent"] == [str(theirs)]
        sesn("trace", message, theirs).failed(ExitCode.STORAGE, "NO_TRACE", str(theirs))


def test_folded_rows_keep_their_depth(
    traced: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a narrow terminal the rest of a row stands under its beginning."""
    home, message = traced
    monkeypatch.setenv("COLUMNS", "44")
    lines = sesn("trace", message, home=home).out.splitlines()
    at = next(index for index, line in enumerate(lines) if "- committed" in line)
    column = lines[at].index("-")
    (home / "traces.jsonl").write_text(
        (home / "traces.jsonl").read_text().replace('"committed"', '"committed and a lot more"')
    )
    lines = sesn("trace", message, home=home).out.splitlines()
    at = next(index for index, line in enumerate(lines) if "- committed" in line)
    assert lines[at + 1][:column].strip() == ""
    assert lines[at + 1][column] != " "


def test_older_files_are_read_too(traced: tuple[Path, str]) -> None:
    """What was renamed when it was full is still found."""
    home, message = traced
    (home / "traces.jsonl").rename(home / "traces.jsonl.2")
    assert sesn("trace", message, home=home).code == 0


def test_nothing_to_read_is_an_error(home: Path, traced: tuple[Path, str]) -> None:
    """Without traces, files or the message, the error says what to do."""
    other = show_message_id(bytes.fromhex("0198c0de00007000800000000000ffff"))
    sesn("trace", other, home=home).failed(ExitCode.STORAGE, "NO_TRACE", "traces.one_in")
    sesn("trace", "zz", home=home).failed(ExitCode.MALFORMED, "MALFORMED", "first 8 digits")
    sesn("trace", traced[1], home / "none", home=home).failed(
        ExitCode.STORAGE, "STORAGE", "No such file"
    )
    sesn("trace", traced[1]).failed(ExitCode.CONFIG, "NO_HOME")
    _set(home, traces=Traces())
    sesn("trace", traced[1], home=home).failed(ExitCode.CONFIG, "NO_TRACES", "traces.file")


def test_hostile_file_cannot_steer_the_terminal(home: Path, tmp_path: Path) -> None:
    """Names in a partner's file are shown without what a terminal would obey."""
    message = "0198c0de00007000800000000000ffff"
    span = {
        "traceId": message,
        "spanId": "1" * 16,
        "name": "\x1b[2Jshare[red]",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
    }
    resource = {"resource": {"attributes": []}, "scopeSpans": [{"spans": [span]}]}
    path = tmp_path / "hostile.jsonl"
    path.write_text(json.dumps({"resourceSpans": [resource]}) + "\n")
    ran = sesn("trace", message, path, home=home)
    assert "\x1b" not in ran.out
    assert "[2Jshare[red]" in ran.out


def test_nothing_is_shared_without_room(home: Path, tmp_path: Path) -> None:
    """Below the floor a command says why it shares nothing, and changes nothing; reading works."""
    _set(home, limits=Limits(disk_floor_mib=1 << 24))
    with untouched(home):
        _send(home, tmp_path).failed(
            ExitCode.STORAGE, "DISK_FLOOR", "limits.disk_floor_mib", "until there is room again"
        )
        for command in (("alert", "list"), ("outbox", "list"), ("ledger", "verify")):
            assert sesn(*command, home=home).code == 0
    _set(home, limits=Limits(disk_floor_mib=0))
    assert _send(home, tmp_path).code == 0


def test_partner_can_be_revoked_without_room(home: Path) -> None:
    """To cut somebody off is never too large."""
    _set(home, limits=Limits(disk_floor_mib=1 << 24))
    assert sesn("peer", "revoke", "gh.epa", "--yes", home=home).code == 0
