"""Agencies with real keys, and certificates that no honest agency would issue."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sesn_node.crypto.keys import KeyKind, KeyRecord, generate, load_p256_private
from sesn_node.crypto.signers import Signer, signer_for
from sesn_node.crypto.signing import ObjectKind, sign_object
from sesn_node.domain.cards import (
    Card,
    Contact,
    EncryptionKey,
    LedgerKeySet,
    Limits,
    Role,
    SealKey,
    WitnessKeySet,
)
from sesn_node.domain.ids import AgencyId, ledger_origin, witness_name
from sesn_node.errors import SesnError
from sesn_node.trust.card import TrustedCard, issue_card, open_card
from sesn_node.trust.certificates import certificate_pem, issue_leaf, issue_root
from sesn_node.trust.directory import Directory, Peer, PeerState
from sesn_node.trust.roots import agency_dns, agency_uri
from sesn_node.wire.cards import encode_card, encode_sealed_card

DAY_MS = 24 * 60 * 60 * 1000
START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: when every key and root begins."""
NOW_MS = START_MS + 10 * DAY_MS
END_MS = START_MS + 3_650 * DAY_MS
CARD_END_MS = START_MS + 365 * DAY_MS

NL = AgencyId("nl.customs")
BE = AgencyId("be.police")

IssuerKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_key(kind: KeyKind) -> KeyRecord:
    """Make a key that is in force as long as the roots are."""
    return generate(kind, created_ms=START_MS, not_before_ms=START_MS, not_after_ms=END_MS)


@dataclass(frozen=True)
class Agency:
    """An agency: its root key and the card that it would issue first."""

    id: AgencyId
    root_key: KeyRecord
    card: Card

    @property
    def signer(self) -> Signer:
        """Signs as the root."""
        return signer_for(self.root_key)

    @property
    def root_der(self) -> bytes:
        """The root certificate."""
        return self.card.root_certificate

    def sealed(self, **changes: object) -> bytes:
        """Seal the card, after changes that a constructor of the domain allows, by hand."""
        # `replace` takes whatever fields the test names; the constructor checks them.
        body = encode_card(replace(self.card, **changes))  # type: ignore[arg-type]
        return encode_sealed_card(body, sign_object(self.signer, ObjectKind.CARD, body))

    def trusted(self, **changes: object) -> TrustedCard:
        """Seal and open the card."""
        return open_card(self.sealed(**changes), NOW_MS)

    def later(self, held: TrustedCard, **changes: object) -> TrustedCard:
        """Issue the card that follows one."""
        follows: dict[str, object] = {
            "sequence": held.card.sequence + 1,
            "previous_sha256": held.sha256,
        }
        return self.trusted(**(follows | changes))

    def leaf(
        self,
        not_before_ms: int = START_MS,
        not_after_ms: int = CARD_END_MS,
    ) -> bytes:
        """Issue a TLS leaf, PEM."""
        spki = make_key(KeyKind.TLS).public
        der = issue_leaf(self.root_der, self.signer, self.id, spki, not_before_ms, not_after_ms)
        return certificate_pem(der)


def new_agency(agency: AgencyId, root_der: bytes | None = None) -> Agency:
    """Make an agency with keys of its own; `root_der` may be a root that was made by hand."""
    root_key = make_key(KeyKind.ROOT)
    root_der = root_der or issue_root(agency, signer_for(root_key), START_MS, END_MS)
    return Agency(agency, root_key, make_card(agency, root_der))


@functools.cache
def agency_of(agency: AgencyId) -> Agency:
    """Return the one honest agency of this name."""
    return new_agency(agency)


def make_card(agency: AgencyId, root_der: bytes) -> Card:
    """Write a first card with fresh keys."""
    country = agency.split(".", 1)[0]
    return Card(
        agency=agency,
        name=f"Agency {agency}",
        country=country if country == "int" else country.upper(),
        role=Role.CUSTOMS,
        contact=Contact(focal_point="Waste desk", languages=("en",)),
        endpoints=("localhost:7443",),
        root_certificate=root_der,
        seal_keys=(SealKey(make_key(KeyKind.SEAL).public, START_MS, CARD_END_MS),),
        ledgers=(make_ledger(agency, 1),),
        witness=WitnessKeySet(
            witness_name(agency),
            make_key(KeyKind.WITNESS_ED25519).public,
            make_key(KeyKind.WITNESS_MLDSA44).public,
        ),
        encryption_keys=(
            EncryptionKey(
                make_key(KeyKind.ENCRYPTION).public, START_MS, CARD_END_MS, CARD_END_MS + DAY_MS
            ),
        ),
        limits=Limits(),
        sequence=1,
        previous_sha256=b"",
        issued_ms=START_MS,
        expires_ms=CARD_END_MS,
    )


def make_ledger(agency: AgencyId, epoch: int) -> LedgerKeySet:
    """Make the keys of one ledger epoch."""
    return LedgerKeySet(
        ledger_origin(agency, epoch),
        make_key(KeyKind.LOG_ED25519).public,
        make_key(KeyKind.LOG_MLDSA44).public,
    )


def first_card(agency: Agency) -> TrustedCard:
    """Issue and open an agency's first card the way a node does."""
    return open_card(issue_card(agency.card, agency.signer), NOW_MS)


def directory_of(own: TrustedCard, *peers: tuple[TrustedCard, PeerState]) -> Directory:
    """Make a directory of peers in given states."""
    return Directory(1, own, {card.agency: Peer(card, state) for card, state in peers})


def refused(error: pytest.ExceptionInfo[SesnError]) -> str:
    """Return the code of a refusal."""
    return error.value.code


# Certificates that no honest agency issues.


def subject(name: str) -> x509.Name:
    """Name a certificate."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def issuer_key(agency: Agency) -> ec.EllipticCurvePrivateKey:
    """Return an agency's root key as the X.509 builder takes it."""
    return load_p256_private(agency.root_key.private)


def root_subject(agency: Agency) -> x509.Name:
    """Return the subject of an agency's root."""
    return x509.load_der_x509_certificate(agency.root_der).subject


def names_of(*agencies: AgencyId) -> x509.SubjectAlternativeName:
    """Name agencies as a leaf does."""
    names: list[x509.GeneralName] = []
    for agency in agencies:
        names.append(x509.UniformResourceIdentifier(agency_uri(agency)))
        names.append(x509.DNSName(agency_dns(agency)))
    return x509.SubjectAlternativeName(names)


def usage(*, certificates: bool) -> x509.KeyUsage:
    """Allow signing certificates, or only TLS."""
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
NO_CA = x509.BasicConstraints(ca=False, path_length=None)
CA = x509.BasicConstraints(ca=True, path_length=0)

Extensions: TypeAlias = Sequence[tuple[x509.ExtensionType, bool]]
"""Extensions, and whether each is critical."""


def leaf_extensions(names: x509.SubjectAlternativeName, issuer: IssuerKey) -> Extensions:
    """Return the extensions of a good leaf."""
    return [
        (NO_CA, True),
        (usage(certificates=False), True),
        (CLIENT, False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), False),
        (names, False),
    ]


def root_extensions(agency: AgencyId, key: IssuerKey) -> Extensions:
    """Return the extensions of a good root."""
    uri = x509.UniformResourceIdentifier(agency_uri(agency))
    return [
        (CA, True),
        (usage(certificates=True), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.SubjectAlternativeName([uri]), False),
    ]


def certify(
    extensions: Extensions,
    *,
    key: IssuerKey,
    issuer: IssuerKey,
    name: x509.Name,
    issuer_name: x509.Name,
    not_before_ms: int = START_MS,
    not_after_ms: int = CARD_END_MS,
) -> bytes:
    """Certify anything, DER."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(not_before_ms // 1000, UTC))
        .not_valid_after(datetime.fromtimestamp(not_after_ms // 1000, UTC))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(issuer, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.DER)


def forge_leaf(
    agency: Agency,
    extensions: Extensions | None = None,
    *,
    names: x509.SubjectAlternativeName | None = None,
    key: IssuerKey | None = None,
) -> bytes:
    """Let an agency's root sign a leaf that is good but for what the test says; PEM."""
    root = issuer_key(agency)
    der = certify(
        extensions or leaf_extensions(names or names_of(agency.id), root),
        key=key or ec.generate_private_key(ec.SECP256R1()),
        issuer=root,
        name=subject("leaf"),
        issuer_name=root_subject(agency),
    )
    return certificate_pem(der)


def forge_root(
    agency: AgencyId,
    extensions: Extensions | None = None,
    *,
    key: IssuerKey | None = None,
    name: x509.Name | None = None,
) -> bytes:
    """Self-sign a root that is good but for what the test says; DER."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = subject(agency) if name is None else name
    return certify(
        extensions or root_extensions(agency, key),
        key=key,
        issuer=key,
        name=name,
        issuer_name=name,
        not_after_ms=END_MS,
    )
