"""The throttle: how many lines of a kind one partner can make us write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from sesn_node.telemetry.throttle import BURST, PER_S, Throttle

if TYPE_CHECKING:
    from structlog.typing import EventDict


class Lines:
    """A throttle at a time of our own, and what it lets through."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.written: list[EventDict] = []
        self._throttle = Throttle(lambda: self.now_s)

    def log(self, event: str, **fields: object) -> None:
        """Log a line."""
        try:
            line = self._throttle(None, "warning", {"event": event, **fields})
        except structlog.DropEvent:
            return
        self.written.append(line)


def test_lines_about_one_partner() -> None:
    """So many are written, then few; each tells how many were not before it."""
    lines = Lines()
    for _ in range(BURST + 50):
        lines.log("batch-refused", peer="be.police")
    assert len(lines.written) == BURST
    assert "suppressed" not in lines.written[-1]
    lines.now_s = 1 / PER_S
    for _ in range(3):
        lines.log("batch-refused", peer="be.police")
    assert len(lines.written) == BURST + 1
    assert lines.written[-1]["suppressed"] == 50
    lines.now_s = 3 / PER_S
    lines.log("batch-refused", peer="be.police")
    assert lines.written[-1]["suppressed"] == 2


def test_lines_about_others() -> None:
    """Neither another partner nor another kind of line is affected, nor what is about nobody."""
    lines = Lines()
    for _ in range(BURST + 1):
        lines.log("batch-refused", peer="be.police")
    for _ in range(BURST):
        lines.log("batch-refused", peer="gh.epa")
        lines.log("link-up", peer="be.police")
    for _ in range(2 * BURST):
        lines.log("node-store-failed")
    assert len(lines.written) == 5 * BURST


@pytest.mark.parametrize("event", ["message-received", "message-acknowledged", "message-sent"])
def test_lines_about_messages(event: str) -> None:
    """What became of each message is told, however many there are."""
    lines = Lines()
    for _ in range(3 * BURST):
        lines.log(event, peer="gh.epa", message_id="1")
    assert len(lines.written) == 3 * BURST


def test_lines_about_strangers() -> None:
    """Those who cannot prove who they are count together, wherever they come from."""
    lines = Lines()
    for number in range(3 * BURST):
        lines.log("caller-refused", peer_address=f"192.0.2.{number}")
    assert len(lines.written) == BURST
