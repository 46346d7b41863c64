"""What must hold of recalls, on both sides, and of legal holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.conversation import Destruction, DestructionOutcome, Recall
from sesn_node.domain.entries import EntryKind, HoldCode
from sesn_node.domain.payload import MessageKind
from sesn_node.exchange.open import open_received, open_sent

if TYPE_CHECKING:
    from tests.support.view import View

_GONE = {DestructionOutcome.DESTROYED.value, DestructionOutcome.NEVER_KEPT.value}


def check_recalls(seen: View) -> None:
    """Recalls that arrived have a row each; what is said to be gone is gone, and answered so."""
    _check_holds(seen)
    arrived = {
        (row.sender, row.message_id): row
        for row in seen.inbox
        if row.sealed.kind == MessageKind.RECALL.value
    }
    assert {(row.sender, row.recall_id) for row in seen.recalls} == set(arrived), (
        f"{seen.agency}: recalls and their rows"
    )
    inbox = {(row.sender, row.message_id): row.sealed for row in seen.inbox}
    for row in seen.recalls:
        where = f"{seen.agency}: recall {row.recall_id.hex()} of {row.sender}"
        found = arrived[row.sender, row.recall_id]
        if found.sealed.ciphertext is not None:
            body = open_received(seen.office, found).body
            assert isinstance(body, Recall), where
            assert (body.message_id, body.header_sha256) == (row.message_id, row.header_sha256)
        kept = inbox.get((row.sender, row.message_id))
        if row.outcome in _GONE and kept is not None and kept.header_sha256 == row.header_sha256:
            assert (kept.ciphertext, kept.content_key) == (None, None), f"{where}: content"
        if row.answer_id is None:
            continue
        answer = seen.sent[row.answer_id]
        assert answer.sealed.in_reply_to == row.recall_id, where
        if answer.sealed.ciphertext is not None:
            said = open_sent(seen.office, answer).body
            assert isinstance(said, Destruction), where
            assert (said.message_id, said.outcome) == (row.message_id, row.outcome), where
    _check_withdrawn(seen)


def _check_withdrawn(seen: View) -> None:
    """Nothing that was recalled can leave: no copy waits, and there is no key to send."""
    for copy in seen.copies:
        if copy.message_id in seen.withdrawn:
            where = f"{seen.agency}: recalled {copy.message_id.hex()} to {copy.agency}"
            assert copy.state.value != "queued", where
            assert seen.wrapped_keys[copy.message_id, copy.agency] is None, where


def _check_holds(seen: View) -> None:
    """Holds are what the ledger says, and what is held is not erased."""
    held: dict[int, int] = {}
    for at, entry in enumerate(seen.entries):
        answers = entry.answers
        if entry.kind is EntryKind.LEGAL_HOLD:
            assert answers is not None, at
            if entry.code == HoldCode.PLACED:
                assert answers.index not in held, f"{seen.agency}: held twice"
                held[answers.index] = at
            else:
                del held[answers.index]
        if entry.kind is EntryKind.ERASED:
            assert answers is not None, at
            assert answers.index not in held, f"{seen.agency}: entry {at} erases what is held"
    assert sorted(held.values()) == [row.entry_index for row in seen.holds], (
        f"{seen.agency}: holds and LEGAL_HOLD entries"
    )
