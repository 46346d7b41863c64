"""What a serving node tells other commands of its home: `run/node.json`, under `run/node.lock`.

The file alone proves nothing, since a node that was killed leaves it behind. The lock does: the
kernel drops it with the process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sesn_node.errors import StorageError
from sesn_node.store.files import locked, read_file

LOCK_FILE: Final = "node.lock"
STATE_FILE: Final = "node.json"

_MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node that serves.

    Args:
        pid: Its process.
        listen: The address that it listens on, `host:port`; empty if it only dials out.
        problem: Why it appends nothing to its ledger; empty if all is well.
    """

    pid: int
    listen: str
    problem: str


def encode_state(state: NodeState) -> bytes:
    """Write the state file; it exists only once the node serves, so `ready` is always true."""
    document = {
        "pid": state.pid,
        "listen": state.listen,
        "ready": True,
        "problem": state.problem,
    }
    return json.dumps(document).encode() + b"\n"


def serving_node(run_folder: Path) -> NodeState | None:
    """Return the node that serves this home; None if none does, or not yet.

    Raises:
        StorageError: The lock cannot be tested.
    """
    if not (run_folder / LOCK_FILE).exists() or not _is_held(run_folder / LOCK_FILE):
        return None
    try:
        document = json.loads(read_file(run_folder / STATE_FILE, limit=_MAX_BYTES))
        return NodeState(int(document["pid"]), str(document["listen"]), str(document["problem"]))
    except (StorageError, ValueError, KeyError, TypeError):
        # Holds the lock, and has not written its state yet or no longer has one.
        return None


def _is_held(lock: Path) -> bool:
    try:
        with locked(lock, wait=False):
            return False
    except BlockingIOError:
        return True
