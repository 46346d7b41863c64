"""`sesn serve`: run the node until it is stopped."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import typer

from sesn_node.bootstrap import RUN_FOLDER
from sesn_node.cli.options import load_config, open_desk
from sesn_node.cli.runfile import LOCK_FILE, STATE_FILE, NodeState, encode_state
from sesn_node.errors import ConflictError, StorageError
from sesn_node.store.files import locked, replace_file
from sesn_node.telemetry import logs
from sesn_node.transport.node import Node

app = typer.Typer(add_completion=False)

_LOCK_ATTEMPTS: Final = 20
_LOCK_WAIT_S: Final = 0.02


@app.command()
def serve(context: typer.Context) -> None:
    """Run this agency's node until it is stopped, by Ctrl-C or SIGTERM.

    Log lines go to stderr. Other commands work meanwhile.
    """
    config = load_config(context)
    run_folder = config.home / RUN_FOLDER
    # What a killed node left behind goes before the keys are opened, which takes a while.
    with _only_one(run_folder), _state_file(run_folder) as path, open_desk(context) as desk:
        logs.configure(config.log.level, config.log.format)
        _allow_descriptors()
        asyncio.run(_serve(desk.node(), path))


@contextmanager
def _only_one(run_folder: Path) -> Iterator[None]:
    """Hold the lock of the home: two nodes would both sign its ledger and fight over the port."""
    try:
        run_folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{run_folder} cannot be made: {error.strerror}") from error
    with ExitStack() as held:
        for attempt in range(1, _LOCK_ATTEMPTS + 1):
            try:
                held.enter_context(locked(run_folder / LOCK_FILE, wait=False))
                break
            except BlockingIOError as error:
                if attempt == _LOCK_ATTEMPTS:
                    raise ConflictError(
                        f"another process serves {run_folder.parent} already; 'sesn status' "
                        "tells which",
                        code="ALREADY_SERVING",
                    ) from error
            # `sesn status` takes the lock for an instant, to see whether a node holds it.
            time.sleep(_LOCK_WAIT_S)
        yield


@contextmanager
def _state_file(run_folder: Path) -> Iterator[Path]:
    path = run_folder / STATE_FILE
    with suppress(OSError):
        path.unlink()
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink()


async def _serve(node: Node, state_file: Path) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.stop)
    await node.run(partial(_write_state, state_file))


def _write_state(path: Path, listen: str, problem: str) -> None:
    replace_file(path, encode_state(NodeState(os.getpid(), listen, problem)))


def _allow_descriptors() -> None:
    """Raise the limit of open files to what the system allows: each connection takes one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
