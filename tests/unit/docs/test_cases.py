"""The guide for officers names every command of `sesn case`, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

from sesn_node.cli.case import app
from sesn_node.cli.case_steps import COMMANDS
from sesn_node.domain.case_terms import Action

_PAGE = Path(__file__).parents[3] / "docs" / "cases.md"


def _there() -> set[str]:
    return set(getattr(get_command(app), "commands", {}))


def test_the_guide_has_every_command() -> None:
    """Each stands in it as code; and what it shows as a command is one."""
    text = _PAGE.read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\n]+)`", text)
    words = {word for span in spans for word in re.findall(r"[a-z]+", span)}
    words |= set(re.findall(r"\$ sesn case ([a-z]+)", text))
    assert _there() - words == set()
    named = {found for span in spans for found in re.findall(r"\bcase ([a-z]+)", span)}
    assert named - _there() == set()


def test_every_step_of_an_officer_has_a_command() -> None:
    """INFORM is the node's, REQUEST begins with a draft; each other step is a command."""
    taken = [one.action for one in COMMANDS]
    assert len(taken) == len(set(taken))
    assert set(taken) == set(Action) - {Action.REQUEST, Action.INFORM}
    assert {one.value.lower() for one in taken} <= _there()
