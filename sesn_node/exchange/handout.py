"""Hand out: what an alert says, for a form that leaves this network's protection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.alert import Alert
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.payload import Payload
from sesn_node.errors import PolicyError
from sesn_node.exchange.disclose import record_disclosures
from sesn_node.exchange.views import alert_file

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.views import AlertView


@dataclass(frozen=True, slots=True)
class Handout:
    """An alert that is about to be given out.

    Args:
        payload: Its markings, and the alert as it stands now.
        alert: The same alert.
        author: Who wrote it; of a forward, its originator.
        message_id: The alert; of a forward, the one that it passes on.
        created_ms: When it was written.
        modified_ms: When what stands now was written.
    """

    payload: Payload
    alert: Alert
    author: AgencyId
    message_id: MessageId
    created_ms: int
    modified_ms: int


def hand_out(office: Office, message_id: MessageId, sender: AgencyId | None = None) -> Handout:
    """Return an alert as it stands now, once the ledger tells that it was disclosed.

    DISCLOSED names the message whose content leaves: the newest update, or the alert itself.

    Args:
        office: Ours.
        message_id: The alert.
        sender: Who sent it, to choose when two senders used one id.

    Raises:
        PolicyError: No such alert, or its content cannot be opened; the code says why.
        ConflictError: Two senders used the same id, and none is named.
        StorageError: It cannot be recorded; then nothing may leave.
    """
    view = alert_file(office, message_id, sender).alert
    newest = _newest(view)
    record_disclosures(office, [newest[0]], view.sender)
    return newest[1]


def _newest(view: AlertView) -> tuple[MessageId, Handout]:
    """Return what stands now, and the message that says so."""
    payload, alert = view.newest, view.stands
    if payload is None or alert is None:
        raise PolicyError(
            f"the content of alert {show_message_id(view.message_id)} cannot be opened",
            code=view.problem,
        )
    origin = view.forward
    author, about, created_ms = view.sender, view.message_id, view.created_ms
    if origin is not None:
        author, about, created_ms = origin.originator, origin.original_id, origin.created_ms
    update = next((one for one in reversed(view.updates) if one.payload is payload), None)
    said = Payload(payload.markings, alert, payload.endorsements)
    modified_ms = created_ms if update is None else max(created_ms, update.created_ms)
    told = Handout(said, alert, author, about, created_ms, modified_ms)
    return (view.message_id if update is None else update.message_id), told
