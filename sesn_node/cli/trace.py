"""`sesn trace`: one message's life, from the trace files of one or several nodes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.padding import Padding
from rich.text import Text

from sesn_node.cli.options import load_config, options_of
from sesn_node.cli.show import AsJson, Json, console, print_json, say, say_to_copy, table
from sesn_node.config import Config
from sesn_node.domain.counting import many
from sesn_node.domain.ids import show_message_id
from sesn_node.errors import ConfigError
from sesn_node.telemetry.lives import Told, TracedLife, read_life
from sesn_node.telemetry.tracefile import MIB, TraceFile

app = typer.Typer(add_completion=False)

_MS: Final = 1_000_000
_INDENT: Final = 2


@app.command()
def trace(
    context: typer.Context,
    message: Annotated[
        str, typer.Argument(metavar="ID", help="The id, or at least its first 8 digits.")
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Trace files of other nodes, or of a node without a home here.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell one message's life, step by step, from this home's trace files and any others."""
    paths = list(files or ())
    if options_of(context).home is not None or not paths:
        paths = [*_own(load_config(context), needed=not paths), *paths]
    life = read_life(paths, message, asked=files or ())
    if as_json:
        print_json(_json(life))
    else:
        _print(life)


def _own(config: Config, *, needed: bool) -> tuple[Path, ...]:
    """Name the trace files of a home, the oldest first."""
    path = config.traces_path
    if path is None:
        if needed:
            raise ConfigError(
                "this node writes no traces: set traces.file in node.toml and restart it, or name "
                "a file",
                code="NO_TRACES",
            )
        return ()
    file = TraceFile(path, config.traces.file_mib * MIB, config.traces.files)
    return tuple(reversed(file.existing()))


def _print(life: TracedLife) -> None:
    start_ns = min(told.start_ns for _, told in life.steps)
    say_to_copy(f"message {show_message_id(life.message_id)}")
    say(f"begins {_instant(start_ns)} UTC; times in milliseconds since then")
    say()
    listing = table("after", "took", "node", "what", flexible=("what",))
    for column in listing.columns[:2]:
        column.justify = "right"
    for depth, told in life.steps:
        listing.add_row(
            _after(told.start_ns, start_ns),
            f"{(told.end_ns - told.start_ns) / _MS:,.1f}",
            told.node,
            _indented(_words(told), depth, "red" if told.failed else ""),
        )
        for name, time_ns in told.moments:
            listing.add_row(
                _after(time_ns, start_ns), "", "", _indented(f"- {name}", depth + 1, "dim")
            )
    console().print(listing)
    for path in life.silent:
        say(f"{path} says nothing about this message.", "yellow")
    if life.unread:
        say(f"{many(life.unread, 'line', 'lines')} could not be read as spans.", "yellow")


def _indented(words: str, depth: int, style: str) -> Padding:
    """Begin every line of a text at its depth, those after a fold too."""
    return Padding(Text(words, style), (0, 0, 0, _INDENT * depth))


def _words(told: Told) -> str:
    """Say what a step is, in the order in which people ask."""
    facts = dict(told.facts)
    outcome = facts.pop("outcome", told.failed)
    parts = [told.step]
    if "attempt" in facts:
        parts.append(str(facts.pop("attempt")))
    if "peer" in facts:
        parts.append(f"{'from' if told.step == 'receive' else 'to'} {facts.pop('peer')}")
    if "recipients" in facts:
        parts.append(f"to {_many(facts.pop('recipients'), 'recipient')}")
    if told.other is not None:
        link = "in answer to" if told.step == "share" else "by message"
        parts.append(f"{link} {show_message_id(told.other)}")
    words = " ".join(parts)
    if "batch.sequence" in facts:
        words += f", batch {facts.pop('batch.sequence')}"
        messages = facts.pop("batch.messages", 1)
        words += "" if messages == 1 else f" of {_many(messages, 'message')}"
    if "attempts" in facts:
        words += f", {_many(facts.pop('attempts'), 'attempt')}"
    if "entry" in facts:
        words += f", entry {facts.pop('entry')}"
    # What a later version, or another program, has to say.
    words += "".join(f", {name} {value}" for name, value in facts.items())
    return f"{words}: {outcome}" if outcome else words


def _many(number: object, what: str) -> str:
    # Another program may have written it: whatever it is, it is shown.
    return many(number, what) if isinstance(number, int) else f"{number} {what}s"


def _after(time_ns: int, start_ns: int) -> str:
    return f"{(time_ns - start_ns) / _MS:,.1f}"


def _instant(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 1000 * _MS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest // _MS:03d}"


def _json(life: TracedLife) -> dict[str, Json]:
    return {
        "message_id": show_message_id(life.message_id),
        "unread_lines": life.unread,
        "silent": [str(path) for path in life.silent],
        "steps": [_step_json(depth, told) for depth, told in life.steps],
    }


def _step_json(depth: int, told: Told) -> dict[str, Json]:
    return {
        "depth": depth,
        "node": told.node,
        "step": told.step,
        "span_id": told.span_id,
        "parent_span_id": told.parent or None,
        "start_unix_ns": told.start_ns,
        "end_unix_ns": told.end_ns,
        "failed": told.failed or None,
        "other_message_id": None if told.other is None else show_message_id(told.other),
        "facts": dict(told.facts),
        "moments": [{"name": name, "unix_ns": time_ns} for name, time_ns in told.moments],
    }
