"""Redeliver: a partner that lost messages asks for them again, and gets them again.

Who lost a database and recovered its ledger knows by its own RECEIVED entries what it lost, and
asks for just that. The sender still holds content and receipt: the copy goes out once more, and
nothing that is recorded about it changes. The receipt that comes back is the one that it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.domain import ids
from sesn_node.domain.checks import MAX_INTEGER, check_range
from sesn_node.domain.ids import parse_origin
from sesn_node.errors import MalformedError, PolicyError
from sesn_node.exchange.recovered import missing
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.batches import Refused
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.deliver import Consigned
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work

_log = get_logger(__name__)

MOST_ASKED: Final = 1_000
"""Messages in one question."""
AGAIN_MS: Final = 60_000
"""How long a copy waits that was asked for again and could not be taken."""


def lost_from(office: Office, agency: AgencyId) -> tuple[bytes, ...]:
    """Return ids of messages of a partner whose RECEIVED entries came back without content.

    Not those that were erased; at most `MOST_ASKED`.
    """
    with office.store.read() as transaction:
        if not transaction.recovery.every():
            return ()
        return tuple(missing(transaction).lost.get(agency, ()))[:MOST_ASKED]


def deliver_again(office: Office, agency: AgencyId, message_ids: Sequence[bytes]) -> int:
    """Deliver messages again that a partner acknowledged and has lost.

    Those that it never acknowledged, that have expired or were erased are left out.

    Args:
        office: Ours.
        agency: Who asks.
        message_ids: What for.

    Returns:
        How many go out again.

    Raises:
        MalformedError: More than `MOST_ASKED`, or no message ids.
        PolicyError: It is not trusted, or has asked too often lately (`TOO_MANY_QUESTIONS`).
        StorageError: Nothing was changed.
    """
    if len(message_ids) > MOST_ASKED:
        raise MalformedError(f"asked for {len(message_ids)} messages at once, at most {MOST_ASKED}")
    wanted = sorted({ids.message_id(one) for one in message_ids})

    _allow(office, agency)

    def operation(work: Work) -> int:
        office.partners.within(work.transaction).trusted(agency, work.now_ms)
        found = work.transaction.recovery.ask_again(agency, wanted, work.now_ms)
        work.has_queued = work.has_queued or found > 0
        return found

    count = office.sequencer.run(operation).value
    if count:
        _log.info("messages-asked-again", peer=agency, messages=count)
    return count


def deliver_from(office: Office, agency: AgencyId, origin: str, first: int) -> tuple[int, int]:
    """Deliver messages again whose receipts stand at the end of a partner's ledger, which it lost.

    Args:
        office: Ours.
        agency: Who asks.
        origin: Its ledger.
        first: The first entry that it lost.

    Returns:
        How many go out again, and the entry to ask from next; 0 if those were all.

    Raises:
        MalformedError: Not a ledger.
        PolicyError: Not one of its own (`NOT_YOURS`); or as `deliver_again`.
        StorageError: Nothing was changed.
    """
    if parse_origin(origin)[0] != agency:
        raise PolicyError(f"{origin} is no ledger of {agency}", code="NOT_YOURS")
    check_range("from_index", first, 0, MAX_INTEGER)
    _allow(office, agency)

    def operation(work: Work) -> tuple[int, int]:
        office.partners.within(work.transaction).trusted(agency, work.now_ms)
        recovery = work.transaction.recovery
        found = recovery.ask_from(agency, origin, first, MOST_ASKED, work.now_ms)
        work.has_queued = work.has_queued or found[0] > 0
        return found

    count, following = office.sequencer.run(operation).value
    if count:
        _log.info("messages-asked-again", peer=agency, messages=count)
    return count, following


def to_ask(office: Office, agency: AgencyId) -> tuple[tuple[str, int], ...]:
    """Return the closed ledgers of ours whose end a partner is still to be asked for."""
    with office.store.read() as transaction:
        return transaction.recovery.to_ask(agency)


def note_asked(office: Office, agency: AgencyId, origin: str, following: int) -> None:
    """Note that a partner has answered up to an entry; 0 if it delivers all that there is.

    Raises:
        StorageError: It will be asked once more.
    """
    office.sequencer.run(
        lambda work: work.transaction.recovery.set_to_ask(agency, origin, following)
    )


def _allow(office: Office, agency: AgencyId) -> None:
    if not office.again_limiter.allow(agency, office.clock()):
        raise PolicyError(
            f"{agency} asked too often for messages to be delivered again; come back later",
            code="TOO_MANY_QUESTIONS",
        )


def end_again(work: Work, agency: AgencyId, refused: Sequence[tuple[Consigned, Refused]]) -> None:
    """Put off, or give up, copies that were asked for again and refused then."""
    for_good = [one.message_id for one, refusal in refused if refusal.code.permanent]
    later = [one.message_id for one, refusal in refused if not refusal.code.permanent]
    work.transaction.recovery.done(agency, for_good)
    work.transaction.recovery.put_off(agency, later, work.now_ms + AGAIN_MS)
