"""Where the passphrase of the key files comes from.

The first of these that is there, since each is given more deliberately than the next:

1. `--passphrase-fd N`: read to the end from that descriptor
2. `SESN_PASSPHRASE` in the environment
3. the systemd credential `sesn-passphrase` (a file in `$CREDENTIALS_DIRECTORY`)
4. a prompt, if there is a terminal

One line feed at the end of a descriptor or file is not part of it.
"""

from __future__ import annotations

import os
from getpass import getpass
from pathlib import Path
from typing import Final

from sesn_node.cli.ask import answering, has_terminal
from sesn_node.errors import ConfigError

VARIABLE: Final = "SESN_PASSPHRASE"
CREDENTIAL: Final = "sesn-passphrase"
MIN_CHARACTERS: Final = 12
NO_PASSPHRASE: Final = "NO_PASSPHRASE"  # noqa: S105 - the name of an error, not a secret

_MAX_BYTES: Final = 4_096


def read_passphrase(descriptor: int | None) -> bytes:
    """Return the passphrase of an existing home.

    Raises:
        ConfigError: There is none, or its source cannot be read.
    """
    given = _given(descriptor)
    return _prompt("Passphrase: ") if given is None else given


def new_passphrase(descriptor: int | None) -> bytes:
    """Return the passphrase for a home that is being made; a prompt asks twice.

    Raises:
        ConfigError: There is none, it is too short, or it was typed in two ways.
    """
    given = _given(descriptor)
    if given is not None:
        return _long_enough(given)
    first = _long_enough(_prompt(f"New passphrase ({MIN_CHARACTERS} characters or more): "))
    if _prompt("The same again: ") != first:
        raise ConfigError("the two passphrases differ; nothing was made", code="PASSPHRASE")
    return first


def ask_passphrase(variable: str, prompt: str) -> bytes:
    """Return another passphrase than the home's: from the environment, or a prompt.

    Raises:
        ConfigError: There is none, or it cannot be read.
    """
    value = os.environ.get(variable)
    if value is not None:
        return _checked(os.fsencode(value), variable)
    if not has_terminal():
        raise ConfigError(
            f"no passphrase of the operator: set {variable}; without a terminal nobody is asked",
            code=NO_PASSPHRASE,
        )
    return _prompt(prompt)


def make_passphrase(variable: str, who: str) -> bytes:
    """Return a new passphrase; a prompt asks twice.

    Raises:
        ConfigError: There is none, it is too short, or it was typed in two ways.
    """
    first = _long_enough(
        ask_passphrase(variable, f"New passphrase of {who} ({MIN_CHARACTERS} characters or more): ")
    )
    if os.environ.get(variable) is None and _prompt("The same again: ") != first:
        raise ConfigError("the two passphrases differ; nothing was made", code="PASSPHRASE")
    return first


def _given(descriptor: int | None) -> bytes | None:
    if descriptor is not None:
        return _read(descriptor, f"--passphrase-fd {descriptor}")
    value = os.environ.get(VARIABLE)
    if value is not None:
        return _checked(os.fsencode(value), VARIABLE)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is not None and (path := Path(folder) / CREDENTIAL).exists():
        return _read(path, f"the systemd credential {CREDENTIAL}")
    return None


def _read(source: int | Path, what: str) -> bytes:
    try:
        with open(source, "rb") as file:  # noqa: PTH123 - a Path cannot open a descriptor
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{what}: cannot be read ({error.strerror})", code="PASSPHRASE"
        ) from error
    return _checked(data.removesuffix(b"\n"), what)


def _checked(value: bytes, what: str) -> bytes:
    if not value:
        raise ConfigError(f"{what}: the passphrase is empty", code="PASSPHRASE")
    if len(value) > _MAX_BYTES:
        raise ConfigError(f"{what}: longer than {_MAX_BYTES} bytes", code="PASSPHRASE")
    return value


def _prompt(text: str) -> bytes:
    if not has_terminal():
        raise ConfigError(
            f"no passphrase: set {VARIABLE}, or use --passphrase-fd or the systemd credential "
            f"{CREDENTIAL}; without a terminal nobody can be asked",
            code=NO_PASSPHRASE,
        )
    with answering():
        typed = getpass(text)
    return _checked(os.fsencode(typed), "the prompt")


def _long_enough(value: bytes) -> bytes:
    if len(value.decode("utf-8", "replace")) < MIN_CHARACTERS:
        raise ConfigError(
            f"the passphrase has fewer than {MIN_CHARACTERS} characters: whoever copies the key "
            "files can try many; take a longer one, such as five words",
            code="PASSPHRASE",
        )
    return value
