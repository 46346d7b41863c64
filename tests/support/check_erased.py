"""What must hold of entries about access to content, and of content that was erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.entries import EntryKind

if TYPE_CHECKING:
    from sesn_node.store.sealed import SealedRow
    from tests.support.view import View

_OF_CONTENT = {EntryKind.VIEWED, EntryKind.DISCLOSED, EntryKind.ERASED}


def check_erasures(seen: View) -> None:
    """Entries about access answer our own entry of the message; nobody sees it once it is gone."""
    erased: dict[tuple[str, bytes], int] = {}
    gone: set[int] = set()
    for at, entry in enumerate(seen.entries):
        if entry.kind not in _OF_CONTENT:
            continue
        where = f"{seen.agency}: {entry.kind} entry {at}"
        answers = entry.answers
        assert answers is not None, where
        assert answers == seen.ref(answers.index), f"{where}: answers another entry"
        assert answers.index < at, where
        own = seen.entries[answers.index]
        assert own.kind in {EntryKind.SHARED, EntryKind.RECEIVED}, where
        assert (entry.message_id, entry.object_sha256, entry.commitment) == (
            own.message_id,
            own.object_sha256,
            own.commitment,
        ), f"{where}: about another message"
        assert answers.index not in gone, f"{where}: after the content was erased"
        if entry.kind is EntryKind.ERASED:
            gone.add(answers.index)
            erased[own.agency or seen.agency, own.message_id or b""] = at
    rows = {(row.sender, row.message_id): row.entry_index for row in seen.erasures}
    assert rows == erased, f"{seen.agency}: rows about erasures, and ERASED entries"
    for row in seen.erasures:
        assert row.erased_ms == seen.entries[row.entry_index].time_ms, f"{seen.agency}: erased when"
        assert row.reason, f"{seen.agency}: erased without a reason"


def check_nothing_left(seen: View, sender: str, message_id: bytes, row: SealedRow) -> None:
    """Neither content nor a key nor a term of a message is there any more."""
    where = f"{seen.agency}: erased message {message_id.hex()} of {sender}"
    assert (row.ciphertext, row.content_key) == (None, None), where
    assert not seen.terms_of(sender, message_id), f"{where}: can be found"
    if sender != seen.agency:
        return
    for copy in seen.copies:
        if copy.message_id == message_id:
            assert seen.wrapped_keys[message_id, copy.agency] is None, f"{where}: a wrapped key"
            assert copy.detail is None, f"{where}: words of {copy.agency}"
            assert copy.state.value != "queued", f"{where}: still queued"
