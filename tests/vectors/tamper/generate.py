"""Writes the corpus of broken bundles; see README.md.

Run from the top of the repository: `python -m tests.vectors.tamper.generate`.
"""

from __future__ import annotations

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Final

from sesn_node.audit.verify import verify
from sesn_node.ledger.policyfile import parse_policy
from sesn_node.trust.timestamp_signers import read_roots
from tests.support.bundling import Draft
from tests.support.scribes import Freezer
from tests.vectors.tamper import of_cases as _of_cases
from tests.vectors.tamper import of_files as _of_files
from tests.vectors.tamper import of_owners as _of_owners
from tests.vectors.tamper.world import CATALOGUE, World

FOLDER: Final = Path(__file__).parent
FROZEN: Final = FOLDER / "frozen.json"
EXPECTED: Final = FOLDER / "expected.json"

# They enter what they have in the catalogue.
assert _of_cases is not None
assert _of_files is not None
assert _of_owners is not None


def findings(
    files: list[bytes], policy: str | None, roots: str | None = None
) -> list[dict[str, object]]:
    """Audit bundles; return every finding that is kept: check, code and place."""
    asked = None if policy is None else parse_policy(policy.encode())
    trusted = None if roots is None else read_roots(roots.encode())
    verdict = verify([BytesIO(data) for data in files], asked, roots=trusted)
    return [
        {
            "bundle": bundle,
            "check": check.number,
            "code": finding.code.value,
            "member": finding.member,
            "index": finding.index,
        }
        for bundle, checks in enumerate(
            [*(one.checks for one in verdict.bundles), verdict.matching]
        )
        for check in checks
        for finding in check.findings
    ]


def make(name: str, freezer: Freezer) -> tuple[list[bytes], str | None, str | None]:
    """Make the files of one tampering, and the policy and roots that they are audited under."""
    tampering = CATALOGUE[name]
    world = World(freezer, quiet=tampering.quiet)
    policy = None if tampering.policy is None else tampering.policy(world)
    roots = None if tampering.roots is None else tampering.roots(world)
    made = tampering.make(world)
    drafts = made if isinstance(made, list) else [made]
    return [one.write() if isinstance(one, Draft) else one for one in drafts], policy, roots


def names(name: str, count: int) -> list[str]:
    """Name the files of one tampering."""
    if count == 1:
        return [f"{name}.sesnaudit"]
    return [f"{name}-{place + 1}.sesnaudit" for place in range(count)]


def corpus(freezer: Freezer) -> dict[str, bytes]:
    """Make every file of the corpus, by its name."""
    written = {"whole.sesnaudit": World(freezer).draft().write()}
    expected: dict[str, object] = {}
    for name in sorted(CATALOGUE):
        tampering = CATALOGUE[name]
        files, policy, roots = make(name, freezer)
        found = findings(files, policy, roots)
        written |= dict(zip(names(name, len(files)), files, strict=True))
        expected[name] = {
            "files": names(name, len(files)),
            "what": " ".join((tampering.make.__doc__ or "").split()),
            "policy": policy,
            "timestamp_roots": roots,
            "check": tampering.check.number,
            "code": tampering.code.value,
            "findings": found,
        }
    written[EXPECTED.name] = (json.dumps(expected, indent=1) + "\n").encode("ascii")
    written[FROZEN.name] = freezer.text().encode("ascii")
    return written


def main() -> None:
    """Write the corpus; remove bundles that do not belong to it any more."""
    written = corpus(Freezer.load(FROZEN))
    for path in FOLDER.glob("*.sesnaudit"):
        if path.name not in written:
            path.unlink()
    for name, data in written.items():
        (FOLDER / name).write_bytes(data)
    sys.stdout.write(f"{len(written)} files, {sum(map(len, written.values())):,} bytes\n")


if __name__ == "__main__":
    main()
