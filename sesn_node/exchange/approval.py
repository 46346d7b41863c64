"""Four eyes: a message waits, signed by its author, until a second operator has approved it.

A draft is kept encrypted, and leaves in the transaction that takes it away: nobody sends it twice.
What was signed is exactly what leaves, to exactly these recipients.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.documents import Document, encode_bytes, read_document
from sesn_node.crypto.primitives import random_bytes
from sesn_node.domain.approval import needs_second
from sesn_node.domain.ids import AgencyId, MessageId, new_message_id, show_message_id
from sesn_node.domain.messages import MAX_PAYLOAD_BYTES
from sesn_node.domain.people import Act, OperatorId, Right, require
from sesn_node.errors import PolicyError
from sesn_node.exchange.endorsing import OPERATOR_REQUIRED, signed
from sesn_node.exchange.secrets import hide, reveal
from sesn_node.exchange.share import Draft, share
from sesn_node.telemetry.logs import get_logger
from sesn_node.trust.people import verify_endorsements
from sesn_node.wire.payloads import decode_payload, encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.exchange.office import Office
    from sesn_node.exchange.operators import Actor
    from sesn_node.exchange.work import Work
    from sesn_node.store.people import SecretRow

_log = get_logger(__name__)

DRAFTS: Final = "draft"
"""Kind of the secrets that are drafts."""
CASES: Final = "case"
"""Kind of the secrets that are requests for a return before they are sent; see `casedrafts`."""
UNKNOWN_DRAFT: Final = "UNKNOWN_DRAFT"
OWN_DRAFT: Final = "OWN_DRAFT"

_ENTROPY_BYTES = 10
_MAX_DOCUMENT_BYTES = 2 * MAX_PAYLOAD_BYTES


@dataclass(frozen=True, slots=True)
class Proposal:
    """A message that waits for a second person.

    Args:
        draft_id: Its name, a UUIDv7; the message gets an id of its own.
        draft: What is to be sent, to whom, with its author's endorsement.
        author: Who wrote it.
        reason: The word of the settings for which it waits.
        proposed_ms: Since when, Unix milliseconds.
    """

    draft_id: MessageId
    draft: Draft
    author: OperatorId
    reason: str
    proposed_ms: int


def awaits(office: Office, draft: Draft) -> str | None:
    """Say for which word of the settings a message needs a second person; None: it may leave."""
    return needs_second(draft.payload, office.people.four_eyes)


def propose(
    office: Office,
    draft: Draft,
    draft_id: MessageId | None = None,
    *,
    beside: Callable[[Work], None] | None = None,
) -> Proposal:
    """Keep a message until somebody else approves it; it is signed by whoever acts.

    Args:
        office: Ours.
        draft: The message.
        draft_id: Its name; a new one if None.
        beside: What else is done in the transaction that keeps it; it may raise.

    Raises:
        PolicyError: Nobody acts (`OPERATOR_REQUIRED`), or may not write (`ROLE`).
        StorageError: It could not be stored.
    """
    actor = acting(office)
    require(actor.operator.role, Right.WRITE)
    now_ms = office.clock()
    draft = signed(actor, draft, Act.AUTHORED, now_ms)
    draft_id = draft_id or new_draft_id(now_ms)
    row = hide(office, DRAFTS, draft_id, _write(draft), now_ms, beside=beside)
    _log.info("draft-proposed", draft_id=show_message_id(draft_id))
    return _proposal(office, row)


def new_draft_id(now_ms: int) -> MessageId:
    """Make a name for a draft."""
    return new_message_id(now_ms, random_bytes(_ENTROPY_BYTES))


def proposals(office: Office) -> list[Proposal]:
    """Return all messages that wait for a second person, oldest first."""
    with office.store.read() as transaction:
        rows = transaction.secrets.every(DRAFTS)
    return [_proposal(office, row) for row in rows]


def find_proposal(office: Office, draft_id: MessageId) -> Proposal:
    """Return one of them.

    Raises:
        PolicyError: `UNKNOWN_DRAFT`.
    """
    with office.store.read() as transaction:
        row = transaction.secrets.get(DRAFTS, draft_id)
    if row is None:
        raise _unknown(draft_id)
    return _proposal(office, row)


def approve(office: Office, draft_id: MessageId) -> MessageId:
    """Approve a message as whoever acts, and send it.

    Returns:
        The message id; the message is durable, and the draft is gone.

    Raises:
        PolicyError: `UNKNOWN_DRAFT`; nobody acts (`OPERATOR_REQUIRED`), may not approve (`ROLE`),
            or wrote it (`OWN_DRAFT`). Or as `share`.
        ConflictError: As `share`.
        StorageError: As `share`; the draft stays.
    """
    actor = acting(office)
    require(actor.operator.role, Right.APPROVE)
    proposal = find_proposal(office, draft_id)
    if proposal.author == actor.operator.operator:
        raise PolicyError(
            f"{proposal.author} wrote this; somebody else has to approve it", code=OWN_DRAFT
        )
    draft = signed(actor, proposal.draft, Act.APPROVED, office.clock())

    message_id = share(office, draft, beside=_taking(draft_id, sent=True))
    _log.info(
        "draft-approved",
        draft_id=show_message_id(draft_id),
        message_id=show_message_id(message_id),
    )
    return message_id


def withdraw(office: Office, draft_id: MessageId) -> None:
    """Take a draft away; nothing is sent.

    Raises:
        PolicyError: `UNKNOWN_DRAFT`.
    """
    office.sequencer.run(_taking(draft_id), writes=True)
    _log.info("draft-withdrawn", draft_id=show_message_id(draft_id))


def acting(office: Office) -> Actor:
    """Return who acts.

    Raises:
        PolicyError: `OPERATOR_REQUIRED`: nobody said so.
    """
    if office.actor is None:
        raise PolicyError(
            "say who you are: add --as OPERATOR; 'sesn operator list' shows them",
            code=OPERATOR_REQUIRED,
        )
    return office.actor


def _write(draft: Draft) -> bytes:
    members: dict[str, object] = {
        "payload": encode_bytes(encode_payload(draft.payload)),
        "to": list(draft.to),
        "only_reply": draft.only_reply,
    }
    if draft.in_reply_to is not None:
        members["in_reply_to"] = encode_bytes(draft.in_reply_to)
    if draft.conversation_id is not None:
        members["conversation_id"] = encode_bytes(draft.conversation_id)
    if draft.expires_ms is not None:
        members["expires_ms"] = draft.expires_ms
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def _read(data: bytes) -> Draft:
    document = read_document(data, "draft", limit=_MAX_DOCUMENT_BYTES)
    draft = Draft(
        payload=decode_payload(document.data("payload")),
        to=tuple(AgencyId(one) for one in document.texts("to")),
        in_reply_to=_optional_id(document, "in_reply_to"),
        conversation_id=_optional_id(document, "conversation_id"),
        expires_ms=document.integer("expires_ms") if document.has("expires_ms") else None,
        only_reply=document.flag("only_reply"),
    )
    document.end()
    return draft


def _optional_id(document: Document, name: str) -> MessageId | None:
    return MessageId(document.data(name)) if document.has(name) else None


def _proposal(office: Office, row: SecretRow) -> Proposal:
    draft = _read(reveal(office, row))
    own = office.directory().own
    author, *_ = verify_endorsements(own, draft.payload, to=draft.to, in_reply_to=draft.in_reply_to)
    return Proposal(
        MessageId(row.name), draft, author.operator, awaits(office, draft) or "", row.stored_ms
    )


def _taking(draft_id: MessageId, *, sent: bool = False) -> Callable[[Work], None]:
    """Return the operation that takes a draft away; it raises if somebody else has.

    Args:
        draft_id: Its name.
        sent: It leaves: what it was written from, under the same name, goes too.
    """

    def take(work: Work) -> None:
        if not work.transaction.secrets.drop(DRAFTS, draft_id):
            raise _unknown(draft_id)
        if sent:
            work.transaction.secrets.drop(CASES, draft_id)

    return take


def _unknown(draft_id: MessageId) -> PolicyError:
    return PolicyError(
        f"no draft {show_message_id(draft_id)} waits; 'sesn approve list' shows those that do",
        code=UNKNOWN_DRAFT,
    )
