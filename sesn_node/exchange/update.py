"""Update: say what we know better by now about an alert of ours.

A whole new alert goes to everybody who was sent the first, in the same conversation. Who holds the
first under another seal, since it was sealed anew, is sent an update that names that one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.alert import Alert
from sesn_node.domain.conversation import Update
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.errors import MalformedError, PolicyError
from sesn_node.exchange.erase import is_erased, targets_of
from sesn_node.exchange.open import ERASED
from sesn_node.exchange.share import Draft, share
from sesn_node.trust.directory import NOT_TRUSTED

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction
    from sesn_node.store.sealed import SentRow


@dataclass(frozen=True, slots=True)
class Updated:
    """An update that was queued: its id, the alert that it names, and its recipients."""

    message_id: MessageId
    alert: MessageId
    to: tuple[AgencyId, ...]


@dataclass(frozen=True, slots=True)
class Updates:
    """What was queued, and who is not told, being trusted no more."""

    queued: tuple[Updated, ...]
    left_out: tuple[AgencyId, ...]


def update(office: Office, message_id: MessageId, payload: Payload, reason: str = "") -> Updates:
    """Send an alert of ours anew, as it stands now. Both are kept.

    Args:
        office: Ours.
        message_id: The first alert.
        payload: The alert as it stands now, and its markings.
        reason: What is new, at most 2,000 characters.

    Raises:
        PolicyError: We sent no such alert (`OWN_ALERT_ONLY`), it was recalled or erased, nobody
            can be told, or `share` refuses.
        MalformedError: The payload is no alert, or the reason too long.
        StorageError: Nothing was queued, or not for all; `sesn alert show` tells.
    """
    if not isinstance(payload.body, Alert):
        raise MalformedError("expected an alert")
    with office.store.read() as transaction:
        groups = _holders(office, transaction, message_id)
        directory = office.partners.current(transaction)
    now_ms = office.clock()
    trusted, left_out = set[AgencyId](), []
    for agency in sorted({agency for _, to in groups for agency in to}):
        try:
            directory.trusted(agency, now_ms)
        except PolicyError:
            left_out.append(agency)
        else:
            trusted.add(agency)
    if not trusted:
        raise PolicyError(
            f"none of the recipients of alert {show_message_id(message_id)} is trusted: there is "
            "nobody to tell",
            code=NOT_TRUSTED,
        )
    queued = []
    for row, holders in groups:
        to = tuple(agency for agency in holders if agency in trusted)
        if not to:
            continue
        body = Update(MessageId(row.message_id), row.sealed.header_sha256, payload.body, reason)
        draft = Draft(
            payload=Payload(payload.markings, body),
            to=to,
            in_reply_to=body.message_id,
            conversation_id=MessageId(row.sealed.conversation_id),
        )
        queued.append(Updated(share(office, draft), body.message_id, to))
    return Updates(tuple(queued), tuple(left_out))


def _holders(
    office: Office, transaction: Transaction, message_id: MessageId
) -> list[tuple[SentRow, tuple[AgencyId, ...]]]:
    """Return our alert under each of its seals, with the recipients that hold it so."""
    named = transaction.outbox.message(message_id)
    if named is None or named.sealed.kind != MessageKind.ALERT.value:
        raise PolicyError(
            f"{show_message_id(message_id)} is no alert that was sent from here: only its sender "
            "can update it",
            code="OWN_ALERT_ONLY",
        )
    if transaction.recalls.withdrawn(message_id) is not None:
        raise PolicyError(
            f"alert {show_message_id(message_id)} was recalled; send a new one", code="RECALLED"
        )
    if is_erased(transaction, office.agency, message_id):
        raise PolicyError(
            f"the content of alert {show_message_id(message_id)} was erased; send a new one",
            code=ERASED,
        )
    found = []
    for target in targets_of(office, transaction, message_id, office.agency):
        row = transaction.outbox.message(target.message_id)
        copies = transaction.outbox.copies(target.message_id)
        to = tuple(AgencyId(one.agency) for one in copies if one.resealed_as is None)
        if row is not None and to:
            found.append((row, to))
    return found
