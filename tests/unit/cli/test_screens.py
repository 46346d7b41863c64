"""What commands make of a screen, and of none; and how they say which command comes next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sesn_node.cli.link_text import link_words
from sesn_node.cli.runfile import NodeState, encode_state
from sesn_node.domain.counting import many
from sesn_node.exchange.standing import peers
from sesn_node.store.engine import Store
from sesn_node.store.files import locked
from tests.support.commands import sesn
from tests.support.homes import BE, GH

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.store.engine import Transaction

_MINUTE_MS = 60_000
_SEEN_MS = 1_795_417_269_000
"""2026-11-23 07:01:09 UTC."""
ALERT = {
    "markings": {"tlp": "AMBER"},
    "alert": {
        "subject": "Two containers " * 10,
        "urgency": "SHIP_SAILS",
        "requested_action": "INSPECT",
        "narrative": "Loaded before the profile fired.",
    },
}


@pytest.fixture
def store(home: Path) -> Store:
    """The database of the home."""
    return Store(f"sqlite:///{home / 'node.db'}", create=False)


@pytest.fixture
def sent(home: Path, tmp_path: Path) -> str:
    """An alert that waits for two partners."""
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(ALERT))
    ran = sesn("alert", "send", path, "--to", GH, "--to", BE, "--yes", "--json", home=home)
    return str(ran.json["message_id"])


def _links(transaction: Transaction) -> None:
    transaction.peers.link_up(GH, _SEEN_MS)
    transaction.peers.link_up(BE, _SEEN_MS)
    transaction.peers.link_ended(BE, connected_ms=_SEEN_MS, now_ms=_SEEN_MS + _MINUTE_MS)


@pytest.mark.usefixtures("_wide")
def test_since_when_partners_are_connected(home: Path, store: Store, sent: str) -> None:
    """Every list says the same: since when it is connected, or since when it is not."""
    with store.write() as transaction:
        _links(transaction)
    run = home / "run"
    (run / "node.json").write_bytes(encode_state(NodeState(4711, "127.0.0.1:7443", "")))
    lines = (("peer", "list"), ("status",), ("outbox", "list"), ("outbox", "show", sent))
    with locked(run / "node.lock", wait=False):
        for line in lines:
            out = sesn(*line, home=home).out
            assert "connected since 2026-11-23 07:01 UTC" in out, line
            assert "not connected since 2026-11-23 07:02 UTC" in out, line
    # A node that was killed has not noted when its connections ended.
    for line in lines:
        out = sesn(*line, home=home).out
        assert " connected since" not in out.replace("not connected since", ""), line
        assert "not connected; the last time from 2026-11-23 07:01 UTC" in out, line
    listed = sesn("peer", "list", "--json", home=home).json["peers"]
    assert isinstance(listed, list)
    ended = {one["agency"]: one["link"]["ended"] for one in listed}  # type: ignore[call-overload,index]
    assert ended == {GH: None, BE: "2026-11-23T07:02:09.000Z"}


def test_partner_that_cannot_be_dialled(store: Store) -> None:
    """How often, and since when."""
    with store.write() as transaction:
        _links(transaction)
        for agency, failures in ((GH, 1), (BE, 3)):
            transaction.peers.link_down(agency, failures=failures, next_attempt_ms=0, error="x")
    words = {one.agency: str(link_words(one, 1, serves=True)) for one in peers(store, 1)}
    assert words[BE].startswith("not connected since 2026-11-23 07:02 UTC; dialled 3 times, next")
    assert "; dialled once, next try" in words[GH]


def test_pipe(home: Path, sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no terminal gets lines that are not folded, and no blanks to fill a screen."""
    monkeypatch.delenv("COLUMNS")
    for line in (("alert", "list"), ("alert", "show", sent), ("outbox", "list"), ("status",)):
        out = sesn(*line, home=home).out
        assert not [one for one in out.splitlines() if one.endswith(" ")], line
    assert ("Two containers " * 10).strip() in sesn("alert", "list", home=home).out
    listed = sesn("outbox", "list", home=home).out
    assert f"nothing leaves until 'sesn --home {home} serve' runs.\n" in listed
    assert max(map(len, listed.splitlines())) < 300


@pytest.mark.usefixtures("_wide")
def test_next_command_as_it_was_typed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the home of the environment nobody has to name it."""
    assert f"'sesn --home {home} serve'" in sesn("status", home=home).out
    monkeypatch.setenv("SESN_HOME", str(home))
    assert "'sesn serve'" in sesn("status").out


@pytest.mark.usefixtures("_wide")
def test_one_word_for_urgency(home: Path, sent: str) -> None:
    """The outbox and the alert say the same."""
    assert "immediate alert" in sesn("outbox", "list", home=home).out
    assert "urgency" in sesn("alert", "show", sent, home=home).out
    for line in (("alert", "show", sent), ("alert", "list")):
        assert "immediate" in sesn(*line, home=home).out
        assert "ship sails" not in sesn(*line, home=home).out


def test_unknown_words() -> None:
    """It is said where the words are that may be typed."""
    sesn("bogus").failed(2, "USAGE", "No such command 'bogus'; 'sesn --help' lists them")
    ran = sesn("outbox", "list", "--state", "lost")
    ran.failed(2, "USAGE", "Invalid value for '--state': 'lost' is not one of 'queued'")
    sesn("alert", "bogus").failed(2, "USAGE", "; 'sesn alert --help' lists them")


@pytest.mark.usefixtures("_wide")
def test_help_is_not_broken_by_the_source() -> None:
    """A paragraph is one line if there is room."""
    out = sesn("alert", "list", "--help").out
    assert "spaces and separators do not matter" in out


def test_counts() -> None:
    """One is one."""
    assert [many(count, "entry", "entries") for count in (0, 1, 2_000)] == [
        "0 entries",
        "1 entry",
        "2,000 entries",
    ]
