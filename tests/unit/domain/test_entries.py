"""Each kind of ledger entry has its own fields and words, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sesn_node.domain.entries import (
    CaseCode,
    Entry,
    EntryKind,
    EntryRef,
    ErasedCode,
    HoldCode,
    KeyCode,
    OperatorCode,
    PeerCode,
    UndeliveredCode,
)
from sesn_node.domain.ids import Origin
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import MalformedError
from tests.support.objects import MESSAGE_ID, NOW_MS, RECEIVER, changed, entry, entry_ref

_REF = entry_ref()
_ALONE = (
    EntryKind.SHARED,
    EntryKind.VIEWED,
    EntryKind.DISCLOSED,
    EntryKind.ERASED,
    EntryKind.LEGAL_HOLD,
    EntryKind.CASE,
)
"""Kinds about a message that name no other agency."""


def _about_message(kind: EntryKind, ref: EntryRef | None, code: str = "") -> Entry:
    agency = None if kind in _ALONE else RECEIVER
    return replace(entry(), kind=kind, answers=ref, agency=agency, code=code)


def _about_card(kind: EntryKind, code: str) -> Entry:
    agency = RECEIVER if kind is EntryKind.PEER else None
    return Entry(
        kind=kind,
        time_ms=NOW_MS,
        salt=b"t" * 32,
        object_sha256=b"o" * 32,
        agency=agency,
        code=code,
    )


def test_every_kind_can_be_written() -> None:
    """Each kind takes each word of its list, and the table of the module covers every kind."""
    exported = _about_card(EntryKind.EXPORTED, "")
    written = [
        _about_message(EntryKind.SHARED, None),
        _about_message(EntryKind.RECEIVED, _REF),
        _about_message(EntryKind.ACKNOWLEDGED, _REF),
        _about_message(EntryKind.REFUSED, None, RefusalCode.POLICY),
        _about_message(EntryKind.REFUSED_BY_PEER, _REF, RefusalCode.EXPIRED),
        _about_message(EntryKind.VIEWED, _REF),
        _about_message(EntryKind.DISCLOSED, _REF),
        *(_about_message(EntryKind.UNDELIVERED, _REF, code) for code in UndeliveredCode),
        *(_about_message(EntryKind.OPERATOR, _REF, code) for code in OperatorCode),
        *(_about_message(EntryKind.ERASED, _REF, code) for code in ErasedCode),
        *(_about_message(EntryKind.LEGAL_HOLD, _REF, code) for code in HoldCode),
        *(_about_message(EntryKind.CASE, _REF, code) for code in CaseCode),
        *(_about_card(EntryKind.PEER, code) for code in PeerCode),
        *(_about_card(EntryKind.KEY, code) for code in KeyCode),
        exported,
        replace(exported, kind=EntryKind.EPOCH, answers=_REF),
        replace(exported, kind=EntryKind.RECOVERED, answers=_REF),
    ]
    assert {one.kind for one in written} == set(EntryKind)


def test_receipt_without_the_entry_that_it_answers_is_refused() -> None:
    """RECEIVED and ACKNOWLEDGED are evidence of another ledger's entry."""
    for kind in (EntryKind.RECEIVED, EntryKind.ACKNOWLEDGED):
        with pytest.raises(MalformedError, match=r"^answers: .*needs it"):
            _about_message(kind, None)


def test_field_that_is_foreign_to_the_kind_is_refused() -> None:
    """A field that a kind does not have would be a channel for anything."""
    with pytest.raises(MalformedError, match=r"^answers: .*has none"):
        _about_message(EntryKind.SHARED, _REF)
    with pytest.raises(MalformedError, match=r"^agency: .*has none"):
        replace(_about_message(EntryKind.SHARED, None), agency=RECEIVER)
    with pytest.raises(MalformedError, match=r"^code: .*has none"):
        _about_message(EntryKind.SHARED, None, "POLICY")
    with pytest.raises(MalformedError, match=r"^message_id: .*no message"):
        replace(_about_card(EntryKind.KEY, KeyCode.CARD_ISSUED), message_id=MESSAGE_ID)
    with pytest.raises(MalformedError, match=r"^message_id: .*no message"):
        replace(_about_card(EntryKind.KEY, KeyCode.CARD_ISSUED), commitment=b"m" * 32)


def test_missing_agency_is_refused() -> None:
    """Who refused, or was trusted, must be said."""
    with pytest.raises(MalformedError, match=r"^agency: .*needs it"):
        replace(_about_card(EntryKind.PEER, PeerCode.TRUSTED), agency=None)


@pytest.mark.parametrize("code", ["", "policy", "EXPIRED", "ANYTHING", "TRUSTED\n"])
def test_word_of_another_list_is_refused(code: str) -> None:
    """A code is a word of the list of its kind; the message tells the list."""
    with pytest.raises(MalformedError, match=r"^code: .*CARD_TAKEN.*TRUSTED"):
        _about_card(EntryKind.PEER, code)


@pytest.mark.parametrize("field", ["salt", "object_sha256", "commitment"])
def test_lengths_are_checked(field: str) -> None:
    """Salt and hashes have 32 bytes."""
    with pytest.raises(MalformedError, match=rf"^{field}: expected 32 bytes"):
        changed(entry(), **{field: b"x" * 31})


def test_message_entry_needs_its_id() -> None:
    """An entry about a message names it."""
    with pytest.raises(MalformedError, match=r"^message_id: "):
        replace(entry(), message_id=None)


def test_reference_is_checked() -> None:
    """Origin, index and hash of a reference have their bounds."""
    with pytest.raises(MalformedError, match=r"^origin: "):
        replace(_REF, origin=Origin("example.org/log"))
    for index in (-1, 2**63):
        with pytest.raises(MalformedError, match=r"^index: "):
            replace(_REF, index=index)
    with pytest.raises(MalformedError, match=r"^leaf_hash: "):
        replace(_REF, leaf_hash=b"")


def test_refusals_are_permanent_or_transient() -> None:
    """Only four refusals can go away by themselves."""
    transient = {code for code in RefusalCode if not code.permanent}
    assert transient == {
        RefusalCode.NOT_TRUSTED,
        RefusalCode.NOT_IN_LEDGER,
        RefusalCode.CLOCK_SKEW,
        RefusalCode.BUSY,
    }
