"""`sesn demo`: the whole story in real processes, and what it says to try afterwards."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.patience import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# It founds its own homes, on SQLite.
pytestmark = pytest.mark.engine("sqlite")

ROOT = Path(__file__).resolve().parents[2]
ALERTS = len(list((ROOT / "configs" / "demo").glob("*.json")))
COMMAND = [sys.executable, "-m", "sesn_node", "demo", "--json"]
PATIENCE_S = 120.0


@contextmanager
def demonstration(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demonstration with its temporary folder in the one given; end it with the block."""
    with (folder / "story.txt").open("w", encoding="utf-8") as story:
        running = subprocess.Popen(
            [*COMMAND, *options],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(_temporary(folder))},
            stdout=subprocess.PIPE,
            stderr=story,
            text=True,
        )
    with running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.terminate()


def _temporary(folder: Path) -> Path:
    made = folder / "tmp"
    made.mkdir(exist_ok=True)
    return made


def told(folder: Path) -> str:
    """What the audience has read so far."""
    return (folder / "story.txt").read_text(encoding="utf-8")


def nodes(folder: Path) -> list[int]:
    """Process ids of the nodes that serve."""
    states = _temporary(folder).glob("sesn-demo-*/*/run/node.json")
    return [int(json.loads(state.read_text())["pid"]) for state in states]


def assert_nothing_left(folder: Path, pids: Sequence[int]) -> None:
    """No process, and no file but the story."""
    assert list(_temporary(folder).iterdir()) == []
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_demo_tells_its_story_and_ends_with_one_line(tmp_path: Path) -> None:
    """Twelve alerts, a receipt from every recipient, three returns, and it cleans up."""
    with demonstration(tmp_path, "--exit") as running:
        out, _ = running.communicate(timeout=PATIENCE_S)
    story = told(tmp_path)
    assert running.returncode == 0, story
    (line,) = out.splitlines()
    result = json.loads(line)
    assert result.pop("seconds") > 0
    check_months(result.pop("virtual_time"), story)
    receipts = result.pop("receipts")
    assert receipts == story.count("receipt from ")
    assert receipts > ALERTS
    assert result == {
        "alerts": ALERTS,
        "accepted": 2,
        "approved": 1,
        "related": 2,
        "impossible_jumps": 1,
        "forwards_refused": 1,
        "recalled": 1,
        "destruction_receipts": 2,
        "ledgers_verified": True,
    }
    for words in ("refused", "cannot be right", "declines", "alerts wait for", "agree"):
        assert words in story
    for words in ("asks for 7", "TLP:RED", "four eyes", "Impossible", "NOT_GRANTED", "destroyed"):
        assert words in story
    assert_nothing_left(tmp_path, [])


def check_months(months: dict[str, Any], story: str) -> None:
    """Three returns came to their ends, and auditors saw who had been late."""
    assert months["days"] > 120
    assert months["ended"] == date_after(months["begun"], months["days"])
    assert months["by_two_people"] == 5
    assert months["bundles_of"] == ["ng.nesrea", "nl.ilt"]
    assert months["checks"] > months["steps"] > 25
    tubes, batteries, coolers = months["cases"]
    for case in (tubes, batteries, coolers):
        assert case["state"] == "CLOSED"
        assert case["first_due"] == date_after(case["informed"], 30)
    for case in (tubes, batteries):
        assert case["back"] <= case["first_due"] == case["due"]
        assert case["missed_by"] == case["notices"] == []
    assert coolers["first_due"] < coolers["back"] <= coolers["due"]
    assert coolers["missed_by"] == ["be.ovam"]
    # Those of the two agencies whose bundles were audited.
    assert coolers["notices"] == ["DUE_SOON", "DUE_SOON", "OVERDUE", "OVERDUE"]
    assert "VIRTUAL TIME" in story
    for case in months["cases"]:
        assert case["back"] in story
        assert case["due"] in story
    for words in ("INTACT", "MISMATCH", "resolved", "CONSIGNEE_TREATMENT", "OVERDUE", "four eyes"):
        assert words in story


def date_after(date: str, days: int) -> str:
    """The date so many days later."""
    return (dt.date.fromisoformat(date) + dt.timedelta(days)).isoformat()


def test_demo_that_is_stopped_early_leaves_nothing_behind(tmp_path: Path) -> None:
    """An order to end in the middle of the story ends the nodes, too."""
    with demonstration(tmp_path) as running:
        wait_until(lambda: nodes(tmp_path), "the first node serves")
        pids = nodes(tmp_path)
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, out) == (130, "")
    assert_nothing_left(tmp_path, pids)


def test_what_the_demo_says_to_try(tmp_path: Path) -> None:
    """Every line that it shows for copying works as it stands; then Ctrl-C ends the nodes."""
    with demonstration(tmp_path) as running:
        wait_until(lambda: "Ctrl-C here" in told(tmp_path), "the nodes stay up")
        tried = subprocess.run(
            ["/bin/sh", "-e", "-c", to_try(told(tmp_path))],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert tried.returncode == 0, tried.stdout + tried.stderr
        pids = nodes(tmp_path)
        assert len(pids) == 3
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0
    assert json.loads(out)["ledgers_verified"] is True
    assert_nothing_left(tmp_path, pids)


def to_try(story: str) -> str:
    """The lines that the story shows for copying."""
    shown = story[story.index("and try:") : story.index("Ctrl-C here")].splitlines()[1:]
    lines = [line.strip() for line in shown if line.strip()]
    assert len(lines) > 8
    return "\n".join(lines)
