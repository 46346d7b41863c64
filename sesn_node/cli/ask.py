"""Asking the person at the terminal; without a terminal nobody is asked."""

from __future__ import annotations

import sys

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


def confirm(question: str) -> None:
    """Ask a yes-or-no question on stderr; go on only after a yes.

    Raises:
        Abort: The answer was no.
    """
    if not typer.confirm(question, err=True):
        raise typer.Abort
