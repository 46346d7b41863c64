"""The TLS certificate of a node: what it must look like, and whether a root vouches for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store
from cryptography.x509.verification import VerificationError as ChainError

from sesn_node.domain.checks import check_time_ms
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.trust.roots import (
    X509_ERRORS,
    agency_dns,
    agency_of_uri,
    find_extension,
    p256_spki,
    validity_ms,
)

LEAF_UNKNOWN_AGENCY: Final = "LEAF_UNKNOWN_AGENCY"
LEAF_NOT_UNDER_ROOT: Final = "LEAF_NOT_UNDER_ROOT"
LEAF_EXPIRED: Final = "LEAF_EXPIRED"
LEAF_MALFORMED: Final = "LEAF_MALFORMED"

TLS_PURPOSES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
"""A node calls and is called, so its one leaf serves both ends."""
_MAX_PEM_BYTES: Final = 16 * 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A TLS certificate that looks as a SESN leaf must; who vouches for it is not yet known."""

    agency: AgencyId
    """The agency that it claims."""
    spki: bytes
    """SubjectPublicKeyInfo, DER."""
    not_before_ms: int
    """Unix milliseconds, whole seconds; included."""
    not_after_ms: int
    """Unix milliseconds, whole seconds; included."""
    certificate: x509.Certificate = field(repr=False)


def open_leaf(pem: bytes) -> Leaf:
    """Check what a leaf says of itself. Not checked: its issuer, and that it is in force.

    1. One X.509 v3 certificate with a P-256 key, signed with ECDSA and SHA-256.
    2. Exactly two names: the URI `sesn://<id>` and the DNS name `<id>.sesn.internal`.
    3. Not a CA, and for both ends of TLS: without purposes it would be for any.

    Raises:
        VerificationError: `LEAF_MALFORMED`.
    """
    try:
        certificate = load_one_pem(pem)
        spki = p256_spki(certificate)
        agency = _named_agency(certificate)
        basic = find_extension(certificate, x509.BasicConstraints)
        purposes = find_extension(certificate, x509.ExtendedKeyUsage)
        not_before_ms, not_after_ms = validity_ms(certificate)
    except MalformedError as exc:
        raise _malformed(exc.message) from exc
    except X509_ERRORS as exc:
        raise _malformed("one of its fields cannot be read") from exc
    if spki is None or certificate.version is not x509.Version.v3:
        raise _malformed("expected X.509 v3 with a P-256 key and ECDSA with SHA-256")
    if basic is not None and basic.value.ca:
        raise _malformed("it is a CA; a node needs a leaf of its own")
    if purposes is None or not set(TLS_PURPOSES).issubset(purposes.value):
        raise _malformed("expected the extended key usages of a TLS server and a TLS client")
    return Leaf(agency, spki, not_before_ms, not_after_ms, certificate)


def verify_leaf(leaf: Leaf, root_der: bytes, at_ms: int) -> tuple[int, int]:
    """Verify a leaf directly under a root, as a client certificate, at an instant.

    Path validation is that of RFC 5280 section 6 with the web PKI's profile, by
    `cryptography.x509.verification`: an authority key identifier, no use as a CA, no critical
    extension that is not understood.

    Args:
        leaf: What `open_leaf` returned.
        root_der: The root of the agency that the leaf names; `open_root` has checked it.
        at_ms: Unix milliseconds.

    Returns:
        First and last instant at which both are in force, Unix milliseconds, both included.

    Raises:
        VerificationError: `LEAF_EXPIRED`: it or the root is not in force.
            `LEAF_NOT_UNDER_ROOT`: another key signed it, or it breaks the profile.
    """
    try:
        root = x509.load_der_x509_certificate(root_der)
        root_start_ms, root_end_ms = validity_ms(root)
        valid_ms = max(leaf.not_before_ms, root_start_ms), min(leaf.not_after_ms, root_end_ms)
        require_in_force(leaf.agency, valid_ms, at_ms)
        (
            PolicyBuilder()
            .store(Store([root]))
            .time(moment(at_ms))
            .max_chain_depth(0)
            .build_client_verifier()
            .verify(leaf.certificate, [])
        )
    except (ChainError, *X509_ERRORS) as exc:
        raise VerificationError(
            f"TLS certificate: it names {leaf.agency}, but does not verify directly under that "
            f"agency's root: {exc}",
            code=LEAF_NOT_UNDER_ROOT,
        ) from exc
    return valid_ms


def require_in_force(agency: AgencyId, valid_ms: tuple[int, int], at_ms: int) -> None:
    """Refuse an instant outside the validity of a leaf and its root.

    Raises:
        VerificationError: `LEAF_EXPIRED`.
    """
    if not valid_ms[0] <= at_ms <= valid_ms[1]:
        raise VerificationError(
            f"TLS certificate of {agency}: it or its root is not in force at {at_ms} (Unix "
            "milliseconds); compare the clocks of both nodes, then renew it",
            code=LEAF_EXPIRED,
        )


def load_one_pem(pem: bytes) -> x509.Certificate:
    """Read PEM (RFC 7468) that holds exactly one certificate.

    Raises:
        MalformedError: None, several, over 16 KiB, or no certificate.
    """
    if len(pem) > _MAX_PEM_BYTES:
        raise MalformedError(f"over {_MAX_PEM_BYTES} bytes of PEM")
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except X509_ERRORS as exc:
        raise MalformedError("not a certificate in PEM") from exc
    if len(certificates) != 1:
        raise MalformedError(f"expected one certificate, got {len(certificates)}")
    return certificates[0]


def moment(time_ms: int) -> datetime:
    """Convert Unix milliseconds, which `cryptography` does not take.

    Raises:
        MalformedError: Before 1970 or after 9999.
    """
    check_time_ms("certificate time", time_ms)
    return _EPOCH + timedelta(milliseconds=time_ms)


def _named_agency(certificate: x509.Certificate) -> AgencyId:
    """Read the one agency that both names of a leaf agree on."""
    names = find_extension(certificate, x509.SubjectAlternativeName)
    uris = [] if names is None else names.value.get_values_for_type(x509.UniformResourceIdentifier)
    dns = [] if names is None else names.value.get_values_for_type(x509.DNSName)
    others = 0 if names is None else len(names.value) - len(uris) - len(dns)
    if len(uris) != 1 or len(dns) != 1 or others:
        raise MalformedError("expected exactly two names, a sesn:// URI and a DNS name")
    agency = agency_of_uri(uris[0])
    if dns[0] != agency_dns(agency):
        raise MalformedError(f"its URI names {agency}, its DNS name does not")
    return agency


def _malformed(problem: str) -> VerificationError:
    return VerificationError(f"TLS certificate: {problem}", code=LEAF_MALFORMED)
