"""How commands show things: one console, one style of table, one line of JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final, TypeAlias

import typer
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import show_message_id
from sesn_node.trust.card import TrustedCard
from sesn_node.trust.fingerprint import hex_groups, words

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Answer with one line of JSON.")]

STATE_STYLES: Final = {
    DeliveryState.QUEUED: "yellow",
    DeliveryState.ACKNOWLEDGED: "green",
    DeliveryState.REFUSED: "red",
    DeliveryState.EXPIRED: "red",
    DeliveryState.DEAD: "red",
}

_SHORT_ID = 13
"""A UUIDv7's milliseconds and the hyphen among them; more only where that is not unique."""
_UNLIMITED_COLUMNS = 100_000
_HEX_GROUPS_A_LINE = 8
_WORDS_A_LINE = 6


@cache
def console() -> Console:
    """Return the console of stdout. Made at first use: tests and pipes replace stdout.

    Without markup: a partner's name could make a link or a colour of it, or break the table.
    """
    return _console(to_stderr=False)


@cache
def error_console() -> Console:
    """Return the console of stderr: for what is not the answer of the command."""
    return _console(to_stderr=True)


class _Unpadded(Console):
    """For pipes and files: lines as long as they are, and no blanks at their ends."""

    def print(self, *objects: object, **options: Any) -> None:  # noqa: ANN401 - as its base does
        """Print as the base does; then take away what only fills a screen."""
        with self.capture() as captured:
            super().print(*objects, **options)
        lines = captured.get().split("\n")
        self.file.write("\n".join(line.rstrip(" ") for line in lines))


def _console(*, to_stderr: bool) -> Console:
    stream = sys.stderr if to_stderr else sys.stdout
    if stream.isatty() or "COLUMNS" in os.environ:
        return Console(stderr=to_stderr, highlight=False, markup=False, emoji=False)
    return _Unpadded(
        stderr=to_stderr, highlight=False, markup=False, emoji=False, width=_UNLIMITED_COLUMNS
    )


def fills_screen() -> bool:
    """Whether a table should be as wide as the screen: not where there is none."""
    return console().width < _UNLIMITED_COLUMNS


def print_json(value: Mapping[str, Json]) -> None:
    """Write exactly one line of JSON; in ASCII, so that any terminal and any pipe takes it."""
    sys.stdout.write(json.dumps(value) + "\n")


def say(text: str = "", style: str = "", *, indent: int = 0) -> None:
    """Write a line as it is; nothing in it is taken for markup."""
    # Padding keeps the indent when a long line wraps; of an empty line it would leave nothing.
    console().print(Padding(Text(text, style), (0, 0, 0, indent), expand=False) if text else "")


def say_to_copy(text: str, *, indent: int = 0) -> None:
    """Write a line that people copy, in one piece whatever the width of the terminal."""
    console().print(Text(" " * indent + text), soft_wrap=True)


def table(*columns: str, flexible: tuple[str, ...]) -> Table:
    """Start a table in the house style; on a narrow terminal the flexible columns wrap."""
    made = Table(
        box=box.SIMPLE_HEAD,
        header_style="bold",
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        made.add_column(column, no_wrap=column not in flexible)
    return made


def facts() -> Table:
    """Start a list of names and values."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    # A path is never cut short: people copy it.
    made.add_column(overflow="fold")
    return made


def iso(time_ms: int | None) -> str | None:
    """Write a time for programs: RFC 3339 in UTC, milliseconds."""
    if time_ms is None:
        return None
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def until(time_ms: int, now_ms: int) -> str:
    """Say how long it is until then."""
    seconds = (time_ms - now_ms) / 1000
    return "due" if seconds <= 0 else f"in {seconds:.0f} s"


def short_ids(message_ids: Iterable[bytes]) -> dict[bytes, str]:
    """Shorten ids for a list, as far as they stay different."""
    texts = {one: show_message_id(one) for one in message_ids}
    length = _SHORT_ID
    while len({text[:length] for text in texts.values()}) < len(texts):
        length += 1
    return {one: text[:length] for one, text in texts.items()}


def add_fingerprint(listing: Table, card: TrustedCard) -> Table:
    """Add a card's fingerprint to a list of facts, for reading out: hex groups, and words."""
    groups = hex_groups(card.fingerprint).split(" ")
    listing.add_row("fingerprint", _in_lines(groups, _HEX_GROUPS_A_LINE))
    listing.add_row("in words", _in_lines(words(card.fingerprint), _WORDS_A_LINE))
    return listing


def _in_lines(parts: Sequence[str], a_line: int) -> str:
    lines = [parts[at : at + a_line] for at in range(0, len(parts), a_line)]
    return "\n".join(" ".join(line) for line in lines)
