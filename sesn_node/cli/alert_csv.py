"""Lists of alerts as CSV."""

from __future__ import annotations

from typing import Final

from sesn_node.cli.alert_json import decision_of
from sesn_node.cli.show import iso
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import unix_ms
from sesn_node.exchange.views import AlertView
from sesn_node.exchange.watchlist import Marks

ALERT_COLUMNS: Final = (
    "message_id",
    "direction",
    "from",
    "to",
    "time",
    "tlp",
    "subject",
    "urgency",
    "requested_action",
    "respond_by",
    "decision",
    "watched",
    "problem",
)


def alert_row(view: AlertView, marked: Marks) -> list[str | None]:
    """Return an alert as a row under `ALERT_COLUMNS`."""
    alert, decision = view.alert, decision_of(view)
    due = alert.respond_by if alert else None
    return [
        show_message_id(view.message_id),
        "sent" if view.ours else "received",
        view.sender,
        " ".join(view.recipients),
        iso(view.at_ms),
        view.payload.markings.tlp.value if view.payload else None,
        alert.subject if alert else None,
        alert.urgency.value if alert else None,
        alert.requested_action.value if alert else None,
        iso(unix_ms(due)) if due else None,
        decision.value if decision else None,
        "; ".join(marked.get((view.sender, view.message_id), ())),
        view.problem or None,
    ]
