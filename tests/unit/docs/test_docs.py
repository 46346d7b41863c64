"""The documentation holds what it claims: its example repeats, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sesn_node.store.schema import metadata
from tests.support.commands import sesn

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "README.md"
PAGES = [README, ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_ELSEWHERE = re.compile(r"[a-z]+:")
# A command line of an example, or a command within a sentence.
_COMMAND_LINE = re.compile(r"^ +\$ sesn (?P<line>.+)$", re.MULTILINE)
_COMMAND_SPAN = re.compile(r"`sesn (?P<line>[^`]+)`")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _commands(text: str) -> set[tuple[str, ...]]:
    """Find the commands that a page names: the first two words that are no option's."""
    found = set()
    for pattern in (_COMMAND_LINE, _COMMAND_SPAN):
        for match in pattern.finditer(text):
            line = re.sub(r"^--home \S+ ", "", match["line"])
            words = re.match(r"[a-z]+(?: [a-z]+(?=\s|$))?", line)
            assert words, line
            found.add(tuple(words[0].split()))
    return found


def test_example_is_what_its_script_prints() -> None:
    """`example.md` shows the very lines that `example.py` prints, and that it has checked."""
    script = ROOT / "docs/spec/example.py"
    ran = subprocess.run(
        [sys.executable, str(script)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    page = (script.with_suffix(".md")).read_text(encoding="utf-8")
    (block,) = re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block == ran.stdout.removeprefix("\n")


def test_the_tables_of_cases_are_those_of_the_code() -> None:
    """`case.md` shows the very tables that `case_table.py` prints from the table of the node."""
    script = ROOT / "docs/spec/case_table.py"
    ran = subprocess.run(
        [sys.executable, str(script)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    page = (ROOT / "docs/spec/case.md").read_text(encoding="utf-8")
    assert ran.stdout.strip() in page


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_relative_link_resolves(page: Path) -> None:
    """A link to a file of this repository leads to one."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    targets = [match["target"] for match in _LINK.finditer(text)]
    relative = [target for target in targets if not _ELSEWHERE.match(target)]
    missing = [
        target for target in relative if not (page.parent / target.partition("#")[0]).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("page", [README, ROOT / "docs/operations.md"], ids=_name)
def test_every_command_exists(page: Path) -> None:
    """Whoever types a command of the page is understood: its help can be shown."""
    commands = _commands(page.read_text(encoding="utf-8"))
    assert ("serve",) in commands
    known = sesn("--help").out
    for command in sorted(commands):
        assert re.search(rf"\b{command[0]}\b", known), command
        assert sesn(*command, "--help").code == 0, command


def test_an_unknown_command_would_be_noticed() -> None:
    """Asking for the help of a command that is not there fails."""
    assert _commands("    $ sesn --home nl peer forget be.police\n") == {("peer", "forget")}
    assert sesn("peer", "forget", "--help").code != 0
    assert sesn("forget", "--help").code != 0


def test_every_use_case_has_a_group() -> None:
    """The architecture's table of `exchange/` has each module once, and none that is not there."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## The use cases\n")
    rows = re.findall(r"^\| [a-z ]+: [^|]+ \|([^|]+)\|$", section, re.MULTILINE)
    named = [module for row in rows for module in re.findall(r"`(\w+)`", row)]
    there = [path.stem for path in (ROOT / "sesn_node/exchange").glob("[!_]*.py")]
    assert sorted(named) == sorted(there)


def test_every_table_is_specified() -> None:
    """The specification of the storage has a row for each table, and none that is not there."""
    page = (ROOT / "docs/spec/storage.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n| table | key | holds | append-only |\n")
    rows = re.findall(r"^\| `(\w+)` \|", section.partition("\n\n")[0], re.MULTILINE)
    assert sorted(rows) == sorted(metadata.tables)


def test_decisions_are_listed_in_order() -> None:
    """The list of decisions has each record once, by number."""
    page = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    there = sorted(path.name for path in (ROOT / "docs/adr").glob("[0-9]*.md"))
    assert re.findall(r"^\| \[\d+\]\(([\w-]+\.md)\)", page, re.MULTILINE) == there


def test_readme_is_short() -> None:
    """The README stays within 200 lines; what is longer has a page of its own."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200
