"""What is doubtful in numbers and codes, for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sesn_node.cli.show import table
from sesn_node.codes.consignment import check_alert
from sesn_node.codes.steps import check_step
from sesn_node.domain.alert import Alert
from sesn_node.domain.case_messages import CaseStep
from sesn_node.domain.findings import Finding, Result

_STYLES: Final = {Result.OK: "green", Result.WARN: "yellow", Result.FAIL: "red"}
_ROOT: Final = "consignment."


def findings_part(said: Alert | CaseStep, now: datetime, *, whole: bool) -> list[RenderableType]:
    """Show what checks say of a message: what is in doubt, under a title; with `whole` always one.

    Args:
        said: An alert, or a step of a case.
        now: When it was or would be written, aware.
        whole: Whether to say it, too, that nothing is in doubt.
    """
    found = check_alert(said, now) if isinstance(said, Alert) else check_step(said.details, now)
    doubts = doubtful(found)
    if not found or not (doubts or whole):
        return []
    parts: list[RenderableType] = ["", Text(summary(found), "bold")]
    if doubts:
        parts.append(Padding(_listing(doubts), (0, 2)))
    return parts


def findings_text(found: Sequence[Finding]) -> Table:
    """Show every finding of a check, in the order of the fields."""
    listing = table("", "field", "observed", "why", flexible=("field", "observed", "why"))
    for one in found:
        listing.add_row(
            Text(one.result.value, _STYLES[one.result]),
            Text(_place(one)),
            Text(one.observed),
            Text(one.reason or _otherwise_written(one), "" if one.reason else "dim"),
        )
    return listing


def summary(found: Sequence[Finding]) -> str:
    """Say how many fields are as they should be."""
    fields = {one.field for one in found}
    fine = len(fields) - len({one.field for one in doubtful(found)})
    return f"Numbers and codes: {fine:,} of {len(fields):,} are as they should be"


def doubtful(found: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are not ok."""
    return [one for one in found if one.result is not Result.OK]


def _listing(doubts: Sequence[Finding]) -> Table:
    listing = Table.grid(padding=(0, 2))
    for one in doubts:
        listing.add_row(
            Text(one.result.value, _STYLES[one.result]),
            Text(one.observed),
            Text(one.reason),
            Text(_place(one), "dim"),
        )
    return listing


def _place(finding: Finding) -> str:
    return finding.field.removeprefix(_ROOT)


def _otherwise_written(finding: Finding) -> str:
    same = finding.normalised == finding.observed
    return "" if same else f"read as {finding.normalised}"
