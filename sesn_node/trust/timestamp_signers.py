"""Who signed a time-stamp: the one signer of a token, and whether a root vouches for it.

RFC 3161 section 2.3 (certified for time-stamps and nothing else), RFC 5816 and RFC 5035 (the signed
attributes name its certificate), RFC 5280 section 6 (it leads to a root, as of a time).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store
from cryptography.x509.verification import Policy as PathPolicy
from cryptography.x509.verification import VerificationError as ChainError

from sesn_node.domain.checks import printable
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.trust import der
from sesn_node.trust.roots import X509_ERRORS, find_extension

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

MAX_ROOTS_BYTES: Final = 256 * 1024
"""A file of roots, PEM."""

TIMESTAMP_INVALID: Final = "TIMESTAMP_INVALID"
"""Code of a token, or an answer, that does not verify."""

_MAX_CERTIFICATES: Final = 16
_MAX_ROOTS: Final = 64
_MAX_DEPTH: Final = 4
_SIGNING_CERTIFICATE: Final = bytes.fromhex("2a864886f70d010910020c")
"""1.2.840.113549.1.9.16.2.12 (RFC 2634): certificates by their SHA-1."""
_SIGNING_CERTIFICATE_V2: Final = bytes.fromhex("2a864886f70d010910022f")
"""1.2.840.113549.1.9.16.2.47 (RFC 5035)."""
_HASHES: Final[dict[bytes, hashes.HashAlgorithm]] = {
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class TimestampRoots:
    """Whom to trust to certify time-stamping authorities: self-signed certificates, 1 to 64."""

    certificates: tuple[x509.Certificate, ...] = field(repr=False)
    others: tuple[x509.Certificate, ...] = field(default=(), repr=False)
    """Certificates between a root and an authority; not trusted by themselves."""


def read_roots(pem: bytes) -> TimestampRoots:
    """Read the certificates of a PEM file.

    Those that are self-issued are trusted, the others only help to get there: a file with the whole
    chain of an authority does not make the authority its own root.

    Raises:
        MalformedError: No PEM, too many, or none of them is self-issued.
    """
    if len(pem) > MAX_ROOTS_BYTES:
        raise MalformedError(f"over {MAX_ROOTS_BYTES:,} bytes of certificates")
    try:
        found = x509.load_pem_x509_certificates(pem)
        roots = tuple(one for one in found if one.issuer == one.subject)
        others = tuple(one for one in found if one.issuer != one.subject)
    except X509_ERRORS as error:
        raise MalformedError("not certificates in PEM") from error
    if not 0 < len(roots) <= _MAX_ROOTS or len(others) > _MAX_ROOTS:
        raise MalformedError(
            f"{len(roots)} self-signed certificates and {len(others)} others; expected 1 to "
            f"{_MAX_ROOTS} self-signed ones, and up to as many others"
        )
    return TimestampRoots(roots, others)


def signer_of(response: TimeStampResponse) -> tuple[x509.Certificate, list[x509.Certificate]]:
    """Return the certificate that the one signature names, and those that came with it.

    Raises:
        MalformedError: A certificate cannot be read.
        VerificationError: `TIMESTAMP_INVALID`.
    """
    data = response.signed_data
    encoded, signers = data.certificates, data.signer_infos
    if len(encoded) > _MAX_CERTIFICATES or len(signers) != 1:
        raise invalid(f"{len(signers)} signers and {len(encoded)} certificates")
    (info,) = signers
    certificates = [_load(one) for one in sorted(encoded)]
    named = [
        one
        for one in certificates
        if one.issuer == info.issuer and one.serial_number == info.serial_number
    ]
    if len(named) != 1:
        raise invalid("the signer's certificate is not in it, or is there twice")
    return named[0], [one for one in certificates if one is not named[0]]


def _load(encoded: bytes) -> x509.Certificate:
    """Read a certificate with a positive serial number (RFC 5280 section 4.1.2.2).

    Of another one the library would warn, on the screen of whoever runs the audit.
    """
    first, second, *_ = der.element(encoded, der.SEQUENCE).parts()[0].parts()
    serial = second if first.tag == der.context(0) else first
    if serial.tag != der.INTEGER or int.from_bytes(serial.content, "big", signed=True) <= 0:
        raise MalformedError("time-stamp: a certificate in it has no positive serial number")
    return x509.load_der_x509_certificate(encoded)


def check_signer(signer: x509.Certificate) -> None:
    """See whether a certificate is for time-stamps and nothing else (RFC 3161 section 2.3).

    Raises:
        VerificationError: `TIMESTAMP_INVALID`.
    """
    purposes = find_extension(signer, x509.ExtendedKeyUsage)
    only = [ExtendedKeyUsageOID.TIME_STAMPING]
    if purposes is None or not purposes.critical or list(purposes.value) != only:
        raise invalid("its signer is not certified for time-stamps, or not for them alone")
    usage = find_extension(signer, x509.KeyUsage)
    if usage is not None and not (usage.value.digital_signature or usage.value.content_commitment):
        raise invalid("its signer's key is not for signatures")


def check_named(token: bytes, signer: x509.Certificate) -> None:
    """See whether the signed attributes name the signer's certificate by its hash (RFC 5035).

    Raises:
        VerificationError: `TIMESTAMP_INVALID`.
    """
    content = der.element(token, der.SEQUENCE).parts()
    signed_data = der.element(content[1].content, der.SEQUENCE).parts()
    info = der.element(signed_data[-1].content, der.SEQUENCE).parts()
    attributes = [one for one in info if one.tag == der.context(0)]
    named = False
    for attribute in attributes[0].parts() if attributes else ():
        kind, values = attribute.parts()
        if kind.content not in {_SIGNING_CERTIFICATE, _SIGNING_CERTIFICATE_V2}:
            continue
        # SigningCertificate, its list, and of that the first: ESSCertID.
        first = values.parts()[0].parts()[0].parts()[0].parts()
        algorithm: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303 - which RFC 2634 prescribes
        if kind.content == _SIGNING_CERTIFICATE_V2:
            algorithm = hashes.SHA256()
            if first[0].tag == der.SEQUENCE:
                algorithm = _HASHES[first[0].parts()[0].content]
                first = first[1:]
        if first[0].content != signer.fingerprint(algorithm):
            raise invalid("its signature names another certificate than the signer's")
        named = True
    if not named:
        raise invalid("its signature does not say which certificate it is of")


def check_chain(
    signer: x509.Certificate,
    others: tuple[x509.Certificate, ...],
    roots: TimestampRoots,
    at: datetime,
) -> None:
    """See whether a signer leads to a root at an instant (RFC 5280 section 6).

    Raises:
        VerificationError: `TIMESTAMP_INVALID`.
    """
    authority = ExtensionPolicy.permit_all().require_present(
        x509.BasicConstraints, Criticality.AGNOSTIC, _require_authority
    )
    verifier = (
        PolicyBuilder()
        .store(Store(list(roots.certificates)))
        .time(at)
        .max_chain_depth(_MAX_DEPTH)
        .extension_policies(ca_policy=authority, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        verifier.verify(signer, list(others))
    except ChainError as error:
        raise invalid(
            f"its signer, {printable(signer.subject.rfc4514_string())[:200]}, does not lead to a "
            f"trusted root as of {at:%Y-%m-%d %H:%M:%S} UTC"
        ) from error


def _require_authority(
    _policy: PathPolicy, _certificate: x509.Certificate, constraints: x509.BasicConstraints
) -> None:
    if not constraints.ca:
        raise ValueError("not a CA")


def invalid(problem: str) -> VerificationError:
    """Make the error of a token that does not verify."""
    return VerificationError(f"time-stamp: {problem}", code=TIMESTAMP_INVALID)
