"""Homes for commands, opened with the passphrase from the environment."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.exchange.backup import back_up
from sesn_node.founding import found
from tests.support.commands import logging_kept
from tests.support.homes import BE, CHEAP, DE, GH, NL, PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.homes import Homes


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment but the passphrase of the test homes."""
    for name in ("SESN_HOME", "CREDENTIALS_DIRECTORY", "SESN_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SESN_PASSPHRASE", PASSPHRASE.decode())
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(autouse=True)
def _cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these commands encrypt opens at once; tests of real processes pay the full cost."""
    monkeypatch.setattr("sesn_node.cli.init.found", partial(found, kdf=CHEAP))
    monkeypatch.setattr("sesn_node.cli.backup.back_up", partial(back_up, kdf=CHEAP))


@pytest.fixture
def _wide(_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal on which no line has to be folded, whatever a path's length."""
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Logging is as it was when a test ends."""
    with logging_kept():
        yield


@pytest.fixture
def home(homes: Homes, tmp_path: Path) -> Path:
    """The home of nl.customs, which trusts gh.epa and be.police."""
    return homes.copy((NL, GH, BE), tmp_path / "homes")[NL]


@pytest.fixture
def card_of_de(homes: Homes, tmp_path: Path) -> Path:
    """The card of an agency that nobody pinned."""
    path = tmp_path / "de.sesncard"
    path.write_bytes(homes.card(DE).sealed)
    return path


@pytest.fixture
def alert_file(tmp_path: Path) -> Path:
    """An alert that can be sent."""
    path = tmp_path / "alert.json"
    alert = {
        "subject": "Two containers",
        "urgency": "SHIP_SAILS",
        "requested_action": "INSPECT",
        "narrative": "Loaded before the profile fired.",
    }
    path.write_text(json.dumps({"markings": {"tlp": "AMBER"}, "alert": alert}))
    return path
