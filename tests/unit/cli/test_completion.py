"""Completion in the shell: nouns, verbs and options are offered, and the script is printed."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout

import pytest

from sesn_node.cli.main import NOUNS, run


def _completed(monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """Ask for what can follow a line, as bash does."""
    words = line.split(" ")
    monkeypatch.setenv("_SESN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()), pytest.raises(SystemExit) as ended:
        run([])
    assert ended.value.code == 0
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sesn ", [noun.name for noun in NOUNS]),
        ("sesn al", ["alert"]),
        ("sesn peer ", ["add", "list", "release", "revoke"]),
        ("sesn alert de", ["decline"]),
        ("sesn ledger verify --js", ["--json"]),
    ],
)
def test_bash(monkeypatch: pytest.MonkeyPatch, line: str, offered: list[str]) -> None:
    """What is offered is what the command line takes, however lazily its parts are loaded."""
    assert sorted(_completed(monkeypatch, line)) == sorted(offered)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """`--show-completion` prints what a shell is to load."""
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit) as ended:
        run(["--show-completion", shell])
    assert ended.value.code == 0
    assert "_SESN_COMPLETE" in out.getvalue()
