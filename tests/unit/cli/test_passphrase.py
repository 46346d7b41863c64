"""Where the passphrase comes from, and in which order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sesn_node.cli import passphrase
from sesn_node.cli.passphrase import new_passphrase, read_passphrase
from sesn_node.errors import ConfigError
from tests.support.commands import sesn, untouched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _pipe(data: bytes) -> int:
    """Return a descriptor from which `data` can be read to its end."""
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    return read


@pytest.fixture
def credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemd credential, ending in a line feed as `echo` leaves it."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    path = folder / "sesn-passphrase"
    path.write_bytes(b"from the credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Somebody at a terminal who types these lines."""
    lines: list[str] = []
    monkeypatch.delenv("SESN_PASSPHRASE")
    monkeypatch.setattr(passphrase, "has_terminal", lambda: True)
    monkeypatch.setattr(passphrase, "getpass", lambda _: lines.pop(0))
    yield lines
    assert not lines, "a prompt that never came"


@pytest.mark.usefixtures("credential")
def test_descriptor_goes_before_the_environment() -> None:
    """The option is given most deliberately, so it wins; one line feed is not part of it."""
    assert read_passphrase(_pipe(b"from the pipe\n")) == b"from the pipe"
    assert read_passphrase(_pipe(b"two\n\n")) == b"two\n"


@pytest.mark.usefixtures("credential")
def test_environment_goes_before_the_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable set for this command beats what the service manager hands to all."""
    monkeypatch.setenv("SESN_PASSPHRASE", "from the environment")
    assert read_passphrase(None) == b"from the environment"


@pytest.mark.usefixtures("credential")
def test_credential_is_read_without_its_line_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The systemd credential serves where nothing else is given."""
    monkeypatch.delenv("SESN_PASSPHRASE")
    assert read_passphrase(None) == b"from the credential"


def test_prompt_comes_last(typed: list[str]) -> None:
    """A person is asked only if nothing else is given."""
    typed.append("typed by hand")
    assert read_passphrase(None) == b"typed by hand"


def test_new_passphrase_is_typed_twice(typed: list[str]) -> None:
    """A typing error would lock the agency out of its own keys."""
    typed += ["correct horse battery", "correct horse battery"]
    assert new_passphrase(None) == b"correct horse battery"
    typed += ["correct horse battery", "correct house battery"]
    with pytest.raises(ConfigError, match="differ"):
        new_passphrase(None)


@pytest.mark.parametrize("source", ["environment", "descriptor"])
def test_short_new_passphrase(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven characters are refused, wherever they come from."""
    monkeypatch.setenv("SESN_PASSPHRASE", "eleven char")
    descriptor = _pipe("élève chars".encode()) if source == "descriptor" else None
    with pytest.raises(ConfigError, match="fewer than 12 characters"):
        new_passphrase(descriptor)


def test_no_passphrase_and_no_terminal(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked without a terminal; the error says what to use instead."""
    monkeypatch.delenv("SESN_PASSPHRASE")
    with untouched(home):
        ran = sesn("alert", "list", home=home)
    ran.failed(10, "NO_PASSPHRASE", "SESN_PASSPHRASE", "--passphrase-fd", "sesn-passphrase")


def test_closed_descriptor(home: Path) -> None:
    """A descriptor that is not open is named."""
    ran = sesn("--passphrase-fd", "917", "alert", "list", home=home)
    ran.failed(10, "PASSPHRASE", "--passphrase-fd 917", "cannot be read")


@pytest.mark.parametrize("value", ["", "x" * 4_097])
def test_absurd_passphrase(home: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An empty or endless passphrase is a mistake of the environment, not a wrong one."""
    monkeypatch.setenv("SESN_PASSPHRASE", value)
    sesn("alert", "list", home=home).failed(10, "PASSPHRASE", "SESN_PASSPHRASE")


def test_wrong_passphrase(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong passphrase opens nothing and changes nothing."""
    monkeypatch.setenv("SESN_PASSPHRASE", "not this one, surely")
    with untouched(home):
        ran = sesn("alert", "list", home=home)
    ran.failed(
        5,
        "WRONG_PASSPHRASE",
        f"{home / 'keys' / 'node.key'}: wrong passphrase",
        "Try again",
        "'sesn restore' brings no keys back",
    )
    sesn("card", "issue", home=home).failed(5, "WRONG_PASSPHRASE", "root.key: wrong passphrase")
