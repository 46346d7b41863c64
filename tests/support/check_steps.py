"""What must hold of return-to-origin cases: steps, due dates, and our ledger's entries of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.crypto.primitives import sha256
from sesn_node.domain.case_messages import CaseStep
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.domain.payload import MessageKind
from sesn_node.exchange.open import open_received, open_sent
from sesn_node.store.numbers import index_of, ledger_of
from sesn_node.wire.cases import encode_mark
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from sesn_node.domain.payload import Body
    from sesn_node.store.cases import CaseStepRow
    from sesn_node.store.sealed import SealedRow
    from tests.support.view import View


def check_steps(seen: View) -> None:
    """Every step and every due date that was noted has its CASE entry, and the other way round."""
    stated = {at for at, _ in seen.of_kind(EntryKind.CASE)}
    kept = [row.entry_index for row in seen.case_steps]
    kept += [row.entry_index for row in seen.case_notices]
    assert len(set(kept)) == len(kept), f"{seen.agency}: one CASE entry for two"
    here = {index_of(number) for number in kept if ledger_of(number) == seen.head.ledger}
    assert here == stated, f"{seen.agency}: CASE entries, and steps and due dates"
    for notice in seen.case_notices:
        if ledger_of(notice.entry_index) == seen.head.ledger:
            entry = seen.entries[index_of(notice.entry_index)]
            assert (entry.message_id, entry.code) == (notice.case_id, notice.code)
    messages = {(str(seen.agency), one): row.sealed for one, row in seen.sent.items()}
    messages |= {(row.sender, row.message_id): row.sealed for row in seen.inbox}
    for row in seen.case_steps:
        if ledger_of(row.entry_index) == seen.head.ledger:
            _check_step(seen, row, messages)
    direct = {(row.sender, row.message_id) for row in seen.case_steps if row.carrier is None}
    there = {key for key, row in messages.items() if row.kind == MessageKind.CASE_STEP.value}
    # One that came in a case file may have come from its sender later, too.
    known = {(row.sender, row.message_id) for row in seen.case_steps}
    assert direct <= there <= known, f"{seen.agency}: steps, and the messages that they are"
    _check_said(seen)


def _check_step(seen: View, row: CaseStepRow, messages: dict[tuple[str, bytes], SealedRow]) -> None:
    where = f"{seen.agency}: step {row.message_id.hex()} of {row.sender}"
    header = decode_header(row.header)
    assert sha256(row.header) == row.step_id, f"{where}: header hash"
    named = header.sender, header.message_id, header.conversation_id
    assert named == (row.sender, row.message_id, row.case_id), f"{where}: columns"
    entry = seen.entries[index_of(row.entry_index)]
    assert (entry.message_id, entry.commitment) == (row.message_id, header.commitment), where
    assert entry.object_sha256 == sha256(b"sesn/v1/case\0", row.salt, row.mark), (
        f"{where}: commitment to its mark"
    )
    filed = row.carrier is not None
    assert entry.code == (CaseCode.FILED if filed else CaseCode.STEP), f"{where}: code"
    brought = messages[row.carrier or row.sender, row.carrier_id or row.message_id]
    assert brought.kind == (MessageKind.CASE_FILE if filed else MessageKind.CASE_STEP), where
    if not filed:
        assert brought.header_sha256 == row.step_id, f"{where}: another message"
    if ledger_of(brought.entry_index) == seen.head.ledger:
        assert entry.answers == seen.ref(index_of(brought.entry_index)), f"{where}: answers"


def _check_said(seen: View) -> None:
    """What a step's row says is what its message says, as long as that can be read."""
    rows = {(row.sender, row.message_id): row for row in seen.case_steps if row.carrier is None}
    for message_id, sent in seen.sent.items():
        row = rows.get((seen.agency, message_id))
        if row is not None and sent.sealed.ciphertext is not None:
            _check_same(seen, row, open_sent(seen.office, sent).body)
    for received in seen.inbox:
        row = rows.get((received.sender, received.message_id))
        if row is not None and received.sealed.ciphertext is not None:
            _check_same(seen, row, open_received(seen.office, received).body)


def _check_same(seen: View, row: CaseStepRow, body: Body) -> None:
    assert isinstance(body, CaseStep)
    assert (body.salt, encode_mark(body.mark)) == (row.salt, row.mark), (
        f"{seen.agency}: the mark of step {row.message_id.hex()}"
    )
