"""Where ports are; only as exact as telling whether two of them can be one day apart asks for."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from sesn_node.domain.tracking import Position


@cache
def port_positions() -> Mapping[str, Position]:
    """Positions by UN/LOCODE; the file's first lines tell source, edition and gaps."""
    text = (files(__package__) / "data" / "port_positions.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {row["code"]: Position(float(row["latitude"]), float(row["longitude"])) for row in rows}
