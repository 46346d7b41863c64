"""Ctrl-C: at a question nothing was done; while waiting, what was recorded goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.cli.exits import ExitCode
from tests.support.commands import sesn, untouched
from tests.support.homes import GH
from tests.support.terminals import at_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.terminals import Terminal

_CTRL_C = "\x03"
_CTRL_D = "\x04"


def _press(terminal: Terminal, key: str, prompt: str) -> int:
    """Wait for a prompt and press a key; nothing but one line may follow it."""
    terminal.read_until(prompt)
    terminal.shown = ""
    terminal.press_until(key, "nothing was done")
    shown = terminal.shown.replace("^C", "").lstrip(" ")
    assert shown.startswith("\r\nerror INTERRUPTED: ")
    return terminal.end()


@pytest.mark.parametrize("key", [_CTRL_C, _CTRL_D], ids=["Ctrl-C", "Ctrl-D"])
def test_at_the_passphrase(home: Path, key: str) -> None:
    """One line of its own, and the code that shells use for Ctrl-C."""
    with untouched(home), at_terminal("--home", home, "alert", "list", passphrase=False) as one:
        assert _press(one, key, "Passphrase: ") == ExitCode.INTERRUPTED


@pytest.mark.parametrize("key", [_CTRL_C, _CTRL_D], ids=["Ctrl-C", "Ctrl-D"])
def test_at_a_question(home: Path, card_of_de: Path, key: str) -> None:
    """The same as at the passphrase."""
    with untouched(home), at_terminal("--home", home, "peer", "add", card_of_de) as one:
        assert _press(one, key, "[y/N]") == ExitCode.INTERRUPTED


def test_another_word_than_yes_or_no(home: Path, card_of_de: Path) -> None:
    """It is said what may be typed, and asked again; no is no."""
    with untouched(home), at_terminal("--home", home, "peer", "add", card_of_de) as one:
        one.answer("[y/N]", "bulb")
        one.read_until("Type y for yes, or n for no.")
        one.answer("[y/N]", "no")
        one.read_until("error ABORTED: nothing was done")
        assert one.end() == ExitCode.USAGE


@pytest.mark.usefixtures("_wide")
def test_while_waiting(home: Path, alert_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That the alert is recorded is said before the wait, and that it goes on after it."""

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sesn_node.cli.wait.time.sleep", interrupt)
    line = ("alert", "send", alert_file, "--to", GH, "--yes", "--wait", "60")
    ran = sesn(*line, home=home)
    assert ran.code == ExitCode.WAIT_RAN_OUT
    assert ran.out.startswith("Alert ")
    message = ran.out.split()[1]
    assert f"No longer waiting. Alert {message} is recorded and goes on by itself" in ran.err
    assert f"'sesn --home {home} outbox show {message}' tells where it stands" in ran.err
    assert sesn("outbox", "show", message, home=home).code == 0
    ran = sesn(*line, "--json", home=home)
    assert ran.code == ExitCode.WAIT_RAN_OUT
    assert ran.json["message_id"]


def test_while_working(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that nothing was done."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sesn_node.cli.ledger.verify_ledger", interrupt)
    ran = sesn("ledger", "verify", "--json", home=home)
    ran.failed(ExitCode.INTERRUPTED, "INTERRUPTED", "what was recorded before stands")
