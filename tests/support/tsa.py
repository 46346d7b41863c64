"""A time-stamping authority: its certificates, and tokens written byte by byte (RFC 3161, 5652).

Nothing of it is shared with the code under test.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

POLICY: Final = "1.3.6.1.4.1.99999.1.2"
SHA256: Final = "2.16.840.1.101.3.4.2.1"
SHA512: Final = "2.16.840.1.101.3.4.2.3"
_ECDSA_SHA256: Final = "1.2.840.10045.4.3.2"
_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
_DAY: Final = timedelta(days=1)


def tlv(tag: int, *contents: bytes) -> bytes:
    """Write an element."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*contents: bytes) -> bytes:
    """Write a SEQUENCE."""
    return tlv(0x30, *contents)


def integer(value: int) -> bytes:
    """Write an INTEGER."""
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes) -> bytes:
    """Write an OCTET STRING."""
    return tlv(4, value)


def oid(dotted: str) -> bytes:
    """Write an OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        out += bytes(reversed(groups))
    return tlv(6, bytes(out))


def set_of(*contents: bytes) -> bytes:
    """Write a SET OF, in the order of DER."""
    return tlv(0x31, *sorted(contents))


def generalized_time(at: datetime) -> bytes:
    """Write a GeneralizedTime, whole seconds."""
    return tlv(0x18, f"{at:%Y%m%d%H%M%SZ}".encode())


@dataclass(frozen=True)
class Certified:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate, PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Write a private key, PEM, for a server of a test."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def certify(
    name: str,
    issuer: Certified | None = None,
    *,
    ca: bool = False,
    days: tuple[int, int] = (-3650, 3650),
    at: datetime | None = None,
    purposes: tuple[ObjectIdentifier, ...] | None = (ExtendedKeyUsageOID.TIME_STAMPING,),
    critical: bool = True,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Certified:
    """Issue a certificate.

    Args:
        name: Its common name.
        issuer: Who signs it; None for itself.
        ca: Whether it may sign others.
        days: From when to when it is in force, in days from `at`.
        at: The middle of time; now if not given.
        purposes: Extended key usages of one that is no CA; None for none.
        critical: Whether these are critical.
        key: Its key; a new one if not given.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    middle = at or datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(middle + days[0] * _DAY)
        .not_valid_after(middle + days[1] * _DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(by, critical=False)
    if purposes and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
    return Certified(builder.sign((issuer.key if issuer else key), hashes.SHA256()), key)


@dataclass(frozen=True)
class Query:
    """What a request asks for, by this reader."""

    imprint: bytes
    nonce: int | None


def read_query(data: bytes) -> Query:
    """Read a TimeStampReq as `rfc3161-client` writes it: version, imprint, nonce, certReq."""
    version, imprint, *rest = _split(_split(data)[0][1])
    assert version == (2, b"\1")
    algorithm, digest = _split(imprint[1])
    assert _split(algorithm[1])[0] == (6, oid(SHA256)[2:])
    nonces = [int.from_bytes(content, "big") for tag, content in rest if tag == 2]
    return Query(digest[1], nonces[0] if nonces else None)


def _split(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        length, at = data[1], 2
        if length & 0x80:
            at += length & 0x7F
            length = int.from_bytes(data[2:at], "big")
        found.append((data[0], data[at : at + length]))
        data = data[at + length :]
    return found


@dataclass(frozen=True)
class Tsa:
    """An authority: a root, one certificate below it, and everything that a token says.

    A test replaces any field to have it say something else.
    """

    root: Certified
    signer: Certified
    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    policy: str = POLICY
    serial: int = 4711
    algorithm: str = SHA256
    accuracy: bytes = b""
    named: bytes | None = None
    """SHA-256 of the certificate that the signature names; the signer's if None; empty: none."""
    shown: tuple[bytes, ...] | None = None
    """Certificates that are in the token, DER; the signer's if None."""

    @classmethod
    def new(cls, name: str = "Port authority of test tokens", **changes: object) -> Tsa:
        """Make one with certificates of its own."""
        root = certify(f"{name} root", ca=True)
        return replace(cls(root, certify(name, root)), **changes)  # type: ignore[arg-type]

    @classmethod
    def when(cls, time_ms: int) -> Tsa:
        """Make one whose clock, and whose certificates, are of a time, Unix milliseconds."""
        at = datetime.fromtimestamp(time_ms // 1000, UTC)
        root = certify("root", ca=True, at=at)
        return cls(root, certify("clock", root, at=at), at=at)

    def but(self, **changes: object) -> Tsa:
        """Return one that differs in some fields."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def token(self, text: bytes, nonce: int | None = None) -> bytes:
        """Make a token over a text."""
        digest = hashlib.sha512 if self.algorithm == SHA512 else hashlib.sha256
        return self.sign(self.info(digest(text).digest(), nonce))

    def info(self, imprint: bytes, nonce: int | None = None) -> bytes:
        """Write a TSTInfo (RFC 3161 section 2.4.2)."""
        return sequence(
            integer(1),
            oid(self.policy),
            sequence(sequence(oid(self.algorithm), tlv(5)), octets(imprint)),
            integer(self.serial),
            generalized_time(self.at),
            self.accuracy,
            integer(nonce) if nonce is not None else b"",
        )

    def sign(self, info: bytes) -> bytes:
        """Put a TSTInfo into a SignedData (RFC 5652 section 5)."""
        attributes = [
            sequence(oid(_CONTENT_TYPE), set_of(oid(_TST_INFO))),
            sequence(oid(_MESSAGE_DIGEST), set_of(octets(hashlib.sha256(info).digest()))),
        ]
        named = hashlib.sha256(self.signer.der).digest() if self.named is None else self.named
        if named:
            certificate = sequence(sequence(sequence(octets(named))))
            attributes.append(sequence(oid(_SIGNING_CERTIFICATE_V2), set_of(certificate)))
        signed = set_of(*attributes)
        signature = self.signer.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        certificate_of = self.signer.certificate
        signer_info = sequence(
            integer(1),
            sequence(certificate_of.issuer.public_bytes(), integer(certificate_of.serial_number)),
            sequence(oid(SHA256), tlv(5)),
            b"\xa0" + signed[1:],
            sequence(oid(_ECDSA_SHA256)),
            octets(signature),
        )
        shown = (self.signer.der,) if self.shown is None else self.shown
        signed_data = sequence(
            integer(3),
            set_of(sequence(oid(SHA256), tlv(5))),
            sequence(oid(_TST_INFO), tlv(0xA0, octets(info))),
            tlv(0xA0, *sorted(shown)) if shown else b"",
            set_of(signer_info),
        )
        return sequence(oid(_SIGNED_DATA), tlv(0xA0, signed_data))

    def answer(self, query: bytes) -> bytes:
        """Answer a request as an honest authority does."""
        asked = read_query(query)
        return granted(self.sign(self.info(asked.imprint, asked.nonce)))


def granted(token: bytes) -> bytes:
    """Put a token into an answer that grants it."""
    return sequence(sequence(integer(0)), token)


def rejected(text: str = "busy") -> bytes:
    """Write an answer that grants nothing."""
    return sequence(sequence(integer(2), sequence(tlv(12, text.encode()))))
