"""Waiting for the answers of the recipients' nodes."""

from __future__ import annotations

import sys
import time
from typing import Final

import typer

from sesn_node.cli.exits import ExitCode
from sesn_node.cli.show import error_console
from sesn_node.domain.ids import MessageId
from sesn_node.exchange.views import CopyView, copies_of
from sesn_node.store.engine import Store
from sesn_node.store.outbox import DeliveryState

_POLL_S: Final = 0.05


def wait_for(
    store: Store, message_id: MessageId, seconds: float, *, serving: bool, quiet: bool
) -> tuple[CopyView, ...]:
    """Look at the copies of a message until all are final, at most so many seconds.

    Args:
        store: The database; the serving node, another process, changes it.
        message_id: The message.
        seconds: How long.
        serving: A node serves this home, so that an answer can come at all.
        quiet: Do not tell a terminal what is waited for.
    """
    end = time.monotonic() + seconds
    copies = copies_of(store, message_id)
    if quiet or not serving:
        return _poll(store, message_id, copies, end)
    with error_console().status("waiting for the recipients' nodes"):
        return _poll(store, message_id, copies, end)


def _poll(
    store: Store, message_id: MessageId, copies: tuple[CopyView, ...], end: float
) -> tuple[CopyView, ...]:
    while any(not copy.state.final for copy in copies) and time.monotonic() < end:
        time.sleep(min(_POLL_S, max(0.0, end - time.monotonic())))
        copies = copies_of(store, message_id)
    return copies


def end_by(copies: tuple[CopyView, ...]) -> None:
    """End a command that waited: 3 if somebody has not answered, 6 if somebody did not take it.

    The result itself was shown before, so this goes to stderr alone.

    Raises:
        Exit: Not every copy is acknowledged.
    """
    queued = [copy.agency for copy in copies if copy.state is DeliveryState.QUEUED]
    failed = [
        f"{copy.agency} ({copy.state.value}{f', {copy.code}' if copy.code else ''})"
        for copy in copies
        if copy.state.final and copy.state is not DeliveryState.ACKNOWLEDGED
    ]
    if failed:
        sys.stderr.write(f"error UNDELIVERED: not delivered to {', '.join(failed)}\n")
    if queued:
        sys.stderr.write(
            f"error WAIT_RAN_OUT: no answer yet from {', '.join(queued)}; the message stays "
            "queued, and 'sesn outbox list' tells why\n"
        )
        raise typer.Exit(ExitCode.WAIT_RAN_OUT)
    if failed:
        raise typer.Exit(ExitCode.POLICY)
