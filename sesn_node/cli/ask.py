"""Asking the person at the terminal; without a terminal nobody is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from sesn_node.errors import ConfigError


def has_terminal() -> bool:
    """Whether somebody can be asked, and sees what is asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def require_terminal(instead: str) -> None:
    """Make sure that somebody can be asked, before work is done towards the question.

    Args:
        instead: The option that answers the question beforehand, and what it means.

    Raises:
        ConfigError: There is no terminal; the message names the option.
    """
    if not has_terminal():
        raise ConfigError(
            f"this needs a yes, and there is no terminal to ask: {instead}", code="NO_TERMINAL"
        )


class Interrupted(Exception):
    """Somebody pressed Ctrl-C, or Ctrl-D instead of an answer; the text says what that means."""


@contextmanager
def answering() -> Iterator[None]:
    """Let whoever does not answer a question, but presses Ctrl-C or Ctrl-D, leave at once.

    Raises:
        Interrupted: So it was.
    """
    try:
        yield
    except (KeyboardInterrupt, EOFError, typer.Abort):
        raise Interrupted("nothing was done") from None


def confirm(question: str) -> None:
    """Ask a yes-or-no question on stderr; go on only after a yes.

    Raises:
        Abort: The answer was no.
        Interrupted: There was none.
    """
    while True:
        with answering():
            asked = f"{question} [y/N]"
            said = typer.prompt(asked, default="", show_default=False, err=True)
        match said.strip().lower():
            case "y" | "yes":
                return
            case "" | "n" | "no":
                raise typer.Abort
            case _:
                sys.stderr.write("Type y for yes, or n for no.\n")
