"""What auditors see of the second act: the bundles of two of the three authorities, offline."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.audit.account import Selection
from sesn_node.audit.verify import verify
from sesn_node.bootstrap import system_clock
from sesn_node.errors import VerificationError
from sesn_node.exchange.auditexport import export_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sesn_node.audit.case_account import CaseAccount
    from sesn_node.audit.verdict import Verdict
    from sesn_node.demo.bureau import Bureau
    from sesn_node.domain.case_terms import State
    from sesn_node.domain.ids import AgencyId, MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSeen:
    """A case as bundles show it. Times are Unix milliseconds, in virtual time.

    Args:
        case_id: Its id.
        state: Its state.
        informed_ms: When the authority of export was informed (t0).
        first_due_ms: The last moment of the date that followed from it.
        due_ms: The same, of the date with extensions.
        back_ms: When the waste was back, or treated instead.
        missed: Who had missed the due date when ledgers noted that it had passed.
        notices: What ledgers note of due dates by themselves: their codes, in order.
    """

    case_id: MessageId
    state: State
    informed_ms: int
    first_due_ms: int
    due_ms: int
    back_ms: int
    missed: tuple[AgencyId, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audited:
    """What came of the audit. It fails unless every check holds.

    Args:
        bundles: The files that were verified together.
        of: Whose they are.
        checks: How many things the checks examined.
        cases: What they show, the case that was requested first at the beginning.
    """

    bundles: tuple[Path, ...]
    of: tuple[AgencyId, ...]
    checks: int
    cases: tuple[CaseSeen, ...]


def audit(bureaus: Sequence[Bureau], folder: Path) -> Audited:
    """Export the bundles of some authorities, and verify them like somebody who trusts no node.

    Raises:
        VerificationError: A check does not hold, or a case cannot be followed to its end.
        SesnError: As `export_bundle`.
    """
    paths = tuple(folder / f"{one.agency}.sesnaudit" for one in bureaus)
    for one, path in zip(bureaus, paths, strict=True):
        export_bundle(one.office, path, Selection())
    with ExitStack() as opened:
        files = [opened.enter_context(path.open("rb")) for path in paths]
        verdict = verify(files, now_ms=system_clock())
    if not verdict.holds:
        raise VerificationError(f"the audit of the second act found: {_findings(verdict)}")
    return Audited(
        bundles=paths,
        of=tuple(one.agency for one in bureaus),
        checks=sum(check.count for check in verdict.checks),
        cases=tuple(_seen(one) for one in verdict.cases),
    )


def _seen(account: CaseAccount) -> CaseSeen:
    deadline = account.deadline
    if account.state is None or deadline is None:
        raise VerificationError("the bundles show a case without its request")
    if deadline.informed_ms is None or deadline.first_due_ms is None:
        raise VerificationError("the bundles do not show when the authority of export was informed")
    if deadline.due_ms is None or deadline.met_ms is None:
        raise VerificationError("the bundles show a case that did not come to its end")
    return CaseSeen(
        case_id=account.case_id,
        state=account.state,
        informed_ms=deadline.informed_ms,
        first_due_ms=deadline.first_due_ms,
        due_ms=deadline.due_ms,
        back_ms=deadline.met_ms,
        missed=tuple(agency for one in deadline.missed_before for agency in one.by),
        notices=tuple(one.code for one in account.notices),
    )


def _findings(verdict: Verdict) -> str:
    return "; ".join(one.text for check in verdict.checks for one in check.findings)
