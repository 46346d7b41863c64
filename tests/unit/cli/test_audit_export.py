"""`sesn audit export`: what it says, what it takes, and what it refuses."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.bundle import open_bundle
from sesn_node.cli.moments import parse_moment
from sesn_node.crypto.primitives import sha256
from sesn_node.domain.ids import parse_message_id
from sesn_node.errors import MalformedError
from tests.support.commands import sesn, untouched
from tests.support.homes import BE, GH, NL
from tests.unit.cli.test_backup import ALERT

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.audit.bundle import Bundle

pytestmark = pytest.mark.usefixtures("_wide")

_DAY_MS = 86_400_000


@pytest.fixture
def message(home: Path) -> str:
    """The id of an alert that nl.customs has shared."""
    return _share(home, GH)


def _share(home: Path, to: str) -> str:
    path = home.parent / "alert.json"
    path.write_text(json.dumps(ALERT))
    found = sesn("alert", "send", path, "--to", to, "--yes", "--json", home=home).json
    return str(found["message_id"])


def _bundle(path: Path) -> Bundle:
    return open_bundle(BytesIO(path.read_bytes()))


def test_export_says_what_is_in_it(home: Path, tmp_path: Path, message: str) -> None:
    """How much, the hash to tell the auditor, and what the ledger says of it now."""
    del message
    path = tmp_path / "nl.sesnaudit"
    ran = sesn("audit", "export", path, home=home)
    assert ran.code == 0, ran
    hashed = sha256(path.read_bytes()).hex()
    for words in (f"{path} is written", "of our ledger", "1 message,", hashed, f"{NL}.sesn/ledger"):
        assert words in ran.out, ran.out
    assert "What messages say is not in it." in ran.out
    assert sesn("ledger", "verify", home=home).code == 0


def test_export_for_programs(home: Path, tmp_path: Path, message: str) -> None:
    """One line of JSON says the same; an id may be cut short."""
    path = tmp_path / "nl.sesnaudit"
    ran = sesn("audit", "export", path, "--disclose", message[:13], "--json", home=home)
    found = ran.json
    assert found["file"] == str(path)
    assert found["sha256"] == sha256(path.read_bytes()).hex()
    assert found["bytes"] == path.stat().st_size
    assert found["recorded_at"] == found["size"]
    assert (found["messages"], found["disclosed"]) == (1, 1)
    (one,) = _bundle(path).disclosures()
    assert one.message_id == parse_message_id(message)


def test_selection_is_in_the_manifest(home: Path, tmp_path: Path, message: str) -> None:
    """Every option, as an auditor will read it."""
    path = tmp_path / "nl.sesnaudit"
    other = _share(home, BE)
    line = ["--message", message, "--message", other, "--message", other, "--conversation", message]
    line += ["--from", "2020-01-02", "--to", "2100-01-02T12:30+01:00", "--blind"]
    ran = sesn("audit", "export", path, *line, home=home)
    assert ran.code == 0, ran
    assert "hashes only" in ran.out
    bundle = _bundle(path)
    selection = bundle.manifest.selection
    assert selection.messages == tuple(sorted(parse_message_id(one) for one in (message, other)))
    assert selection.conversation == parse_message_id(message)
    assert selection.from_ms == 18_263 * _DAY_MS
    assert selection.to_ms == 47_483 * _DAY_MS + 11 * 3_600_000 + 30 * 60_000
    assert selection.blind
    assert len(list(bundle.messages())) == 1


def test_file_that_is_there(home: Path, tmp_path: Path) -> None:
    """It is replaced only if that was asked for."""
    path = tmp_path / "nl.sesnaudit"
    path.write_bytes(b"precious")
    with untouched(home):
        sesn("audit", "export", path, home=home).failed(9, "FILE_EXISTS", "--force")
    assert path.read_bytes() == b"precious"
    assert sesn("audit", "export", path, "--force", home=home).code == 0
    assert path.read_bytes() != b"precious"


def test_what_is_not_there(home: Path, tmp_path: Path) -> None:
    """Ids that name nothing, and what is no id."""
    path = tmp_path / "nl.sesnaudit"
    with untouched(home):
        for option in ("--message", "--disclose", "--conversation"):
            line = ("audit", "export", path, option)
            sesn(*line, "0192aaaa", home=home).failed(6, "UNKNOWN_MESSAGE", "0192aaaa")
            sesn(*line, "nonsense", home=home).failed(4, "MALFORMED", "message id")
    assert not path.exists()


def test_times_that_are_none(home: Path, tmp_path: Path) -> None:
    """Nothing is guessed; a span that is empty is a slip of the pen."""
    path = tmp_path / "nl.sesnaudit"
    with untouched(home):
        for option in ("--from", "--to"):
            ran = sesn("audit", "export", path, option, "yesterday", home=home)
            ran.failed(4, "MALFORMED", option, "2026-11-01")
        span = ("--from", "2026-11-02", "--to", "2026-11-01")
        sesn("audit", "export", path, *span, home=home).failed(4, "MALFORMED", "--to")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-02", _DAY_MS),
        ("1970-01-02T00:00Z", _DAY_MS),
        ("1970-01-02 00:00:01Z", _DAY_MS + 1000),
        ("1970-01-02T01:00+01:00", _DAY_MS),
    ],
)
def test_moment(text: str, expected: int) -> None:
    """A date is its midnight in UTC; a time says its offset."""
    assert parse_moment("--from", text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-13-01", "2026-02-30", "2026-11-01T12:00", "2026-11-01T25:00Z", "20261101",
     "2026-W01-1", "٢٠٢٦-11-01", "1969-12-31", "2026-11-01T12:00+99:00", "9999-12-31T23:59-23:59"],
)  # fmt: skip
def test_no_moment(text: str) -> None:
    """Times without an offset are none: whose clock would it be?"""
    with pytest.raises(MalformedError, match="--from"):
        parse_moment("--from", text)
