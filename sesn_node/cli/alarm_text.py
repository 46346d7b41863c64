"""How commands tell of alarms about partners' ledgers."""

from __future__ import annotations

from collections.abc import Sequence

from sesn_node.cli.show import Json, iso, say
from sesn_node.cli.trouble import print_steps
from sesn_node.exchange.alarmviews import AlarmView


def print_alarms(alarms: Sequence[AlarmView]) -> None:
    """Say what was found and what to do, one alarm after the other."""
    for alarm in alarms:
        say(alarm.what, "bold red")
        print_steps(alarm.steps)
        say()


def alarms_json(alarms: Sequence[AlarmView]) -> Json:
    """Tell the same to a program."""
    return [
        {
            "kind": one.row.kind,
            "agency": one.row.agency,
            "origin": one.row.origin,
            "size": one.row.size,
            "held_size": one.row.held_size,
            "shown_by": one.row.shown_by,
            "found": iso(one.row.found_ms),
            "quarantined": one.quarantined,
            "file": None if one.file is None else str(one.file),
            "what": one.what,
            "steps": list(one.steps),
        }
        for one in alarms
    ]
