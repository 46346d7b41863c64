"""Attacks with agency cards: forged, altered, hostile and two-faced ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import given
from hypothesis import strategies as st

from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.signing import ObjectKind, sign_object
from sesn_node.domain.cards import EncryptionKey, LedgerKeySet, SealKey, WitnessKeySet
from sesn_node.domain.ids import AgencyId, ledger_origin, witness_name
from sesn_node.errors import MalformedError, PolicyError, VerificationError
from sesn_node.trust.card import Succession, TrustedCard, check_successor, open_card
from sesn_node.trust.directory import Directory, PeerState
from sesn_node.wire.cards import encode_card, encode_sealed_card
from tests.unit.trust.agencies import (
    BE,
    CARD_END_MS,
    END_MS,
    NL,
    NOW_MS,
    START_MS,
    Agency,
    agency_of,
    directory_of,
    first_card,
    forge_root,
    issuer_key,
    make_card,
    make_key,
    make_ledger,
    new_agency,
    refused,
    root_extensions,
    root_subject,
    subject,
)

ME = AgencyId("de.zoll")
SEALED = agency_of(NL).sealed()
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _refused(data: bytes, at_ms: int = NOW_MS) -> str:
    with pytest.raises((MalformedError, VerificationError)) as error:
        open_card(data, at_ms)
    return refused(error)


def _ours(*peers: Agency, state: PeerState = PeerState.TRUSTED) -> Directory:
    """Return our directory with some agencies pinned."""
    return directory_of(first_card(agency_of(ME)), *((first_card(one), state) for one in peers))


def _not_admitted(directory: Directory, card: TrustedCard) -> str:
    with pytest.raises((PolicyError, VerificationError)) as error:
        directory.admit(card)
    return refused(error)


# What somebody between the agencies can do.


def test_card_is_altered_on_the_way() -> None:
    """A changed body under the old seal is refused: here, another name of the agency."""
    card = first_card(agency_of(NL))
    body = card.body.replace(b"Agency nl", b"agency nl")
    assert _refused(encode_sealed_card(body, card.seal)) == "BAD_SEAL"


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_any_byte_of_a_card_is_altered(place: int, change: int) -> None:
    """A card with any byte altered is refused, and no error but ours comes out."""
    data = bytearray(SEALED)
    data[place] ^= change
    with pytest.raises((MalformedError, VerificationError)):
        open_card(bytes(data), NOW_MS)


@given(st.binary(max_size=200))
def test_garbage_instead_of_a_card(data: bytes) -> None:
    """Any bytes are refused as malformed, never with another error."""
    assert _refused(data) == "MALFORMED"


def test_seal_of_a_message_is_used_for_a_card() -> None:
    """A root's signature over other bytes, of another kind, seals no card."""
    nl = agency_of(NL)
    body = encode_card(nl.card)
    seal = sign_object(nl.signer, ObjectKind.ENVELOPE, body)
    assert _refused(encode_sealed_card(body, seal)) == "BAD_SEAL"


def test_stolen_seal_key_issues_a_card() -> None:
    """A seal key that is listed in the card cannot seal it: only the root can."""
    thief = make_key(KeyKind.SEAL)
    nl = agency_of(NL).trusted(**_seal(thief.public))
    seal = sign_object(signer_for(thief), ObjectKind.CARD, nl.body)
    assert _refused(encode_sealed_card(nl.body, seal)) == "BAD_SEAL"


def test_malleable_seal_makes_no_second_card() -> None:
    """The mirrored ECDSA signature verifies, but the card stays the same one: no fork alarm."""
    card = first_card(agency_of(NL))
    r, s = decode_dss_signature(card.seal)
    mirrored = open_card(
        encode_sealed_card(card.body, encode_dss_signature(r, P256_ORDER - s)), NOW_MS
    )
    assert mirrored.seal != card.seal
    assert check_successor(card, mirrored) is Succession.SAME


def test_expired_card_is_offered() -> None:
    """A card counts up to, not including, its end."""
    sealed = agency_of(NL).sealed()
    open_card(sealed, CARD_END_MS - 1)
    assert _refused(sealed, CARD_END_MS) == "CARD_EXPIRED"


def test_card_from_the_future_is_offered() -> None:
    """A card may be issued at most ten minutes ahead of our clock."""
    ahead = 10 * 60 * 1000
    agency_of(NL).trusted(issued_ms=NOW_MS + ahead)
    sealed = agency_of(NL).sealed(issued_ms=NOW_MS + ahead + 1)
    assert _refused(sealed) == "CARD_FROM_FUTURE"


def test_old_card_is_replayed() -> None:
    """A card that was replaced, perhaps because a key was stolen, does not come back."""
    nl = agency_of(NL)
    first = first_card(nl)
    second = nl.later(first)
    with pytest.raises(VerificationError) as error:
        check_successor(second, first)
    assert refused(error) == "CARD_STALE"


# What an agency itself can do.


def test_root_is_not_the_agencys() -> None:
    """A card under a root that names another agency is refused."""
    nl = agency_of(NL)
    assert _refused(nl.sealed(root_certificate=agency_of(BE).root_der)) == "ROOT_INVALID"


def test_card_outlives_its_root() -> None:
    """A card must lie within the validity of its root, and the root must be in force."""
    nl = agency_of(NL)
    assert _refused(nl.sealed(expires_ms=END_MS + 1000)) == "CARD_OUTLIVES_ROOT"
    assert _refused(nl.sealed(issued_ms=START_MS - 1)) == "CARD_OUTLIVES_ROOT"
    assert _refused(nl.sealed(), START_MS - 1) == "ROOT_NOT_IN_FORCE"
    assert _refused(nl.sealed(), END_MS + 1) == "ROOT_NOT_IN_FORCE"


def _encryption(x25519: bytes | None = None, mlkem: bytes | None = None) -> dict[str, object]:
    good = make_key(KeyKind.ENCRYPTION).public
    raw = (mlkem or good[:1184]) + (x25519 or good[1184:])
    return {"encryption_keys": (EncryptionKey(raw, START_MS, CARD_END_MS, CARD_END_MS),)}


def _ledger(ed25519: bytes) -> dict[str, object]:
    good = make_ledger(NL, 1)
    return {"ledgers": (LedgerKeySet(good.origin, ed25519, good.mldsa44),)}


def _witness(ed25519: bytes | None = None, mldsa44: bytes | None = None) -> dict[str, object]:
    good = agency_of(NL).card.witness
    keys = WitnessKeySet(good.name, ed25519 or good.ed25519, mldsa44 or good.mldsa44)
    return {"witness": keys}


def _seal(spki: bytes) -> dict[str, object]:
    return {"seal_keys": (SealKey(spki, START_MS, CARD_END_MS),)}


LOW_ORDER = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
NO_POINT = b"\x02" + bytes(31)
OFF_CURVE = make_key(KeyKind.SEAL).public[:-1] + b"\0"

UNUSABLE: dict[str, tuple[dict[str, object], str]] = {
    "low-order X25519": (_encryption(x25519=LOW_ORDER), r"card\.encryption_keys\[0\]\.public_key"),
    "X25519 zero": (_encryption(x25519=bytes(32)), r"card\.encryption_keys\[0\]\.public_key"),
    "ML-KEM not reduced": (_encryption(mlkem=b"\xff" * 1184), r"card\.encryption_keys\[0\]"),
    "ledger: small order": (_ledger(ed25519=b"\1" + bytes(31)), r"card\.ledgers\[0\]"),
    "ledger: no point": (_ledger(ed25519=NO_POINT), r"card\.ledgers\[0\]"),
    "witness: small order": (_witness(ed25519=bytes(32)), r"card\.witness"),
    "seal: no key": (_seal(bytes(91)), r"card\.seal_keys\[0\]\.spki"),
    "seal: off the curve": (_seal(OFF_CURVE), r"card\.seal_keys\[0\]\.spki"),
}


@pytest.mark.parametrize(("changes", "place"), UNUSABLE.values(), ids=UNUSABLE)
def test_card_lists_a_key_that_fails_only_at_use(changes: dict[str, object], place: str) -> None:
    """A key that would make every sending fail, or that anybody can sign for, is found now."""
    with pytest.raises(MalformedError, match=place):
        agency_of(NL).trusted(**changes)


REUSED: dict[str, Callable[[Agency], dict[str, object]]] = {
    "root seals": lambda nl: _seal(nl.root_key.public),
    "witness is ledger": lambda nl: _witness(ed25519=nl.card.ledger.ed25519),
    "witness is ledger (ML-DSA)": lambda nl: _witness(mldsa44=nl.card.ledger.mldsa44),
    "old ledger's key": lambda nl: {
        "ledgers": (
            nl.card.ledger,
            LedgerKeySet(ledger_origin(NL, 2), nl.card.ledger.ed25519, make_ledger(NL, 2).mldsa44),
        )
    },
}


@pytest.mark.parametrize("changes", REUSED.values(), ids=REUSED)
def test_one_key_is_listed_for_two_purposes(
    changes: Callable[[Agency], dict[str, object]],
) -> None:
    """What one key signed for one purpose must not be shown for another."""
    nl = agency_of(NL)
    assert _refused(nl.sealed(**changes(nl))) == "KEY_REUSED"


def test_two_cards_of_one_sequence() -> None:
    """Showing two partners two cards is an alarm as soon as one of them sees both."""
    nl = agency_of(NL)
    first = first_card(nl)
    one, other = nl.later(first), nl.later(first, name="Somebody else")
    with pytest.raises(VerificationError, match="two different cards") as error:
        check_successor(one, other)
    assert refused(error) == "CARD_FORK"


def test_next_card_denies_the_one_before() -> None:
    """A next card whose predecessor is not the one held shows that there are two."""
    nl = agency_of(NL)
    first = first_card(nl)
    with pytest.raises(VerificationError) as error:
        check_successor(first, nl.later(first, previous_sha256=bytes(32)))
    assert refused(error) == "CARD_FORK"


def _rekeyed(nl: Agency) -> tuple[LedgerKeySet, ...]:
    return (make_ledger(nl.card.agency, 1),)


def _half_rekeyed(nl: Agency) -> tuple[LedgerKeySet, ...]:
    return (replace(nl.card.ledger, ed25519=make_ledger(NL, 1).ed25519),)


def _dropped(nl: Agency) -> tuple[LedgerKeySet, ...]:
    assert nl.card.ledger.origin == ledger_origin(NL, 1)
    return (make_ledger(NL, 2),)


def _rekeyed_beside_another(nl: Agency) -> tuple[LedgerKeySet, ...]:
    return (*_rekeyed(nl), make_ledger(NL, 2))


@pytest.mark.parametrize("ledgers", [_rekeyed, _half_rekeyed, _dropped, _rekeyed_beside_another])
def test_later_card_changes_the_keys_of_a_ledger(
    ledgers: Callable[[Agency], tuple[LedgerKeySet, ...]],
) -> None:
    """Receipts under a ledger must verify as long as they are kept, so its keys stay."""
    nl = agency_of(NL)
    held = first_card(nl)
    for sequence in (held.card.sequence + 1, held.card.sequence + 5):
        later = nl.later(held, ledgers=ledgers(nl), sequence=sequence)
        with pytest.raises(VerificationError) as error:
            check_successor(held, later)
        assert refused(error) == "LEDGER_KEYS_CHANGED"


def _second_set_dropped(sets: tuple[LedgerKeySet, ...]) -> tuple[LedgerKeySet, ...]:
    return sets[:1]


def _second_set_replaced(sets: tuple[LedgerKeySet, ...]) -> tuple[LedgerKeySet, ...]:
    return (sets[0], make_ledger(NL, 1), *sets[2:])


def _half_of_a_set_replaced(sets: tuple[LedgerKeySet, ...]) -> tuple[LedgerKeySet, ...]:
    return (sets[0], replace(sets[1], mldsa44=make_ledger(NL, 1).mldsa44), *sets[2:])


def _sets_in_another_order(sets: tuple[LedgerKeySet, ...]) -> tuple[LedgerKeySet, ...]:
    return (sets[1], sets[0], *sets[2:])


def _closed_ledger_gets_new_keys(sets: tuple[LedgerKeySet, ...]) -> tuple[LedgerKeySet, ...]:
    return (*sets[:2], make_ledger(NL, 1), *sets[2:])


@pytest.mark.parametrize(
    "change",
    [
        _second_set_dropped,
        _second_set_replaced,
        _half_of_a_set_replaced,
        _sets_in_another_order,
        _closed_ledger_gets_new_keys,
    ],
)
def test_later_card_changes_a_rotated_ledger(
    change: Callable[[tuple[LedgerKeySet, ...]], tuple[LedgerKeySet, ...]],
) -> None:
    """Every set that ever signed stays where it is; new ones come after all of them."""
    nl = agency_of(NL)
    sets = (nl.card.ledger, make_ledger(NL, 1), make_ledger(NL, 2))
    held = nl.trusted(ledgers=sets)
    for sequence in (held.card.sequence + 1, held.card.sequence + 5):
        later = nl.later(held, ledgers=change(sets), sequence=sequence)
        with pytest.raises(VerificationError) as error:
            check_successor(held, later)
        assert refused(error) == "LEDGER_KEYS_CHANGED"


def test_later_card_adds_keys_of_its_ledger() -> None:
    """New keys of the ledger come after the old ones; both halves must be new."""
    nl = agency_of(NL)
    held = first_card(nl)
    second = make_ledger(NL, 1)
    later = nl.later(held, ledgers=(nl.card.ledger, second))
    assert check_successor(held, later) is Succession.LATER
    origin = nl.card.ledger.origin
    keys = later.log_keys(origin)
    assert keys is not None
    assert (keys.ed25519, keys.mldsa44) == (second.ed25519, second.mldsa44)
    assert [one.ed25519 for one in later.log_key_sets(origin)] == [
        nl.card.ledger.ed25519,
        second.ed25519,
    ]
    half = replace(second, ed25519=nl.card.ledger.ed25519)
    assert _refused(nl.sealed(ledgers=(nl.card.ledger, half))) == "KEY_REUSED"


def test_later_card_adds_a_ledger() -> None:
    """A new ledger has keys of its own, and the old ones stay listed."""
    nl = agency_of(NL)
    held = first_card(nl)
    later = nl.later(held, ledgers=(nl.card.ledger, make_ledger(NL, 2)))
    assert check_successor(held, later) is Succession.LATER


def test_root_is_exchanged_by_a_later_card() -> None:
    """A card under another root is never taken by itself, whatever its sequence."""
    held = first_card(agency_of(NL))
    impostor = new_agency(NL)
    with pytest.raises(VerificationError) as error:
        check_successor(held, impostor.later(held))
    assert refused(error) == "ROOT_CHANGED"
    for state in (PeerState.TRUSTED, PeerState.QUARANTINED):
        directory = _ours(agency_of(NL), state=state)
        assert _not_admitted(directory, first_card(impostor)) == "ROOT_CHANGED"


def test_partner_sends_us_our_own_card() -> None:
    """Nobody becomes a peer under our name, with our root or with another."""
    assert _not_admitted(_ours(), first_card(agency_of(ME))) == "OWN_CARD"
    assert _not_admitted(_ours(), first_card(new_agency(ME))) == "OWN_CARD"


def _with_root(agency: AgencyId, key_of: Agency, root_der: bytes) -> TrustedCard:
    """Return the card of an agency whose root was made by hand."""
    return Agency(agency, key_of.root_key, make_card(agency, root_der)).trusted()


def test_root_copies_anothers_subject() -> None:
    """TLS looks issuers up by name, without case: two roots with one name get in the way."""
    attacker = new_agency(BE)
    key = issuer_key(attacker)
    copied = root_subject(agency_of(NL))
    shouted = x509.Name(
        [x509.NameAttribute(one.oid, f" {str(one.value).upper()} ") for one in copied]
    )
    for name in (copied, shouted):
        root = forge_root(BE, root_extensions(BE, key), key=key, name=name)
        card = _with_root(BE, attacker, root)
        assert _not_admitted(_ours(agency_of(NL)), card) == "ROOT_COPIED"


def test_root_copies_anothers_key_identifier() -> None:
    """TLS looks issuers up by key identifier, too, and nobody checks that it fits the key."""
    attacker = new_agency(BE)
    key = issuer_key(attacker)
    identifier = first_card(agency_of(NL)).root.key_identifier
    extensions = [
        *(e for e in root_extensions(BE, key) if not isinstance(e[0], x509.SubjectKeyIdentifier)),
        (x509.SubjectKeyIdentifier(identifier), False),
    ]
    root = forge_root(BE, extensions, key=key, name=subject("another"))
    card = _with_root(BE, attacker, root)
    assert _not_admitted(_ours(agency_of(NL)), card) == "ROOT_COPIED"


def test_one_root_key_has_two_agencies() -> None:
    """One authority cannot be two agencies with one root key; ours is compared as well."""
    for victim in (agency_of(NL), agency_of(ME)):
        key = issuer_key(victim)
        root = forge_root(BE, root_extensions(BE, key), key=key, name=subject("another"))
        card = _with_root(BE, victim, root)
        assert _not_admitted(_ours(agency_of(NL)), card) == "ROOT_COPIED"


def test_card_lists_anothers_witness_key() -> None:
    """Type 0x04 does not sign the witness's name: a copied key would borrow cosignatures."""
    copied = WitnessKeySet(
        witness_name(BE),
        agency_of(NL).card.witness.ed25519,
        make_key(KeyKind.WITNESS_MLDSA44).public,
    )
    card = agency_of(BE).trusted(witness=copied)
    assert _not_admitted(_ours(agency_of(NL)), card) == "KEY_COPIED"


def test_copycat_comes_first() -> None:
    """A copycat cannot keep the real agency out: revoking it clears the way."""
    nl, copycat = agency_of(NL), agency_of(BE)
    copied = copycat.trusted(seal_keys=nl.card.seal_keys)
    own = first_card(agency_of(ME))
    before = directory_of(own, (copied, PeerState.TRUSTED))
    assert _not_admitted(before, first_card(nl)) == "KEY_COPIED"
    after = directory_of(own, (copied, PeerState.REVOKED))
    after.admit(first_card(nl))
    # And it does not come back by being trusted again.
    both = directory_of(own, (copied, PeerState.REVOKED), (first_card(nl), PeerState.TRUSTED))
    assert _not_admitted(both, copied) == "KEY_COPIED"


def test_revoked_root_key_comes_back_in_a_new_certificate() -> None:
    """A root was revoked for its key: the same key is not taken again as a new root."""
    nl = agency_of(NL)
    key = issuer_key(nl)
    card = _with_root(NL, nl, forge_root(NL, root_extensions(NL, key), key=key))
    directory = _ours(nl, state=PeerState.REVOKED)
    assert _not_admitted(directory, card) == "ROOT_CHANGED"
