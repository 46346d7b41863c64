"""Agency cards and their seals: domain objects to bytes and back."""

from __future__ import annotations

from sesn_node.domain.cards import (
    MAX_CARD_BYTES,
    MAX_KEYS,
    MAX_LEDGERS,
    Card,
    ClosedLedger,
    Contact,
    EncryptionKey,
    LedgerKeySet,
    Limits,
    Role,
    SealKey,
    WitnessKeySet,
)
from sesn_node.domain.checks import check_length, under
from sesn_node.domain.ids import AgencyId, Origin
from sesn_node.domain.messages import MAX_SEAL_BYTES, MIN_SEAL_BYTES
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import card_pb2 as pb
from sesn_node.wire.parts import convert_part, convert_parts
from sesn_node.wire.strict import parse_strict

_FRAMING_BYTES = 16
MAX_SEALED_CARD_BYTES = MAX_CARD_BYTES + MAX_SEAL_BYTES + _FRAMING_BYTES

_ROLE_TO_PB = {
    Role.CUSTOMS: pb.CUSTOMS,
    Role.POLICE: pb.POLICE,
    Role.ENVIRONMENT: pb.ENVIRONMENT,
    Role.PORT: pb.PORT,
    Role.MARITIME: pb.MARITIME,
    Role.OTHER: pb.OTHER,
}
_ROLE_FROM_PB = {value: key for key, value in _ROLE_TO_PB.items()}


def encode_card(card: Card) -> bytes:
    """Serialise a card's body once; these bytes are sealed, hashed and kept."""
    return pb.Card(
        agency=card.agency,
        name=card.name,
        country=card.country,
        role=_ROLE_TO_PB[card.role],
        contact=_contact_to_pb(card.contact),
        endpoints=card.endpoints,
        root_certificate=card.root_certificate,
        seal_keys=[_seal_key_to_pb(key) for key in card.seal_keys],
        ledgers=[_ledger_to_pb(keys) for keys in card.ledgers],
        witness=pb.WitnessKeys(
            name=card.witness.name, ed25519=card.witness.ed25519, mldsa44=card.witness.mldsa44
        ),
        encryption_keys=[_encryption_key_to_pb(key) for key in card.encryption_keys],
        limits=_limits_to_pb(card.limits),
        suites=card.suites,
        sequence=card.sequence,
        previous_sha256=card.previous_sha256,
        issued_ms=card.issued_ms,
        expires_ms=card.expires_ms,
        closed=[_closed_to_pb(one) for one in card.closed],
    ).SerializeToString(deterministic=True)


def decode_card(body: bytes) -> Card:
    """Parse a card's body; shapes are checked, keys are not decoded, the seal is not looked at.

    Raises:
        MalformedError: The message names the field: `card.seal_keys[0].spki: ...`.
    """
    message = parse_strict(pb.Card, body, what="card", limit=MAX_CARD_BYTES)
    try:
        return _card_from_pb(message)
    except MalformedError as exc:
        raise under("card", exc) from exc


def encode_sealed_card(body: bytes, seal: bytes) -> bytes:
    """Join a card's body and its seal: the bytes of a `.sesncard` file.

    Raises:
        MalformedError: A length out of its bounds.
    """
    _check_sealed(body, seal)
    return pb.SealedCard(body=body, seal=seal).SerializeToString(deterministic=True)


def decode_sealed_card(data: bytes) -> tuple[bytes, bytes]:
    """Split a sealed card into body and seal; neither is verified, the body is not parsed.

    Raises:
        MalformedError: Not a strict SealedCard, or a length out of its bounds.
    """
    message = parse_strict(pb.SealedCard, data, what="sealed card", limit=MAX_SEALED_CARD_BYTES)
    _check_sealed(message.body, message.seal)
    return message.body, message.seal


def _check_sealed(body: bytes, seal: bytes) -> None:
    check_length("sealed card.body", body, 1, MAX_CARD_BYTES)
    check_length("sealed card.seal", seal, MIN_SEAL_BYTES, MAX_SEAL_BYTES)


def _card_from_pb(message: pb.Card) -> Card:
    role = _ROLE_FROM_PB.get(message.role)
    if role is None:
        raise MalformedError(f"role: {message.role} is not a role of an agency")
    for field in ("contact", "witness", "limits"):
        if not message.HasField(field):
            raise MalformedError(f"{field}: missing")
    return Card(
        agency=AgencyId(message.agency),
        name=message.name,
        country=message.country,
        role=role,
        contact=convert_part("contact", _contact_from_pb, message.contact),
        endpoints=tuple(message.endpoints),
        root_certificate=message.root_certificate,
        seal_keys=convert_parts("seal_keys", _seal_key_from_pb, message.seal_keys, MAX_KEYS),
        ledgers=convert_parts("ledgers", _ledger_from_pb, message.ledgers, MAX_LEDGERS),
        witness=convert_part("witness", _witness_from_pb, message.witness),
        encryption_keys=convert_parts(
            "encryption_keys", _encryption_key_from_pb, message.encryption_keys, MAX_KEYS
        ),
        limits=convert_part("limits", _limits_from_pb, message.limits),
        suites=tuple(message.suites),
        sequence=message.sequence,
        previous_sha256=message.previous_sha256,
        issued_ms=message.issued_ms,
        expires_ms=message.expires_ms,
        closed=convert_parts("closed", _closed_from_pb, message.closed, MAX_LEDGERS),
    )


def _contact_to_pb(contact: Contact) -> pb.Contact:
    return pb.Contact(
        focal_point=contact.focal_point,
        email=contact.email,
        phone=contact.phone,
        duty_hours=contact.duty_hours,
        languages=contact.languages,
        time_zone=contact.time_zone,
    )


def _contact_from_pb(message: pb.Contact) -> Contact:
    return Contact(
        focal_point=message.focal_point,
        email=message.email,
        phone=message.phone,
        duty_hours=message.duty_hours,
        languages=tuple(message.languages),
        time_zone=message.time_zone,
    )


def _seal_key_to_pb(key: SealKey) -> pb.SealKey:
    return pb.SealKey(spki=key.spki, not_before_ms=key.not_before_ms, not_after_ms=key.not_after_ms)


def _seal_key_from_pb(message: pb.SealKey) -> SealKey:
    return SealKey(message.spki, message.not_before_ms, message.not_after_ms)


def _ledger_to_pb(keys: LedgerKeySet) -> pb.LedgerKeys:
    return pb.LedgerKeys(origin=keys.origin, ed25519=keys.ed25519, mldsa44=keys.mldsa44)


def _ledger_from_pb(message: pb.LedgerKeys) -> LedgerKeySet:
    return LedgerKeySet(Origin(message.origin), message.ed25519, message.mldsa44)


def _closed_to_pb(one: ClosedLedger) -> pb.ClosedLedger:
    return pb.ClosedLedger(origin=one.origin, size=one.size, root=one.root)


def _closed_from_pb(message: pb.ClosedLedger) -> ClosedLedger:
    return ClosedLedger(Origin(message.origin), message.size, message.root)


def _witness_from_pb(message: pb.WitnessKeys) -> WitnessKeySet:
    return WitnessKeySet(message.name, message.ed25519, message.mldsa44)


def _encryption_key_to_pb(key: EncryptionKey) -> pb.EncryptionKey:
    return pb.EncryptionKey(
        public_key=key.public_key,
        not_before_ms=key.not_before_ms,
        not_after_ms=key.not_after_ms,
        destroyed_ms=key.destroyed_ms,
    )


def _encryption_key_from_pb(message: pb.EncryptionKey) -> EncryptionKey:
    return EncryptionKey(
        message.public_key, message.not_before_ms, message.not_after_ms, message.destroyed_ms
    )


def _limits_to_pb(limits: Limits) -> pb.Limits:
    return pb.Limits(
        payload_bytes=limits.payload_bytes,
        batch_envelopes=limits.batch_envelopes,
        batch_bytes=limits.batch_bytes,
    )


def _limits_from_pb(message: pb.Limits) -> Limits:
    return Limits(message.payload_bytes, message.batch_envelopes, message.batch_bytes)
