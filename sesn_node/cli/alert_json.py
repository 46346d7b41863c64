"""Alerts for programs."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from sesn_node.cli.handling_text import allowed_json
from sesn_node.cli.show import Json, iso
from sesn_node.cli.versions_text import updates_json
from sesn_node.codes.consignment import check_alert
from sesn_node.domain.conversation import Decision
from sesn_node.domain.findings import Finding
from sesn_node.domain.handling import allowed, marks
from sesn_node.domain.ids import MessageId, show_message_id
from sesn_node.domain.payload import Payload
from sesn_node.domain.times import instant, unix_ms
from sesn_node.exchange.copyviews import CopyView, ReceiptView
from sesn_node.exchange.forwardviews import ForwardView
from sesn_node.exchange.views import AlertFile, AlertView, EntryView, ResponseView
from sesn_node.exchange.watchlist import Marks
from sesn_node.ledger.encoding import encode_base64
from sesn_node.store.erasures import ErasureRow
from sesn_node.store.numbers import index_of
from sesn_node.trust.people import told
from sesn_node.wire.payloads import payload_to_json


def alert_line_json(view: AlertView, marked: Marks = MappingProxyType({})) -> dict[str, Json]:
    """Show an alert as one of a list; what cannot be opened is null, with the `problem`."""
    alert = view.alert
    decision = decision_of(view)
    return {
        "message_id": show_message_id(view.message_id),
        "direction": "sent" if view.ours else "received",
        "from": view.sender,
        "to": list(view.recipients),
        "time": iso(view.at_ms),
        "tlp": view.payload.markings.tlp.value if view.payload else None,
        "marks": list(marks(view.payload.markings)) if view.payload else [],
        "originator": view.forward.originator if view.forward else None,
        "subject": alert.subject if alert else None,
        "urgency": alert.urgency.value if alert else None,
        "requested_action": alert.requested_action.value if alert else None,
        "respond_by": iso(unix_ms(alert.respond_by)) if alert and alert.respond_by else None,
        "watched": list(marked.get((view.sender, view.message_id), ())),
        "problem": view.problem or None,
        "erased": erased_json(view.erased) if view.erased else None,
        "recalled": iso(view.recalled_ms),
        "decision": decision.value if decision else None,
        "recipients": copies_json(view.copies),
    }


def decision_of(view: AlertView) -> Decision | None:
    """Return our own decision on an alert that we received."""
    decided = [one.decision for one in view.responses if one.decision is not None]
    return decided[0] if decided and not view.ours else None


def alert_json(found: AlertFile, *, history: bool = False) -> dict[str, Json]:
    """Show an alert with all that is known about it; with `history`, what each update said.

    `payload` is what its sender said first; `stands` is what stands now.
    """
    view = found.alert
    written = instant(view.created_ms)
    return {
        **alert_line_json(view),
        "created": iso(view.created_ms),
        "expires": iso(view.expires_ms),
        "payload": payload_to_json(view.payload) if view.payload else None,
        "stands": payload_to_json(view.newest) if view.newest else None,
        **updates_json(view, history=history),
        "may": allowed_json(allowed(view.payload.markings)) if view.payload else None,
        "people": people_json(view.payload) if view.payload else [],
        "forward": _forward_json(view.forward) if view.forward else None,
        "findings": findings_json(check_alert(view.alert, written)) if view.alert else [],
        "responses": [_response_json(one) for one in view.responses],
        "ledger": [_entry_json(one) for one in found.entries],
    }


def people_json(payload: Payload) -> list[Json]:
    """Show who wrote and approved a message, as its sender says."""
    return [
        {
            "act": one.act.value,
            "operator": one.operator,
            "role": one.role.value,
            "time": iso(one.at_ms),
        }
        for one in told(payload)
    ]


def _forward_json(forward: ForwardView) -> dict[str, Json]:
    """Show whose message a forward passes on, and how far that is known here."""
    consent = forward.consent_id
    return {
        "originator": forward.originator,
        "name": forward.name,
        "card": forward.standing.value,
        "fingerprint": forward.fingerprint.hex(),
        "original": show_message_id(forward.original_id),
        "created": iso(forward.created_ms),
        "recipients": list(forward.recipients),
        "consent": None if consent is None else show_message_id(consent),
        "text": forward.text,
    }


def erased_json(row: ErasureRow) -> dict[str, Json]:
    """Show that the content of a message was erased, and why."""
    return {
        "message_id": show_message_id(MessageId(row.message_id)),
        "from": row.sender,
        "time": iso(row.erased_ms),
        "entry": index_of(row.entry_index),
        "reason": row.reason,
        "bytes_gone": iso(row.scrubbed_ms),
    }


def copies_json(copies: Sequence[CopyView]) -> list[Json]:
    """Show how each recipient's copy stands."""
    return [
        {
            "agency": copy.agency,
            "state": copy.state.value,
            "receipt": receipt_json(copy.receipt) if copy.receipt else None,
            "code": copy.code,
            "detail": copy.detail,
        }
        for copy in copies
    ]


def receipt_json(receipt: ReceiptView) -> dict[str, Json]:
    """Show a recipient's receipt."""
    return {
        "origin": receipt.origin,
        "index": receipt.index,
        "leaf_hash": encode_base64(receipt.leaf_hash),
        "size": receipt.size,
        "cosigned_size": receipt.shared_size,
        "received": iso(receipt.received_ms),
    }


def _response_json(response: ResponseView) -> dict[str, Json]:
    return {
        "message_id": show_message_id(response.message_id),
        "agency": response.agency,
        "time": iso(response.at_ms),
        "decision": response.decision.value if response.decision else None,
        "text": response.text,
        "problem": response.problem or None,
        "state": response.copy.state.value if response.copy else None,
    }


def _entry_json(entry: EntryView) -> dict[str, Json]:
    return {
        "index": entry.index,
        "kind": entry.kind.value,
        "time": iso(entry.time_ms),
        "agency": entry.agency,
        "code": entry.code or None,
    }


def findings_json(found: Sequence[Finding]) -> list[Json]:
    """Show what was found of identifiers."""
    return [_finding_json(one) for one in found]


def _finding_json(finding: Finding) -> dict[str, Json]:
    return {
        "field": finding.field,
        "observed": finding.observed,
        "normalised": finding.normalised,
        "result": finding.result.value,
        "reason": finding.reason,
    }
