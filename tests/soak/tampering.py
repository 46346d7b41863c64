"""Tamper with an audit bundle in many ways, and make sure that each is found out.

python -m tests.soak.tampering --tamperings 1000
"""

from __future__ import annotations

import argparse
import sys
from io import BytesIO

from sesn_node.audit.verdict import Verdict
from sesn_node.audit.verify import verify
from tests.support.tampering import Tampered, tampering


def missed(tampered: Tampered) -> str:
    """Audit a bundle that was tampered with; say what is wrong with the verdict, or nothing."""
    verdict = verify([BytesIO(tampered.data)])
    if verdict.holds:
        return "the audit holds"
    found = any(
        finding.code in tampered.codes
        and tampered.member in {"", finding.member}
        and tampered.index in {None, finding.index}
        for check in verdict.checks
        for finding in check.findings
    )
    return "" if found else f"the audit finds only {_found(verdict)}"


def _found(verdict: Verdict) -> str:
    return "; ".join(
        f"{check.number} {finding.code} {finding.place}"
        for check in verdict.checks
        for finding in check.findings
    )


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tamperings", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    options = parser.parse_args()
    failed = 0
    for number in range(options.first, options.first + options.tamperings):
        tampered = tampering(number)
        problem = missed(tampered)
        if problem:
            failed += 1
            sys.stdout.write(f"{number}: {tampered.what}: {problem}\n")
    sys.stdout.write(f"{options.tamperings} tamperings, {failed} not found out\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
