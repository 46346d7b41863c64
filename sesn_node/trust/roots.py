"""The root certificate of an agency: what it must look like, checked once, when it is taken.

A root is self-signed, P-256 and a CA whose leaves come directly under it (RFC 5280 section 4.2;
path length 0). It names its agency in the URI `sesn://<id>`. Its subject is free: national rules
differ; that no two roots share one is checked by `directory`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, SignatureAlgorithmOID

from sesn_node.crypto.keys import dump_p256_public
from sesn_node.domain.ids import AgencyId, agency_id
from sesn_node.errors import MalformedError, VerificationError

ROOT_INVALID: Final = "ROOT_INVALID"
ROOT_NOT_IN_FORCE: Final = "ROOT_NOT_IN_FORCE"

# Everything that reading a hostile certificate raises: fields are decoded at the first look.
X509_ERRORS: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)

_SERIAL_BITS: Final = 160
"""RFC 5280 section 4.1.2.2: positive, at most 20 octets."""
_SCHEME: Final = "sesn://"
_DNS_SUFFIX: Final = ".sesn.internal"
# Any other extension may forbid later what is allowed now (name constraints, key purposes),
# and would only be noticed when a leaf fails.
_ROOT_EXTENSIONS: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)

E = TypeVar("E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class RootCertificate:
    """A root that passed `open_root`."""

    agency: AgencyId
    der: bytes
    spki: bytes
    """SubjectPublicKeyInfo, DER."""
    subject: str
    """Its subject as TLS libraries compare names: without case and repeated spaces."""
    key_identifier: bytes
    not_before_ms: int
    """Unix milliseconds, whole seconds; included."""
    not_after_ms: int
    """Unix milliseconds, whole seconds; included."""

    def require_in_force(self, at_ms: int) -> None:
        """Refuse a root that is not in force at an instant.

        Raises:
            VerificationError: `ROOT_NOT_IN_FORCE`.
        """
        if not self.not_before_ms <= at_ms <= self.not_after_ms:
            raise VerificationError(
                f"root certificate of {self.agency}: not in force at {at_ms} (Unix milliseconds); "
                "if the clock is right, ask the agency for a card under a new root",
                code=ROOT_NOT_IN_FORCE,
            )


def agency_uri(agency: AgencyId) -> str:
    """Name an agency in a certificate: `sesn://nl.customs`."""
    return _SCHEME + agency


def agency_dns(agency: AgencyId) -> str:
    """Name an agency for TLS host name checks; it resolves nowhere: `nl.customs.sesn.internal`."""
    return agency + _DNS_SUFFIX


def agency_of_uri(uri: str) -> AgencyId:
    """Read the agency from `sesn://nl.customs`.

    Raises:
        MalformedError: Another scheme, or no agency id after it.
    """
    if not uri.startswith(_SCHEME):
        raise MalformedError(f"URI {uri[:64]!a}: expected {_SCHEME}<agency id>")
    return agency_id(uri.removeprefix(_SCHEME))


def open_root(der: bytes, agency: AgencyId) -> RootCertificate:
    """Check the root certificate of an agency. Not checked: that it is in force.

    1. X.509 v3, P-256 key, signed with ECDSA and SHA-256.
    2. Issuer is subject, and the certificate verifies under its own key.
    3. A CA with path length 0 that may sign certificates; a subject key identifier; no other
       extension than those and names; a serial number as RFC 5280 wants it.
    4. Exactly one URI, `sesn://<agency>`.

    Raises:
        VerificationError: `ROOT_INVALID`.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        return _checked(certificate, der, agency)
    except X509_ERRORS as exc:
        raise _invalid(agency, "not an X.509 certificate") from exc
    except InvalidSignature as exc:
        raise _invalid(agency, "does not verify under its own key") from exc


def p256_spki(certificate: x509.Certificate) -> bytes | None:
    """Return the key of a P-256 certificate that ECDSA with SHA-256 signed; None for others."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != ec.SECP256R1.name:
        return None
    if certificate.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        return None
    return dump_p256_public(key)


def find_extension(certificate: x509.Certificate, kind: type[E]) -> x509.Extension[E] | None:
    """Return an extension, or None if the certificate has none of this kind."""
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def validity_ms(certificate: x509.Certificate) -> tuple[int, int]:
    """Return the first and the last instant of validity, Unix milliseconds, both included."""
    return (
        int(certificate.not_valid_before_utc.timestamp()) * 1000,
        int(certificate.not_valid_after_utc.timestamp()) * 1000,
    )


def _checked(certificate: x509.Certificate, der: bytes, agency: AgencyId) -> RootCertificate:
    spki = p256_spki(certificate)
    if spki is None or certificate.version is not x509.Version.v3:
        raise _invalid(agency, "expected X.509 v3 with a P-256 key and ECDSA with SHA-256")
    # Checks that issuer is subject, too.
    certificate.verify_directly_issued_by(certificate)
    if not 0 < certificate.serial_number < 1 << _SERIAL_BITS:
        raise _invalid(agency, "its serial number is not positive or over 20 bytes")
    key_identifier = _check_extensions(certificate, agency)
    not_before_ms, not_after_ms = validity_ms(certificate)
    return RootCertificate(
        agency=agency,
        der=der,
        spki=spki,
        subject=_comparable(certificate.subject),
        key_identifier=key_identifier,
        not_before_ms=not_before_ms,
        not_after_ms=not_after_ms,
    )


def _check_extensions(certificate: x509.Certificate, agency: AgencyId) -> bytes:
    others = {extension.oid for extension in certificate.extensions} - _ROOT_EXTENSIONS
    if others:
        listed = ", ".join(sorted(oid.dotted_string for oid in others))
        raise _invalid(agency, f"extensions that a SESN root does not have: {listed}")
    basic = find_extension(certificate, x509.BasicConstraints)
    if basic is None or not basic.critical or not basic.value.ca or basic.value.path_length != 0:
        raise _invalid(agency, "expected critical basic constraints: CA, path length 0")
    usage = find_extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.key_cert_sign:
        raise _invalid(agency, "expected critical key usage with keyCertSign")
    identifier = find_extension(certificate, x509.SubjectKeyIdentifier)
    if identifier is None or identifier.critical or not identifier.value.digest:
        raise _invalid(agency, "expected a subject key identifier that is not critical")
    issuer = find_extension(certificate, x509.AuthorityKeyIdentifier)
    if issuer is not None and issuer.value.key_identifier != identifier.value.digest:
        raise _invalid(agency, "its authority key identifier is not its own")
    names = find_extension(certificate, x509.SubjectAlternativeName)
    uris = [] if names is None else names.value.get_values_for_type(x509.UniformResourceIdentifier)
    if uris != [agency_uri(agency)]:
        raise _invalid(agency, f"expected exactly one URI, {agency_uri(agency)}")
    if not certificate.subject.rdns:
        raise _invalid(agency, "its subject is empty (RFC 5280 section 4.1.2.6)")
    return identifier.value.digest


def _comparable(name: x509.Name) -> str:
    """Fold a name as RFC 5280 section 7.1 compares them: BoringSSL looks issuers up this way."""
    parts = []
    for rdn in name.rdns:
        attributes = sorted(
            f"{attribute.oid.dotted_string}={_folded(attribute.value)!r}" for attribute in rdn
        )
        parts.append("+".join(attributes))
    return ",".join(parts)


def _folded(value: str | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else " ".join(value.casefold().split())


def _invalid(agency: AgencyId, problem: str) -> VerificationError:
    return VerificationError(f"root certificate of {agency}: {problem}", code=ROOT_INVALID)
