"""Agencies at a command line: `sesn` in processes of its own, and a person at a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.commands import Ran
from tests.support.patience import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSPHRASE = "correct horse battery staple"

# The child takes the terminal as its controlling one: a passphrase is read from /dev/tty.
_ON_TERMINAL = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    # Whoever runs the tests in the background has it ignored, and that is inherited.
    "signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.executable, [sys.executable, '-m', 'sesn_node', *sys.argv[1:]])"
)


def environment(*, passphrase: bool = True) -> dict[str, str]:
    """The environment of a command: ours, without what would change what it does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SESN_")}
    kept["COLUMNS"] = "100"
    return {**kept, "SESN_PASSPHRASE": PASSPHRASE} if passphrase else kept


def sesn(*arguments: object, home: Path | None = None, passphrase: bool = True) -> Ran:
    """Run a command in a process of its own, without a terminal."""
    line = [sys.executable, "-m", "sesn_node"]
    line += [] if home is None else ["--home", str(home)]
    done = subprocess.run(
        [*line, *map(str, arguments)],
        capture_output=True,
        check=False,
        env=environment(passphrase=passphrase),
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=PATIENCE_S,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@contextmanager
def serving(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a home until the block ends; the node is ready when it begins."""
    with (home.parent / f"{home.name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sesn_node", "--home", str(home), "serve"],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    state = home / "run" / "node.json"

    def ready() -> bool:
        assert process.poll() is None, f"the node of {home} ended"
        return state.exists() and json.loads(state.read_bytes())["pid"] == process.pid

    try:
        wait_until(ready, f"{home} serves")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


_PRESSES = 5
_GLANCE_S = 5.0


@dataclass(slots=True)
class Terminal:
    """A person at a terminal with one command."""

    process: subprocess.Popen[bytes]
    master: int
    shown: str = ""

    def read_until(self, text: str) -> None:
        """Read what the command shows until it shows this."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"never showed {text!r}: {self.shown}"
            try:
                data = os.read(self.master, 65_536)
            except OSError:  # Linux answers so when the other side is closed.
                data = b""
            assert data, f"ended without {text!r}: {self.shown}"
            self.shown += data.decode()

    def press_until(self, key: str, text: str) -> None:
        """Press a key, and again as long as nothing comes, until the command shows a text.

        Python notes a Ctrl-C that comes just before it reads, and goes on to read: a person presses
        once more.
        """
        for _ in range(_PRESSES):
            os.write(self.master, key.encode())
            if select.select([self.master], [], [], _GLANCE_S)[0]:
                # The echo of the key, and perhaps more.
                self.shown += os.read(self.master, 65_536).decode()
            if text in self.shown or select.select([self.master], [], [], _GLANCE_S)[0]:
                break
        self.read_until(text)

    def answer(self, prompt: str, line: str) -> None:
        """Wait for a prompt, and type a line."""
        self.read_until(prompt)
        self.shown = ""
        os.write(self.master, line.encode() + b"\n")

    def end(self) -> int:
        """Wait for the end of the command; returns its exit code."""
        return self.process.wait(PATIENCE_S)


@contextmanager
def at_terminal(*arguments: object, passphrase: bool = True) -> Iterator[Terminal]:
    """Start a command on a terminal of its own."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, *map(str, arguments)],
        env=environment(passphrase=passphrase),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        os.close(master)
