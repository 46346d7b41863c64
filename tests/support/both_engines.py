"""What a folder's conftest imports so that each of its tests runs on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.engines import POSTGRESQL, SQLITE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engines import Engine


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on SQLite and on PostgreSQL, or on those that its `engine` marks name."""
    marks = [str(mark.args[0]) for mark in metafunc.definition.iter_markers("engine")]
    names = marks or [SQLITE, POSTGRESQL]
    metafunc.parametrize("engine", names, indirect=True, scope="session")


@pytest.fixture(autouse=True)
def _discarded(engine: Engine, tmp_path: Path) -> Iterator[None]:
    """Remove the databases that a test has made."""
    yield
    engine.discard(tmp_path)
