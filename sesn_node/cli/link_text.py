"""How links to partners stand, in words."""

from __future__ import annotations

from rich.text import Text

from sesn_node.bootstrap import RUN_FOLDER
from sesn_node.cli.runfile import serving_node
from sesn_node.cli.show import until
from sesn_node.config import Config
from sesn_node.domain.times import utc_minute
from sesn_node.exchange.standing import PeerView
from sesn_node.store.peers import LinkRow
from sesn_node.trust.directory import PeerState


def may_serve(config: Config) -> bool:
    """Whether a process may hold connections now: one here, or one that shares the database."""
    return config.database_path is None or serving_node(config.home / RUN_FOLDER) is not None


def link_words(peer: PeerView, now_ms: int, *, serves: bool) -> Text:
    """Say in words how the link to a partner stands.

    Args:
        peer: The partner.
        now_ms: The time.
        serves: Whether a process may hold connections now.
    """
    link = peer.link
    if peer.state is not PeerState.TRUSTED:
        return Text(f"cut off, {peer.state}", "red")
    if link.failures:
        times = "once" if link.failures == 1 else f"{link.failures} times"
        next_try = until(link.next_attempt_ms, now_ms)
        return Text(f"{unconnected(link)}; dialled {times}, next try {next_try}", "yellow")
    if link.connected_ms and peer.is_open and serves:
        return Text(f"connected since {utc_minute(link.connected_ms)} UTC", "green")
    if link.connected_ms:
        return Text(unconnected(link), "yellow")
    if not peer.card.card.endpoints:
        return Text("has not come yet; it has no address, and dials us", "yellow")
    return Text("not tried yet", "yellow")


def unconnected(link: LinkRow) -> str:
    """Say of a partner that is not connected since when it is not."""
    if link.ended_ms is not None:
        return f"not connected since {utc_minute(link.ended_ms)} UTC"
    if link.connected_ms is not None:
        # The node was killed, and when it lost its connections nobody knows.
        return f"not connected; the last time from {utc_minute(link.connected_ms)} UTC"
    return "not connected so far"
