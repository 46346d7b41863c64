"""Checks of cases: every step that is kept is in our ledger, and our ledger tells of no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.crypto.seal import commit_mark
from sesn_node.crypto.signing import body_hash
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.domain.ids import parse_origin, show_message_id
from sesn_node.errors import VerificationError
from sesn_node.exchange.recovered import missing
from sesn_node.exchange.tally import Tally, groups, require
from sesn_node.store.numbers import index_of
from sesn_node.wire.cases import decode_mark
from sesn_node.wire.entries import decode_entry
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sesn_node.domain.entries import Entry
    from sesn_node.exchange.tally import Check
    from sesn_node.store.cases import CaseStepRow
    from sesn_node.store.engine import Transaction
    from sesn_node.store.ledger import HeadRow

_AT_ONCE = 200


def check_cases(transaction: Transaction, head: HeadRow, kinds: Mapping[EntryKind, int]) -> Check:
    """Check `cases`: every step of a case, and every due date that was noted, is in our ledger.

    That its sender sealed a step is checked with its message (`proofs`); of one that came in a case
    file it was when that came, with the card in it.

    Args:
        transaction: Where everything is read.
        head: The stored head.
        kinds: How many entries of each kind the ledger has.
    """
    tally = Tally("cases", "every step of a case is in our ledger, and no other")
    own = parse_origin(head.origin)[0]
    count = 0
    for rows in groups(transaction.cases.every_step(), _AT_ONCE):
        count += len(rows)
        about = _About(transaction, own, rows)
        for row in rows:
            with tally.case(f"{show_message_id(row.message_id)} from {row.sender}"):
                about.check(row)
    for notice in transaction.cases.every_notice():
        count += 1
        with tally.case(f"a due date of {show_message_id(notice.case_id)}"):
            found = transaction.ledger.entries_at([notice.entry_index])[notice.entry_index]
            entry = decode_entry(found.entry)
            said = entry.kind, entry.message_id, entry.code
            require(
                said == (EntryKind.CASE, notice.case_id, notice.code), "our ledger says otherwise"
            )
    with tally.case("CASE entries"):
        # Of entries that came back from an export, the step may be missing.
        there = kinds.get(EntryKind.CASE, 0) - missing(transaction).of(EntryKind.CASE)
        require(there == count, f"{there} of them, for {count} steps and due dates")
    return tally.result()


class _About:
    """What our ledger says of some steps, and of the messages that brought them."""

    def __init__(self, transaction: Transaction, own: str, rows: Sequence[CaseStepRow]) -> None:
        self._own = own
        self._numbering = transaction.ledger.numbering()
        ids = {row.message_id for row in rows}
        ids |= {row.carrier_id for row in rows if row.carrier_id is not None}
        about = transaction.browse.entries_about(list(ids))
        self._entries = {row.number: row for row in about}

    def check(self, row: CaseStepRow) -> None:
        """Make sure that a step is what its header and our ledger say.

        Raises:
            SesnError: It is not.
        """
        header = decode_header(row.header)
        require(body_hash(row.header) == row.step_id, "its header has another hash")
        named = header.sender, header.message_id, header.conversation_id
        require(named == (row.sender, row.message_id, row.case_id), "its header names another")
        decode_mark(row.mark)
        entry = self._entry(row.entry_index, "the step")
        said = entry.kind, entry.object_sha256, entry.message_id, entry.commitment
        mark = commit_mark(row.salt, row.mark)
        require(
            said == (EntryKind.CASE, mark, row.message_id, header.commitment),
            "our ledger commits to another step",
        )
        code = CaseCode.STEP if row.carrier is None else CaseCode.FILED
        require(entry.code == code.value, f"our ledger calls it {entry.code}, not {code.value}")
        self._check_source(row, entry)

    def _check_source(self, row: CaseStepRow, entry: Entry) -> None:
        """Make sure that a step came in the message that our ledger says."""
        answers = entry.answers
        if answers is None or answers.origin not in self._numbering:
            raise VerificationError("its entry answers none of ours")
        source = self._entry(self._numbering[answers.origin] + answers.index, "its message")
        said = source.kind, source.agency, source.message_id
        if row.carrier is not None:
            expected = EntryKind.RECEIVED, row.carrier, row.carrier_id
            require(said == expected, "our ledger says that it came in another case file")
            return
        ours = row.sender == self._own
        kind, agency = (EntryKind.SHARED, None) if ours else (EntryKind.RECEIVED, row.sender)
        require(
            said == (kind, agency, row.message_id) and source.object_sha256 == row.step_id,
            "our ledger says that another message brought it",
        )

    def _entry(self, number: int, what: str) -> Entry:
        if number not in self._entries:
            raise VerificationError(f"entry {index_of(number)} of our ledger is not about {what}")
        return decode_entry(self._entries[number].entry)
