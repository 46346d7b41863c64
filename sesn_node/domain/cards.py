"""Who an agency is: one card that partners compare, pin and keep.

Mirrors `proto/sesn/v1/card.proto`. The shapes of keys are checked here (lengths, order,
validity); whether a key decodes, and whether root and seal fit, is for `sesn_node.trust.card`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sesn_node.domain.checks import (
    MAX_INTEGER,
    SHA256_BYTES,
    check_agency,
    check_count,
    check_distinct,
    check_fixed,
    check_length,
    check_line,
    check_pattern,
    check_range,
    check_time_ms,
)
from sesn_node.domain.ids import AgencyId, Origin, parse_origin, witness_name
from sesn_node.domain.messages import MAX_PAYLOAD_BYTES, SUITE
from sesn_node.errors import MalformedError

MAX_CARD_BYTES = 256 * 1024
MAX_KEYS = 16
"""Seal keys, or encryption keys, of one card."""
MAX_LEDGERS = 64
MAX_ENDPOINTS = 8
MAX_LANGUAGES = 16
MAX_SUITES = 8
MAX_CERTIFICATE_BYTES = 4_096

P256_SPKI_BYTES = 91
"""SubjectPublicKeyInfo of a named curve with an uncompressed point (RFC 5480 section 2)."""
ED25519_BYTES = 32
MLDSA44_BYTES = 1_312
"""Raw ML-DSA-44 public key (FIPS 204 table 2)."""
ENCRYPTION_KEY_BYTES = 1_216
"""Raw ML-KEM-768 public key (FIPS 203 table 3: 1,184 bytes), then X25519 (32 bytes)."""

MIN_PAYLOAD_BYTES = 1_024
MAX_BATCH_ENVELOPES = 256
MAX_BATCH_BYTES = 4 * 1024 * 1024
BATCH_ROOM_BYTES = 128 * 1024
"""What a batch needs beside one payload: header, seal, wrapped key, ledger entry and proof."""

_COUNTRY = re.compile(r"int|[A-Z]{2}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2}", re.ASCII)
# Names of zones become names of files where they are looked up: no dots, nothing before a slash
# that is not a letter. "posix/..." and "right/..." of some systems are none of the database's.
_TIME_ZONE = re.compile(
    r"(?=.{1,64}\Z)[A-Z][A-Za-z0-9_+-]*(?:/[A-Z][A-Za-z0-9_+-]*){0,2}", re.ASCII
)
_SUITE = re.compile(r"[A-Z0-9][A-Z0-9-]{0,31}", re.ASCII)
_EMAIL = re.compile(r"(?:[^@\s]+@[^@\s]+)?")
# A DNS name, an IPv4 address or a bracketed IPv6 address, then a port. A scheme or a path would
# let a card steer the transport to something other than a host.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ENDPOINT = re.compile(
    rf"(?=.{{1,262}}\Z)(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]{{2,45}}\]):([1-9][0-9]{{0,4}})",
    re.ASCII,
)
_MAX_PORT = 65_535


def check_time_zone(path: str, value: str) -> None:
    """Refuse what cannot be the name of a time zone in the IANA database."""
    check_pattern(path, value, _TIME_ZONE, "an IANA time zone such as Europe/Amsterdam")


class Role(StrEnum):
    """What kind of authority an agency is."""

    CUSTOMS = "customs"
    POLICE = "police"
    ENVIRONMENT = "environment"
    PORT = "port"
    MARITIME = "maritime"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How to reach a person, for what the node does not carry. Empty fields are unknown.

    Args:
        focal_point: Name of a desk or function, at most 200 characters.
        email: Address, at most 254 characters.
        phone: Number with its country code, at most 40 characters.
        duty_hours: When somebody answers, in words, at most 200 characters.
        languages: ISO 639-1 codes, at most 16, without duplicates.
        time_zone: Name of the agency's time zone in the IANA database, such as Europe/Amsterdam,
            at most 64 characters. Whether there is such a zone, each reader's edition tells.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its path.
    """

    focal_point: str = ""
    email: str = ""
    phone: str = ""
    duty_hours: str = ""
    languages: tuple[str, ...] = ()
    time_zone: str = ""

    def __post_init__(self) -> None:
        check_line("focal_point", self.focal_point, 200)
        check_line("email", self.email, 254)
        check_pattern("email", self.email, _EMAIL, "an address such as desk@example.org")
        check_line("phone", self.phone, 40)
        check_line("duty_hours", self.duty_hours, 200)
        check_count("languages", self.languages, 0, MAX_LANGUAGES)
        for index, language in enumerate(self.languages):
            check_pattern(f"languages[{index}]", language, _LANGUAGE, "ISO 639-1, such as en")
        check_distinct("languages", self.languages)
        if self.time_zone:
            check_time_zone("time_zone", self.time_zone)


@dataclass(frozen=True, slots=True)
class SealKey:
    """A key that seals messages.

    Args:
        spki: SubjectPublicKeyInfo, DER, P-256, 91 bytes.
        not_before_ms: In force from then on, Unix milliseconds.
        not_after_ms: No longer in force then, Unix milliseconds.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its name.
    """

    spki: bytes
    not_before_ms: int
    not_after_ms: int

    def __post_init__(self) -> None:
        check_fixed("spki", self.spki, P256_SPKI_BYTES)
        _check_validity(self.not_before_ms, self.not_after_ms)

    def in_force(self, at_ms: int) -> bool:
        """Whether the key may seal at this instant."""
        return self.not_before_ms <= at_ms < self.not_after_ms


@dataclass(frozen=True, slots=True)
class LedgerKeySet:
    """Keys that sign the checkpoints of one ledger, its epoch; both must sign.

    A ledger whose keys were rotated has several sets, of which the last one signs.

    Args:
        origin: `<agency>.sesn/ledger/<epoch>`.
        ed25519: Raw public key, 32 bytes.
        mldsa44: Raw public key, 1,312 bytes.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its name.
    """

    origin: Origin
    ed25519: bytes
    mldsa44: bytes

    def __post_init__(self) -> None:
        try:
            parse_origin(self.origin)
        except MalformedError as exc:
            raise MalformedError(f"origin: {exc.message}") from exc
        check_fixed("ed25519", self.ed25519, ED25519_BYTES)
        check_fixed("mldsa44", self.mldsa44, MLDSA44_BYTES)


@dataclass(frozen=True, slots=True)
class ClosedLedger:
    """Where a ledger ended that is not written any more.

    Args:
        origin: `<agency>.sesn/ledger/<epoch>`.
        size: Number of its entries.
        root: RFC 6962 root hash, 32 bytes.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its name.
    """

    origin: Origin
    size: int
    root: bytes

    def __post_init__(self) -> None:
        try:
            parse_origin(self.origin)
        except MalformedError as exc:
            raise MalformedError(f"origin: {exc.message}") from exc
        check_range("size", self.size, 0, MAX_INTEGER)
        check_fixed("root", self.root, SHA256_BYTES)


@dataclass(frozen=True, slots=True)
class WitnessKeySet:
    """Keys that cosign other agencies' checkpoints.

    Args:
        name: C2SP key name, `<agency>.sesn/witness`.
        ed25519: Raw public key, 32 bytes.
        mldsa44: Raw public key, 1,312 bytes.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its name.
    """

    name: str
    ed25519: bytes
    mldsa44: bytes

    def __post_init__(self) -> None:
        check_fixed("ed25519", self.ed25519, ED25519_BYTES)
        check_fixed("mldsa44", self.mldsa44, MLDSA44_BYTES)


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A key that messages are encrypted to.

    Args:
        public_key: Raw ML-KEM-768 (1,184 bytes), then X25519 (32 bytes).
        not_before_ms: Unix milliseconds, included.
        not_after_ms: Unix milliseconds, not included.
        destroyed_ms: When the private key is destroyed; no message may expire later. Not before
            `not_after_ms`.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its name.
    """

    public_key: bytes
    not_before_ms: int
    not_after_ms: int
    destroyed_ms: int

    def __post_init__(self) -> None:
        check_fixed("public_key", self.public_key, ENCRYPTION_KEY_BYTES)
        _check_validity(self.not_before_ms, self.not_after_ms)
        check_time_ms("destroyed_ms", self.destroyed_ms)
        if self.destroyed_ms < self.not_after_ms:
            raise MalformedError("destroyed_ms: expected at or after not_after_ms")

    def in_force(self, at_ms: int) -> bool:
        """Whether a sender may encrypt to the key at this instant."""
        return self.not_before_ms <= at_ms < self.not_after_ms


@dataclass(frozen=True, slots=True)
class Limits:
    """What an agency accepts; never above the limits of the protocol.

    Args:
        payload_bytes: Bytes of one payload, 1 KiB to 1 MiB.
        batch_envelopes: Envelopes in one batch, 1 to 256.
        batch_bytes: Bytes of one batch, at most 4 MiB, and at least 128 KiB more than
            `payload_bytes`: otherwise a message could be accepted and never delivered.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its name.
    """

    payload_bytes: int = MAX_PAYLOAD_BYTES
    batch_envelopes: int = MAX_BATCH_ENVELOPES
    batch_bytes: int = MAX_BATCH_BYTES

    def __post_init__(self) -> None:
        check_range("payload_bytes", self.payload_bytes, MIN_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES)
        check_range("batch_envelopes", self.batch_envelopes, 1, MAX_BATCH_ENVELOPES)
        least = self.payload_bytes + BATCH_ROOM_BYTES
        check_range("batch_bytes", self.batch_bytes, least, MAX_BATCH_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An agency's card, before its seal.

    Args:
        agency: Agency id.
        name: Official name, 1 to 200 characters.
        country: ISO 3166-1 alpha-2 in capitals, or "int"; the agency id starts with it.
        role: What kind of authority it is.
        contact: How to reach a person.
        endpoints: `host:port` of the Exchange service, at most 8; none if it only dials out.
        root_certificate: X.509 DER, at most 4,096 bytes.
        seal_keys: 1 to 16, strictly ascending by `not_before_ms`.
        ledgers: 1 to 64 key sets of this agency's ledgers, by epoch, then by age; the last one
            signs.
        witness: Named `<agency>.sesn/witness`.
        encryption_keys: 1 to 16, strictly ascending by `not_before_ms`.
        limits: What the agency accepts.
        suites: Accepted suites; "SESN-1" is among them.
        sequence: 1 for the first card, then strictly increasing under one root.
        previous_sha256: SHA-256 of the body before; empty exactly in the first.
        issued_ms: Unix milliseconds.
        expires_ms: Unix milliseconds, after `issued_ms`.
        closed: Ends of ledgers that `ledgers` names before its last one, in that order.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its path.
    """

    agency: AgencyId
    name: str
    country: str
    role: Role
    contact: Contact
    endpoints: tuple[str, ...] = ()
    root_certificate: bytes
    seal_keys: tuple[SealKey, ...]
    ledgers: tuple[LedgerKeySet, ...]
    witness: WitnessKeySet
    encryption_keys: tuple[EncryptionKey, ...]
    limits: Limits
    suites: tuple[str, ...] = (SUITE,)
    sequence: int
    previous_sha256: bytes
    issued_ms: int
    expires_ms: int
    closed: tuple[ClosedLedger, ...] = ()

    def __post_init__(self) -> None:
        self._check_identity()
        _check_endpoints(self.endpoints)
        self._check_keys()
        self._check_suites()
        self._check_history()

    @property
    def ledger(self) -> LedgerKeySet:
        """The ledger that is being written, and the keys that sign it now."""
        return self.ledgers[-1]

    def encryption_key_at(self, at_ms: int) -> EncryptionKey | None:
        """The newest encryption key in force at an instant, if there is one."""
        return next((key for key in reversed(self.encryption_keys) if key.in_force(at_ms)), None)

    def _check_identity(self) -> None:
        check_agency("agency", self.agency)
        check_line("name", self.name, 200, required=True)
        check_pattern("country", self.country, _COUNTRY, 'ISO 3166-1 alpha-2 or "int"')
        if self.agency.split(".", 1)[0] != self.country.lower():
            raise MalformedError(
                f"country: {self.country} does not fit the agency id {self.agency}"
            )

    def _check_keys(self) -> None:
        check_length("root_certificate", self.root_certificate, 1, MAX_CERTIFICATE_BYTES)
        check_count("seal_keys", self.seal_keys, 1, MAX_KEYS)
        _check_ascending("seal_keys", [key.not_before_ms for key in self.seal_keys])
        check_distinct("seal_keys", [key.spki.hex() for key in self.seal_keys])
        check_count("encryption_keys", self.encryption_keys, 1, MAX_KEYS)
        _check_ascending("encryption_keys", [key.not_before_ms for key in self.encryption_keys])
        check_distinct("encryption_keys", [key.public_key.hex() for key in self.encryption_keys])
        check_count("ledgers", self.ledgers, 1, MAX_LEDGERS)
        epoch = 0
        for index, ledger in enumerate(self.ledgers):
            owner, next_epoch = parse_origin(ledger.origin)
            if owner != self.agency or next_epoch < epoch:
                raise MalformedError(
                    f"ledgers[{index}].origin: expected the same or a later ledger of "
                    f"{self.agency}, got {ledger.origin}"
                )
            epoch = next_epoch
        self._check_closed()
        if self.witness.name != witness_name(self.agency):
            raise MalformedError(f"witness.name: expected {witness_name(self.agency)}")

    def _check_closed(self) -> None:
        check_count("closed", self.closed, 0, MAX_LEDGERS)
        earlier = iter(dict.fromkeys(keys.origin for keys in self.ledgers))
        for index, one in enumerate(self.closed):
            if one.origin == self.ledger.origin or one.origin not in earlier:
                raise MalformedError(
                    f"closed[{index}].origin: expected an earlier ledger of this card, in its "
                    f"order, got {one.origin}"
                )

    def _check_suites(self) -> None:
        check_count("suites", self.suites, 1, MAX_SUITES)
        for index, suite in enumerate(self.suites):
            check_pattern(f"suites[{index}]", suite, _SUITE, "a suite name such as SESN-1")
        check_distinct("suites", self.suites)
        if SUITE not in self.suites:
            raise MalformedError(f"suites: {SUITE} is missing, and there is no other suite")

    def _check_history(self) -> None:
        check_range("sequence", self.sequence, 1, MAX_INTEGER)
        if self.sequence == 1 and self.previous_sha256:
            raise MalformedError("previous_sha256: the first card has no predecessor")
        if self.sequence > 1:
            check_fixed("previous_sha256", self.previous_sha256, SHA256_BYTES)
        check_time_ms("issued_ms", self.issued_ms)
        check_time_ms("expires_ms", self.expires_ms)
        if self.expires_ms <= self.issued_ms:
            raise MalformedError("expires_ms: expected after issued_ms")


def _check_validity(not_before_ms: int, not_after_ms: int) -> None:
    check_time_ms("not_before_ms", not_before_ms)
    check_time_ms("not_after_ms", not_after_ms)
    if not_after_ms <= not_before_ms:
        raise MalformedError("not_after_ms: expected after not_before_ms")


def _check_ascending(path: str, times_ms: Sequence[int]) -> None:
    for index in range(1, len(times_ms)):
        if times_ms[index] <= times_ms[index - 1]:
            raise MalformedError(
                f"{path}[{index}].not_before_ms: keys must be strictly ascending by not_before_ms"
            )


def _check_endpoints(endpoints: tuple[str, ...]) -> None:
    check_count("endpoints", endpoints, 0, MAX_ENDPOINTS)
    for index, endpoint in enumerate(endpoints):
        path = f"endpoints[{index}]"
        check_pattern(path, endpoint, _ENDPOINT, "host:port")
        if int(endpoint.rpartition(":")[2]) > _MAX_PORT:
            raise MalformedError(f"{path}: port over {_MAX_PORT}")
    check_distinct("endpoints", endpoints)
