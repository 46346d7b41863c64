"""`sesn demo`: three agencies on this machine exchange alerts, and can be tried afterwards."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sesn_node.config import LogFormat, LogLevel
from sesn_node.crypto.primitives import random_bytes
from sesn_node.demo.cast import BE, CAST, GH, NL
from sesn_node.demo.container import NUMBER
from sesn_node.demo.network import ENDING, network
from sesn_node.demo.screen import Screen
from sesn_node.demo.story import Story
from sesn_node.demo.virtual_time import date_of
from sesn_node.domain.ids import show_message_id
from sesn_node.telemetry.logs import configure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from sesn_node.demo.act_two import Months
    from sesn_node.demo.network import Station
    from sesn_node.demo.story import Told
    from sesn_node.domain.ids import AgencyId, MessageId

_PASSPHRASE_BYTES: Final = 16
_WATCH_S: Final = 0.5
_INTERRUPTED: Final = 130
"""What a shell reports of a program that ended on Ctrl-C."""


def run(*, exit_when_done: bool, json_output: bool) -> int:
    """Play the demonstration.

    Args:
        exit_when_done: End by itself; else the nodes stay up until Ctrl-C.
        json_output: Tell the story on stderr, and end with one line of JSON on stdout.

    Returns:
        0 if all ledgers agree, 1 if not, 130 if interrupted before the end.

    Raises:
        SesnError: The story came to a halt; no process is left behind.
    """
    began = time.monotonic()
    # What the nodes of the second act warn of is part of what it shows.
    configure(LogLevel.ERROR, LogFormat.CONSOLE)
    screen = Screen(to_stderr=json_output)
    passphrase = random_bytes(_PASSPHRASE_BYTES).hex()
    told = None
    with _ends_like_interrupt(), tempfile.TemporaryDirectory(prefix="sesn-demo-") as name:
        folder = Path(name)
        try:
            with network(CAST, folder, passphrase) as stations:
                _welcome(screen)
                story = Story(stations, screen, folder, passphrase)
                told = story.tell()
                seconds = round(time.monotonic() - began, 1)
                _close(screen, told, seconds)
                if json_output:
                    _print_json(told, seconds)
                if not exit_when_done:
                    _try_next(screen, story, told, stations, passphrase)
                    _stay(screen, stations)
        except KeyboardInterrupt:
            screen.blank()
            screen.say("Ended: the three nodes are stopped, and their folder is removed.")
    if told is None:
        return _INTERRUPTED
    return 0 if told.ledgers_verified else 1


@contextmanager
def _ends_like_interrupt() -> Iterator[None]:
    """Let the order to end, and a terminal that is closed, do what Ctrl-C does.

    Ctrl-C itself is among them: a shell script starts its background jobs with it ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _welcome(screen: Screen) -> None:
    screen.title(
        "SESN: sealed alerts between agencies, with proof",
        "Ships with hazardous waste on board do not wait. Three agencies, each with a node of its",
        "own on this machine, exchange a dozen alerts on suspect consignments. Three others have",
        "waste taken back, in virtual time: months pass in seconds.",
        "The agencies' names are illustrative, everything else is invented.",
    )


def _close(screen: Screen, told: Told, seconds: float) -> None:
    months = told.months
    agree = "agree" if told.ledgers_verified else "DO NOT AGREE"
    screen.summary(
        "That was it" if told.ledgers_verified else "Something is wrong",
        f"{told.alerts} alerts shared, {told.receipts} receipts, none lost; {told.accepted} "
        f"accepted and {told.declined} declined by a person.",
        f"Before them, {told.first.recalled} alert was released by two people, recalled, and "
        f"destroyed by {told.first.destruction_receipts} agencies.",
        f"In {months.days} days of virtual time, {len(months.cases)} returns, closed alike on all "
        "nodes and for auditors.",
        f"The three ledgers {agree}. {seconds} seconds in all.",
        good=told.ledgers_verified,
    )


def _print_json(told: Told, seconds: float) -> None:
    line = {
        "alerts": told.alerts,
        "receipts": told.receipts,
        "accepted": told.accepted,
        **asdict(told.first),
        "ledgers_verified": told.ledgers_verified,
        "virtual_time": _months_json(told.months),
        "seconds": seconds,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _months_json(months: Months) -> dict[str, object]:
    """Show the second act to a program; every date in it is in virtual time."""
    return {
        "begun": months.begun,
        "ended": months.ended,
        "days": months.days,
        "steps": months.steps,
        "by_two_people": months.by_two,
        "cases": [
            {
                "id": show_message_id(one.case_id),
                "state": one.state.value,
                "informed": date_of(one.informed_ms),
                "first_due": date_of(one.first_due_ms),
                "due": date_of(one.due_ms),
                "back": date_of(one.back_ms),
                "missed_by": list(one.missed),
                "notices": list(one.notices),
            }
            for one in months.audited.cases
        ],
        "bundles_of": list(months.audited.of),
        "checks": months.audited.checks,
    }


def _try_next(
    screen: Screen,
    story: Story,
    told: Told,
    stations: Mapping[AgencyId, Station],
    passphrase: str,
) -> None:
    """Say what to type: every line can be copied as it is."""
    sesn = _command()
    _, first = story.sent("01")
    again, _ = story.sent("08")
    _, theirs = story.sent("03")
    months = told.months
    screen.blank()
    screen.say("The three nodes stay up. Open another terminal in this folder, and try:", "bold")
    screen.blank()
    for line in (
        f"export SESN_PASSPHRASE={passphrase}",
        f"export SESN_HOME={stations[NL].home}",
        f"{sesn} status",
        f"{sesn} alert list",
        f"{sesn} alert show {_short(first)}",
        f"{sesn} alert reach {_short(told.recalled)}",
        f"{sesn} track {NUMBER}",
        f"{sesn} alert send {_from_here(again.file)} --to {GH} --yes --wait 10",
        f"{sesn} alert accept {_short(theirs)} --note 'We stop it.'",
        f"SESN_HOME={stations[BE].home} {sesn} alert show {_short(theirs)}",
        f"{sesn} ledger verify",
        f"{sesn} peer revoke {BE} --yes",
        f"SESN_HOME={months.home} {sesn} case show {_short(months.cases[-1].case_id)}",
        f"{sesn} audit verify {' '.join(str(one) for one in months.audited.bundles)}",
    ):
        screen.copyable(line)
    screen.blank()
    screen.say("Ctrl-C here ends the three nodes and removes everything that they stored.", "bold")


def _short(message_id: MessageId) -> str:
    """Begin a message id: its milliseconds and twelve bits of chance tell a few alerts apart."""
    return show_message_id(message_id)[:18]


def _stay(screen: Screen, stations: Mapping[AgencyId, Station]) -> None:
    """Wait until interrupted; tell if a node ends meanwhile."""
    ended: set[AgencyId] = set()
    while True:
        for agency, station in stations.items():
            if agency not in ended and not station.running:
                ended.add(agency)
                screen.odd(f"The node of {agency} ended; {station.log} says why")
        time.sleep(_WATCH_S)


def _command() -> str:
    """How to call `sesn` from here: by name if that is this one, else by its path."""
    script = Path(sys.executable).with_name("sesn")
    on_path = shutil.which("sesn")
    if on_path is not None and Path(on_path).resolve() == script.resolve():
        return "sesn"
    if script.exists():
        return shlex.quote(_from_here(script))
    return f"{shlex.quote(sys.executable)} -m sesn_node"


def _from_here(path: Path) -> str:
    """Write a path relative to the current folder, if it is below."""
    whole = path.parent.resolve() / path.name
    here = Path.cwd()
    return os.fspath(whole.relative_to(here) if whole.is_relative_to(here) else whole)
