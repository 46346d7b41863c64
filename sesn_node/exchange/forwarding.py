"""Forwarding: pass a message of another agency on, with what proves who said it.

Nobody is asked to believe us: the original travels as its originator sealed it, opened, with the
card that lists the sealing key. What its originator does not let go further stays here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.conversation import Consent
from sesn_node.domain.forward import Forward, Original
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.onward import FORWARDABLE, Obstacle, Transfer, obstacle
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.domain.times import instant, unix_ms
from sesn_node.errors import PolicyError, SesnError, VerificationError
from sesn_node.exchange.disclose import messages_of, unknown
from sesn_node.exchange.onward import NOT_GRANTED, permission_of
from sesn_node.exchange.originals import open_original
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.views import several_senders
from sesn_node.trust.card import open_card
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sesn_node.domain.messages import Header
    from sesn_node.exchange.disclose import Disclosable
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.originals import OpenedOriginal
    from sesn_node.store.engine import Transaction

NOT_FORWARDABLE: Final = "NOT_FORWARDABLE"


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A forward that was queued.

    Args:
        message_id: The forward, a message of its own.
        originator: Who said what it passes on.
        original_id: The message that it passes on.
        to: Who gets it.
        consent_id: The originator's consent that lets it go there, where one was needed.
    """

    message_id: MessageId
    originator: AgencyId
    original_id: MessageId
    to: tuple[AgencyId, ...]
    consent_id: MessageId | None


def forward(  # noqa: PLR0913 - what an officer decides
    office: Office,
    message_id: MessageId,
    to: Sequence[AgencyId],
    *,
    text: str = "",
    consent_id: MessageId | None = None,
    sender: AgencyId | None = None,
) -> Forwarded:
    """Pass a message on.

    Of a forward, its original is passed on: never a forward within a forward.

    Args:
        office: Ours.
        message_id: A message that we received.
        to: Who gets it.
        text: Why it is passed on.
        consent_id: The originator's consent, a message that we received; if None, the newest one
            that fits is looked for, where one is needed.
        sender: Who sent the message to us, to choose when two senders used one id.

    Raises:
        PolicyError: `NOT_GRANTED`: its originator does not let it go there; the error says what to
            ask for. `NOT_FORWARDABLE`: nothing that can be passed on. `RECALLED`, `ERASED`,
            UNKNOWN_MESSAGE, or as `share`.
        ConflictError: Two senders used the same id, and none is named.
        MalformedError: The text is too long, or the message too large to be passed on.
        VerificationError: What is stored does not verify any more.
        StorageError: It could not be stored; nothing was passed on.
    """
    recipients = tuple(sorted(set(to)))
    now_ms = office.clock()
    with office.store.read() as transaction:
        original = _original(office, transaction, message_id, sender)
        found = open_original(original)
        if found.payload.kind not in FORWARDABLE:
            raise _not_forwardable(found.payload.kind)
        consents = _consents(office, transaction, found, consent_id)
    chosen = _choose(office, found, recipients, consents, instant(now_ms))
    body = Forward(original, None if chosen is None else chosen.original, text)
    payload = Payload(found.payload.markings, body)
    expires_ms = _expiry(office, now_ms, payload, None if chosen is None else chosen.given)
    done = share(office, Draft(payload, recipients, expires_ms=expires_ms))
    return Forwarded(
        message_id=done,
        originator=found.header.sender,
        original_id=found.header.message_id,
        to=recipients,
        consent_id=None if chosen is None else chosen.opened.header.message_id,
    )


def _original(
    office: Office, transaction: Transaction, message_id: MessageId, sender: AgencyId | None
) -> Original:
    """Make the original of a message that is here."""
    found = [
        one
        for one in messages_of(office, transaction, message_id)
        if sender in {None, one.about[0]}
    ]
    if not found:
        raise unknown(message_id)
    if len(found) > 1:
        raise several_senders(message_id, [one.about[0] for one in found])
    (one,) = found
    salt, data = one.reveal()
    payload = decode_payload(data)
    if isinstance(payload.body, Forward):
        return payload.body.original
    if one.about[0] == office.agency:
        raise PolicyError(
            f"message {show_message_id(message_id)} is our own: nothing is passed on that the "
            "originator can send; use 'sesn alert send'",
            code=NOT_FORWARDABLE,
        )
    return as_original(transaction, one, salt, data)


def as_original(transaction: Transaction, one: Disclosable, salt: bytes, data: bytes) -> Original:
    """Make the original of a message that is here, from what its commitment opens to.

    Raises:
        VerificationError: No card of its sender that is kept here lists the key that sealed it.
    """
    header = decode_header(one.sealed.header)
    return Original(
        header=one.sealed.header,
        seal=one.sealed.seal,
        salt=salt,
        payload=data,
        card=_card(transaction, header),
    )


def _card(transaction: Transaction, header: Header) -> bytes:
    """Return the newest card of a sender that lists the key which sealed its message."""
    for row in reversed(transaction.browse.cards_of(header.sender)):
        try:
            open_card(row.sealed, row.taken_ms).seal_key(header.seal_key_id, header.created_ms)
        except SesnError:
            continue
        return row.sealed
    raise VerificationError(
        f"no card of {header.sender} that is kept here lists the key which sealed this message: "
        "the database was changed"
    )


@dataclass(frozen=True, slots=True)
class _Consenting:
    """A consent that is here, and could go with a forward."""

    original: Original
    opened: OpenedOriginal
    given: Consent


def _consents(
    office: Office,
    transaction: Transaction,
    found: OpenedOriginal,
    consent_id: MessageId | None,
) -> list[_Consenting]:
    """Find the originator's consents for a message, newest first; or the one that is named."""
    originator, original_id = found.header.sender, found.header.message_id
    if consent_id is None:
        rows = transaction.inbox.replies([original_id], MessageKind.CONSENT.value)
        ids: Iterable[MessageId] = [
            MessageId(row.message_id) for row in reversed(rows) if row.sender == originator
        ]
    else:
        ids = [consent_id]
    gathered = []
    for one_id in ids:
        for one in messages_of(office, transaction, one_id):
            if one.about[0] != originator or one.sealed.ciphertext is None:
                continue
            original = as_original(transaction, one, *one.reveal())
            opened = open_original(original)
            body = opened.payload.body
            if isinstance(body, Consent) and permission_of(found, opened) is not None:
                gathered.append(_Consenting(original, opened, body))
    if consent_id is not None and not gathered:
        raise PolicyError(
            f"message {show_message_id(consent_id)} is no consent of {originator} to pass its "
            f"message {show_message_id(original_id)} on",
            code=NOT_GRANTED,
        )
    return gathered


def _choose(
    office: Office,
    found: OpenedOriginal,
    recipients: Sequence[AgencyId],
    consents: Sequence[_Consenting],
    at: datetime,
) -> _Consenting | None:
    """Return the consent that lets a message go to all recipients; None if none is needed.

    Raises:
        PolicyError: Its originator does not let it go to one of them.
    """
    problem = _problem(office, found, recipients, None, at)
    if problem is None:
        return None
    for one in consents:
        other = _problem(office, found, recipients, one, at)
        if other is None:
            return one
        problem = other
    agency, why = problem
    raise PolicyError(_advice(office, found, agency, why), code=NOT_GRANTED)


def _problem(
    office: Office,
    found: OpenedOriginal,
    recipients: Sequence[AgencyId],
    consenting: _Consenting | None,
    at: datetime,
) -> tuple[AgencyId, Obstacle] | None:
    """Return the first recipient that it must not go to, and why."""
    permission = None if consenting is None else permission_of(found, consenting.opened)
    for agency in recipients:
        why = obstacle(
            Transfer(
                markings=found.payload.markings,
                originator=found.header.sender,
                recipients=frozenset(one.agency for one in found.header.recipients),
                forwarder=office.agency,
                to=agency,
                at=at,
                permission=permission,
            )
        )
        if why is not None:
            return agency, why
    return None


_ASKABLE: Final = frozenset(Obstacle) - {Obstacle.ORIGINATOR, Obstacle.NEVER, Obstacle.RETAINED}


def _advice(office: Office, found: OpenedOriginal, agency: AgencyId, why: Obstacle) -> str:
    originator, original_id = found.header.sender, show_message_id(found.header.message_id)
    told = f"message {original_id} of {originator} must not be passed on to {agency}: {why}"
    if why in _ASKABLE:
        told += (
            f"; ask {originator} for its consent, 'sesn alert consent {original_id} --to "
            f"{office.agency} --onward {agency}' there"
        )
    elif why is Obstacle.NEVER:
        told += f"; ask {originator} to send it there itself"
    return told


def _expiry(office: Office, now_ms: int, payload: Payload, given: Consent | None) -> int:
    """Return when the forward expires: not after what lets it go there."""
    ends = [payload.markings.retain_until, None if given is None else given.until]
    limits = [unix_ms(one) for one in ends if one is not None]
    return min([now_ms + office.terms.lifetime_ms, *limits])


def _not_forwardable(kind: MessageKind) -> PolicyError:
    if kind in {MessageKind.CASE_STEP, MessageKind.CASE_FILE}:
        return PolicyError(
            "what is said in a case stays among its members; 'sesn case invite' lets an agency "
            "join, which then gets the case so far",
            code=NOT_FORWARDABLE,
        )
    kinds = ", ".join(sorted(one.value for one in FORWARDABLE))
    return PolicyError(
        f"a {kind.value} cannot be passed on; what can: {kinds}", code=NOT_FORWARDABLE
    )
