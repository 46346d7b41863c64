r"""Agency cards: issuing one, and checking one completely when it is taken.

    SealedCard = body || seal;  seal = ECDSA by the root over "sesn/v1/card\0" || body

A card is checked when it is taken, not when it is used: after `open_card` every key in it is
decoded and has been tried, so nothing that the card's owner wrote can fail later.

Not checked here: that the root is the agency's own. An operator compares the fingerprint out of
band, or the root was pinned before (`check_successor`). Nor how the card gets along with those
of other agencies: that is for `directory`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sesn_node.crypto.keys import key_id, load_encryption_public
from sesn_node.crypto.primitives import HpkePublicKey
from sesn_node.crypto.signers import Signer
from sesn_node.crypto.signing import (
    EcdsaVerifier,
    ObjectKind,
    body_hash,
    sign_object,
    verify_object,
)
from sesn_node.domain.cards import Card, EncryptionKey, SealKey
from sesn_node.domain.ids import AgencyId, Origin
from sesn_node.domain.times import MINUTE_MS, SECOND_MS
from sesn_node.errors import MalformedError, PolicyError, VerificationError
from sesn_node.ledger.checkpoint import LogKeys
from sesn_node.ledger.cosignature import WitnessKeys
from sesn_node.trust.fingerprint import fingerprint
from sesn_node.trust.roots import RootCertificate, open_root
from sesn_node.wire.cards import (
    decode_card,
    decode_sealed_card,
    encode_card,
    encode_sealed_card,
)

CARD_EXPIRED: Final = "CARD_EXPIRED"
CARD_FORK: Final = "CARD_FORK"
CARD_FROM_FUTURE: Final = "CARD_FROM_FUTURE"
CARD_STALE: Final = "CARD_STALE"
CARD_OUTLIVES_ROOT: Final = "CARD_OUTLIVES_ROOT"
BAD_SEAL: Final = "BAD_SEAL"
UNKNOWN_SEAL_KEY: Final = "UNKNOWN_SEAL_KEY"
KEY_REUSED: Final = "KEY_REUSED"
LEDGER_KEYS_CHANGED: Final = "LEDGER_KEYS_CHANGED"
NO_ENCRYPTION_KEY: Final = "NO_ENCRYPTION_KEY"
ROOT_CHANGED: Final = "ROOT_CHANGED"
WRONG_AGENCY: Final = "WRONG_AGENCY"

MAX_SKEW_MS: Final = 10 * MINUTE_MS
"""How far the clock of a card's issuer may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class TrustedCard:
    """A card that passed every check of `open_card`, with its keys decoded.

    Whether its agency is trusted is for an operator and the directory to say.
    """

    card: Card
    body: bytes = field(repr=False)
    """The exact bytes that the root sealed."""
    seal: bytes = field(repr=False)
    sha256: bytes
    """Identity of the card: hash of `body`."""
    fingerprint: bytes
    """Of the agency and its root, 32 bytes."""
    root: RootCertificate = field(repr=False)
    witness_keys: WitnessKeys = field(repr=False)
    _seal_keys: Mapping[bytes, tuple[SealKey, EcdsaVerifier]] = field(repr=False, compare=False)
    _logs: Mapping[Origin, tuple[LogKeys, ...]] = field(repr=False, compare=False)
    _encryption_keys: Mapping[bytes, tuple[bytes, HpkePublicKey]] = field(repr=False, compare=False)
    """Key id and decoded key, by the public key's bytes."""

    @property
    def agency(self) -> AgencyId:
        """Whose card it is."""
        return self.card.agency

    @property
    def current_origin(self) -> Origin:
        """Origin of the ledger that the agency is writing."""
        return self.card.ledger.origin

    @property
    def public_keys(self) -> tuple[bytes, ...]:
        """Every public key that the card lists, the root's first, as SPKI or raw bytes."""
        card = self.card
        return (
            self.root.spki,
            *(key.spki for key in card.seal_keys),
            *(key for ledger in card.ledgers for key in (ledger.ed25519, ledger.mldsa44)),
            card.witness.ed25519,
            card.witness.mldsa44,
            *(key.public_key for key in card.encryption_keys),
        )

    @property
    def sealed(self) -> bytes:
        """The card as it travels: the bytes that `open_card` was given."""
        return encode_sealed_card(self.body, self.seal)

    def expired(self, at_ms: int) -> bool:
        """Tell whether the card must no longer be sent to, nor accepted from."""
        return at_ms >= self.card.expires_ms

    def seal_key(self, key_id: bytes, created_ms: int) -> EcdsaVerifier:
        """Return the key that may have sealed something created at an instant.

        Args:
            key_id: SHA-256 of the key's SubjectPublicKeyInfo.
            created_ms: What the sealed object says, Unix milliseconds.

        Raises:
            VerificationError: `UNKNOWN_SEAL_KEY`: not in this card; perhaps in a later one.
                `BAD_SEAL`: not in force then.
        """
        found = self._seal_keys.get(key_id)
        if found is None:
            raise VerificationError(
                f"seal of {self.agency}: card {self.card.sequence}, which is held here, does not "
                f"name key {key_id.hex()[:16]}; a later card may",
                code=UNKNOWN_SEAL_KEY,
            )
        if not found[0].in_force(created_ms):
            raise VerificationError(
                f"seal of {self.agency}: key {key_id.hex()[:16]} is not in force at {created_ms} "
                "(Unix milliseconds)",
                code=BAD_SEAL,
            )
        return found[1]

    def encryption_key(self, at_ms: int) -> tuple[EncryptionKey, bytes, HpkePublicKey]:
        """Return the newest encryption key in force: as in the card, its id, and decoded.

        Raises:
            PolicyError: `NO_ENCRYPTION_KEY`: none is in force at `at_ms`.
        """
        key = self.card.encryption_key_at(at_ms)
        if key is None:
            raise PolicyError(
                f"card of {self.agency}: no encryption key is in force at {at_ms} (Unix "
                "milliseconds); ask for its newest card",
                code=NO_ENCRYPTION_KEY,
            )
        return key, *self._encryption_keys[key.public_key]

    def log_keys(self, origin: Origin) -> LogKeys | None:
        """Return the keys that sign a ledger of the agency, or None if it is not in the card."""
        sets = self._logs.get(origin)
        return None if sets is None else sets[-1]

    def log_key_sets(self, origin: Origin) -> tuple[LogKeys, ...]:
        """Return all that ever signed a ledger of the agency, the newest last; maybe none."""
        return self._logs.get(origin, ())


class Succession(StrEnum):
    """How a card relates to the one that is held of the same agency."""

    SAME = "same"
    """It is that card."""
    LATER = "later"
    """A later one under the same root, to be taken by itself."""


def issue_card(card: Card, root_signer: Signer) -> bytes:
    """Seal a card with the agency's root; returns the bytes of a `.sesncard` file.

    The result has passed `open_card`, as it will at every partner.

    Raises:
        MalformedError: A key in the card does not decode.
        VerificationError: As `open_card`; `BAD_SEAL` if the signer is not the card's root.
    """
    body = encode_card(card)
    sealed = encode_sealed_card(body, sign_object(root_signer, ObjectKind.CARD, body))
    open_card(sealed, card.issued_ms)
    return sealed


def open_card(data: bytes, at_ms: int) -> TrustedCard:
    """Check everything about a card that can be checked without knowing its agency.

    1. Strict parse; every field within its bounds (`domain.cards`).
    2. The root certificate is one (`open_root`), names this agency, and is in force.
    3. The root's key made the seal.
    4. Issued at most 10 minutes ahead, under this root, not expired, not outliving the root.
    5. Every seal, ledger and witness key decodes; a trial message was sealed to every
       encryption key.
    6. No key is listed twice, whatever for.

    Args:
        data: A sealed card from anywhere.
        at_ms: When it is taken. A card that was taken before is opened again as of then, so
            that one that has expired since can still be read.

    Raises:
        MalformedError: Steps 1 and 5.
        VerificationError: `ROOT_INVALID` or `ROOT_NOT_IN_FORCE` (step 2), `BAD_SEAL` (3),
            `CARD_FROM_FUTURE`, `CARD_EXPIRED` or `CARD_OUTLIVES_ROOT` (4), `KEY_REUSED` (6).
    """
    body, seal = decode_sealed_card(data)
    card = decode_card(body)
    root = open_root(card.root_certificate, card.agency)
    root.require_in_force(at_ms)
    _check_seal(root, body, seal)
    _check_times(card, root, at_ms)
    trusted = TrustedCard(
        card=card,
        body=body,
        seal=seal,
        sha256=body_hash(body),
        fingerprint=fingerprint(card.agency, root.der),
        root=root,
        witness_keys=_witness_keys(card),
        _seal_keys=_seal_keys(card),
        _logs=_logs(card),
        _encryption_keys=_encryption_keys(card),
    )
    _check_keys_distinct(trusted)
    return trusted


def check_successor(old: TrustedCard, new: TrustedCard) -> Succession:
    """Compare a card with the one that is held of the same agency.

    A card that skips sequence numbers cannot be tied to the one held; only the next number can,
    and its predecessor must then be the one held.

    Raises:
        VerificationError: `WRONG_AGENCY`; `ROOT_CHANGED`: another root, which always needs an
            operator; `CARD_STALE`: an older one; `CARD_FORK`: the agency sealed two cards in
            one place, which is an alarm; `LEDGER_KEYS_CHANGED`: it drops or replaces keys of
            its ledgers, so that receipts kept under them would no longer verify.
    """
    if new.agency != old.agency:
        raise VerificationError(
            f"card of {new.agency}: expected one of {old.agency}", code=WRONG_AGENCY
        )
    if new.root.der != old.root.der:
        raise VerificationError(
            f"card of {new.agency}: under another root than the one pinned; an operator must "
            "compare its fingerprint out of band, and revoke the old one first",
            code=ROOT_CHANGED,
        )
    if new.sha256 == old.sha256:
        return Succession.SAME
    if new.card.sequence < old.card.sequence:
        raise VerificationError(
            f"card of {new.agency}: sequence {new.card.sequence} is older than the "
            f"{old.card.sequence} held here",
            code=CARD_STALE,
        )
    follows = new.card.sequence == old.card.sequence + 1
    if new.card.sequence == old.card.sequence or (
        follows and new.card.previous_sha256 != old.sha256
    ):
        raise VerificationError(
            f"card of {new.agency}: its root sealed two different cards of sequence "
            f"{old.card.sequence}; keep both and call the agency",
            code=CARD_FORK,
        )
    _check_ledgers_kept(old.card, new.card)
    _check_closed_kept(old.card, new.card)
    return Succession.LATER


def _check_closed_kept(old: Card, new: Card) -> None:
    """What was said of the end of a ledger stands."""
    if new.closed[: len(old.closed)] != old.closed:
        raise VerificationError(
            f"card of {new.agency}: it names other ends of its closed ledgers than the card held "
            "here; keep both and call the agency",
            code=LEDGER_KEYS_CHANGED,
        )


def _check_ledgers_kept(old: Card, new: Card) -> None:
    """Key sets are only ever added, at the end: a closed ledger gets no new keys either."""
    if new.ledgers[: len(old.ledgers)] != old.ledgers:
        raise VerificationError(
            f"card of {new.agency}: keys of its ledgers are dropped, replaced or in another order; "
            f"a later card lists all {len(old.ledgers)} key sets of the one held here, and may add "
            "others after them",
            code=LEDGER_KEYS_CHANGED,
        )


def _check_seal(root: RootCertificate, body: bytes, seal: bytes) -> None:
    try:
        verify_object(root.spki, ObjectKind.CARD, body, seal)
    except VerificationError as exc:
        raise VerificationError(
            f"card of {root.agency}: not sealed by the root in it; ask the agency for the file "
            "again",
            code=BAD_SEAL,
        ) from exc


def _check_times(card: Card, root: RootCertificate, at_ms: int) -> None:
    if card.issued_ms > at_ms + MAX_SKEW_MS:
        raise VerificationError(
            f"card of {card.agency}: issued at {card.issued_ms}, ahead of this node's {at_ms} "
            "(Unix milliseconds); compare the clocks",
            code=CARD_FROM_FUTURE,
        )
    if card.expires_ms <= at_ms:
        raise VerificationError(
            f"card of {card.agency}: expired at {card.expires_ms} (Unix milliseconds); ask for "
            "its newest card",
            code=CARD_EXPIRED,
        )
    # Certificates count whole seconds.
    if card.issued_ms < root.not_before_ms or (
        card.expires_ms // SECOND_MS > root.not_after_ms // SECOND_MS
    ):
        raise VerificationError(
            f"card of {card.agency}: in force outside the validity of its root certificate",
            code=CARD_OUTLIVES_ROOT,
        )


def _seal_keys(card: Card) -> Mapping[bytes, tuple[SealKey, EcdsaVerifier]]:
    decoded = {}
    for index, key in enumerate(card.seal_keys):
        with _in_field(f"seal_keys[{index}].spki"):
            verifier = EcdsaVerifier(key.spki)
        decoded[verifier.key_id] = key, verifier
    return MappingProxyType(decoded)


def _logs(card: Card) -> Mapping[Origin, tuple[LogKeys, ...]]:
    decoded: dict[Origin, tuple[LogKeys, ...]] = {}
    for index, keys in enumerate(card.ledgers):
        with _in_field(f"ledgers[{index}]"):
            one = LogKeys(keys.origin, keys.ed25519, keys.mldsa44)
        decoded[keys.origin] = (*decoded.get(keys.origin, ()), one)
    return MappingProxyType(decoded)


def _witness_keys(card: Card) -> WitnessKeys:
    with _in_field("witness"):
        return WitnessKeys(card.witness.name, card.witness.ed25519, card.witness.mldsa44)


def _encryption_keys(card: Card) -> Mapping[bytes, tuple[bytes, HpkePublicKey]]:
    decoded = {}
    for index, key in enumerate(card.encryption_keys):
        with _in_field(f"encryption_keys[{index}].public_key"):
            # Seals a trial message to the key: a low-order X25519 point fails only then.
            public = load_encryption_public(key.public_key)
        decoded[key.public_key] = key_id(key.public_key), public
    return MappingProxyType(decoded)


@contextmanager
def _in_field(path: str) -> Iterator[None]:
    """Let an error of a key name its place in the card."""
    try:
        yield
    except MalformedError as exc:
        raise MalformedError(f"card.{path}: {exc.message}") from exc


def _check_keys_distinct(trusted: TrustedCard) -> None:
    keys = trusted.public_keys
    if len(set(keys)) != len(keys):
        raise VerificationError(
            f"card of {trusted.agency}: lists one key twice; a key serves one purpose, and new "
            "keys of a ledger are both new",
            code=KEY_REUSED,
        )
