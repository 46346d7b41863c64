"""Attacks on the identity of a TLS peer: leaves that must not pass for an agency."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable, Mapping

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from sesn_node.domain.ids import AgencyId
from sesn_node.errors import VerificationError
from sesn_node.trust.certificates import LeafVerifier, certificate_pem
from sesn_node.trust.leaves import load_one_pem
from sesn_node.trust.roots import agency_dns, agency_uri
from tests.unit.trust.agencies import (
    BE,
    CA,
    CARD_END_MS,
    NL,
    NOW_MS,
    START_MS,
    Extensions,
    agency_of,
    certify,
    forge_leaf,
    issuer_key,
    leaf_extensions,
    names_of,
    new_agency,
    refused,
    root_subject,
    subject,
    usage,
)

ROOTS: Mapping[AgencyId, bytes] = {agency: agency_of(agency).root_der for agency in (NL, BE)}
SELF = ec.generate_private_key(ec.SECP256R1())


def _identify(leaf: bytes, at_ms: int = NOW_MS) -> str:
    """Return the code with which a leaf is refused, first and from memory."""
    verifier = LeafVerifier()
    codes = set()
    for _ in range(2):
        with pytest.raises(VerificationError) as error:
            verifier.identify(leaf, at_ms, ROOTS)
        codes.add(refused(error))
    (code,) = codes
    return code


def _with(agency: AgencyId, *changes: tuple[x509.ExtensionType, bool]) -> Extensions:
    """Return a leaf's extensions with some replaced or added."""
    kinds = tuple(type(extension) for extension, _ in changes)
    good = leaf_extensions(names_of(agency), issuer_key(agency_of(agency)))
    return [*(one for one in good if not isinstance(one[0], kinds)), *changes]


def _without(agency: AgencyId, kind: type[x509.ExtensionType]) -> Extensions:
    return [one for one in _with(agency) if not isinstance(one[0], kind)]


def test_partner_certifies_a_leaf_for_another_agency() -> None:
    """A partner's CA cannot speak for another agency, though TLS trusts both roots."""
    assert _identify(forge_leaf(agency_of(NL), names=names_of(BE))) == "LEAF_NOT_UNDER_ROOT"


def test_partner_certifies_a_leaf_in_the_name_of_another_root() -> None:
    """The issuer's name proves nothing: the other agency's key did not sign."""
    root = issuer_key(agency_of(NL))
    der = certify(
        leaf_extensions(names_of(BE), issuer_key(agency_of(BE))),
        key=SELF,
        issuer=root,
        name=subject("leaf"),
        issuer_name=root_subject(agency_of(BE)),
    )
    assert _identify(certificate_pem(der)) == "LEAF_NOT_UNDER_ROOT"


def test_stranger_makes_a_root_with_the_same_names() -> None:
    """An agency is its key: a root that says the same under another key vouches for nothing."""
    assert _identify(new_agency(NL).leaf()) == "LEAF_NOT_UNDER_ROOT"


def test_stranger_signs_a_leaf_by_itself() -> None:
    """A self-signed copy of a leaf is refused."""
    extensions = leaf_extensions(names_of(NL), SELF)
    for name in (subject("leaf"), root_subject(agency_of(NL))):
        der = certify(extensions, key=SELF, issuer=SELF, name=name, issuer_name=name)
        assert _identify(certificate_pem(der)) == "LEAF_NOT_UNDER_ROOT"


def test_agency_that_nobody_trusts_connects() -> None:
    """A perfect leaf of an agency without a trusted card is a stranger's."""
    stranger = AgencyId("xx.customs")
    assert _identify(agency_of(stranger).leaf()) == "LEAF_UNKNOWN_AGENCY"


@pytest.mark.parametrize(
    "at_ms", [START_MS - 1, CARD_END_MS + 1, CARD_END_MS * 10], ids=["early", "late", "later"]
)
def test_leaf_is_used_outside_its_validity(at_ms: int) -> None:
    """A leaf that has expired, or is not in force yet, identifies nobody."""
    assert _identify(agency_of(NL).leaf(), at_ms) == "LEAF_EXPIRED"


def test_root_is_used_as_a_leaf() -> None:
    """A CA certificate is no node's, not even the agency's own root."""
    assert _identify(certificate_pem(agency_of(NL).root_der)) == "LEAF_MALFORMED"
    assert _identify(forge_leaf(agency_of(NL), _with(NL, (CA, True)))) == "LEAF_MALFORMED"


def test_leaf_may_sign_certificates() -> None:
    """A leaf with the usage of a CA is refused, though it does not call itself one."""
    signs = usage(certificates=True)
    assert _identify(forge_leaf(agency_of(NL), _with(NL, (signs, True)))) == "LEAF_NOT_UNDER_ROOT"


def test_node_certifies_another_leaf() -> None:
    """A leaf under a leaf, with or without the chain in the PEM, is refused."""
    middle = ec.generate_private_key(ec.SECP256R1())
    intermediate = certify(
        _with(NL, (CA, True), (usage(certificates=True), True)),
        key=middle,
        issuer=issuer_key(agency_of(NL)),
        name=subject("intermediate"),
        issuer_name=root_subject(agency_of(NL)),
    )
    leaf = certify(
        leaf_extensions(names_of(NL), middle),
        key=SELF,
        issuer=middle,
        name=subject("leaf"),
        issuer_name=subject("intermediate"),
    )
    pem = certificate_pem(leaf)
    assert _identify(pem) == "LEAF_NOT_UNDER_ROOT"
    assert _identify(pem + certificate_pem(intermediate)) == "LEAF_MALFORMED"


def _uri(agency: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(agency_uri(AgencyId(agency)))


def _dns(agency: str) -> x509.GeneralName:
    return x509.DNSName(agency_dns(AgencyId(agency)))


@pytest.mark.parametrize(
    "names",
    [
        [_uri(NL), _uri(BE), _dns(NL)],
        [_uri(NL), _uri(NL), _dns(NL)],
        [_uri(NL), _dns(NL), _dns(BE)],
        [_uri(NL), _dns(BE)],
        [_uri(BE), _dns(NL)],
        [_uri(NL)],
        [_dns(NL)],
        [_uri(NL), _dns(NL), x509.RFC822Name("root@nl.customs")],
        [_uri("NL.customs"), _dns("NL.customs")],
        [_uri("nl.customs/"), _dns("nl.customs")],
        [_uri("nl.customs\0be"), _dns("nl.customs")],
        [x509.UniformResourceIdentifier("https://nl.customs"), _dns(NL)],
    ],
    ids=str,
)
def test_leaf_names_two_agencies_or_none(names: list[x509.GeneralName]) -> None:
    """A leaf has exactly two names, and both are one agency's; nothing is picked from more."""
    leaf = forge_leaf(agency_of(NL), names=x509.SubjectAlternativeName(names))
    assert _identify(leaf) == "LEAF_MALFORMED"


def _rsa() -> bytes:
    return forge_leaf(agency_of(NL), key=rsa.generate_private_key(65537, 2048))


def _p384() -> bytes:
    return forge_leaf(agency_of(NL), key=ec.generate_private_key(ec.SECP384R1()))


@pytest.mark.parametrize("leaf", [_rsa, _p384])
def test_leaf_has_another_kind_of_key(leaf: Callable[[], bytes]) -> None:
    """RSA and P-384 would also bring back TLS 1.2's cipher suites; only P-256 is a leaf's key."""
    assert _identify(leaf()) == "LEAF_MALFORMED"


SERVER_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
CODE_SIGNING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
ANYTHING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")


@pytest.mark.parametrize(
    ("extensions", "code"),
    [
        (_without(NL, x509.ExtendedKeyUsage), "LEAF_MALFORMED"),
        (_with(NL, (SERVER_ONLY, False)), "LEAF_MALFORMED"),
        (_with(NL, (CODE_SIGNING, False)), "LEAF_MALFORMED"),
        (_with(NL, (ANYTHING, False)), "LEAF_MALFORMED"),
        (_without(NL, x509.AuthorityKeyIdentifier), "LEAF_NOT_UNDER_ROOT"),
        (_with(NL, (UNKNOWN, True)), "LEAF_NOT_UNDER_ROOT"),
    ],
    ids=["no purpose", "server only", "code signing", "anything", "no issuer", "unknown critical"],
)
def test_leaf_made_for_something_else(extensions: Extensions, code: str) -> None:
    """A certificate for another purpose, or with a condition unknown here, is no node's."""
    assert _identify(forge_leaf(agency_of(NL), extensions)) == code


def test_leaf_without_names() -> None:
    """A common name alone names nobody."""
    leaf = forge_leaf(agency_of(NL), _without(NL, x509.SubjectAlternativeName))
    assert _identify(leaf) == "LEAF_MALFORMED"


@pytest.mark.parametrize("pem", [b"", b"\0", b"-----BEGIN CERTIFICATE-----\n", b"A" * 20_000])
def test_garbage_instead_of_a_leaf(pem: bytes) -> None:
    """What is no certificate is malformed, whatever its size."""
    assert _identify(pem) == "LEAF_MALFORMED"


LEAF = load_one_pem(agency_of(NL).leaf()).public_bytes(serialization.Encoding.DER)


@given(st.integers(0, len(LEAF) - 1), st.integers(1, 255))
def test_leaf_is_altered_on_the_way(place: int, change: int) -> None:
    """A leaf with any byte altered identifies nobody, and no error but ours comes out."""
    altered = bytearray(LEAF)
    altered[place] ^= change
    # Not by `certificate_pem`, which refuses what is no certificate.
    lines = b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(VerificationError):
            LeafVerifier().identify(lines % base64.encodebytes(altered), NOW_MS, ROOTS)
