# ruff: noqa: INP001 - a script, not a package
"""Print the tables of `case.md` from the table that the node obeys, `sesn_node/domain/case.py`.

Run it from the root of the repository: `.venv/bin/python docs/spec/case_table.py`.
"""

from __future__ import annotations

import sys

from sesn_node.domain.case import OPEN, TABLE, Rule, rules_of
from sesn_node.domain.case_clock import EXPECTED, ROLE_AWAITED
from sesn_node.domain.case_terms import Action, Role, State

_NOTHING = "-"


def main() -> None:
    """Print the table of steps, then the closed lists, then who is waited for."""
    _print(
        ("step", "from", "to", "by", "needs", "Basel", "2024/1157"),
        [_row(rule) for rule in TABLE],
    )
    _print(("step", "one of"), [_codes(action) for action in Action if rules_of(action)[0].codes])
    _print(("state", "waits for", "to"), [_waits(state) for state in State if state in OPEN])


def _row(rule: Rule) -> tuple[str, ...]:
    source = "any open" if rule.source == OPEN else ", ".join(rule.source)
    anybody = rule.by == tuple(Role)
    needs = [need.replace("|", " or ").replace("_", " ") for need in rule.needs]
    if rule.codes is not None:
        needs.insert(0, "a word of its list")
    if rule.facility:
        needs.append("authority of the facility")
    said = ", ".join(needs)
    if rule.two_people:
        said += "; two people"
    if rule.when:
        said = f"{said}; {rule.when}" if said else rule.when
    target = rule.target or ("as before" if rule.action.is_fact else _NOTHING)
    by = "any member" if anybody else ", ".join(rule.by)
    return (
        rule.action,
        source,
        target,
        by,
        said or _NOTHING,
        rule.basel or _NOTHING,
        rule.eu or _NOTHING,
    )


def _codes(action: Action) -> tuple[str, str]:
    codes = rules_of(action)[0].codes
    return action, ", ".join(codes) if codes is not None else _NOTHING


def _waits(state: State) -> tuple[str, str, str]:
    who = ROLE_AWAITED.get(state)
    asked = "those who were asked" if who is None else str(who)
    return state, asked, " or ".join(EXPECTED[state])


def _print(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    lines = [head, tuple("---" for _ in head), *rows]
    sys.stdout.write("".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n")


if __name__ == "__main__":
    main()
