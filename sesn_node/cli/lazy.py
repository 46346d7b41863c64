"""Commands whose module is imported only when one of them is used.

An officer waits for every import, so `sesn --help` imports none of them, and `sesn card show` only
what a card needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

import typer
from typer.core import TyperCommand
from typer.main import get_command

if TYPE_CHECKING:
    # typer carries its own copy of click, and types its methods with it.
    from typer._click import Context


_PARAGRAPH: Final = re.compile(r"\n\s*\n")


def _in_paragraphs(text: str | None) -> str | None:
    """Take out the line breaks that only the source has, so that a terminal makes its own."""
    if text is None:
        return None
    return "\n\n".join(" ".join(part.split()) for part in _PARAGRAPH.split(text))


@dataclass(frozen=True, slots=True)
class Noun:
    """A word after `sesn`.

    Args:
        name: The word.
        module: Module that holds its typer app, called `app`.
        summary: The line that `sesn --help` shows.
    """

    name: str
    module: str
    summary: str


class LazyCommand(TyperCommand):
    """Stands for a noun until it is used; then the real command takes over."""

    def __init__(self, noun: Noun) -> None:
        super().__init__(noun.name, help=noun.summary)
        self._module = noun.module

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Context | None = None,
        **extra: object,
    ) -> Context:
        """Parse the rest of the line by the real command, which the context then names."""
        app: typer.Typer = import_module(self._module).app
        command = get_command(app)
        command.help = command.help or self.help
        for one in (command, *getattr(command, "commands", {}).values()):
            one.help = _in_paragraphs(one.help)
        return command.make_context(info_name, args, parent=parent, **extra)
