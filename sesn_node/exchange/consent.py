"""Consent: let a recipient pass one of our messages on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.conversation import Consent
from sesn_node.domain.ids import MessageId, show_message_id
from sesn_node.domain.markings import Passing
from sesn_node.domain.onward import FORWARDABLE
from sesn_node.domain.payload import Payload
from sesn_node.domain.times import instant
from sesn_node.errors import PolicyError
from sesn_node.exchange.disclose import unknown
from sesn_node.exchange.forwarding import NOT_FORWARDABLE
from sesn_node.exchange.onward import NOT_GRANTED
from sesn_node.exchange.open import open_sent
from sesn_node.exchange.share import Draft, share

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office


def consent(
    office: Office,
    message_id: MessageId,
    to: Sequence[AgencyId],
    onward: Sequence[str],
    *,
    until: datetime | None = None,
) -> MessageId:
    """Let agencies pass one of our messages on; the consent is a message of its own.

    Args:
        office: Ours.
        message_id: A message that we sent.
        to: Who may pass it on. Who got it by a forward may be among them.
        onward: To whom: agency ids, countries ("nl.*"), or "*".
        until: Until then, aware, in UTC; None: for good.

    Raises:
        PolicyError: `NOT_FORWARDABLE`: nothing that can be passed on; NOT_GRANTED: its marks
            forbid it, or the time is over. UNKNOWN_MESSAGE, `ERASED`, or as `share`.
        MalformedError: `onward` names nobody clearly.
        StorageError: It could not be stored; nothing was consented to.
    """
    with office.store.read() as transaction:
        sent = transaction.outbox.message(message_id)
        if sent is None:
            raise unknown(message_id)
        said = open_sent(office, sent)
    shown = show_message_id(message_id)
    if said.kind not in FORWARDABLE:
        raise PolicyError(
            f"message {shown} is a {said.kind.value}, which cannot be passed on; of a forward, "
            "only its originator can consent",
            code=NOT_FORWARDABLE,
        )
    now = instant(office.clock())
    if said.markings.passing is Passing.NEVER:
        raise PolicyError(
            f"message {shown} is marked for its recipients alone (RED, or 4 of 5x5x5); send it "
            "yourself to whoever else should have it",
            code=NOT_GRANTED,
        )
    for end in (until, said.markings.retain_until):
        if end is not None and end <= now:
            raise PolicyError(
                f"message {shown}: {end:%Y-%m-%d %H:%M} UTC has passed", code=NOT_GRANTED
            )
    body = Consent(
        message_id=message_id,
        header_sha256=sent.sealed.header_sha256,
        onward=tuple(sorted(set(onward))),
        until=until,
    )
    draft = Draft(
        Payload(said.markings, body),
        tuple(to),
        in_reply_to=message_id,
        conversation_id=MessageId(sent.sealed.conversation_id),
    )
    return share(office, draft)
