"""Originals: a message as its originator sealed it, carried by somebody else.

Whoever carries it is not believed. The originator's seal, its card and the commitment in the
header prove who said it, and what. One thing they cannot prove: the ciphertext does not travel, so
its hash in the header is never compared; the commitment beside it covers the content all the same.

Errors say what is wrong, and not with whose message: they leave this node unsealed.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sesn_node.crypto.keys import key_id
from sesn_node.crypto.primitives import constant_time_equal
from sesn_node.crypto.seal import commit
from sesn_node.crypto.signing import ObjectKind, body_hash, verify_object
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import MalformedError, PolicyError, SesnError, VerificationError
from sesn_node.trust.card import open_card
from sesn_node.trust.directory import PeerState
from sesn_node.trust.fingerprint import fingerprint
from sesn_node.trust.people import verify_endorsements
from sesn_node.wire.cards import decode_card, decode_sealed_card
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.domain.cards import Card
    from sesn_node.domain.forward import Original
    from sesn_node.domain.ids import AgencyId
    from sesn_node.domain.messages import Header
    from sesn_node.domain.payload import Payload
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.card import TrustedCard
    from sesn_node.trust.directory import Directory


class Standing(StrEnum):
    """How the card that an original carries stands to what is pinned here."""

    OURS = "ours"
    """The originator is our own agency."""
    PINNED = "pinned"
    """It is under the root that is pinned here."""
    UNKNOWN = "unknown"
    """No card of the originator is pinned here: anybody can make one that names it."""
    OTHER_ROOT = "other-root"
    """Another root is pinned here: the originator did not say this."""
    CUT_OFF = "cut-off"
    """It is under the pinned root, but the originator is revoked or quarantined here."""


@dataclass(frozen=True, slots=True)
class OpenedOriginal:
    """An original that was verified.

    Args:
        header: Its header.
        header_sha256: Identity of the message, 32 bytes.
        payload: What it says.
        card: The originator's card that it came with.
    """

    header: Header
    header_sha256: bytes
    payload: Payload
    card: TrustedCard


def open_original(original: Original, latest_ms: int | None = None) -> OpenedOriginal:
    """Verify an original, whoever carries it.

    1. The header parses strictly.
    2. The card is one that its root sealed, of the agency that the header names.
    3. A key of that card, in force when the message was created, sealed the header.
    4. Salt and payload have the commitment of the header.
    5. The payload parses strictly.
    6. Whoever endorsed it did.

    Whether the card's root is the agency's own, `standing` says.

    Args:
        original: As it came.
        latest_ms: Nothing in it may be from after that, Unix milliseconds; None: it was compared
            when it came.

    Raises:
        MalformedError: Steps 1, 2 and 5.
        VerificationError: BAD_SEAL (steps 2, 3 and 6), COMMITMENT_MISMATCH (step 4).
        PolicyError: It is of the future.
    """
    with _saying("its header breaks its format"):
        header = decode_header(original.header)
    with _saying("the originator's card does not verify", RefusalCode.BAD_SEAL):
        card = _read_card(original.card)
        # In force at some moment between the message and now: it need not have been issued first.
        opened = open_card(original.card, max(header.created_ms, card.issued_ms))
    if opened.agency != header.sender:
        raise VerificationError(
            "the message that was passed on: the card is not its originator's",
            code=RefusalCode.BAD_SEAL.value,
        )
    if latest_ms is not None and max(header.created_ms, card.issued_ms) > latest_ms:
        raise PolicyError("the message that was passed on is of this node's future")
    with _saying("its originator did not seal it", RefusalCode.BAD_SEAL):
        key = opened.seal_key(header.seal_key_id, header.created_ms)
        verify_object(key, ObjectKind.ENVELOPE, original.header, original.seal)
    if not constant_time_equal(commit(original.salt, original.payload), header.commitment):
        raise VerificationError(
            "the message that was passed on: its content is not the one that its originator "
            "committed to",
            code=RefusalCode.COMMITMENT_MISMATCH.value,
        )
    with _saying("its content breaks its format"):
        payload = decode_payload(original.payload)
    with _saying("its endorsements do not hold", RefusalCode.BAD_SEAL):
        to = [one.agency for one in header.recipients]
        verify_endorsements(opened, payload, to=to, in_reply_to=header.in_reply_to)
    return OpenedOriginal(header, body_hash(original.header), payload, opened)


def standing(directory: Directory, agency: AgencyId, root_certificate: bytes) -> Standing:
    """Say how an agency's root stands to what is pinned here.

    Args:
        directory: Whom we know.
        agency: Whose root it claims to be.
        root_certificate: DER.
    """
    if agency == directory.own.agency:
        return Standing.OURS
    held = directory.peers.get(agency)
    if held is None:
        return Standing.UNKNOWN
    if held.card.root.der != root_certificate:
        return Standing.OTHER_ROOT
    return Standing.PINNED if held.state is PeerState.TRUSTED else Standing.CUT_OFF


def ended_early(transaction: Transaction, found: OpenedOriginal) -> bool:
    """Say whether a later card of the originator ended the sealing key before the message.

    A stolen key could seal a message dated back, and an older card, which has the key's first
    validity, could go with it. Whoever is pinned here has shown us when it ended.
    """
    header = found.header
    for row in reversed(transaction.browse.cards_of(header.sender)):
        for key in _read_card(row.sealed).seal_keys:
            if key_id(key.spki) == header.seal_key_id:
                return not key.in_force(header.created_ms)
    return False


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What an original's card says of its agency; without any check of it.

    Args:
        card: The card.
        fingerprint: Of the agency and its root, 32 bytes.
    """

    card: Card
    fingerprint: bytes


def card_facts(original: Original) -> CardFacts:
    """Read the card of an original that was verified when it came.

    Raises:
        MalformedError: It is none.
    """
    card = _read_card(original.card)
    return CardFacts(card, fingerprint(card.agency, card.root_certificate))


def _read_card(data: bytes) -> Card:
    body, _ = decode_sealed_card(data)
    return decode_card(body)


@contextmanager
def _saying(words: str, code: RefusalCode | None = None) -> Iterator[None]:
    """Put these words in the place of an error's own, which could tell what the message says."""
    told = f"the message that was passed on: {words}"
    try:
        yield
    except SesnError as error:
        if code is None or isinstance(error, MalformedError):
            raise MalformedError(told) from error
        raise VerificationError(told, code=code.value) from error
