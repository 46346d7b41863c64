"""Certificates that should open no door, and honest work going on while somebody tries them."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from cryptography import x509

from sesn_node.bootstrap import system_clock
from sesn_node.crypto.keys import KeyKind, load_p256_private, private_pem
from sesn_node.transport.tls import TlsIdentity
from sesn_node.trust.certificates import certificate_pem
from tests.support.serving import DAY_MS
from tests.unit.trust.agencies import (
    CLIENT,
    NO_CA,
    Extensions,
    certify,
    make_key,
    names_of,
    subject,
    usage,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId
    from tests.support.serving import Home, Serving

_MINUTE_MS = 60_000


def forged(issued_by: Home, named: AgencyId) -> TlsIdentity:
    """Let the CA of one agency issue a leaf that names another: good but for that."""
    key = make_key(KeyKind.TLS)
    root = load_p256_private(issued_by.root_key().private)
    now_ms = system_clock()
    root_certificate = x509.load_der_x509_certificate(issued_by.root_der)
    issuer = root_certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    extensions: Extensions = [
        (NO_CA, True),
        (usage(certificates=False), True),
        (CLIENT, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.value), False),
        (names_of(named), False),
    ]
    leaf = certify(
        extensions,
        key=load_p256_private(key.private),
        issuer=root,
        name=subject("leaf"),
        issuer_name=root_certificate.subject,
        not_before_ms=now_ms - DAY_MS,
        not_after_ms=now_ms + DAY_MS,
    )
    return TlsIdentity(certificate_pem(leaf), private_pem(key))


def expired(home: Home) -> TlsIdentity:
    """Return a leaf that the right root issued, for a time that is over."""
    now_ms = system_clock()
    return home.leaf(now_ms - 30 * _MINUTE_MS, now_ms - 10 * _MINUTE_MS)


def load_identity(context: ssl.SSLContext, identity: TlsIdentity, folder: Path) -> None:
    """Give a leaf and key to Python's own TLS, which reads files only."""
    pem = folder / "identity.pem"
    pem.write_bytes(identity.leaf_pem + identity.key_pem)
    context.load_cert_chain(pem)


async def besieged(attack: Callable[[], Awaitable[None]], *honest: Serving) -> None:
    """Attack again and again while the honest exchange alerts; all must get their receipts.

    Args:
        attack: Tries once, and asserts that it was refused.
        honest: Each sends an alert to all others.
    """
    over = asyncio.Event()

    async def siege() -> None:
        while True:
            await attack()
            if over.is_set():
                return

    attacking = asyncio.create_task(siege())
    try:
        for one in honest:
            others = [other.home for other in honest if other is not one]
            await one.acknowledged(await one.send(*others))
    finally:
        over.set()
        await attacking
