"""Root certificates: what an honest one looks like, and every way to break one."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.trust.certificates import issue_root
from sesn_node.trust.roots import agency_of_uri, open_root
from tests.unit.trust.agencies import (
    BE,
    CA,
    END_MS,
    NL,
    START_MS,
    Extensions,
    agency_of,
    certify,
    forge_root,
    make_key,
    refused,
    root_extensions,
    subject,
)

KEY = ec.generate_private_key(ec.SECP256R1())


def _without(kind: type[x509.ExtensionType]) -> Extensions:
    return [one for one in root_extensions(NL, KEY) if not isinstance(one[0], kind)]


def _instead(extension: x509.ExtensionType, *, critical: bool) -> Extensions:
    return [*_without(type(extension)), (extension, critical)]


def test_issued_root_opens() -> None:
    """What we issue has the agency, the key and the validity that it was issued for."""
    key = make_key(KeyKind.ROOT)
    root = open_root(issue_root(NL, signer_for(key), START_MS + 1, END_MS + 999), NL)
    assert (root.agency, root.spki) == (NL, key.public)
    assert (root.not_before_ms, root.not_after_ms) == (START_MS, END_MS)


def test_root_of_the_longest_id_opens() -> None:
    """An id that has no room in a common name is named all the same."""
    longest = AgencyId("nl." + ".".join(["a" * 32] * 2 + ["b" * 31]))
    assert len(longest) == 100
    der = issue_root(longest, signer_for(make_key(KeyKind.ROOT)), START_MS, END_MS)
    assert open_root(der, longest).agency == longest


def test_root_made_by_other_tools_opens() -> None:
    """A root with another subject and with an authority key identifier is welcome."""
    own = x509.AuthorityKeyIdentifier.from_issuer_public_key(KEY.public_key())
    der = forge_root(NL, [*root_extensions(NL, KEY), (own, False)], key=KEY, name=subject("X"))
    assert open_root(der, NL).agency == NL


def test_subject_is_compared_as_tls_libraries_do() -> None:
    """Case and spaces make no other name."""
    one, other = (open_root(forge_root(NL, name=subject(n)), NL) for n in ("A  b", "a B"))
    assert one.subject == other.subject


@pytest.mark.parametrize("at_ms", [START_MS - 1, END_MS + 1])
def test_root_is_not_in_force_outside_its_validity(at_ms: int) -> None:
    """A root counts from its first to its last second."""
    root = open_root(agency_of(NL).root_der, NL)
    root.require_in_force(START_MS)
    root.require_in_force(END_MS)
    with pytest.raises(VerificationError) as error:
        root.require_in_force(at_ms)
    assert refused(error) == "ROOT_NOT_IN_FORCE"


def _rsa() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    return forge_root(NL, root_extensions(NL, key), key=key)


def _p384() -> bytes:
    key = ec.generate_private_key(ec.SECP384R1())
    return forge_root(NL, root_extensions(NL, key), key=key)


def _signed_by_another() -> bytes:
    other = ec.generate_private_key(ec.SECP256R1())
    extensions = root_extensions(NL, KEY)
    return certify(extensions, key=KEY, issuer=other, name=subject(NL), issuer_name=subject(NL))


def _issued_by_another() -> bytes:
    extensions = root_extensions(NL, KEY)
    return certify(extensions, key=KEY, issuer=KEY, name=subject(NL), issuer_name=subject("CA"))


def _altered() -> bytes:
    der = forge_root(NL, key=KEY)
    return der.replace(b"sesn://nl.customs", b"sesn://nl.customx")


def _two_uris() -> bytes:
    uris = [x509.UniformResourceIdentifier(f"sesn://{agency}") for agency in (NL, BE)]
    return forge_root(NL, _instead(x509.SubjectAlternativeName(uris), critical=False), key=KEY)


def _name_constraints() -> bytes:
    constraint = x509.NameConstraints([x509.DNSName("be.police.sesn.internal")], None)
    return forge_root(NL, [*root_extensions(NL, KEY), (constraint, True)], key=KEY)


def _foreign_issuer_identifier() -> bytes:
    foreign = x509.AuthorityKeyIdentifier(b"x" * 20, None, None)
    return forge_root(NL, [*root_extensions(NL, KEY), (foreign, False)], key=KEY)


BROKEN: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no certificate": lambda: b"0" * 300,
    "trailing byte": lambda: agency_of(NL).root_der + b"\0",
    "cut short": lambda: agency_of(NL).root_der[:-1],
    "RSA": _rsa,
    "P-384": _p384,
    "signed by another key": _signed_by_another,
    "issued under another name": _issued_by_another,
    "altered": _altered,
    "two agencies": _two_uris,
    "another agency": lambda: agency_of(BE).root_der,
    "no agency": lambda: forge_root(NL, _without(x509.SubjectAlternativeName), key=KEY),
    "no constraints": lambda: forge_root(NL, _without(x509.BasicConstraints), key=KEY),
    "constraints not critical": lambda: forge_root(NL, _instead(CA, critical=False), key=KEY),
    "no CA": lambda: forge_root(
        NL, _instead(x509.BasicConstraints(ca=False, path_length=None), critical=True), key=KEY
    ),
    "room for an intermediate": lambda: forge_root(
        NL, _instead(x509.BasicConstraints(ca=True, path_length=1), critical=True), key=KEY
    ),
    "any path length": lambda: forge_root(
        NL, _instead(x509.BasicConstraints(ca=True, path_length=None), critical=True), key=KEY
    ),
    "no key usage": lambda: forge_root(NL, _without(x509.KeyUsage), key=KEY),
    "no key identifier": lambda: forge_root(NL, _without(x509.SubjectKeyIdentifier), key=KEY),
    "empty key identifier": lambda: forge_root(
        NL, _instead(x509.SubjectKeyIdentifier(b""), critical=False), key=KEY
    ),
    "key identifier of another issuer": _foreign_issuer_identifier,
    "name constraints": _name_constraints,
    "empty subject": lambda: forge_root(NL, key=KEY, name=x509.Name([])),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_broken_root_is_refused(broken: Callable[[], bytes]) -> None:
    """Whatever is wrong with a root is found when it is taken."""
    with pytest.raises(VerificationError) as error:
        open_root(broken(), NL)
    assert refused(error) == "ROOT_INVALID"


def test_serial_number_of_zero_is_refused() -> None:
    """A path under such a root never verifies, so its card is not taken (RFC 5280, 4.1.2.2)."""
    der = forge_root(NL, key=KEY)
    serial = x509.load_der_x509_certificate(der).serial_number
    length = (serial.bit_length() + 8) // 8
    broken = der.replace(serial.to_bytes(length, "big"), bytes(length))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(VerificationError) as error:
            open_root(broken, NL)
    assert refused(error) == "ROOT_INVALID"


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_altered_byte_is_refused(place: int, change: int) -> None:
    """A root with any byte altered is refused, and never raises anything else."""
    der = bytearray(agency_of(NL).root_der)
    der[place % len(der)] ^= change
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(VerificationError) as error:
            open_root(bytes(der), NL)
    assert refused(error) == "ROOT_INVALID"


@pytest.mark.parametrize("uri", ["", "nl.customs", "https://nl.customs", "sesn://", "sesn://NL.x"])
def test_uri_of_no_agency_is_malformed(uri: str) -> None:
    """Only `sesn://` and an agency id name an agency."""
    with pytest.raises(MalformedError):
        agency_of_uri(uri)


def test_root_needs_a_p256_signer() -> None:
    """A ledger key cannot be a root."""
    with pytest.raises(MalformedError, match="P-256"):
        issue_root(NL, signer_for(make_key(KeyKind.LOG_ED25519)), START_MS, END_MS)


@pytest.mark.parametrize(("start", "end"), [(END_MS, START_MS), (START_MS, START_MS + 999), (0, 1)])
def test_root_needs_a_validity(start: int, end: int) -> None:
    """A root that is never in force is not issued."""
    with pytest.raises(MalformedError):
        issue_root(NL, signer_for(make_key(KeyKind.ROOT)), start, end)
