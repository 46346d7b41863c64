"""What the audience sees: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sesn_node.demo.cast import Dispatch
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.copyviews import CopyView

_WIDTH: Final = 100
_INDENT: Final = 3
_DATED: Final = (12, 9, 19)
"""Widths of a date in virtual time, an agency and a state; 30 are left on a narrow terminal."""
_FRAMES_A_SECOND: Final = 12
_GLANCE_S: Final = 0.02

ON_ITS_WAY: Final = "…"
WAITS: Final = "waits"
ARRIVED: Final = "✓"


class Screen:
    """The one place that prints.

    Args:
        to_stderr: Keep stdout free, for a line of JSON.
    """

    def __init__(self, *, to_stderr: bool) -> None:
        self._console = Console(stderr=to_stderr, highlight=False)
        self._live = self._console.is_terminal
        if not self._live or self._console.width > _WIDTH:
            self._console = Console(stderr=to_stderr, highlight=False, width=_WIDTH)
        self._acts = 0

    def title(self, text: str, *lines: str) -> None:
        """Open the demonstration."""
        body = Text("\n".join(lines))
        self._console.print(Panel(body, title=Text(text, "bold"), box=box.ROUNDED, padding=(0, 1)))

    def act(self, title: str, explanation: str) -> None:
        """Open the next part of the story."""
        self._acts += 1
        self._console.print()
        self._console.print(Text(f"{self._acts}  {title}", "bold cyan"))
        self._print(Text(explanation, "dim"))
        self._console.print()

    def say(self, text: str, style: str = "") -> None:
        """Tell something."""
        self._print(Text(text, style))

    def good(self, text: str) -> None:
        """Tell that something went as it should."""
        self._item(ARRIVED, "green", text)

    def odd(self, text: str) -> None:
        """Tell that something is wrong, and was noticed."""
        self._item("!", "yellow", text)

    def copyable(self, line: str) -> None:
        """Show a line for copying: never wrapped, never cut."""
        self._console.print(Text(" " * _INDENT + line), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        """Show a table."""
        made = _table(*columns)
        for row in rows:
            made.add_row(*row)
        self._print(made)

    def dated_columns(self) -> None:
        """Head the lines of a story that plays in virtual time."""
        style = "dim"
        self._print(_dated(*(Text(one, style) for one in ("virtual time", "who", "the case is"))))

    def dated_title(self, text: str) -> None:
        """Begin a chapter of it."""
        self._print(Text(text, "bold"))

    def dated(self, date: str, who: str, what: str, words: str, *, alarming: bool = False) -> None:
        """Tell what happened at a date in virtual time.

        Args:
            date: The date, never taken for a real one: it has its own colour and column.
            who: Who did it.
            what: What it led to.
            words: What else there is to say.
            alarming: Whether something is wrong with that.
        """
        style = "yellow" if alarming else "green"
        self._print(_dated(Text(date, "magenta"), Text(who), Text(what, style), Text(words)))

    def summary(self, text: str, *lines: str, good: bool) -> None:
        """Close the story."""
        self._console.print()
        self._console.print(
            Panel(
                Text("\n".join(lines)),
                title=Text(text, "bold"),
                box=box.ROUNDED,
                padding=(0, 1),
                border_style="green" if good else "red",
            )
        )

    def blank(self) -> None:
        """Leave a line free."""
        self._console.print()

    def let_read(self, seconds: float, meanwhile: Callable[[], object] | None = None) -> None:
        """Give the audience time; without a terminal nobody needs any."""
        end = time.monotonic() + (seconds if self._live else 0.0)
        while True:
            if meanwhile is not None:
                meanwhile()
            if time.monotonic() >= end:
                return
            time.sleep(_GLANCE_S)

    @contextmanager
    def board(self) -> Iterator[Board]:
        """Show how alerts get through, while it happens."""
        if not self._live:
            yield Board(self.copyable)
            return
        with Live(console=self._console, refresh_per_second=_FRAMES_A_SECOND) as live:
            yield Board(None, lambda table: live.update(Padding(table, (0, 0, 0, _INDENT))))

    def _item(self, mark: str, style: str, text: str) -> None:
        line = Table.grid(padding=(0, 1))
        line.add_row(Text(mark, style), Text(text))
        self._print(line)

    def _print(self, what: Text | Table) -> None:
        self._console.print(_indented(what))


class Board:
    """Alerts, and the receipts of their recipients.

    Args:
        tell: Prints a line for every receipt; None on a terminal.
        show: Shows the whole table anew.
    """

    def __init__(
        self,
        tell: Callable[[str], None] | None = None,
        show: Callable[[Table], None] | None = None,
    ) -> None:
        self._tell = tell
        self._show = show
        self._rows: dict[str, tuple[Dispatch, dict[AgencyId, str]]] = {}

    def add(self, dispatch: Dispatch) -> None:
        """An alert was shared."""
        self._rows[dispatch.number] = (dispatch, dict.fromkeys(dispatch.to, ON_ITS_WAY))
        if self._tell is not None:
            who = f"{dispatch.sender} to {' and '.join(dispatch.to)}"
            self._tell(f"{dispatch.number}  {who}: {dispatch.alert.subject}")
        self._draw()

    def wait_for(self, agency: AgencyId) -> None:
        """What has not reached this agency waits: its node is down."""
        for _, copies in self._rows.values():
            if copies.get(agency) == ON_ITS_WAY:
                copies[agency] = WAITS
        self._draw()

    def receipt(self, dispatch: Dispatch, copy: CopyView) -> None:
        """A recipient's receipt is here."""
        self._rows[dispatch.number][1][copy.agency] = ARRIVED
        if self._tell is not None and copy.receipt is not None:
            place = f"entry {copy.receipt.index + 1} of its ledger"
            self._tell(f"{dispatch.number}  {ARRIVED} receipt from {copy.agency}, {place}")
        self._draw()

    def _draw(self) -> None:
        if self._show is None:
            return
        made = _table("", "alert", "from", "to")
        made.expand = True
        for column in made.columns:
            column.no_wrap = True
        made.columns[1].ratio = 1
        made.columns[1].overflow = "ellipsis"
        for dispatch, copies in self._rows.values():
            to = Text("  ").join(_state(agency, state) for agency, state in copies.items())
            made.add_row(dispatch.number, dispatch.alert.subject, dispatch.sender, to)
        self._show(made)


def _state(agency: AgencyId, state: str) -> Text:
    return Text.assemble(f"{agency} ", (state, "green" if state == ARRIVED else "yellow"))


def _dated(*cells: Text) -> Table:
    line = Table.grid(padding=(0, 2, 0, 0))
    for width in _DATED:
        line.add_column(width=width, no_wrap=True)
    line.add_column()
    line.add_row(*cells)
    return line


def _table(*columns: str) -> Table:
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    for column in columns:
        made.add_column(column)
    return made


def _indented(what: Text | Table) -> Padding:
    return Padding(what, (0, 0, 0, _INDENT), expand=False)
