"""Pin, update and revoke partners. Every change of trust is an entry in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind, PeerCode, UndeliveredCode
from sesn_node.errors import ConflictError, MalformedError, PolicyError, VerificationError
from sesn_node.exchange.closings import raise_closing, require_no_contradiction
from sesn_node.exchange.expire import end_undelivered
from sesn_node.exchange.office import new_entry
from sesn_node.telemetry.logs import get_logger
from sesn_node.trust.card import CARD_STALE, open_card
from sesn_node.trust.directory import Novelty, PeerState

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.card import TrustedCard
    from sesn_node.trust.directory import Peer

_log = get_logger(__name__)

TOO_MANY_CARDS: Final = "TOO_MANY_CARDS"
ORIGIN_REUSED: Final = "ORIGIN_REUSED"
QUARANTINED: Final = "QUARANTINED"


def add_peer(office: Office, sealed: bytes, *, fingerprint: bytes) -> TrustedCard:
    """Pin an agency's card after its fingerprint was compared out of band.

    Pinning the same card again changes nothing; a revoked agency is trusted again.

    Args:
        office: Ours.
        sealed: The `.sesncard` file.
        fingerprint: The fingerprint that the operator confirmed, 32 bytes.

    Raises:
        MalformedError: Not a card.
        VerificationError: The card fails a check, or has another fingerprint.
        PolicyError: The directory forbids it: our own id, or another agency's root; or its new
            root names a ledger that we witnessed under other keys (`ORIGIN_REUSED`); or the
            agency is quarantined (`QUARANTINED`).
    """
    now_ms = office.clock()
    card = open_card(sealed, now_ms)
    if card.fingerprint != fingerprint:
        raise VerificationError(
            f"the card of {card.card.agency} has another fingerprint than the one given: somebody "
            "else may have made it. Compare it again with the agency, over a known telephone "
            "number.",
            code="FINGERPRINT_MISMATCH",
        )

    def operation(work: Work) -> None:
        directory = office.partners.within(work.transaction)
        known = directory.peers.get(card.card.agency)
        novelty = directory.admit(card)
        if novelty is Novelty.SAME and known is not None and known.state is PeerState.TRUSTED:
            return
        if known is not None and known.state is PeerState.QUARANTINED:
            raise PolicyError(
                f"{card.agency} is quarantined, since its ledger forked; 'sesn peer release "
                f"{card.agency}' shows the evidence and ends it",
                code=QUARANTINED,
            )
        if novelty is Novelty.NEW_ROOT and known is not None:
            _check_new_ledgers(work.transaction, known, card)
        elif novelty is not Novelty.SAME:
            held = None if known is None else known.card
            require_no_contradiction(work.transaction, held, card)
        _set(work, card, PeerState.TRUSTED, PeerCode.TRUSTED, opened_ms=now_ms)

    office.sequencer.run(operation)
    return card


def take_card(office: Office, agency: AgencyId, sealed: bytes) -> bool:
    """Take a partner's later card by itself: same root, greater sequence.

    Returns:
        Whether the card was new.

    Raises:
        MalformedError: Not a card.
        VerificationError: It fails a check, is another agency's (`FOREIGN_CARD`) or a fork
            (`CARD_FORK`), or ends a ledger against what we cosigned (`CLOSED_AGAINST`): an
            operator must look at it.
        PolicyError: The agency is not trusted, or the directory forbids the card, such as one
            under another root (`ROOT_CHANGED`); or it showed too many lately (`TOO_MANY_CARDS`).
    """
    now_ms = office.clock()
    held = office.directory()
    if held.trusted(agency, now_ms).card.sealed == sealed:
        return False
    limiters = (office.card_limiter, office.refused_card_limiter)
    if any(one.empty(agency, now_ms) for one in limiters):
        # Not even opened: that tries every key in it, which takes its owner nothing to ask for.
        raise _too_many_cards(agency)
    try:
        card = _open(agency, sealed, now_ms)
        if held.admit(card) is Novelty.SAME:
            return False
        _check_closings(office, held.peers.get(agency), card)
    except (MalformedError, VerificationError, PolicyError):
        office.refused_card_limiter.allow(agency, now_ms)
        raise

    def operation(work: Work) -> bool:
        directory = office.partners.within(work.transaction)
        directory.trusted(agency, work.now_ms)
        if directory.admit(card) is Novelty.SAME:
            return False
        # Asked only now: the same card comes in over several streams at once, and one that is
        # refused anyway writes nothing. Neither needs a token.
        if not office.card_limiter.allow(agency, now_ms):
            raise _too_many_cards(agency)
        require_no_contradiction(work.transaction, directory.peers[agency].card, card)
        _set(work, card, PeerState.TRUSTED, PeerCode.CARD_TAKEN, opened_ms=now_ms)
        return True

    return office.sequencer.run(operation).value


def _open(agency: AgencyId, sealed: bytes, now_ms: int) -> TrustedCard:
    card = open_card(sealed, now_ms)
    if card.card.agency != agency:
        raise VerificationError(
            f"{agency} presented the card of {card.card.agency}", code="FOREIGN_CARD"
        )
    return card


def _check_closings(office: Office, held: Peer | None, card: TrustedCard) -> None:
    """Refuse a card that ends a ledger against what we cosigned, and raise the alarm."""
    try:
        with office.store.read() as transaction:
            require_no_contradiction(transaction, None if held is None else held.card, card)
    except VerificationError:
        if held is not None:
            raise_closing(office, held.card, card)
        raise


def _too_many_cards(agency: AgencyId) -> PolicyError:
    return PolicyError(
        f"{agency} showed too many cards in a short time; the one held stays in use",
        code=TOO_MANY_CARDS,
    )


def take_shown_card(office: Office, agency: AgencyId, sealed: bytes) -> None:
    """Take the card that a partner shows when a link opens, unless it showed too many lately.

    The link then goes on with the card that is held.

    Raises:
        SesnError: As `take_card`.
    """
    try:
        if take_card(office, agency, sealed):
            _log.info("card-taken", peer=agency)
    except PolicyError as error:
        if error.code != TOO_MANY_CARDS:
            raise
        _log.warning("card-not-taken", peer=agency, code=error.code)


def take_travelling_card(office: Office, agency: AgencyId, sealed: bytes) -> None:
    """Take the card that a partner shows on an open stream.

    One that a later card has overtaken on another stream is passed over.

    Raises:
        SesnError: As `take_card`.
    """
    try:
        take_shown_card(office, agency, sealed)
    except VerificationError as error:
        if error.code != CARD_STALE or not _was_taken(office, agency, sealed):
            raise


def _was_taken(office: Office, agency: AgencyId, sealed: bytes) -> bool:
    """Tell whether we once took this card of an agency."""
    with office.store.read() as transaction:
        return any(row.sealed == sealed for row in transaction.browse.cards_of(agency))


def revoke_peer(office: Office, agency: AgencyId) -> int:
    """Stop trusting an agency at once; what is queued for it ends as undelivered.

    Returns:
        How many queued copies ended.

    Raises:
        PolicyError: No such peer.
        ConflictError: It is revoked already.
    """

    def operation(work: Work) -> list[tuple[bytes, AgencyId]]:
        known = office.partners.within(work.transaction).peers.get(agency)
        if known is None:
            raise PolicyError(
                f"{agency} is not a peer; 'sesn peer list' shows them", code="UNKNOWN_PEER"
            )
        if known.state is PeerState.REVOKED:
            raise ConflictError(f"{agency} is revoked already")
        _set(work, known.card, PeerState.REVOKED, PeerCode.REVOKED, opened_ms=work.now_ms)
        copies = [(one, agency) for one in work.transaction.outbox.queued_for(agency)]
        end_undelivered(work, copies, DeliveryState.DEAD, UndeliveredCode.PEER_REVOKED)
        return copies

    ended = office.sequencer.run(operation).value
    office.watch.undelivered(ended, UndeliveredCode.PEER_REVOKED.value)
    return len(ended)


def _check_new_ledgers(transaction: Transaction, held: Peer, card: TrustedCard) -> None:
    """Refuse a new root that starts a ledger again which we witnessed under other keys.

    What is recorded of an origin is never forgotten, so every checkpoint of the new ledger
    would look like a fork of the old one.
    """
    for origin in {ledger.origin for ledger in card.card.ledgers}:
        known = held.card.log_key_sets(origin)
        kept = known and card.log_key_sets(origin)[: len(known)] == known
        if not kept and transaction.witness.head(origin):
            raise PolicyError(
                f"the new card of {card.agency} gives other keys to its ledger {origin}, "
                "which this node has witnessed; the agency must found its node anew with a later "
                "ledger epoch ('sesn init --epoch')",
                code=ORIGIN_REUSED,
            )


def _set(
    work: Work, card: TrustedCard, state: PeerState, code: PeerCode, *, opened_ms: int
) -> None:
    agency = card.card.agency
    work.transaction.peers.add_card(
        agency=agency,
        sha256=card.sha256,
        sequence=card.card.sequence,
        sealed=card.sealed,
        # Kept, it is opened as of then: it may have expired while it waited for the commit.
        taken_ms=opened_ms,
    )
    work.transaction.peers.set_peer(
        agency=agency, state=state.value, card_sha256=card.sha256, changed_ms=work.now_ms
    )
    # Whoever serves for this agency beside us must cut off, or begin to talk.
    work.transaction.notify()
    work.append(new_entry(EntryKind.PEER, work.now_ms, card.sha256, agency=agency, code=code.value))
