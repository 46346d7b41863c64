"""Aside: put off a copy that its recipient's node did not take for now, or give it up.

A copy that was put off as often as the settings allow becomes a dead letter: UNDELIVERED in the
ledger, `dead` in the outbox, with what the recipient's node said last. An operator can queue it
again (`requeue`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.checks import printable
from sesn_node.domain.delivery import LONGEST_WAIT_MS, NO_ANSWER, DeliveryState
from sesn_node.domain.entries import UndeliveredCode
from sesn_node.domain.ids import show_message_id
from sesn_node.exchange.backoff import backoff_ms
from sesn_node.exchange.expire import append_undelivered
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.errors import SesnError
    from sesn_node.exchange.deliver import Outgoing
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work

_log = get_logger(__name__)

_DETAIL_CHARACTERS = 500


def set_aside(office: Office, agency: AgencyId, outgoing: Outgoing, error: SesnError) -> None:
    """Put off the one message of a batch that got no usable answer from a partner that greets.

    It waits as after a refusal, with code `NO_ANSWER`, and is sent alone and after all others
    from then on: a message that the partner's node cannot stand holds up no other.

    Args:
        office: Ours.
        agency: The partner.
        outgoing: A batch of one message.
        error: What came in place of an answer.

    Raises:
        StorageError: Nothing was changed; the message is due again.
    """
    # It may quote what the partner's node said, and is shown on a screen.
    detail = printable(str(error))[:_DETAIL_CHARACTERS]

    def operation(work: Work) -> list[MessageId]:
        ids = [one.message_id for one in outgoing.consigned]
        work.transaction.recovery.put_off(agency, ids, work.now_ms + LONGEST_WAIT_MS)
        queued = work.transaction.outbox.tries(agency, ids)
        return [
            one
            for one in ids
            if one in queued
            and put_off(
                office, work, agency, one, attempts=queued[one], code=NO_ANSWER, detail=detail
            )
        ]

    given_up = office.sequencer.run(operation).value
    for one in outgoing.consigned:
        _log.warning(
            "message-set-aside",
            peer=agency,
            message_id=show_message_id(one.message_id),
            code=error.code,
        )
    for message_id in given_up:
        report_given_up(office, agency, message_id, NO_ANSWER)


def put_off(  # noqa: PLR0913 - what a copy is told
    office: Office,
    work: Work,
    agency: AgencyId,
    message_id: MessageId,
    *,
    attempts: int,
    code: str,
    detail: str,
    least_ms: int = 0,
) -> bool:
    """Try a queued copy again later; give it up if this was the last attempt that it had.

    Args:
        office: Ours.
        work: The transaction.
        agency: The recipient.
        message_id: The message.
        attempts: Failed attempts before this one.
        code: Why this one failed.
        detail: The same in words.
        least_ms: The shortest wait that the recipient's node asked for.

    Returns:
        Whether it was given up.
    """
    outbox = work.transaction.outbox
    message = None
    if attempts + 1 >= office.terms.attempts:
        message = outbox.message(message_id)
    if message is None:
        wait_ms = min(max(backoff_ms(office.terms, attempts + 1), least_ms), LONGEST_WAIT_MS)
        outbox.defer(message_id, agency, until_ms=work.now_ms + wait_ms, code=code, detail=detail)
        return False
    append_undelivered(work, message, agency, UndeliveredCode.DEAD)
    outbox.close(
        message_id,
        agency,
        state=DeliveryState.DEAD,
        code=code,
        detail=detail,
        settled_ms=work.now_ms,
        attempts=1,
    )
    return True


def report_given_up(office: Office, agency: AgencyId, message_id: MessageId, code: str) -> None:
    """Tell that a copy became a dead letter."""
    office.watch.undelivered([(message_id, agency)], code)
    _log.warning("message-given-up", peer=agency, message_id=show_message_id(message_id), code=code)
