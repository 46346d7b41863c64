"""Reach: who got a message of ours, with proof, what they did, and where it went from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.conversation import Decision, Destruction, Response
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.payload import MessageKind
from sesn_node.errors import SesnError
from sesn_node.exchange.copyviews import CopyView, copy_view
from sesn_node.exchange.erase import targets_of
from sesn_node.exchange.life import unknown_message
from sesn_node.exchange.open import open_received

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction
    from sesn_node.store.inbox import InboxRow

_RECALL = MessageKind.RECALL.value


@dataclass(frozen=True, slots=True)
class Receipt:
    """A destruction receipt, as its sender's node wrote it.

    Args:
        message_id: The message that it came in.
        received_ms: When it arrived.
        body: What it says; None if it cannot be opened.
        problem: Code of the reason why not; else empty.
    """

    message_id: MessageId
    received_ms: int
    body: Destruction | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """One recipient.

    Args:
        agency: Who.
        copy: How its copy of the message stands, with its receipt.
        decision: What an officer there decided; None as long as nobody has.
        recall: How its copy of our newest recall stands; None if it was sent none.
        receipts: Its destruction receipts, oldest first.
        passed_on: To whom its node says that it has passed the message on.
    """

    agency: AgencyId
    copy: CopyView
    decision: Decision | None
    recall: CopyView | None
    receipts: tuple[Receipt, ...]
    passed_on: tuple[AgencyId, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a message went.

    Args:
        message_id: The message.
        kind: What it is.
        created_ms: When it was written.
        recalled_ms: When we recalled it, if we did.
        recipients: By id.
    """

    message_id: MessageId
    kind: str
    created_ms: int
    recalled_ms: int | None
    recipients: tuple[Reached, ...]


def reach(office: Office, message_id: MessageId) -> Reach:
    """Say where a message of ours went, under whatever seal.

    Raises:
        PolicyError: No such message.
    """
    with office.store.read() as transaction:
        message = transaction.outbox.message(message_id)
        if message is None:
            raise unknown_message(message_id)
        same = targets_of(office, transaction, message_id, office.agency)
        found: dict[AgencyId, Reached] = {}
        for target in same:
            for one in _recipients(office, transaction, target.message_id):
                known = found.get(one.agency)
                if known is None or one.copy.receipt is not None:
                    found[one.agency] = one
        return Reach(
            message_id=message_id,
            kind=message.sealed.kind,
            created_ms=message.sealed.created_ms,
            recalled_ms=transaction.recalls.withdrawn(message_id),
            recipients=tuple(found[agency] for agency in sorted(found)),
        )


def _recipients(office: Office, transaction: Transaction, message_id: MessageId) -> list[Reached]:
    recalls = {
        row.message_id: transaction.outbox.copies(row.message_id)
        for row in transaction.browse.sent_replies([message_id])
        if row.sealed.kind == _RECALL
    }
    kinds = MessageKind.RESPONSE.value, MessageKind.DESTRUCTION.value
    answers = transaction.inbox.replies([message_id, *recalls], *kinds)
    found = []
    for row in transaction.outbox.copies(message_id):
        theirs = [one for one in answers if one.sender == row.agency]
        told = [copy for copies in recalls.values() for copy in copies if copy.agency == row.agency]
        receipts = tuple(
            _receipt(office, one)
            for one in theirs
            if one.sealed.kind == MessageKind.DESTRUCTION.value
        )
        found.append(
            Reached(
                agency=AgencyId(row.agency),
                copy=copy_view(row),
                decision=_decision(office, theirs),
                recall=copy_view(told[-1]) if told else None,
                receipts=receipts,
                passed_on=tuple(
                    sorted({to for one in receipts if one.body for to in one.body.passed_on})
                ),
            )
        )
    return found


def _receipt(office: Office, row: InboxRow) -> Receipt:
    body, problem = None, ""
    try:
        said = open_received(office, row).body
    except SesnError as error:
        problem = error.code
    else:
        body = said if isinstance(said, Destruction) else None
    return Receipt(MessageId(row.message_id), row.received_ms, body, problem)


def _decision(office: Office, answers: Sequence[InboxRow]) -> Decision | None:
    for row in answers:
        if row.sealed.kind != MessageKind.RESPONSE.value:
            continue
        try:
            body = open_received(office, row).body
        except SesnError:
            continue
        if isinstance(body, Response):
            return body.decision
    return None
