"""Views of forwards: what a forward passes on, and how far its originator is known here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.forward import Forward
from sesn_node.exchange.originals import card_facts, standing
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.domain.payload import Payload
    from sesn_node.exchange.originals import Standing
    from sesn_node.trust.directory import Directory


@dataclass(frozen=True, slots=True)
class ForwardView:
    """What came, or went, within a forward.

    Args:
        originator: Who said it.
        name: The originator, as its card names it.
        standing: How that card stands to what is pinned here now.
        fingerprint: Of the originator and its root, 32 bytes; to be compared with the agency.
        original_id: The message that is passed on.
        created_ms: When the originator wrote it.
        recipients: Whom the originator sent it to.
        text: Why it was passed on.
        consent_id: The originator's consent that came along.
    """

    originator: AgencyId
    name: str
    standing: Standing
    fingerprint: bytes
    original_id: MessageId
    created_ms: int
    recipients: tuple[AgencyId, ...]
    text: str
    consent_id: MessageId | None


def carried(payload: Payload) -> Payload:
    """Return what a message says, or what the message says that it passes on.

    Raises:
        MalformedError: The row was altered: it was read when it came.
    """
    body = payload.body
    return decode_payload(body.original.payload) if isinstance(body, Forward) else payload


def forward_view(directory: Directory, payload: Payload) -> ForwardView | None:
    """Say what is known of the message that a forward passes on; None of any other message.

    Raises:
        MalformedError: As `carried`.
    """
    body = payload.body
    if not isinstance(body, Forward):
        return None
    header = decode_header(body.original.header)
    facts = card_facts(body.original)
    return ForwardView(
        originator=header.sender,
        name=facts.card.name,
        standing=standing(directory, header.sender, facts.card.root_certificate),
        fingerprint=facts.fingerprint,
        original_id=header.message_id,
        created_ms=header.created_ms,
        recipients=tuple(one.agency for one in header.recipients),
        text=body.text,
        consent_id=decode_header(body.consent.header).message_id if body.consent else None,
    )
