"""Time-stamp tokens: what verifies, and everything that must not."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from sesn_node.errors import MalformedError, VerificationError
from sesn_node.trust.timestamp_signers import TIMESTAMP_INVALID, TimestampRoots, read_roots
from sesn_node.trust.timestamps import (
    MAX_ANSWER_BYTES,
    MAX_TOKEN_BYTES,
    answer_of,
    check_imprint,
    new_query,
    open_answer,
    verify_timestamp,
)
from tests.support.tsa import (
    POLICY,
    SHA512,
    Tsa,
    certify,
    granted,
    integer,
    octets,
    read_query,
    rejected,
    sequence,
    tlv,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT: Final = b"nl.customs.sesn/ledger/1\n12\nbm90IGEgaGFzaCBidXQgMzIgYnl0ZXMgbG9uZyA6LSk=\n"


@pytest.fixture(scope="module")
def tsa() -> Tsa:
    """An authority."""
    return Tsa.new()


@pytest.fixture(scope="module")
def roots(tsa: Tsa) -> TimestampRoots:
    """Trust in it."""
    return read_roots(tsa.root.pem)


def _refused(token: bytes, roots: TimestampRoots, *, nonce: int | None = None) -> str:
    with pytest.raises(VerificationError) as caught:
        verify_timestamp(token, TEXT, roots, nonce=nonce)
    assert caught.value.code == TIMESTAMP_INVALID
    return caught.value.message


def test_a_query_is_answered(tsa: Tsa, roots: TimestampRoots) -> None:
    """What the library asks, and what an authority answers, fit each other."""
    query = new_query(TEXT)
    asked = read_query(query.der)
    assert (asked.imprint, asked.nonce) == (hashlib.sha256(TEXT).digest(), query.nonce)
    token, said = open_answer(tsa.answer(query.der), query, roots, policy=POLICY)
    assert said.time_ms == int(tsa.at.timestamp()) * 1000
    assert (said.policy, said.serial) == (POLICY, tsa.serial)
    assert said.authority == "CN=Port authority of test tokens"
    assert verify_timestamp(token, TEXT, roots) == said
    check_imprint(token, TEXT)


def test_queries_differ() -> None:
    """Each has a nonce of its own, so an old answer answers no new one."""
    assert len({new_query(TEXT).nonce for _ in range(20)}) == 20


def test_a_token_is_returned_as_it_came(tsa: Tsa, roots: TimestampRoots) -> None:
    """Not parsed and written again."""
    query = new_query(TEXT)
    token = tsa.token(TEXT, query.nonce)
    assert open_answer(granted(token), query, roots)[0] == token
    assert answer_of(token) == granted(token)


@pytest.mark.parametrize(
    ("accuracy", "expected_ms"),
    [
        (b"", 0),
        (sequence(integer(2)), 2_000),
        (sequence(tlv(0x80, b"\x05")), 5),
        (sequence(integer(1), tlv(0x80, b"\x01\xf4"), tlv(0x81, b"\x07")), 1_501),
    ],
)
def test_accuracy_is_rounded_up(
    tsa: Tsa, roots: TimestampRoots, accuracy: bytes, expected_ms: int
) -> None:
    """Seconds, milliseconds and microseconds (RFC 3161 section 2.4.2)."""
    token = tsa.but(accuracy=accuracy).token(TEXT)
    assert verify_timestamp(token, TEXT, roots).accuracy_ms == expected_ms


def test_another_nonce_is_refused(tsa: Tsa, roots: TimestampRoots) -> None:
    """An answer to another query, or to none, is a replay."""
    query = new_query(TEXT)
    for nonce in (query.nonce + 1, None):
        with pytest.raises(VerificationError, match="Nonce"):
            open_answer(granted(tsa.token(TEXT, nonce)), query, roots)


def test_another_text_is_refused(tsa: Tsa, roots: TimestampRoots) -> None:
    """A genuine token over something else says nothing of this."""
    token = tsa.token(TEXT + b"\n")
    assert "something else" in _refused(token, roots)
    with pytest.raises(VerificationError, match="something else"):
        check_imprint(token, TEXT)
    assert "something else" in _refused(tsa.but(algorithm=SHA512).token(TEXT), roots)


def test_another_policy_is_refused(tsa: Tsa, roots: TimestampRoots) -> None:
    """Where a policy is asked for, the token must name it."""
    query = new_query(TEXT)
    with pytest.raises(VerificationError, match=r"policy 1\.2\.3\.4"):
        open_answer(tsa.but(policy="1.2.3.4").answer(query.der), query, roots, policy=POLICY)


def test_a_stranger_is_refused(tsa: Tsa, roots: TimestampRoots) -> None:
    """An authority under another root, also one that shows that root, or bears the same name."""
    stranger = Tsa.new()
    assert "trusted root" in _refused(stranger.token(TEXT), roots)
    shows = stranger.but(shown=(stranger.signer.der, stranger.root.der))
    assert "trusted root" in _refused(shows.token(TEXT), roots)
    itself = certify("Itself")
    assert "trusted root" in _refused(tsa.but(signer=itself).token(TEXT), roots)


def test_a_forged_signature_is_refused(tsa: Tsa, roots: TimestampRoots) -> None:
    """Another key under the authority's certificate, and other words under its signature."""
    other = certify("other")
    forged = Tsa(tsa.root, type(other)(tsa.signer.certificate, other.key))
    assert "verifying" in _refused(forged.token(TEXT), roots)
    token = tsa.token(TEXT)
    time = tsa.at.strftime("%Y%m%d%H%M%SZ").encode()
    earlier = (tsa.at - timedelta(days=400)).strftime("%Y%m%d%H%M%SZ").encode()
    assert token.count(time) == 1
    assert "verifying" in _refused(token.replace(time, earlier), roots)


def test_a_signer_for_something_else_is_refused(tsa: Tsa, roots: TimestampRoots) -> None:
    """RFC 3161 section 2.3: id-kp-timeStamping, critical, and nothing besides."""
    stamping = ExtendedKeyUsageOID.TIME_STAMPING
    for signer in (
        certify("no purpose", tsa.root, purposes=None),
        certify("mail", tsa.root, purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,)),
        certify("both", tsa.root, purposes=(stamping, ExtendedKeyUsageOID.EMAIL_PROTECTION)),
        certify("not critical", tsa.root, critical=False),
    ):
        assert "certified for time-stamps" in _refused(tsa.but(signer=signer).token(TEXT), roots)


def test_the_signature_must_name_the_certificate(tsa: Tsa, roots: TimestampRoots) -> None:
    """Else a second certificate for the same key could take its place (RFC 5816)."""
    assert "does not say which" in _refused(tsa.but(named=b"").token(TEXT), roots)
    assert "names another" in _refused(tsa.but(named=bytes(32)).token(TEXT), roots)


def test_certificates_count_at_the_time_of_the_token(tsa: Tsa, roots: TimestampRoots) -> None:
    """An expired authority's old tokens stay good; those that it dates later do not."""
    retired = tsa.but(signer=certify("retired", tsa.root, days=(-900, -500)))
    then = datetime.now(UTC).replace(microsecond=0) - timedelta(days=700)
    assert verify_timestamp(retired.but(at=then).token(TEXT), TEXT, roots).time_ms
    assert "trusted root" in _refused(retired.token(TEXT), roots)
    too_early = retired.but(at=then - timedelta(days=400))
    assert "trusted root" in _refused(too_early.token(TEXT), roots)


def test_a_leaf_certifies_nobody(tsa: Tsa, roots: TimestampRoots) -> None:
    """The holder of an ordinary certificate makes itself no authority."""
    leaf = certify("A baker", tsa.root, purposes=None)
    own = certify("The baker's clock", leaf)
    chain = tsa.but(signer=own, shown=(own.der, leaf.der))
    assert "trusted root" in _refused(chain.token(TEXT), roots)


def test_certificates_in_between(tsa: Tsa) -> None:
    """They come with the token, or with the roots; by themselves they are not trusted."""
    between = certify("Between", tsa.root, ca=True)
    signer = certify("Clock", between)
    with_it = tsa.but(signer=signer, shown=(signer.der, between.der)).token(TEXT)
    without = tsa.but(signer=signer).token(TEXT)
    roots, chain = read_roots(tsa.root.pem), read_roots(tsa.root.pem + between.pem)
    assert verify_timestamp(with_it, TEXT, roots).policy == POLICY
    assert verify_timestamp(without, TEXT, chain).policy == POLICY
    assert "trusted root" in _refused(without, roots)
    with pytest.raises(MalformedError, match="0 self-signed"):
        read_roots(between.pem)
    with pytest.raises(MalformedError, match="0 self-signed"):
        read_roots(signer.pem)


def test_signers_are_one(tsa: Tsa, roots: TimestampRoots) -> None:
    """A token without its certificate is refused."""
    assert "not in it" in _refused(tsa.but(shown=()).token(TEXT), roots)
    assert "certificates" in _refused(
        tsa.but(shown=(tsa.signer.der, *(certify(str(n)).der for n in range(16)))).token(TEXT),
        roots,
    )


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "DER"),
        (b"<html>", "DER"),
        (b"\x30\x80\x00\x00", "DER"),
        (b"\x30\x82\x00\x05\x30\x03\x02\x01\x00", "DER"),
        (sequence(), "not one"),
        (sequence(integer(0)), "not one"),
        (granted(b""), "grants nothing"),
        (granted(sequence()), "not one"),
        (granted(octets(b"token")), "not one"),
        (bytes(MAX_ANSWER_BYTES + 1), "over"),
        (rejected("come back later"), "status 2.*come back later"),
        (sequence(sequence(integer(1))), "status 1"),
        (sequence(sequence(integer(300))), "not one"),
    ],
)
def test_no_answer(roots: TimestampRoots, answer: bytes, problem: str) -> None:
    """What is no answer, or none that grants."""
    with pytest.raises((MalformedError, VerificationError), match=problem):
        open_answer(answer, new_query(TEXT), roots)


def test_a_long_token_is_not_parsed(roots: TimestampRoots) -> None:
    """Its length is looked at before anything else."""
    with pytest.raises(MalformedError, match="over 65,536 bytes"):
        verify_timestamp(tlv(0x30, bytes(MAX_TOKEN_BYTES)), TEXT, roots)


@pytest.mark.parametrize(
    "change",
    [
        lambda tsa: tsa.sign(b""),
        lambda tsa: tsa.sign(octets(b"no TSTInfo")),
        lambda tsa: tsa.sign(sequence(integer(1))),
        lambda tsa: tsa.but(accuracy=sequence(tlv(2, b"\x01" * 8))).token(TEXT),
        lambda tsa: tsa.but(shown=(sequence(),)).token(TEXT),
        lambda tsa: tsa.but(shown=(b"\xa1\x02\x05\x00",)).token(TEXT),
    ],
)
def test_broken_parts(tsa: Tsa, roots: TimestampRoots, change: Callable[[Tsa], bytes]) -> None:
    """A signed envelope around something that is no TSTInfo, or with odd fields."""
    with pytest.raises((MalformedError, VerificationError)):
        verify_timestamp(change(tsa), TEXT, roots)


def test_no_byte_can_be_changed(tsa: Tsa, roots: TimestampRoots) -> None:
    """Whatever a changed bit makes of a token: an error of ours, or it says the same as before."""
    token = tsa.token(TEXT)
    said = verify_timestamp(token, TEXT, roots)
    believed = 0
    for at in range(len(token)):
        changed = bytearray(token)
        changed[at] ^= 1 << at % 8
        try:
            # Parts of the envelope are not signed: the version, say.
            assert verify_timestamp(bytes(changed), TEXT, roots) == said
        except (MalformedError, VerificationError):
            continue
        believed += 1
    assert believed < len(token) // 20


@pytest.mark.parametrize("at", range(0, 900, 23))
def test_a_token_that_is_cut_off(tsa: Tsa, roots: TimestampRoots, at: int) -> None:
    """It is malformed, wherever."""
    with pytest.raises(MalformedError):
        verify_timestamp(tsa.token(TEXT)[:at], TEXT, roots)


@pytest.mark.parametrize(
    "pem",
    [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff" * 300_000],
)
def test_no_roots(pem: bytes) -> None:
    """A file that holds no roots is refused: it would trust nobody, or not be read at all."""
    with pytest.raises(MalformedError):
        read_roots(pem)
