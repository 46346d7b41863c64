"""Cards: what a good one gives, and how one follows another."""

from __future__ import annotations

import pytest

from sesn_node.crypto.keys import KeyKind, key_id, load_encryption_private
from sesn_node.crypto.primitives import hpke_open, hpke_seal, sha256
from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.signing import ObjectKind, sign_object, verify_object
from sesn_node.domain.cards import EncryptionKey, SealKey
from sesn_node.domain.ids import Origin, ledger_origin
from sesn_node.errors import PolicyError, VerificationError
from sesn_node.trust.card import Succession, check_successor, issue_card, open_card
from sesn_node.trust.certificates import issue_root
from sesn_node.trust.fingerprint import fingerprint
from tests.unit.trust.agencies import (
    BE,
    CARD_END_MS,
    DAY_MS,
    END_MS,
    NL,
    NOW_MS,
    START_MS,
    agency_of,
    first_card,
    make_key,
    make_ledger,
    refused,
)


def test_issued_card_opens() -> None:
    """A card that we issue is what every partner opens, byte for byte."""
    nl = agency_of(NL)
    sealed = issue_card(nl.card, nl.signer)
    trusted = open_card(sealed, NOW_MS)
    assert trusted.card == nl.card
    assert trusted.agency == NL
    assert trusted.sealed == sealed
    assert trusted.sha256 == sha256(trusted.body)
    assert trusted.fingerprint == fingerprint(NL, nl.root_der)
    assert trusted.root.der == nl.root_der


def test_card_is_identified_by_its_body() -> None:
    """Two seals of one body make the same card, as ECDSA signatures differ each time."""
    one, other = first_card(agency_of(NL)), first_card(agency_of(NL))
    assert one.seal != other.seal
    assert one.sha256 == other.sha256
    assert check_successor(one, other) is Succession.SAME


def test_card_of_another_root_is_not_issued() -> None:
    """A signer that is not the card's root is noticed before the card leaves."""
    with pytest.raises(VerificationError) as error:
        issue_card(agency_of(NL).card, agency_of(BE).signer)
    assert refused(error) == "BAD_SEAL"


def test_stored_card_opens_as_of_when_it_was_taken() -> None:
    """A card that has expired since can still be read, and says that it has."""
    trusted = open_card(agency_of(NL).sealed(), CARD_END_MS - 1)
    assert not trusted.expired(CARD_END_MS - 1)
    assert trusted.expired(CARD_END_MS)


def test_seal_key_counts_while_it_is_in_force() -> None:
    """A seal key verifies what was created from its first instant up to its last."""
    keys = [make_key(KeyKind.SEAL), make_key(KeyKind.SEAL)]
    listed = (
        SealKey(keys[0].public, START_MS, NOW_MS + 1),
        SealKey(keys[1].public, NOW_MS, CARD_END_MS),
    )
    trusted = agency_of(NL).trusted(seal_keys=listed)
    for key, at_ms in ((keys[0], START_MS), (keys[0], NOW_MS), (keys[1], NOW_MS)):
        seal = sign_object(signer_for(key), ObjectKind.ENVELOPE, b"header")
        verifier = trusted.seal_key(key.key_id, at_ms)
        verify_object(verifier, ObjectKind.ENVELOPE, b"header", seal)
    for key, at_ms in ((keys[0], START_MS - 1), (keys[0], NOW_MS + 1), (keys[1], NOW_MS - 1)):
        with pytest.raises(VerificationError) as error:
            trusted.seal_key(key.key_id, at_ms)
        assert refused(error) == "BAD_SEAL"


def test_unknown_seal_key_seals_nothing() -> None:
    """Neither a stranger's key nor the root seals messages; a later card may name it, though."""
    nl = agency_of(NL)
    for unknown in (make_key(KeyKind.SEAL), nl.root_key):
        with pytest.raises(VerificationError) as error:
            nl.trusted().seal_key(unknown.key_id, NOW_MS)
        assert refused(error) == "UNKNOWN_SEAL_KEY"


def test_newest_encryption_key_in_force_is_taken() -> None:
    """A sender takes the key that began last, and can seal to it."""
    keys = [make_key(KeyKind.ENCRYPTION) for _ in range(3)]
    starts = (START_MS, NOW_MS, NOW_MS + DAY_MS)
    listed = tuple(
        EncryptionKey(key.public, start, CARD_END_MS, CARD_END_MS)
        for key, start in zip(keys, starts, strict=True)
    )
    trusted = agency_of(NL).trusted(encryption_keys=listed)
    entry, name, public = trusted.encryption_key(NOW_MS)
    assert (entry, name) == (listed[1], key_id(keys[1].public))
    sealed = hpke_seal(public, b"content key", b"info")
    assert hpke_open(load_encryption_private(keys[1].private), sealed, b"info") == b"content key"
    assert trusted.encryption_key(NOW_MS - 1)[0] == listed[0]


def test_no_encryption_key_in_force() -> None:
    """Without a key in force nothing can be sent, and the message says what to ask for."""
    with pytest.raises(PolicyError, match="newest card") as error:
        agency_of(NL).trusted().encryption_key(CARD_END_MS)
    assert refused(error) == "NO_ENCRYPTION_KEY"


def test_every_ledger_of_the_card_is_found() -> None:
    """Old epochs stay verifiable; the last one is being written; others are unknown."""
    ledgers = (make_ledger(NL, 1), make_ledger(NL, 3))
    trusted = agency_of(NL).trusted(ledgers=ledgers)
    assert trusted.current_origin == ledgers[1].origin
    for ledger in ledgers:
        keys = trusted.log_keys(ledger.origin)
        assert keys is not None
        assert (keys.ed25519, keys.mldsa44) == (ledger.ed25519, ledger.mldsa44)
    assert trusted.log_keys(ledger_origin(NL, 2)) is None
    assert trusted.log_keys(Origin("be.police.sesn/ledger/1")) is None


def test_witness_keys_are_decoded() -> None:
    """The witness is named and has the card's keys."""
    nl = agency_of(NL)
    witness = nl.trusted().witness_keys
    assert (witness.name, witness.ed25519) == ("nl.customs.sesn/witness", nl.card.witness.ed25519)


def test_repr_shows_no_bulk() -> None:
    """A card in a log line or a traceback does not fill it with keys."""
    assert "_seal_keys" not in repr(first_card(agency_of(NL)))


def test_card_lives_as_long_as_its_root() -> None:
    """A card may end in the same second as its root."""
    agency_of(NL).trusted(expires_ms=END_MS + 999)


def test_later_card_follows() -> None:
    """The next card, or one after a gap, is taken by itself."""
    nl = agency_of(NL)
    held = first_card(nl)
    assert check_successor(held, nl.later(held)) is Succession.LATER
    after_gap = nl.later(held, sequence=7, previous_sha256=bytes(32))
    assert check_successor(held, after_gap) is Succession.LATER


def test_same_card_changes_nothing() -> None:
    """A card that is held already is recognised."""
    held = first_card(agency_of(NL))
    assert check_successor(held, held) is Succession.SAME


def test_other_agency_does_not_follow() -> None:
    """A card follows only a card of its own agency."""
    with pytest.raises(VerificationError) as error:
        check_successor(first_card(agency_of(NL)), first_card(agency_of(BE)))
    assert refused(error) == "WRONG_AGENCY"


def test_renewed_root_is_another_root() -> None:
    """Even the same key in a new certificate needs an operator: the fingerprint is another."""
    nl = agency_of(NL)
    renewed = issue_root(NL, nl.signer, START_MS, END_MS)
    old, new = first_card(nl), nl.trusted(root_certificate=renewed)
    with pytest.raises(VerificationError, match="operator") as error:
        check_successor(old, new)
    assert refused(error) == "ROOT_CHANGED"
