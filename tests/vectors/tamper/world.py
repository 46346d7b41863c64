"""The small history that is tampered with, and the catalogue of the ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from sesn_node.audit.codes import Code
from sesn_node.audit.tally import Subject
from sesn_node.domain.entries import EntryKind
from tests.support.bundling import Draft
from tests.support.homes import GH, NL
from tests.support.scribes import Freezer, Letter, Scribe

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

    def place(self, letter: Letter) -> int:
        """Place of a message in the Dutch bundle."""
        return [one.header for one in self.nl.bundle_messages()].index(letter.data)


Made: TypeAlias = "bytes | Draft | list[Draft]"


@dataclass(frozen=True, slots=True)
class Tampering:
    """One way to break a bundle.

    Args:
        make: Makes the files of it.
        code: What the audit must find.
        check: By which check.
        policy: Text of the policy, made of the world; None for an audit without.
        quiet: As of `World`.
    """

    make: Callable[[World], Made]
    code: Code
    check: Subject
    policy: Callable[[World], str] | None = None
    quiet: bool = False


CATALOGUE: dict[str, Tampering] = {}


def enter(
    check: Subject,
    code: Code,
    policy: Callable[[World], str] | None = None,
    *,
    quiet: bool = False,
) -> Callable[[Callable[[World], Made]], Callable[[World], Made]]:
    """Enter a function in the catalogue, under its own name."""

    def decorate(make: Callable[[World], Made]) -> Callable[[World], Made]:
        name = make.__name__.replace("_", "-")
        assert name not in CATALOGUE
        CATALOGUE[name] = Tampering(make, code, check, policy, quiet)
        return make

    return decorate
