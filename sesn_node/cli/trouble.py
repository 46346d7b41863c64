"""How commands tell of a database that must not be appended to, and what to do about it."""

from __future__ import annotations

from rich.table import Table

from sesn_node.cli.show import Json, console, say
from sesn_node.exchange.oldcopy import READ_ONLY, OldCopy


def print_trouble(found: OldCopy) -> None:
    """Say what was found, what it means, and the next steps, one by one."""
    say(_sentence(found.what), "red")
    say(READ_ONLY)
    say()
    say("What to do", "bold")
    print_steps(found.steps)


def print_steps(steps: tuple[str, ...]) -> None:
    """Number steps, each in lines of its own."""
    listing = Table.grid(padding=(0, 1, 0, 0))
    listing.add_column(no_wrap=True, justify="right", width=4)
    # A path is never cut short: people copy it.
    listing.add_column(overflow="fold")
    for number, step in enumerate(steps, 1):
        listing.add_row(f"{number}.", step)
    console().print(listing)


def trouble_json(found: OldCopy | None) -> Json:
    """Tell the same to a program; null if all is well."""
    if found is None:
        return None
    return {"code": found.trouble.value, "what": found.what, "steps": list(found.steps)}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
