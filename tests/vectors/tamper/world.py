"""The small history that is tampered with, and the catalogue of the ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from sesn_node.audit.codes import Code
from sesn_node.audit.tally import Subject
from sesn_node.crypto.primitives import sha256
from sesn_node.domain.entries import EntryKind
from tests.support.bundling import Draft
from tests.support.homes import GH, NL
from tests.support.scribes import Freezer, Letter, Scribe
from tests.support.tsa import Certified, Tsa, certify

SEED = 20_261_123


class World:
    """Two agencies, and four alerts.

    The Dutch one shares three: the first is delivered, the second refused, the third is on its way.
    The Ghanaian one shares one, which is delivered.

    Args:
        freezer: Keeps the signatures.
        quiet: Nothing is delivered yet, which makes smaller bundles.
    """

    def __init__(self, freezer: Freezer, *, quiet: bool = False) -> None:
        self.freezer = freezer
        self._quiet = quiet
        self.nl = Scribe(NL, SEED, freezer)
        self.gh = Scribe(GH, SEED, freezer)
        self.nl.trust(self.gh)
        self.gh.trust(self.nl)
        self.delivered = self.nl.share(self.gh)
        if not quiet:
            self.nl.deliver(self.gh, [self.delivered])
        self.answer = self.gh.share(self.nl)
        if not quiet:
            self.gh.deliver(self.nl, [self.answer])
        self.refused = self.nl.share(self.gh)
        self.nl.end(self.refused, self.gh, EntryKind.REFUSED_BY_PEER, "POLICY")
        self.waiting = self.nl.share(self.gh)
        self.nl.checkpoint()
        self.gh.checkpoint()
        for scribe in (self.nl, self.gh):
            scribe.now_ms += 60_000

    def fresh(self) -> World:
        """Return the same world, untouched."""
        return World(self.freezer, quiet=self._quiet)

    def draft(self) -> Draft:
        """Return the Dutch bundle."""
        return Draft.of(self.nl)

    def authority(self, name: str) -> Tsa:
        """Return a time-stamping authority whose clock is that of the Dutch agency."""
        at = datetime.fromtimestamp(self.nl.now_ms // 1000, UTC)
        keys = [_key(f"{name} {what}") for what in ("root", "clock")]

        def issue() -> bytes:
            root = certify(f"{name} root", ca=True, at=at, key=keys[0])
            return root.pem + certify(name, root, at=at, key=keys[1]).pem

        frozen = self.freezer.get(b"authority" + name.encode(), issue)
        made = x509.load_pem_x509_certificates(frozen)
        root, clock = (Certified(one, key) for one, key in zip(made, keys, strict=True))
        return Tsa(root, clock, at=at)

    def stamped(self, tsa: Tsa, text: bytes) -> bytes:
        """Return a token over a text."""
        public = tsa.signer.key.public_key().public_numbers().x
        name = b"token" + tsa.signer.der + f"{public} {tsa.at}".encode() + text
        return self.freezer.get(name, lambda: tsa.token(text))

    def place(self, letter: Letter) -> int:
        """Place of a message in the Dutch bundle."""
        return [one.header for one in self.nl.bundle_messages()].index(letter.data)


def _key(name: str) -> ec.EllipticCurvePrivateKey:
    """Derive a key of an authority from the seed."""
    secret = sha256(str(SEED).encode() + name.encode())
    return ec.derive_private_key(int.from_bytes(secret, "big") >> 1, ec.SECP256R1())


Made: TypeAlias = "bytes | Draft | list[Draft]"


@dataclass(frozen=True, slots=True)
class Tampering:
    """One way to break a bundle.

    Args:
        make: Makes the files of it.
        code: What the audit must find.
        check: By which check.
        policy: Text of the policy, made of the world; None for an audit without.
        roots: Roots of time-stamping authorities, PEM, likewise.
        quiet: As of `World`.
    """

    make: Callable[[World], Made]
    code: Code
    check: Subject
    policy: Callable[[World], str] | None = None
    roots: Callable[[World], str] | None = None
    quiet: bool = False


CATALOGUE: dict[str, Tampering] = {}


def enter(
    check: Subject,
    code: Code,
    policy: Callable[[World], str] | None = None,
    *,
    roots: Callable[[World], str] | None = None,
    quiet: bool = False,
) -> Callable[[Callable[[World], Made]], Callable[[World], Made]]:
    """Enter a function in the catalogue, under its own name."""

    def decorate(make: Callable[[World], Made]) -> Callable[[World], Made]:
        name = make.__name__.replace("_", "-")
        assert name not in CATALOGUE
        CATALOGUE[name] = Tampering(make, code, check, policy, roots, quiet)
        return make

    return decorate
