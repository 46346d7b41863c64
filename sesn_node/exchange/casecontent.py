"""What steps of a case say: opened from our messages, or from the case files that brought them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.signing import body_hash
from sesn_node.domain.case_messages import CaseFile, CaseStep
from sesn_node.domain.ids import MessageId
from sesn_node.domain.markings import as_strict_as
from sesn_node.domain.times import instant
from sesn_node.errors import PolicyError, SesnError
from sesn_node.exchange.disclose import messages_of
from sesn_node.exchange.forwarding import as_original
from sesn_node.exchange.open import open_received, open_sent
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_messages import Details
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.case_terms import Action
    from sesn_node.domain.forward import Original
    from sesn_node.domain.markings import Markings
    from sesn_node.domain.payload import Payload
    from sesn_node.exchange.office import Office
    from sesn_node.store.cases import CaseStepRow
    from sesn_node.store.engine import Transaction


@dataclass(frozen=True, slots=True)
class StepContent:
    """What a step says.

    Args:
        payload: Its content; None if it cannot be opened.
        problem: Code of the reason why not; else empty.
    """

    payload: Payload | None
    problem: str = ""

    @property
    def details(self) -> Details | None:
        """What it says beside its mark."""
        body = None if self.payload is None else self.payload.body
        return body.details if isinstance(body, CaseStep) else None


_MISSING: Final = StepContent(None, "MISSING")


def contents_of(
    office: Office, transaction: Transaction, case_id: bytes
) -> dict[bytes, StepContent]:
    """Open what the steps of a case say, by step id."""
    files: dict[tuple[str, bytes], dict[bytes, StepContent]] = {}
    found = {}
    for row in transaction.cases.steps(case_id):
        if row.carrier is None or row.carrier_id is None:
            found[row.step_id] = _direct(office, transaction, row)
            continue
        carrier = row.carrier, row.carrier_id
        if carrier not in files:
            files[carrier] = _filed(office, transaction, carrier)
        found[row.step_id] = files[carrier].get(row.step_id, _MISSING)
    return found


def details_of(
    office: Office, transaction: Transaction, case: Case, action: Action
) -> Details | None:
    """Return what the last step of a kind on the line says; None: there is none, or it is gone."""
    contents = contents_of(office, transaction, case.case_id)
    for step_id in reversed(case.line.steps):
        payload = contents[step_id].payload
        body = None if payload is None else payload.body
        if isinstance(body, CaseStep) and body.mark.action is action:
            return body.details
    return None


def markings_of(office: Office, transaction: Transaction, history: History) -> Markings:
    """Return how a step is handled: as strictly as all before it together.

    Raises:
        PolicyError: Nothing of the case can be read.
    """
    case_id = history.steps[0].case_id
    contents = contents_of(office, transaction, case_id).values()
    said = [one.payload.markings for one in contents if one.payload is not None]
    if not said:
        raise PolicyError(
            "nothing of this case can be read, so nobody knows how it is handled; say it with "
            "--tlp",
            code="NOTHING_READABLE",
        )
    return as_strict_as(said, instant(office.clock()))


def originals_of(office: Office, transaction: Transaction, case_id: bytes) -> dict[bytes, Original]:
    """Return the steps of a case as their senders sealed them, by step id; not what was erased."""
    found: dict[bytes, Original] = {}
    for row in transaction.cases.steps(case_id):
        if row.carrier is not None and row.carrier_id is not None:
            body = _file_body(office, transaction, (row.carrier, row.carrier_id))
            if body is not None:
                found.update((body_hash(one.header), one) for one in body.originals)
            continue
        for one in messages_of(office, transaction, MessageId(row.message_id)):
            if one.about[0] == row.sender and one.sealed.ciphertext is not None:
                found[row.step_id] = as_original(transaction, one, *one.reveal())
    return found


def _direct(office: Office, transaction: Transaction, row: CaseStepRow) -> StepContent:
    try:
        if row.sender == office.agency:
            sent = transaction.outbox.message(MessageId(row.message_id))
            return _MISSING if sent is None else StepContent(open_sent(office, sent))
        for received in transaction.inbox.find(MessageId(row.message_id)):
            if received.sender == row.sender:
                return StepContent(open_received(office, received))
    except SesnError as error:
        return StepContent(None, error.code)
    return _MISSING


def _filed(
    office: Office, transaction: Transaction, carrier: tuple[str, bytes]
) -> dict[bytes, StepContent]:
    """Open a case file: the steps in it, by step id."""
    body = _file_body(office, transaction, carrier)
    if body is None:
        return {}
    return {
        body_hash(one.header): StepContent(decode_payload(one.payload)) for one in body.originals
    }


def _file_body(
    office: Office, transaction: Transaction, carrier: tuple[str, bytes]
) -> CaseFile | None:
    """Open a case file; None if it cannot be opened any more."""
    for received in transaction.inbox.find(MessageId(carrier[1])):
        if received.sender == carrier[0]:
            try:
                body = open_received(office, received).body
            except SesnError:
                return None
            return body if isinstance(body, CaseFile) else None
    return None
