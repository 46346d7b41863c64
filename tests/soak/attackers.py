"""A partner that misbehaves until it is stopped, in a process of its own.

    python -m tests.soak.attackers KIND HOME PORT VICTIM VICTIM_PORT

HOME is the home of an agency that trusts VICTIM and is trusted by it; nobody else has it open. On
SIGTERM the process tells on stdout, as JSON, how often it did what it does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from sesn_node.bootstrap import open_home
from sesn_node.domain.ids import AgencyId
from tests.support.homes import PASSPHRASE
from tests.support.hostile import Hostile
from tests.support.misbehaviour import Misbehaviour
from tests.support.serving import Home

_POLITE = 19


async def _run(kind: str, hostile: Hostile) -> None:
    attack = Misbehaviour(hostile)
    task = asyncio.ensure_future(attack.run(kind))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
    sys.stdout.write(json.dumps(attack.done) + "\n")


def main(kind: str, home: str, port: str, victim: str, victim_port: str) -> None:
    """Attack. It stands for a machine of its own, so it takes no processor from its victim."""
    with open_home(Path(home), PASSPHRASE) as desk:
        directory = desk.office.directory()
    ours = Home(Path(home), directory.own, int(port))
    theirs = Home(Path(), directory.peer(AgencyId(victim)).card, int(victim_port))
    os.nice(_POLITE)
    asyncio.run(_run(kind, Hostile(ours, theirs)))


if __name__ == "__main__":
    main(*sys.argv[1:])
