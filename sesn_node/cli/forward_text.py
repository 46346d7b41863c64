"""Whose message a forward passes on, for people."""

from __future__ import annotations

from typing import Final

from rich.table import Table
from rich.text import Text

from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import utc_second
from sesn_node.exchange.forwardviews import ForwardView
from sesn_node.exchange.originals import Standing
from sesn_node.trust.fingerprint import hex_groups

_STANDING: Final = {
    Standing.OURS: Text("our own agency's"),
    Standing.PINNED: Text("under the root that is pinned here", "green"),
    Standing.UNKNOWN: Text(
        "the originator's card is not pinned here: compare its fingerprint with the agency before "
        "you believe who wrote this",
        "yellow",
    ),
    Standing.OTHER_ROOT: Text(
        "under another root than the one that is pinned here: the originator did not write this",
        "bold red",
    ),
    Standing.CUT_OFF: Text("under the pinned root, but the originator is not trusted now", "red"),
}


def add_forward(listing: Table, forward: ForwardView) -> None:
    """Add whose message it is, and how far that is known, to a list of facts."""
    written = utc_second(forward.created_ms)
    listing.add_row("first from", Text(f"{forward.name} ({forward.originator})"))
    listing.add_row("", Text(f"message {show_message_id(forward.original_id)}, {written} UTC"))
    listing.add_row("", Text(f"sent to {', '.join(forward.recipients)}"))
    listing.add_row("its card", _STANDING[forward.standing])
    if forward.standing is Standing.UNKNOWN:
        listing.add_row("fingerprint", hex_groups(forward.fingerprint))
    if forward.consent_id is not None:
        listing.add_row("consent", show_message_id(forward.consent_id))
    if forward.text:
        listing.add_row("passed on", Text(forward.text))
