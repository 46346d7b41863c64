"""The table of roles in docs/people.md is the one in the code."""

from __future__ import annotations

from pathlib import Path

from sesn_node.domain.people import MAY, Right, Role

_PAGE = Path(__file__).parents[3] / "docs" / "people.md"


def test_role_matrix() -> None:
    """Every right and role stands in the table, as the code has it."""
    lines = _PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(f"| right | {' | '.join(role.value for role in Role)} |") + 2
    written = lines[start : start + len(Right)]
    assert written == [
        f"| {right.value} | "
        + " | ".join("yes" if right in MAY[role] else "-" for role in Role)
        + " |"
        for right in Right
    ]
