"""The soak of `tests/soak/killing.py`, in little: `make soak` runs the whole of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.soak.killing import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine("postgresql")


def test_twins_are_killed_and_their_database_stops(tmp_path: Path) -> None:
    """Nothing is lost and nothing doubled, whichever process dies and when the database does."""
    figures = run(tmp_path, kills=4, restarts=1)
    assert (figures.kills, figures.restarts) == (4, 1)
    assert figures.sent_by_twins > figures.kills
    assert figures.sent_by_partner > figures.kills
