"""Every test of this folder runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from tests.support.both_engines import _discarded, pytest_generate_tests

__all__ = ["_discarded", "pytest_generate_tests"]
