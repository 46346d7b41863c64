"""Issuing leaves, and telling which agency a leaf speaks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import Signer, signer_for
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.trust import certificates
from sesn_node.trust.certificates import (
    LeafVerifier,
    certificate_pem,
    issue_leaf,
    issue_root,
)
from sesn_node.trust.leaves import Leaf, load_one_pem, open_leaf
from sesn_node.trust.roots import agency_dns
from tests.unit.trust.agencies import (
    BE,
    CARD_END_MS,
    DAY_MS,
    END_MS,
    NL,
    NOW_MS,
    START_MS,
    agency_of,
    forge_root,
    issuer_key,
    make_key,
    new_agency,
    refused,
    root_extensions,
)

LONGEST = AgencyId("nl." + ".".join(["a" * 32] * 2 + ["b" * 31]))


def _roots(*agencies: AgencyId) -> dict[AgencyId, bytes]:
    return {agency: agency_of(agency).root_der for agency in agencies}


@contextmanager
def _full_looks() -> Iterator[list[bytes]]:
    """List the leaves that are looked at in full: only that opens them."""
    opened: list[bytes] = []

    def opening(pem: bytes) -> Leaf:
        opened.append(pem)
        return open_leaf(pem)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "open_leaf", opening)
        yield opened


@pytest.mark.parametrize("agency", [NL, BE, AgencyId("int.a.b-c.d.e"), LONGEST])
def test_leaf_speaks_for_its_agency(agency: AgencyId) -> None:
    """A leaf that we issue is identified among other roots, again from memory."""
    verifier = LeafVerifier()
    roots = _roots(NL, BE, agency)
    leaf = agency_of(agency).leaf()
    assert verifier.identify(leaf, NOW_MS, roots) == agency
    assert verifier.identify(leaf, NOW_MS, roots) == agency


def test_leaf_says_what_it_was_issued_for() -> None:
    """Key, names, purposes and validity are those that TLS and partners need."""
    nl = agency_of(NL)
    spki = make_key(KeyKind.TLS).public
    der = issue_leaf(nl.root_der, nl.signer, NL, spki, START_MS + 1, CARD_END_MS + 999)
    leaf = open_leaf(certificate_pem(der))
    assert (leaf.agency, leaf.spki) == (NL, spki)
    assert (leaf.not_before_ms, leaf.not_after_ms) == (START_MS, CARD_END_MS)
    extensions = leaf.certificate.extensions
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [agency_dns(NL)]
    root = x509.load_der_x509_certificate(nl.root_der)
    own = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == own


def test_leaves_have_different_serial_numbers() -> None:
    """Serial numbers are random, positive and at most 20 bytes."""
    serials = {open_leaf(agency_of(NL).leaf()).certificate.serial_number for _ in range(8)}
    assert len(serials) == 8
    assert all(0 < serial < 1 << 159 for serial in serials)


def test_leaf_under_a_root_of_other_tools_is_identified() -> None:
    """A root that is named by its agency's id alone, as openssl would make it, works."""
    nl = agency_of(NL)
    root = forge_root(NL, root_extensions(NL, issuer_key(nl)), key=issuer_key(nl))
    spki = make_key(KeyKind.TLS).public
    leaf = issue_leaf(root, nl.signer, NL, spki, START_MS, CARD_END_MS)
    assert LeafVerifier().identify(certificate_pem(leaf), NOW_MS, {NL: root}) == NL


@dataclass(frozen=True)
class Module:
    """A signer outside `sesn_node`, such as a hardware module."""

    inner: Signer

    @property
    def public(self) -> bytes:
        """SubjectPublicKeyInfo."""
        return self.inner.public

    @property
    def key_id(self) -> bytes:
        """Hash of it."""
        return self.inner.key_id

    def sign(self, message: bytes) -> bytes:
        """Sign."""
        return self.inner.sign(message)


def test_root_key_may_live_in_a_hardware_module() -> None:
    """Issuing needs nothing of the root but signatures."""
    module = Module(signer_for(make_key(KeyKind.ROOT)))
    root = issue_root(NL, module, START_MS, END_MS)
    spki = make_key(KeyKind.TLS).public
    leaf = issue_leaf(root, module, NL, spki, START_MS, CARD_END_MS)
    assert LeafVerifier().identify(certificate_pem(leaf), NOW_MS, {NL: root}) == NL


def test_leaf_is_not_issued_for_another_agency() -> None:
    """A root issues for the agency that it names."""
    nl = agency_of(NL)
    with pytest.raises(VerificationError) as error:
        issue_leaf(nl.root_der, nl.signer, BE, make_key(KeyKind.TLS).public, START_MS, END_MS)
    assert refused(error) == "ROOT_INVALID"


def test_leaf_is_not_issued_with_another_root_key() -> None:
    """A signer that does not hold the root key is noticed at once, not at a partner."""
    nl, spki = agency_of(NL), make_key(KeyKind.TLS).public
    with pytest.raises(VerificationError) as error:
        issue_leaf(nl.root_der, agency_of(BE).signer, NL, spki, START_MS, END_MS)
    assert refused(error) == "LEAF_NOT_UNDER_ROOT"


@pytest.mark.parametrize(
    ("start", "end"),
    [(START_MS - 1, END_MS), (START_MS, END_MS + 1000), (START_MS, START_MS), (END_MS, START_MS)],
)
def test_leaf_is_not_issued_outside_its_root(start: int, end: int) -> None:
    """A leaf that its root cannot vouch for all the time is not issued."""
    nl = agency_of(NL)
    with pytest.raises(MalformedError):
        issue_leaf(nl.root_der, nl.signer, NL, make_key(KeyKind.TLS).public, start, end)


def test_pem_holds_exactly_one_certificate() -> None:
    """PEM and DER convert into each other; anything but one certificate is malformed."""
    der = agency_of(NL).root_der
    pem = certificate_pem(der)
    assert load_one_pem(pem).public_bytes(serialization.Encoding.DER) == der
    for broken in (b"", b"text", pem + pem, pem[:-40], b" " * 20_000 + pem):
        with pytest.raises(MalformedError):
            load_one_pem(broken)
    with pytest.raises(MalformedError):
        certificate_pem(b"0")


def test_known_leaf_is_not_looked_at_again() -> None:
    """Only the first call of a connection costs a verification."""
    verifier, leaf, roots = LeafVerifier(), agency_of(NL).leaf(), _roots(NL, BE)
    with _full_looks() as opened:
        for _ in range(5):
            verifier.identify(leaf, NOW_MS, roots)
    assert opened == [leaf]


def test_known_leaf_expires() -> None:
    """The validity of a remembered leaf is looked at on every use."""
    verifier, leaf, roots = LeafVerifier(), agency_of(NL).leaf(), _roots(NL)
    verifier.identify(leaf, CARD_END_MS, roots)
    for at_ms in (CARD_END_MS + 1, START_MS - 1):
        with pytest.raises(VerificationError) as error:
            verifier.identify(leaf, at_ms, roots)
        assert refused(error) == "LEAF_EXPIRED"


def test_known_leaf_ends_with_its_root() -> None:
    """A remembered leaf counts no longer than its root, though it says so itself."""
    nl = agency_of(NL)
    # The same key and subject, so that the leaf verifies under the shorter root, too.
    shorter = issue_root(NL, nl.signer, START_MS, NOW_MS)
    leaf = nl.leaf()
    verifier = LeafVerifier()
    assert verifier.identify(leaf, NOW_MS, {NL: shorter}) == NL
    for fresh in (verifier, LeafVerifier()):
        with pytest.raises(VerificationError) as error:
            fresh.identify(leaf, NOW_MS + DAY_MS, {NL: shorter})
        assert refused(error) == "LEAF_EXPIRED"


def test_known_leaf_is_cut_off_with_its_agency() -> None:
    """A remembered leaf of an agency whose root is gone, or replaced, is a stranger's."""
    verifier, leaf = LeafVerifier(), agency_of(NL).leaf()
    verifier.identify(leaf, NOW_MS, _roots(NL))
    with pytest.raises(VerificationError) as error:
        verifier.identify(leaf, NOW_MS, _roots(BE))
    assert refused(error) == "LEAF_UNKNOWN_AGENCY"
    with pytest.raises(VerificationError) as error:
        verifier.identify(leaf, NOW_MS, {NL: new_agency(NL).root_der})
    assert refused(error) == "LEAF_NOT_UNDER_ROOT"
    assert verifier.identify(leaf, NOW_MS, _roots(NL)) == NL


def test_memory_is_bounded() -> None:
    """The leaf that was added first is forgotten first."""
    verifier, roots = LeafVerifier(capacity=2), _roots(NL)
    first, second, third = (agency_of(NL).leaf() for _ in range(3))
    with _full_looks() as opened:
        for leaf in (first, second, third, third, second, first):
            verifier.identify(leaf, NOW_MS, roots)
    assert opened == [first, second, third, first]
