"""Issuing an agency's certificates, and telling from a TLS leaf which agency is speaking.

    root    CN = agency id, O; URI sesn://<id>; a CA with path length 0; signs cards and leaves
    leaf    CN = agency id, OU; URI sesn://<id>, DNS <id>.sesn.internal; one per node

A TLS server trusts the union of its peers' roots, so a handshake only tells that *some* peer
vouches for the leaf. `LeafVerifier` finds out whether it is the agency that the leaf names.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from sesn_node.crypto.keys import load_p256_public
from sesn_node.crypto.primitives import random_bytes, sha256
from sesn_node.crypto.signers import Signer
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.times import SECOND_MS
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.trust.leaves import (
    LEAF_UNKNOWN_AGENCY,
    TLS_PURPOSES,
    moment,
    open_leaf,
    require_in_force,
    verify_leaf,
)
from sesn_node.trust.roots import X509_ERRORS, agency_dns, agency_uri, open_root
from sesn_node.trust.signer_key import SignerKey

_ORGANISATION: Final = "Seaport Environmental Security Network"
_LEAF_UNIT: Final = "node"
_MAX_COMMON_NAME: Final = 64
"""RFC 5280 appendix A.1, ub-common-name; an agency id may have 100 bytes."""
_SERIAL_BYTES: Final = 20
_KEY_IDENTIFIER_BYTES: Final = 20


def issue_root(agency: AgencyId, signer: Signer, not_before_ms: int, not_after_ms: int) -> bytes:
    """Issue the self-signed root certificate of an agency, DER.

    Digital signature is among its usages because the root seals the agency's card, too
    (RFC 5280 section 4.2.1.3).

    Args:
        agency: Whose root it is.
        signer: The root key, P-256.
        not_before_ms: Unix milliseconds, rounded down to a second.
        not_after_ms: Unix milliseconds, rounded down to a second.

    Raises:
        MalformedError: A signer of another kind of key, or times out of order.
        VerificationError: `ROOT_INVALID`: the signer did not sign with the key that it names.
    """
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION), _named(agency)])
    uri = x509.UniformResourceIdentifier(agency_uri(agency))
    builder = (
        _builder(signer.public, not_before_ms, not_after_ms)
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    )
    der = _sign(builder, signer)
    open_root(der, agency)
    return der


def issue_leaf(  # noqa: PLR0913, PLR0917 - a certificate has this many fields
    root_der: bytes,
    root_signer: Signer,
    agency: AgencyId,
    leaf_spki: bytes,
    not_before_ms: int,
    not_after_ms: int,
) -> bytes:
    """Issue a TLS certificate for one node of an agency, directly under its root, DER.

    Args:
        root_der: The agency's root certificate.
        root_signer: The key of that root.
        agency: The agency that the root names.
        leaf_spki: SubjectPublicKeyInfo of the node's TLS key, P-256.
        not_before_ms: Unix milliseconds, rounded down to a second; not before the root's.
        not_after_ms: Unix milliseconds, rounded down to a second; not after the root's.

    Raises:
        MalformedError: A key that is not P-256, or times out of order or outside the root's.
        VerificationError: `ROOT_INVALID`: the root is not this agency's.
            `LEAF_NOT_UNDER_ROOT`: the signer does not hold the root key.
    """
    root = open_root(root_der, agency)
    builder = _builder(leaf_spki, not_before_ms, not_after_ms)
    if not_before_ms < root.not_before_ms or (
        not_after_ms // SECOND_MS > root.not_after_ms // SECOND_MS
    ):
        raise MalformedError("leaf validity: outside that of the root certificate; shorten it")
    uri = x509.UniformResourceIdentifier(agency_uri(agency))
    names = x509.SubjectAlternativeName([uri, x509.DNSName(agency_dns(agency))])
    issuer = x509.AuthorityKeyIdentifier(root.key_identifier, None, None)
    builder = (
        # The unit keeps it apart from a root whose subject is the agency id alone: a leaf
        # whose issuer is its subject would look self-issued.
        builder.subject_name(
            x509.Name(
                [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, _LEAF_UNIT), _named(agency)]
            )
        )
        .issuer_name(x509.load_der_x509_certificate(root_der).subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(TLS_PURPOSES), critical=False)
        .add_extension(issuer, critical=False)
        .add_extension(names, critical=False)
    )
    der = _sign(builder, root_signer)
    leaf = open_leaf(certificate_pem(der))
    verify_leaf(leaf, root_der, leaf.not_before_ms)
    return der


def certificate_pem(der: bytes) -> bytes:
    """Write a certificate as PEM (RFC 7468).

    Raises:
        MalformedError: Not a certificate.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
    except X509_ERRORS as exc:
        raise MalformedError("certificate: not X.509 in DER") from exc
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class _Identified:
    """A leaf that verified: under which root, and when that holds."""

    agency: AgencyId
    root_der: bytes
    valid_ms: tuple[int, int]


class LeafVerifier:
    """Tells which agency a TLS leaf speaks for; one per node, safe to use from several threads.

    Only successes are remembered, by the hash of the leaf and together with the root that
    they hold for: another root, or none, makes the next look a full one.

    Args:
        capacity: Leaves to remember; the one that was added first goes first.
    """

    __slots__ = ("_capacity", "_known", "_lock")

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity: Final = capacity
        self._known: Final[dict[bytes, _Identified]] = {}
        # Guards additions and removals; a look-up is a single operation on a dict.
        self._lock: Final = threading.Lock()

    def identify(self, leaf_pem: bytes, at_ms: int, roots: Mapping[AgencyId, bytes]) -> AgencyId:
        """Return the agency whose own root vouches for a leaf.

        1. The leaf has the shape that `open_leaf` checks.
        2. The agency that it names has a root among `roots`.
        3. Leaf and root are in force at `at_ms`.
        4. The leaf verifies directly under that root (`verify_leaf`).

        Args:
            leaf_pem: What TLS gives: one certificate, PEM.
            at_ms: Now, Unix milliseconds.
            roots: Root certificates (DER) of the agencies that may speak, by agency.

        Raises:
            VerificationError: `LEAF_MALFORMED` (step 1), `LEAF_UNKNOWN_AGENCY` (2),
                `LEAF_EXPIRED` (3) or `LEAF_NOT_UNDER_ROOT` (4).
        """
        leaf_sha256 = sha256(leaf_pem)
        known = self._known.get(leaf_sha256)
        if known is None or roots.get(known.agency) != known.root_der:
            known = _identify(leaf_pem, at_ms, roots)
            self._remember(leaf_sha256, known)
        require_in_force(known.agency, known.valid_ms, at_ms)
        return known.agency

    def _remember(self, leaf_sha256: bytes, identified: _Identified) -> None:
        with self._lock:
            self._known.pop(leaf_sha256, None)
            while len(self._known) >= self._capacity:
                del self._known[next(iter(self._known))]
            self._known[leaf_sha256] = identified


def _identify(leaf_pem: bytes, at_ms: int, roots: Mapping[AgencyId, bytes]) -> _Identified:
    leaf = open_leaf(leaf_pem)
    root_der = roots.get(leaf.agency)
    if root_der is None:
        raise VerificationError(
            f"TLS certificate: it names {leaf.agency}, whose card is not trusted here",
            code=LEAF_UNKNOWN_AGENCY,
        )
    return _Identified(leaf.agency, root_der, verify_leaf(leaf, root_der, at_ms))


def _builder(spki: bytes, not_before_ms: int, not_after_ms: int) -> x509.CertificateBuilder:
    start, end = moment(not_before_ms), moment(not_after_ms)
    if not_after_ms // SECOND_MS <= not_before_ms // SECOND_MS:
        raise MalformedError("certificate: not_after_ms must be after not_before_ms")
    # One bit less than 20 bytes, so that DER writes a positive integer of at most 20 octets.
    serial = int.from_bytes(random_bytes(_SERIAL_BYTES), "big") >> 1
    # RFC 7093 section 2, method 4: SHA-256 where RFC 5280 suggests SHA-1.
    key_identifier = x509.SubjectKeyIdentifier(sha256(spki)[:_KEY_IDENTIFIER_BYTES])
    return (
        x509.CertificateBuilder()
        .public_key(load_p256_public(spki))
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(key_identifier, critical=False)
    )


def _sign(builder: x509.CertificateBuilder, signer: Signer) -> bytes:
    certificate = builder.sign(SignerKey(signer), hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.DER)


def _named(agency: AgencyId) -> x509.NameAttribute[str]:
    # A longer id goes into the user id attribute (RFC 4519 section 2.39), which has room.
    oid = NameOID.COMMON_NAME if len(agency) <= _MAX_COMMON_NAME else NameOID.USER_ID
    return x509.NameAttribute(oid, agency)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
