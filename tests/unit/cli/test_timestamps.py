"""Time-stamps at the command line: what there is, how asking goes, and files for a stranger."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import open_home, system_clock
from sesn_node.config import FILE_NAME, Authority, Timestamps, load, render
from sesn_node.exchange.timestamps import note_failure
from tests.support.commands import rows, sesn
from tests.support.homes import NL, PASSPHRASE
from tests.support.stamping import URL, grow, plan, stamp
from tests.support.tsa import Tsa

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.commands import JsonIn

pytestmark = pytest.mark.usefixtures("_wide")

_HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def tsa() -> Tsa:
    """An authority."""
    return Tsa.new()


@pytest.fixture
def roots(home: Path, tsa: Tsa) -> Path:
    """The home asks that authority; the file with its root."""
    file = home / "roots.pem"
    file.write_bytes(tsa.root.pem)
    path = home / FILE_NAME
    wanted = Timestamps(authorities=(Authority(url=URL, roots="roots.pem"),), grace_seconds=3_600)
    path.write_text(render(replace(load(path), timestamps=wanted)), encoding="utf-8")
    return file


def _stamp(home: Path, tsa: Tsa) -> None:
    with open_home(home, PASSPHRASE) as desk:
        stamp(desk.office, tsa)


def _fail(home: Path, tsa: Tsa, ago_ms: int = 0) -> None:
    with open_home(home, PASSPHRASE, clock=lambda: system_clock() - ago_ms) as desk:
        note_failure(desk.office, plan((tsa, URL)), f"{URL}: answers with HTTP status 503")


def _found(home: Path) -> dict[str, JsonIn]:
    ran = sesn("doctor", "--offline", "--json", home=home)
    return next(one for one in rows(ran.json["checks"]) if one["check"] == "timestamps")


@pytest.mark.usefixtures("roots")
def test_tokens_are_listed(home: Path, tsa: Tsa) -> None:
    """Which checkpoint, when, and by whom; the same for programs."""
    _stamp(home, tsa)
    ran = sesn("ledger", "timestamps", home=home)
    assert ran.code == 0, ran
    assert URL in ran.out
    assert f"{tsa.at:%Y-%m-%d %H:%M:%S}" in ran.out
    assert " existed at " in ran.out
    told = sesn("ledger", "timestamps", "--json", home=home).json
    assert (told["asking"], told["overdue"], told["failing_since"]) == (True, False, None)
    (token,) = rows(told["tokens"])
    assert (token["origin"], token["size"]) == (f"{NL}.sesn/ledger/1", told["newest_size"])
    status = sesn("status", "--json", home=home).json["timestamps"]
    assert isinstance(status, dict)
    assert status["newest_size"] == token["size"]
    assert _found(home)["grade"] == "ok"


def test_where_nobody_is_asked(home: Path) -> None:
    """It says so, and nothing else changes."""
    ran = sesn("ledger", "timestamps", home=home)
    assert ran.code == 0, ran
    assert "No authority is asked" in ran.out
    assert "No checkpoint has a time-stamp yet." in ran.out
    assert sesn("status", "--json", home=home).json["timestamps"] is None
    assert "Time-stamps" not in sesn("status", home=home).out


@pytest.mark.usefixtures("roots")
def test_the_grace_period_is_seen(home: Path, tsa: Tsa) -> None:
    """In status, doctor and the list: since when, until when, and why."""
    _fail(home, tsa)
    assert "no authority has answered since" in sesn("status", home=home).out
    assert ", grace until" in sesn("ledger", "timestamps", home=home).out
    found = _found(home)
    assert found["grade"] == "warning"
    assert "HTTP status 503" in str(found["text"])
    assert found["remedy"]


@pytest.mark.usefixtures("roots")
def test_the_end_of_the_grace_period_is_an_alarm(home: Path, tsa: Tsa) -> None:
    """Until an authority answers again."""
    _fail(home, tsa, 2 * _HOUR_MS)
    _fail(home, tsa)
    assert "the grace period ended at" in sesn("status", home=home).out
    told = sesn("ledger", "timestamps", "--json", home=home).json
    assert (told["overdue"], told["failures"]) == (True, 2)
    assert _found(home)["grade"] == "failed"
    with open_home(home, PASSPHRASE, clock=lambda: system_clock() + 2 * _HOUR_MS) as desk:
        stamp(desk.office, tsa)
    assert _found(home)["grade"] == "ok"


def test_a_lost_file_of_roots(home: Path, roots: Path) -> None:
    """The doctor finds it; a node would not start, and says which file."""
    roots.unlink()
    ran = sesn("doctor", "--offline", "--json", home=home)
    (found,) = [one for one in rows(ran.json["checks"]) if one["check"] == "timestamp-roots"]
    assert found["grade"] == "failed"
    assert str(roots) in str(found["text"])
    assert URL in str(found["text"])


@pytest.mark.usefixtures("roots")
def test_tokens_are_saved(home: Path, tsa: Tsa, tmp_path: Path) -> None:
    """Each with what it is over; again, only new ones are added, and nothing is overwritten."""
    folder = tmp_path / "tokens"
    _stamp(home, tsa)
    assert sesn("ledger", "timestamps", "--save", folder, home=home).code == 0
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(first) == 2
    with open_home(home, PASSPHRASE, clock=lambda: system_clock() + 2 * _HOUR_MS) as desk:
        grow(desk.office)
        stamp(desk.office, tsa)
    ran = sesn("ledger", "timestamps", "--save", folder, "--json", home=home)
    assert ran.json["saved"] == 2
    now = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(now) == 4
    assert first.items() <= now.items()
    name = next(iter(first))
    (folder / name).write_bytes(b"something else")
    sesn("ledger", "timestamps", "--save", folder, home=home).failed(
        9, "FILE_EXISTS", str(folder / name)
    )
    assert (folder / name).read_bytes() == b"something else"


def test_a_bundle_holds_them(home: Path, roots: Path, tsa: Tsa, tmp_path: Path) -> None:
    """Exported whole, and audited under the roots that the auditor trusts, or others, or none."""
    _stamp(home, tsa)
    bundle = tmp_path / "nl.sesnaudit"
    ran = sesn("audit", "export", bundle, "--json", home=home)
    assert ran.json["timestamps"] == 1
    ran = sesn("audit", "verify", bundle, "--timestamp-roots", roots, "--json")
    assert ran.code == 0, ran
    (told,) = rows(ran.json["bundles"])
    (ledger,) = rows(told["ledgers"])
    stamped = ledger["stamped"]
    assert isinstance(stamped, dict)
    assert stamped["time_ms"] == int(tsa.at.timestamp()) * 1000
    assert "time-stamped" in sesn("audit", "verify", bundle, "--timestamp-roots", roots).out
    assert "no roots were given" in sesn("audit", "verify", bundle).out
    strangers = tmp_path / "strangers.pem"
    strangers.write_bytes(Tsa.new().root.pem)
    ran = sesn("audit", "verify", bundle, "--timestamp-roots", strangers)
    assert ran.code == 5
    assert "TIMESTAMP_INVALID" in ran.out
    sesn("audit", "verify", bundle, "--timestamp-roots", bundle).failed(4, "MALFORMED", "PEM")


def test_a_backup_holds_them(home: Path, tsa: Tsa, tmp_path: Path, roots: Path) -> None:
    """They are rows like others; a restored home lists the same."""
    del roots
    _stamp(home, tsa)
    before = sesn("ledger", "timestamps", "--json", home=home).json["tokens"]
    backup = tmp_path / "nl.sesnbackup"
    assert sesn("backup", backup, home=home).code == 0
    (home / "node.db").unlink()
    assert sesn("restore", backup, home=home).code == 0
    assert sesn("ledger", "timestamps", "--json", home=home).json["tokens"] == before
    assert json.dumps(before) != "[]"
