"""Simulated histories pass, repeat line by line, meet every fault, and find bugs that are planted.

`make simulate` runs as many as wanted; docs/testing.md tells how.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.faults import Fault
from tests.simulation.mutants import MUTANTS

_ROOT = Path(__file__).parents[2]
_HISTORIES = 200

# Where each fault must have struck among the histories below. What is missing here is rare: any
# change of the node draws the histories anew, and thousands of them (`make simulate`) meet it all.
_MUST_MEET: Final = {
    Fault.CRASH_BEFORE: {"head file", "GetCard request"},
    Fault.CRASH_WITHIN: {"receive", "share", "links"},
    Fault.CRASH_AFTER: {"settle", "share", "links", "head file"},
    Fault.ERROR_BEFORE: {"receive", "settle", "share", "head file", "read"},
    Fault.ERROR_AFTER: {"receive", "settle", "share", "head file"},
    Fault.SLOW: {"read", "write", "commit", "head file"},
    Fault.LOST: {"Deliver begin", "Deliver answer", "GetCard request"},
    Fault.CUT_AFTER: {"Deliver begin", "Collect begin", "GetCard request"},
    Fault.LATE: {"Deliver request", "Collect begin", "GetCard request"},
    Fault.TWICE: {"Deliver request"},
    Fault.BLACK_HOLE: {"GetCard request"},
    Fault.UNREACHABLE: {"dial"},
    "operator": {
        "share",
        "respond",
        "revoke",
        "trust",
        "issue card",
        "rotate",
        "requeue",
        "erase",
        "recall",
    },
    "recalled": {"sent"},
    "erased": {"sent", "received"},
    "clock forward": {"machine"},
    "clock backward": {"machine"},
    "killed": {"machine"},
    "restarted": {"machine"},
    "down for days": {"machine"},
    "old database": {"machine"},
    "cut": {"idle"},
}
_QUICKLY_FOUND: Final = {
    "no-duplicate-check": 40,
    "closed-before-receipt": 60,
    "queued-after-shared": 40,
    "head-file-not-compared": 60,
}
"""Planted bugs that a few histories find, and how many those are; the others take `--mutants`."""


def _simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `make simulate` by its own command: in a process of its own it replaces what it likes."""
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=_ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_some_hundred_histories_pass_and_meet_every_fault() -> None:
    """Every history ends well, and none of the faults is only on paper."""
    ran = _simulate("--histories", str(_HISTORIES), "--jobs", "1", "--table")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{_HISTORIES} passed, 0 failed" in ran.stdout
    met: dict[str, set[str]] = {}
    for line in ran.stdout.splitlines():
        kind, tab, operation = line.partition("\t")
        if tab:
            met.setdefault(kind, set()).add(operation.partition("\t")[0])
    for kind, operations in _MUST_MEET.items():
        assert operations <= met.get(str(kind), set()), f"{kind} met only {met.get(str(kind))}"


def test_a_seed_gives_the_same_history_again() -> None:
    """Two processes replay a seed line by line."""
    first, second = (_simulate("--replay", "11") for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stdout[-2000:] + first.stderr
    assert _digest(first.stdout) == _digest(second.stdout)
    assert len(first.stdout.splitlines()) > 50


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("mutant", sorted(_QUICKLY_FOUND))
def test_a_planted_bug_is_found(mutant: str) -> None:
    """A few histories find it, and say how to see it again."""
    ran = _simulate("--mutants", mutant, "--histories", str(_QUICKLY_FOUND[mutant]), "--jobs", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "found by history" in ran.stdout
    assert f"--mutant {mutant}" in ran.stdout


def test_every_planted_bug_says_what_it_is() -> None:
    """The bugs have words, and the quick ones are among them."""
    assert set(_QUICKLY_FOUND) < set(MUTANTS)
    assert all(one.words for one in MUTANTS.values())
