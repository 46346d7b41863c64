"""Steps of cases whose content is disclosed: it has the mark that the ledger commits to."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code
from sesn_node.audit.tally import require
from sesn_node.crypto.seal import commit
from sesn_node.domain.case_messages import CaseStep
from sesn_node.errors import MalformedError
from sesn_node.wire.cases import encode_mark
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sesn_node.audit.casebook import ShownStep
    from sesn_node.audit.docket import Docket


def check_case_contents(docket: Docket, commitments: Mapping[tuple[str, bytes], bytes]) -> None:
    """Hold the steps whose content is disclosed against the marks that the ledger commits to.

    Args:
        docket: The audit.
        commitments: Of the disclosed messages that are in the bundle, by sender and id.
    """
    tally = docket.tally(subjects.CASES)
    # Whoever reads them first has the finding if one cannot be read.
    with suppress(MalformedError):
        for place, one in enumerate(docket.bundle.disclosures()):
            key = one.sender, one.message_id
            if commit(one.salt, one.payload) != commitments.get(key):
                continue
            with tally.case(Code.CASE_STEP_MISMATCH, names.DISCLOSED, place, one.message_id):
                _check_content(docket, one.payload, docket.cases.at(*key))


def _check_content(docket: Docket, payload: bytes, shown: ShownStep | None) -> None:
    """Hold a content against the step that the bundle shows of it; raises `Problem`."""
    try:
        body = decode_payload(payload).body
    except MalformedError:
        return  # Contents of a later version are no business of this check.
    if not isinstance(body, CaseStep):
        require(
            shown is None,
            Code.CASE_STEP_MISMATCH,
            "a step of a case, says the ledger; the disclosed content is none",
        )
        return
    require(
        shown is not None or docket.blind,
        Code.CASE_STEP_MISSING,
        "the disclosed content is a step of a case, of which the ledger has no CASE entry",
    )
    require(
        shown is None or (body.salt, encode_mark(body.mark)) == (shown.salt, shown.mark),
        Code.CASE_STEP_MISMATCH,
        "the mark that the ledger commits to is not that of the disclosed content",
    )
