"""The cards of a bundle, opened as of when they were taken, and the keys that they vouch for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from sesn_node.audit.codes import Code
from sesn_node.audit.tally import Problem, Tally, require
from sesn_node.crypto.keys import key_id
from sesn_node.crypto.signing import EcdsaVerifier
from sesn_node.domain.cards import ClosedLedger
from sesn_node.domain.ids import AgencyId, Origin, parse_origin
from sesn_node.domain.messages import Header
from sesn_node.domain.times import utc_second
from sesn_node.errors import VerificationError
from sesn_node.ledger.checkpoint import LogKeys
from sesn_node.ledger.cosignature import WitnessKeys
from sesn_node.trust.card import (
    CARD_FORK,
    LEDGER_KEYS_CHANGED,
    TrustedCard,
    check_successor,
    open_card,
)

MEMBER = "cards.pb"

_SUCCESSION = {CARD_FORK: Code.CARD_FORK, LEDGER_KEYS_CHANGED: Code.CARD_KEYS_CHANGED}


class CardBook:
    """Every card that opened. Whether a root is its agency's own, only an auditor can say."""

    __slots__ = ("_by_agency", "_copied", "_hashes", "_logs", "_seals", "_witnesses")

    def __init__(self) -> None:
        self._by_agency: dict[AgencyId, list[TrustedCard]] = {}
        self._hashes: dict[bytes, TrustedCard] = {}
        self._copied: list[tuple[AgencyId, AgencyId]] = []
        # Found at once: a bundle may have thousands of cards, and of records that name no key of
        # any of them.
        self._logs: dict[Origin, dict[LogKeys, set[bytes]]] = {}
        self._seals: dict[tuple[AgencyId, bytes], dict[tuple[int, int], TrustedCard]] = {}
        self._witnesses: dict[AgencyId, tuple[WitnessKeys, ...]] = {}

    def read(self, records: Iterable[tuple[bytes, int]], created_ms: int, tally: Tally) -> None:
        """Open the cards, and hold those of each agency against each other.

        1. Every card opens as of when it was taken. If that is after the bundle was made, the clock
           was set back: a remark.
        2. Cards of one agency and root follow each other: none stands twice, and each names the
           one before (`check_successor`). A card that is left out between two is a remark.
        3. No two agencies list one key.

        Args:
            records: Sealed bytes, and when the card was taken, Unix milliseconds.
            created_ms: When the bundle was made.
            tally: Where the findings go.
        """
        for place, (sealed, taken_ms) in enumerate(records):
            with tally.case(Code.CARD_INVALID, MEMBER, place):
                card = open_card(sealed, taken_ms)
                if taken_ms > created_ms:
                    # By one clock, which was set back in between, or was wrong at either time.
                    tally.remark(
                        Code.TIME_BACKWARDS,
                        f"card of {card.agency}: taken at {utc_second(taken_ms)} UTC, after the "
                        "bundle was made",
                        MEMBER,
                        place,
                    )
                require(
                    card.sha256 not in self._hashes,
                    Code.CONTRADICTION,
                    f"card {card.card.sequence} of {card.agency} stands here twice",
                )
                self._hashes[card.sha256] = card
                self._by_agency.setdefault(card.agency, []).append(card)
        for cards in self._by_agency.values():
            # A stable sort: roots in the order in which they were taken.
            roots: dict[bytes, int] = {}
            for card in cards:
                roots.setdefault(card.root.der, len(roots))
            cards.sort(key=lambda card: (roots[card.root.der], card.card.sequence))
            for old, new in pairwise(cards):
                if old.root.der == new.root.der:
                    self._follow(old, new, tally)
            self._note_keys(cards)
        self._find_copies()

    @property
    def agencies(self) -> tuple[AgencyId, ...]:
        """Agencies of which a card opened, in order of their ids."""
        return tuple(sorted(self._by_agency))

    def cards(self, agency: AgencyId) -> Sequence[TrustedCard]:
        """Cards of an agency, by root, then by sequence; maybe none."""
        return self._by_agency.get(agency, ())

    def fingerprints(self, agency: AgencyId) -> tuple[bytes, ...]:
        """Fingerprints of an agency under each of its roots, 32 bytes each."""
        return tuple(dict.fromkeys(card.fingerprint for card in self.cards(agency)))

    def card(self, sha256: bytes) -> TrustedCard | None:
        """Find a card by the hash of its body."""
        return self._hashes.get(sha256)

    def judge_identities(self, revoked: frozenset[AgencyId], tally: Tally) -> None:
        """Look at new roots and shared keys, which only a revocation explains.

        Args:
            revoked: Agencies that the bundle's ledger says were revoked at some time.
            tally: Where the findings go.
        """
        for agency in self.agencies:
            roots = len(self.fingerprints(agency))
            text = f"{agency} has cards under {roots} roots; compare each fingerprint out of band"
            if roots > 1 and agency in revoked:
                tally.remark(Code.ROOT_CHANGED, text, MEMBER)
            elif roots > 1:
                tally.fail(Code.ROOT_CHANGED, text, MEMBER)
        for one, other in self._copied:
            text = f"{one} and {other} list one key: either could pass for the other"
            if revoked.isdisjoint((one, other)):
                tally.fail(Code.KEY_COPIED, text, MEMBER)
            else:
                tally.remark(Code.KEY_COPIED, text, MEMBER)

    def seal_key(self, header: Header) -> EcdsaVerifier:
        """Return the key that may have sealed a message: listed, and in force at its creation.

        Raises:
            Problem: SEAL_INVALID.
        """
        listed = self._seals.get((header.sender, header.seal_key_id), {})
        for (start_ms, end_ms), card in listed.items():
            if start_ms <= header.created_ms < end_ms:
                return card.seal_key(header.seal_key_id, header.created_ms)
        raise Problem(
            Code.SEAL_INVALID,
            f"no card of {header.sender} lists the sealing key {header.seal_key_id.hex()[:16]} as "
            f"in force at {header.created_ms} (Unix milliseconds)",
        )

    def log_key_sets(self, origin: Origin) -> tuple[LogKeys, ...]:
        """Return all keys that signed a ledger, the newest last; empty if no card lists it."""
        return tuple(self._logs.get(origin, ()))

    def end_of(self, origin: Origin) -> ClosedLedger | None:
        """Return where a ledger ended, by the newest card of its owner; None if none says so."""
        cards = self._by_agency.get(parse_origin(origin)[0])
        ends = cards[-1].card.closed if cards else ()
        return next((one for one in ends if one.origin == origin), None)

    def roots_of(self, origin: Origin, keys: LogKeys) -> frozenset[bytes]:
        """Return the fingerprints under which a ledger's owner lists a key set of it."""
        return frozenset(self._logs.get(origin, {}).get(keys, ()))

    def witness_keys(self, agency: AgencyId) -> tuple[WitnessKeys, ...]:
        """Return the keys of an agency as a witness, the newest first."""
        return self._witnesses.get(agency, ())

    def _note_keys(self, cards: Sequence[TrustedCard]) -> None:
        """Note what the cards of one agency list, in their order."""
        agency = cards[0].agency
        for card in cards:
            for origin in dict.fromkeys(keys.origin for keys in card.card.ledgers):
                sets = self._logs.setdefault(origin, {})
                for keys in card.log_key_sets(origin):
                    sets.setdefault(keys, set()).add(card.fingerprint)
        for card in reversed(cards):
            for seal in card.card.seal_keys:
                listed = self._seals.setdefault((agency, key_id(seal.spki)), {})
                listed.setdefault((seal.not_before_ms, seal.not_after_ms), card)
        self._witnesses[agency] = tuple(
            dict.fromkeys(card.witness_keys for card in reversed(cards))
        )

    def _follow(self, old: TrustedCard, new: TrustedCard, tally: Tally) -> None:
        where = f"cards {old.card.sequence} and {new.card.sequence} of {new.agency}"
        try:
            check_successor(old, new)
        except VerificationError as error:
            tally.fail(_SUCCESSION.get(error.code, Code.CARD_FORK), str(error), MEMBER)
            return
        if new.card.sequence != old.card.sequence + 1:
            tally.remark(Code.CARD_GAP, f"{where}: none between them is in the bundle", MEMBER)

    def _find_copies(self) -> None:
        owners: dict[bytes, AgencyId] = {}
        found: dict[tuple[AgencyId, AgencyId], None] = {}
        for agency, cards in self._by_agency.items():
            for key in {key for card in cards for key in card.public_keys}:
                owner = owners.setdefault(key, agency)
                if owner != agency:
                    found[owner, agency] = None
        self._copied = list(found)
