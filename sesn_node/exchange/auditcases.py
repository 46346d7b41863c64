"""What an audit bundle holds of cases: the steps that its entries commit to, without contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.audit.codec import encode_case_step, framed
from sesn_node.audit.records import BundleCaseStep
from sesn_node.domain.ids import Origin
from sesn_node.store.numbers import index_of, ledger_of
from sesn_node.wire.cases import decode_mark
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from sesn_node.audit.archive import Spool
    from sesn_node.exchange.auditscope import Scope
    from sesn_node.store.cases import CaseStepRow


def write_cases(scope: Scope, spool: Spool) -> int:
    """Write the step of every CASE entry that is in the bundle; count them.

    Args:
        scope: What is exported; its entries are written already.
        spool: Where they go.
    """
    count = 0
    # A step without its entry would be nobody's word; so a blind bundle has none.
    for row in scope.transaction.audit.case_steps() if scope.cases else ():
        if row.entry_index not in scope.cases:
            continue
        _name(scope, row)
        record = BundleCaseStep(
            origin=Origin(scope.heads[ledger_of(row.entry_index)].origin),
            entry_index=index_of(row.entry_index),
            header=row.header,
            seal=row.seal,
            salt=row.salt,
            mark=row.mark,
        )
        spool.write(framed(encode_case_step(record)))
        count += 1
    return count


def _name(scope: Scope, row: CaseStepRow) -> None:
    """Name everybody in a step, so that their cards are in the bundle."""
    if scope.whole:
        return
    header, mark = decode_header(row.header), decode_mark(row.mark)
    for agency in (header.sender, *(one.agency for one in header.recipients)):
        scope.name(agency)
    for agency in mark.named:
        scope.name(agency)
