"""The peer directory: whose card an operator pinned, as one immutable snapshot.

A use case reads one snapshot and, in its transaction, compares what it says of the agencies
concerned with what is stored; an equal `version` tells at once that nothing changed. So nothing
slips through between a decision and its commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sesn_node.domain.ids import AgencyId
from sesn_node.errors import PolicyError
from sesn_node.trust.card import (
    ROOT_CHANGED,
    Succession,
    TrustedCard,
    check_successor,
)

NOT_TRUSTED: Final = "NOT_TRUSTED"
OWN_CARD: Final = "OWN_CARD"
ROOT_COPIED: Final = "ROOT_COPIED"
KEY_COPIED: Final = "KEY_COPIED"


class PeerState(StrEnum):
    """What an operator, or an alarm, decided about a peer."""

    TRUSTED = "trusted"
    """Messages flow."""
    QUARANTINED = "quarantined"
    """Cut off after a proven fork, until an operator releases it."""
    REVOKED = "revoked"
    """Cut off by an operator."""


class Novelty(StrEnum):
    """What is new about a card; anything but `SAME` and `LATER` needs an operator."""

    NEW = "new"
    """An agency that is not known yet: an operator compares the fingerprint."""
    SAME = "same"
    """The card that is held already."""
    LATER = "later"
    """A later card under the pinned root: taken by itself. The peer's state stays as it is."""
    NEW_ROOT = "new-root"
    """A new root of a revoked peer: an operator compares the fingerprint."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A pinned agency: its newest card, and what was decided about it."""

    card: TrustedCard
    state: PeerState

    @property
    def agency(self) -> AgencyId:
        """Whose card it is."""
        return self.card.agency


@dataclass(frozen=True, slots=True)
class Directory:
    """One snapshot of whom this node knows.

    Args:
        version: Moves with every change of trust, and of our own card and keys.
        own: Our own newest card.
        peers: Every pinned agency, by its id; our own is not among them.
        storage_key_id: Our key that content keys are wrapped under. Our other keys in use are
            named by our card.
    """

    version: int
    own: TrustedCard
    peers: Mapping[AgencyId, Peer]
    storage_key_id: bytes = b""

    def __post_init__(self) -> None:
        # A copy: a snapshot must not change under whoever reads it.
        object.__setattr__(self, "peers", MappingProxyType(dict(self.peers)))

    def peer(self, agency: AgencyId) -> Peer:
        """Return a pinned agency, whatever its state.

        Raises:
            PolicyError: `NOT_TRUSTED`: its card was never pinned.
        """
        found = self.peers.get(agency)
        if found is None:
            raise PolicyError(
                f"{agency} is not in the peer directory; add its card after comparing the "
                "fingerprint",
                code=NOT_TRUSTED,
            )
        return found

    def card_of(self, agency: AgencyId) -> TrustedCard | None:
        """Return the newest card that is held of an agency, our own as well; None without one."""
        if agency == self.own.agency:
            return self.own
        found = self.peers.get(agency)
        return None if found is None else found.card

    def trusted(self, agency: AgencyId, at_ms: int) -> Peer:
        """Return an agency that may be sent to and accepted from now.

        Raises:
            PolicyError: `NOT_TRUSTED`: never pinned, quarantined, revoked, or its card expired.
        """
        found = self.peer(agency)
        if found.state is not PeerState.TRUSTED:
            raise PolicyError(
                f"{agency} is {found.state.value}; an operator must decide to trust it again",
                code=NOT_TRUSTED,
            )
        if found.card.expired(at_ms):
            raise PolicyError(
                f"the card of {agency} has expired; ask the agency for its newest card",
                code=NOT_TRUSTED,
            )
        return found

    def openable_until(self, agencies: Iterable[AgencyId], at_ms: int, latest_ms: int) -> int:
        """Return until when all of some agencies can open what is sealed now, `latest_ms` at most.

        Raises:
            PolicyError: One is not trusted (`trusted`), or has no encryption key in force.
        """
        keys = (self.trusted(one, at_ms).card.encryption_key(at_ms)[0] for one in agencies)
        return min([latest_ms, *(key.destroyed_ms for key in keys)])

    def roots(self, at_ms: int) -> dict[AgencyId, bytes]:
        """Return the root certificates (DER) that TLS connections may rely on, by agency.

        Only of trusted peers whose card has not expired.
        """
        return {
            agency: found.card.root.der
            for agency, found in self.peers.items()
            if found.state is PeerState.TRUSTED and not found.card.expired(at_ms)
        }

    def admit(self, new: TrustedCard) -> Novelty:
        """Say what is new about a card, or refuse it. Changes nothing.

        To be asked again when a revoked peer is trusted again: cards that were taken
        meanwhile were not compared with it.

        1. It is not our own agency's.
        2. No other agency's root has its subject, key identifier or key, and no other
           agency's card lists one of its keys. Revoked agencies are left out, so that a
           copycat who came first is got rid of by revoking it.
        3. A known agency keeps its root, unless it was revoked; then not with the old key.
        4. Its card is the one held or a later one.

        Raises:
            PolicyError: `OWN_CARD` (step 1), `ROOT_COPIED` or `KEY_COPIED` (2),
                `ROOT_CHANGED` (3).
            VerificationError: `CARD_FORK` or `CARD_STALE` (4).
        """
        if new.agency == self.own.agency:
            raise PolicyError(
                f"this is the card of {new.agency}, our own agency; import it as our own",
                code=OWN_CARD,
            )
        for other in self._others(new.agency):
            _check_not_copied(other, new)
        held = self.peers.get(new.agency)
        if held is None:
            return Novelty.NEW
        if new.root.der != held.card.root.der:
            _check_root_may_change(held, new)
            return Novelty.NEW_ROOT
        succession = check_successor(held.card, new)
        return Novelty.SAME if succession is Succession.SAME else Novelty.LATER

    def _others(self, agency: AgencyId) -> Iterator[TrustedCard]:
        yield self.own
        for other, found in self.peers.items():
            if other != agency and found.state is not PeerState.REVOKED:
                yield found.card


def _check_not_copied(other: TrustedCard, new: TrustedCard) -> None:
    ours, theirs = other.root, new.root
    copied = [
        what
        for what, same in (
            # TLS libraries look issuers up by these, so one root could stand before the other.
            ("subject", ours.subject == theirs.subject),
            ("key identifier", ours.key_identifier == theirs.key_identifier),
            ("key", ours.spki == theirs.spki),
        )
        if same
    ]
    if copied:
        raise PolicyError(
            f"the root of {new.agency} has the {' and the '.join(copied)} of the root of "
            f"{other.agency}; whichever came second must issue another root",
            code=ROOT_COPIED,
        )
    # An Ed25519 cosignature (type 0x04) does not sign its witness's name, so two agencies with
    # one key could pass for each other.
    if not set(other.public_keys).isdisjoint(new.public_keys):
        raise PolicyError(
            f"the card of {new.agency} lists a key of {other.agency}; ask both agencies which "
            "of them holds it",
            code=KEY_COPIED,
        )


def _check_root_may_change(held: Peer, new: TrustedCard) -> None:
    if held.state is not PeerState.REVOKED:
        raise PolicyError(
            f"the card of {new.agency} is under another root than the one pinned; compare its "
            "fingerprint out of band, revoke the old card, then add this one",
            code=ROOT_CHANGED,
        )
    if new.root.spki == held.card.root.spki:
        raise PolicyError(
            f"the new root of {new.agency} has the key of its revoked one; the agency must make "
            "a new key",
            code=ROOT_CHANGED,
        )
