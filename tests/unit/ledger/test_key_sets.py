"""Ledgers that change their keys: the checkpoint that both sets sign, and those kept of before."""

from __future__ import annotations

import pytest

from sesn_node.errors import MalformedError, VerificationError
from sesn_node.ledger.checkpoint import (
    checkpoint_time_s,
    countersign_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
    verify_checkpoint_under,
)
from sesn_node.ledger.cosignature import made_by
from sesn_node.ledger.note import Note, format_note
from tests.vectors.ledger.material import BELGIAN, DUTCH, GERMAN_WITNESS, TIME_S, ledger

NEW = ledger(DUTCH.keys.origin, keys="rotated")
HEAD = DUTCH.head(7)
OLD_NOTE = DUTCH.sign(HEAD)
BOTH = countersign_checkpoint(OLD_NOTE, NEW.ed25519, NEW.mldsa44, TIME_S + 1)


def test_a_countersigned_checkpoint_counts_for_either_set() -> None:
    """Whoever knows the old set and whoever knows the new one read the same head."""
    assert len(parse_checkpoint(BOTH).note.signatures) == 4
    assert verify_checkpoint(BOTH, DUTCH.keys) == HEAD
    assert verify_checkpoint(BOTH, NEW.keys) == HEAD


def test_a_countersignature_that_fails_spoils_the_note_for_the_new_set_only() -> None:
    """A line under the new keys over another head is refused by those keys."""
    other = sign_checkpoint(DUTCH.head(6), NEW.ed25519, NEW.mldsa44, TIME_S)
    first, second = parse_checkpoint(OLD_NOTE).note, parse_checkpoint(other).note
    mixed = format_note(Note(first.text, (*first.signatures, *second.signatures)))
    assert verify_checkpoint(mixed, DUTCH.keys) == HEAD
    with pytest.raises(VerificationError) as caught:
        verify_checkpoint(mixed, NEW.keys)
    assert caught.value.code == "BAD_SIGNATURE"


def test_only_a_checkpoint_is_countersigned() -> None:
    """Anything else is malformed."""
    with pytest.raises(MalformedError):
        countersign_checkpoint(b"no note", NEW.ed25519, NEW.mldsa44, TIME_S)


def test_a_kept_checkpoint_verifies_under_any_set() -> None:
    """Checkpoints of before a rotation stay evidence."""
    sets = (DUTCH.keys, NEW.keys)
    for note in (OLD_NOTE, BOTH, NEW.sign(HEAD)):
        assert verify_checkpoint_under(note, sets) == HEAD


def test_the_error_is_that_of_the_newest_set() -> None:
    """A checkpoint under no set is refused; so is one when no set is known."""
    sets = (DUTCH.keys, NEW.keys)
    stranger = ledger(DUTCH.keys.origin, keys="stranger").sign(HEAD)
    with pytest.raises(VerificationError) as caught:
        verify_checkpoint_under(stranger, sets)
    assert caught.value.code == "MISSING_SIGNATURE"
    with pytest.raises(VerificationError) as caught:
        verify_checkpoint_under(BELGIAN.checkpoint(3), sets)
    assert caught.value.code == "WRONG_ORIGIN"
    with pytest.raises(VerificationError, match="no keys are known"):
        verify_checkpoint_under(OLD_NOTE, ())
    with pytest.raises(MalformedError):
        verify_checkpoint_under(b"no note", sets)


def test_halves_of_two_sets_do_not_make_a_checkpoint() -> None:
    """Ed25519 of the old set beside ML-DSA of the new one is neither's checkpoint."""
    first, second = parse_checkpoint(OLD_NOTE).note, parse_checkpoint(NEW.sign(HEAD)).note
    halves = format_note(Note(first.text, (first.signatures[0], second.signatures[1])))
    with pytest.raises(VerificationError) as caught:
        verify_checkpoint_under(halves, (DUTCH.keys, NEW.keys))
    assert caught.value.code == "MISSING_SIGNATURE"


def test_the_time_of_a_checkpoint_under_any_set() -> None:
    """The newest set that signed says when."""
    sets = (DUTCH.keys, NEW.keys)
    assert checkpoint_time_s(OLD_NOTE, sets) == TIME_S
    assert checkpoint_time_s(BOTH, sets) == TIME_S + 1
    with pytest.raises(VerificationError):
        checkpoint_time_s(BELGIAN.checkpoint(3), sets)


def test_who_made_a_cosignature_is_told_by_its_key_ids() -> None:
    """Lines of other keys of the same witness are not made by these."""
    lines = GERMAN_WITNESS.cosign(HEAD)
    assert made_by(lines, GERMAN_WITNESS.keys)
    half = lines[: lines.index(b"\n") + 1]
    assert not made_by(half, GERMAN_WITNESS.keys)
    with pytest.raises(MalformedError):
        made_by(b"no lines", GERMAN_WITNESS.keys)
