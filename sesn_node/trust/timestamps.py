"""Time-stamps (RFC 3161): what is asked of an authority, and what has to hold of its token.

`rfc3161-client` writes queries, parses answers and verifies the CMS signature with its chain. What
it leaves open is checked here: that the signer is for nothing but time-stamps (RFC 3161 section
2.3), that the signature names the signer's certificate (section 2.4.2, RFC 5816), that the chain
keeps to the basic constraints (RFC 5280 section 6), and which hash function the imprint is of.
Certificates have to be in force at the time in the token, not now. Whether one had been revoked is
not known offline, and is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client import VerificationError as RefusedByLibrary

from sesn_node.crypto.primitives import sha256
from sesn_node.domain.checks import check_range, check_time_ms, printable
from sesn_node.domain.times import DAY_MS, SECOND_MS
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.trust import der
from sesn_node.trust.roots import X509_ERRORS
from sesn_node.trust.timestamp_signers import (
    TimestampRoots,
    check_chain,
    check_named,
    check_signer,
    invalid,
    signer_of,
)

MAX_TOKEN_BYTES: Final = 64 * 1024
"""A token with its certificates."""
MAX_ANSWER_BYTES: Final = MAX_TOKEN_BYTES + 1024
_GRANTED: Final = bytes.fromhex("3003020100")
"""PKIStatusInfo of an answer that grants: status 0, no more."""
_SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_STATUS_AND_TOKEN: Final = 2
"""Parts of an answer that grants."""
_PANIC: Final = "PanicException"
"""What a fault in Rust code raises: no subclass of Exception, and nowhere to import it from."""


@dataclass(frozen=True, slots=True)
class Query:
    """A time-stamp request.

    Args:
        der: What is sent: TimeStampReq.
        text: What is to be time-stamped.
        nonce: What the answer has to repeat.
    """

    der: bytes
    text: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class Timestamp:
    """What a token that verified says.

    Args:
        time_ms: When the text existed at the latest, by the authority's clock (genTime), Unix
            milliseconds, rounded down to a second.
        accuracy_ms: By how much that may be wrong, as the authority says; 0 if it does not say.
        policy: Policy under which it was made, dotted OID.
        serial: Its number at that authority.
        authority: Subject of the signer's certificate (RFC 4514), for people.
    """

    time_ms: int
    accuracy_ms: int
    policy: str
    serial: int
    authority: str


def new_query(text: bytes) -> Query:
    """Write a request for a token over the SHA-256 of a text, with a nonce and the certificates."""
    request = TimestampRequestBuilder(
        data=text, hash_algorithm=HashAlgorithm.SHA256, nonce=True, cert_req=True
    ).build()
    nonce = request.nonce
    if nonce is None:
        raise AssertionError
    return Query(request.as_bytes(), text, nonce)


def open_answer(
    answer: bytes, query: Query, roots: TimestampRoots, *, policy: str = ""
) -> tuple[bytes, Timestamp]:
    """Verify an authority's answer to a query.

    Args:
        answer: TimeStampResp, DER.
        query: What was asked.
        roots: Whom we trust.
        policy: Policy that the token must name, dotted OID; empty for any.

    Returns:
        The token, DER, verbatim, and what it says.

    Raises:
        MalformedError: Not an answer, or too long.
        VerificationError: `TIMESTAMP_INVALID`: it grants nothing, answers another query, or its
            token does not verify.
    """
    if len(answer) > MAX_ANSWER_BYTES:
        raise MalformedError(f"time-stamp answer: over {MAX_ANSWER_BYTES:,} bytes")
    parts = der.element(answer, der.SEQUENCE).parts()
    with _library():
        response = decode_timestamp_response(answer)
        status, said = response.status, "; ".join(response.status_string)
    if status != 0 or len(parts) != _STATUS_AND_TOKEN:
        why = f" ({printable(said)[:200]})" if said else ""
        raise invalid(f"the authority grants nothing: status {status}{why}")
    token = parts[1].encoded
    found = verify_timestamp(token, query.text, roots, nonce=query.nonce)
    if policy and found.policy != policy:
        raise invalid(f"made under the policy {found.policy}, expected {policy}")
    return token, found


def answer_of(token: bytes) -> bytes:
    """Put a token into the answer that grants it: what `openssl ts -verify -in` reads."""
    body = _GRANTED + token
    length = len(body).to_bytes(4, "big").lstrip(b"\0")
    # A token has always more than 127 bytes, so its length is in the long form (X.690 8.1.3.5).
    return bytes([der.SEQUENCE, 0x80 | len(length)]) + length + body


def check_imprint(token: bytes, text: bytes) -> None:
    """See whether a token speaks of a text. Who made it is not looked at.

    Raises:
        MalformedError: Not a token, or too long.
        VerificationError: `TIMESTAMP_INVALID`: it is over something else.
    """
    with _library():
        _require_imprint(_parse(token), text)


def verify_timestamp(
    token: bytes, text: bytes, roots: TimestampRoots, *, nonce: int | None = None
) -> Timestamp:
    """Verify a token over a text, offline.

    1. It reads, and its imprint is the SHA-256 of the text; it repeats the nonce, if one is given.
    2. One signer, whose certificate is in it, for time-stamps and nothing else, and named by the
       signed attributes.
    3. That certificate leads to one of the roots, all of them in force at the time of the token.
    4. The signature verifies.

    Args:
        token: TimeStampToken, DER.
        text: What was time-stamped.
        roots: Whom to trust.
        nonce: Of the query that it answers; None for a token that was kept.

    Raises:
        MalformedError: Not a token, or too long.
        VerificationError: `TIMESTAMP_INVALID`.
    """
    with _library():
        response = _parse(token)
        _require_imprint(response, text)
        info = response.tst_info
        signer, others = signer_of(response)
        check_signer(signer)
        check_named(token, signer)
        check_chain(signer, (*others, *roots.others), roots, info.gen_time)
        _verify_signature(response, sha256(text), roots, nonce)
        accuracy = info.accuracy
        accuracy_ms = 0
        if accuracy is not None:
            rest_ms = (accuracy.millis or 0) + (1 if accuracy.micros else 0)
            accuracy_ms = (accuracy.seconds or 0) * SECOND_MS + rest_ms
        time_ms = int(info.gen_time.timestamp()) * SECOND_MS
        check_time_ms("genTime", time_ms)
        check_range("accuracy", accuracy_ms, 0, DAY_MS)
        return Timestamp(
            time_ms=time_ms,
            accuracy_ms=accuracy_ms,
            policy=info.policy.dotted_string,
            serial=info.serial_number,
            authority=printable(signer.subject.rfc4514_string())[:200],
        )


def _parse(token: bytes) -> TimeStampResponse:
    if len(token) > MAX_TOKEN_BYTES:
        raise MalformedError(f"time-stamp token: over {MAX_TOKEN_BYTES:,} bytes")
    # What is no DER at all never reaches the library.
    der.element(token, der.SEQUENCE)
    return decode_timestamp_response(answer_of(token))


def _require_imprint(response: TimeStampResponse, text: bytes) -> None:
    imprint = response.tst_info.message_imprint
    if imprint.hash_algorithm != _SHA256 or imprint.message != sha256(text):
        raise invalid("it is over something else, or not over its SHA-256")


def _verify_signature(
    response: TimeStampResponse, digest: bytes, roots: TimestampRoots, nonce: int | None
) -> None:
    builder = VerifierBuilder(
        roots=list(roots.certificates), intermediates=list(roots.others), nonce=nonce
    )
    try:
        builder.build().verify(response, digest)
    except RefusedByLibrary as error:
        raise invalid(str(error)) from error


@contextmanager
def _library() -> Iterator[None]:
    """Turn what hostile bytes make the libraries raise, faults included, into our errors."""
    try:
        yield
    except (MalformedError, VerificationError):
        raise
    except (*X509_ERRORS, ArithmeticError, AttributeError, LookupError) as error:
        raise MalformedError("time-stamp: it is not one, or holds what we do not know") from error
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise MalformedError("time-stamp: a field is not as it must be") from error
