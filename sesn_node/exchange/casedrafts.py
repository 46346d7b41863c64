"""Drafts of cases: a request for a return, known to this agency alone, until two people send it.

A draft is kept encrypted, and may be incomplete. Requesting the return makes the message and keeps
it for a second person, under the name of the draft. The draft stays until that person sends it, and
goes in the transaction that records the message; if the message is withdrawn instead, the draft can
be changed and requested again. While the message waits, the draft cannot be changed: what a second
person reads is what was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_messages import Evidence
from sesn_node.domain.ids import MessageId, show_message_id
from sesn_node.errors import ConflictError, MalformedError, PolicyError
from sesn_node.exchange.approval import CASES, DRAFTS, new_draft_id, propose
from sesn_node.exchange.casework import TakeBack, request_draft
from sesn_node.exchange.secrets import hide, reveal
from sesn_node.exchange.views import alert_file
from sesn_node.telemetry.logs import get_logger
from sesn_node.wire.case_forms import encode_form, form_from_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.alert import Consignment
    from sesn_node.domain.case_form import CaseForm
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.approval import Proposal
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.store.people import SecretRow

_log = get_logger(__name__)

WAITING: Final = "WAITING"
UNKNOWN_CASE_DRAFT: Final = "UNKNOWN_CASE_DRAFT"


@dataclass(frozen=True, slots=True)
class CaseDraftLine:
    """A draft of a case as one of a list; nothing of it is decrypted.

    Args:
        draft_id: Its name, a UUIDv7; the case gets an id of its own.
        written_ms: When it was written last, Unix milliseconds.
        waits: Whether the request waits for a second person.
    """

    draft_id: MessageId
    written_ms: int
    waits: bool


@dataclass(frozen=True, slots=True)
class CaseDraft:
    """A draft of a case, and what is written in it."""

    line: CaseDraftLine
    form: CaseForm


def open_case(office: Office, form: CaseForm) -> CaseDraft:
    """Keep a new draft.

    Raises:
        PolicyError: The regime is none of the settings.
        StorageError: It could not be stored.
    """
    _check(office, form)
    now_ms = office.clock()
    draft_id = new_draft_id(now_ms)
    hide(office, CASES, draft_id, encode_form(form), now_ms)
    _log.info("case-draft-kept", draft_id=show_message_id(draft_id))
    return CaseDraft(CaseDraftLine(draft_id, now_ms, waits=False), form)


def replace_draft(office: Office, draft: CaseDraft, form: CaseForm) -> CaseDraft:
    """Change what is written in a draft.

    Raises:
        PolicyError: `UNKNOWN_CASE_DRAFT`: it is gone. Or as `open_case`.
        ConflictError: `WAITING`: the request waits for a second person.
        StorageError: It could not be stored.
    """
    _check(office, form)
    now_ms, draft_id = office.clock(), draft.line.draft_id
    hide(office, CASES, draft_id, encode_form(form), now_ms, beside=_unrequested(draft_id))
    _log.info("case-draft-kept", draft_id=show_message_id(draft_id))
    return CaseDraft(CaseDraftLine(draft_id, now_ms, waits=False), form)


def delete_draft(office: Office, draft_id: MessageId) -> None:
    """Take a draft away; nobody else ever knew of it.

    Raises:
        PolicyError: `UNKNOWN_CASE_DRAFT`: there is none.
        ConflictError: `WAITING`: the request waits for a second person.
    """
    check = _unrequested(draft_id)

    def operation(work: Work) -> None:
        check(work)
        work.transaction.secrets.drop(CASES, draft_id)

    office.sequencer.run(operation, writes=True)
    _log.info("case-draft-deleted", draft_id=show_message_id(draft_id))


def find_draft(office: Office, draft_id: MessageId) -> CaseDraft:
    """Return a draft with what is written in it.

    Raises:
        PolicyError: `UNKNOWN_CASE_DRAFT`: there is none.
        VerificationError, MalformedError: What was stored was altered.
    """
    with office.store.read() as transaction:
        row = transaction.secrets.get(CASES, draft_id)
        if row is None:
            raise _unknown(draft_id)
        line = _line(transaction, row)
    return CaseDraft(line, form_from_json(reveal(office, row)))


def draft_lines(transaction: Transaction) -> tuple[CaseDraftLine, ...]:
    """List the drafts, oldest first."""
    return tuple(_line(transaction, row) for row in transaction.secrets.every(CASES))


def request_return(office: Office, draft_id: MessageId) -> Proposal:
    """Write the request that a draft holds, sign it, and keep it for a second person.

    Raises:
        PolicyError: `UNKNOWN_CASE_DRAFT`; nobody acts, or may not write; or as `request_draft`.
        MalformedError: Something of the request is still to be written.
        ConflictError: `WAITING`: it waits already; or the draft was changed meanwhile.
        StorageError: It could not be stored.
    """
    draft = find_draft(office, draft_id)
    if draft.line.waits:
        raise _waiting(draft_id)
    message = request_draft(office, take_back(draft.form))
    written = encode_form(draft.form)
    unrequested = _unrequested(draft_id)

    def check(work: Work) -> None:
        unrequested(work)
        row = work.transaction.secrets.get(CASES, draft_id)
        if row is None or reveal(office, row) != written:
            raise ConflictError("the draft was changed meanwhile; look at it again", code="CHANGED")

    return propose(office, message, draft_id, beside=check)


def take_back(form: CaseForm) -> TakeBack:
    """Return the request that was written, if it is whole.

    Raises:
        MalformedError: It is not; the message names every part that is missing.
    """
    lacking = form.lacking()
    if form.exporter is None or form.ground is None or form.markings is None or lacking:
        raise MalformedError(
            f"{', '.join(lacking)}: missing; 'sesn case open --replace DRAFT' adds to a draft"
        )
    return TakeBack(
        exporter=form.exporter,
        transit=form.transit,
        facility=form.facility,
        ground=form.ground,
        regime=form.regime,
        details=form.details,
        markings=form.markings,
    )


def alert_evidence(
    office: Office, alert_id: MessageId, sender: AgencyId | None
) -> tuple[Consignment | None, Evidence]:
    """Return what an alert tells of a consignment, and the alert as evidence.

    Args:
        office: Ours.
        alert_id: The alert.
        sender: Who sent it, to choose when two senders used one id.

    Raises:
        PolicyError: No such alert, or its content cannot be read any more.
        ConflictError: Two senders used the same id, and none is named.
    """
    view = alert_file(office, alert_id, sender).alert
    stands = view.stands
    if stands is None:
        raise PolicyError(
            f"alert {show_message_id(alert_id)} cannot be read here: {view.problem}",
            code="NOTHING_READABLE",
        )
    with office.store.read() as transaction:
        sent = transaction.outbox.message(alert_id) if view.ours else None
        rows = [one for one in transaction.inbox.find(alert_id) if one.sender == view.sender]
        sealed = rows[0].sealed if sent is None else sent.sealed
    # A subject may be as long as a description, so what stands around it has no room of its own.
    described = f"Alert of {view.sender}: {stands.subject}"[:200]
    return stands.consignment, Evidence(described, sealed.header_sha256, alert_id)


def _check(office: Office, form: CaseForm) -> None:
    office.cases.regime(form.regime)


def _line(transaction: Transaction, row: SecretRow) -> CaseDraftLine:
    waits = transaction.secrets.get(DRAFTS, row.name) is not None
    return CaseDraftLine(MessageId(row.name), row.stored_ms, waits)


def _unrequested(draft_id: MessageId) -> Callable[[Work], None]:
    """Return the operation that fails unless a draft is there and its request does not wait."""

    def check(work: Work) -> None:
        secrets = work.transaction.secrets
        if secrets.get(CASES, draft_id) is None:
            raise _unknown(draft_id)
        if secrets.get(DRAFTS, draft_id) is not None:
            raise _waiting(draft_id)

    return check


def _waiting(draft_id: MessageId) -> ConflictError:
    shown = show_message_id(draft_id)
    return ConflictError(
        f"the request of draft {shown} waits for a second person: 'sesn approve give {shown}' "
        f"sends it, 'sesn approve withdraw {shown}' lets you change the draft",
        code=WAITING,
    )


def _unknown(draft_id: MessageId) -> PolicyError:
    return PolicyError(
        f"there is no draft {show_message_id(draft_id)} of a case; 'sesn case list' shows them",
        code=UNKNOWN_CASE_DRAFT,
    )
