"""Every event that a node logs is explained in the operations handbook, and the other way round."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_LOGGED = re.compile(
    r"_log\.(?:debug|info|warning|error|exception)\(\s*\"(?P<event>[a-z-]+)\"|"
    r"(?:report|say|event)(?:\(| = )\s*\"(?P<chosen>[a-z]+-[a-z-]+)\"(?: if .* else "
    r"\"(?P<other>[a-z-]+)\")?"
)
_TABLE = re.compile(
    r"^\| (?P<events>`[a-z-]+`(?:, `[a-z-]+`)*) \| (?:debug|info|warning|error)", re.MULTILINE
)
_BY_COMMANDS = {"message-shared", "message-requeued", "message-resealed"}
_BY_LIBRARIES = {"library", "library-failed"}


def _logged() -> set[str]:
    found = set()
    for path in (ROOT / "sesn_node").rglob("*.py"):
        for match in _LOGGED.finditer(path.read_text(encoding="utf-8")):
            found |= {event for event in match.groups() if event}
    return found


def test_every_event_is_explained() -> None:
    """The table of log lines has what the code logs, and nothing that it does not."""
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    explained = {
        event
        for match in _TABLE.finditer(page)
        for event in re.findall(r"`([a-z-]+)`", match["events"])
    }
    assert explained == (_logged() - _BY_COMMANDS) | _BY_LIBRARIES
    assert all(f"`{event}`" in page for event in _BY_COMMANDS)
