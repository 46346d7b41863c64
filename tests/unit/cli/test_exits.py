"""How commands end: one table of exit codes, and never a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node import errors
from sesn_node.cli import exits
from sesn_node.cli.exits import ExitCode, exit_code
from sesn_node.cli.main import NOUNS
from sesn_node.errors import SesnError
from tests.support.commands import sesn

if TYPE_CHECKING:
    from pathlib import Path


def test_every_error_has_an_exit_code_of_its_own() -> None:
    """No class of the hierarchy shares a code, or ends as a fault of the program."""
    classes = SesnError.__subclasses__()
    codes = {exit_code(cls("x")) for cls in classes}
    assert len(codes) == len(classes)
    assert codes.isdisjoint({ExitCode.DONE, ExitCode.FAULT, ExitCode.USAGE, ExitCode.WAIT_RAN_OUT})
    assert {cls.__module__ for cls in classes} == {errors.__name__}


def test_exit_codes_are_documented() -> None:
    """The module's table names every code."""
    for code in ExitCode:
        assert f"| {code.value} | " in (exits.__doc__ or "")


@pytest.mark.parametrize("noun", [noun.name for noun in NOUNS])
def test_every_noun_has_help(noun: str) -> None:
    """Each noun explains itself, without a home."""
    ran = sesn(noun, "--help")
    assert ran.code == 0
    assert f"sesn {noun}" in ran.out


def test_version() -> None:
    """The version is one line, whatever else is missing."""
    ran = sesn("--version")
    assert ran.code == 0
    assert ran.out.startswith("sesn ")


def test_fault_of_the_program(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody thought of is told as ours; its text may quote content."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("the secret subject")

    monkeypatch.setattr("sesn_node.cli.ledger.ledger_head", fail)
    ran = sesn("ledger", "status", "--json", home=home)
    ran.failed(1, "FAULT", "ZeroDivisionError", "SESN_TRACEBACK")
    assert "secret" not in ran.err + ran.out
    monkeypatch.setenv("SESN_TRACEBACK", "1")
    assert "Traceback" in sesn("ledger", "status", home=home).err


def test_errors_as_json() -> None:
    """With --json an error is also one line on stdout, with code and message."""
    ran = sesn("alert", "list", "--json")
    (error,) = ran.json.values()
    assert isinstance(error, dict)
    assert error["code"] == "NO_HOME"
    assert ran.err == f"error NO_HOME: {error['message']}\n"
