"""`sesn serve` in processes of its own, which can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sesn_node.bootstrap import RUN_FOLDER
from sesn_node.cli.runfile import serving_node
from tests.support.homes import PASSPHRASE
from tests.support.patience import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.cli.runfile import NodeState
    from tests.support.serving import Home


class Process:
    """A home's node, served by `sesn serve` in a process that is started and ended at will."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._log = home.path.with_name(f"{home.path.name}.log")
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it does not serve yet."""
        command = [sys.executable, "-m", "sesn_node", "--home", str(self.home.path), "serve"]
        environment = {**os.environ, "SESN_PASSPHRASE": PASSPHRASE.decode()}
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(command, env=environment, stderr=log)

    def state(self) -> NodeState | None:
        """What this process says of itself; None while it does not serve."""
        found = serving_node(self.home.path / RUN_FOLDER)
        running = self._running
        return found if found and running and found.pid == running.pid else None

    def await_serving(self) -> None:
        """Wait until it serves."""

        def serves() -> bool:
            assert self._running is not None
            assert self._running.poll() is None, f"{self.home.agency} ended:\n{self.log()}"
            return self.state() is not None

        wait_until(serves, f"{self.home.agency} serves")

    def log(self) -> str:
        """All that it has logged so far, its predecessors' lines included."""
        return self._log.read_text(encoding="utf-8")

    def kill(self) -> None:
        """End the process as a power cut would, whatever it is doing: kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the process in order."""
        assert self._end(signal.SIGTERM) == 0, self.log()

    def _end(self, number: signal.Signals) -> int:
        running, self._running = self._running, None
        if running is None:
            return 0
        running.send_signal(number)
        return running.wait(PATIENCE_S)


@contextmanager
def processes(*homes: Home) -> Iterator[list[Process]]:
    """Hand out a process for each home, started; kill what is left of them at the end."""
    made = [Process(home) for home in homes]
    try:
        for one in made:
            one.start()
        for one in made:
            one.await_serving()
        yield made
    finally:
        for one in made:
            one.kill()
