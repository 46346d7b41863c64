"""Waiting for the answers of the recipients' nodes."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from typing import Final

import typer

from sesn_node.cli.exits import ExitCode
from sesn_node.cli.show import error_console
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import MessageId
from sesn_node.exchange.copyviews import CopyView, copies_of
from sesn_node.store.engine import Store

_POLL_S: Final = 0.05


def wait_for(store: Store, message_id: MessageId, seconds: float, *, quiet: bool) -> bool:
    """Look at the copies of a message until none is queued, at most so many seconds.

    Args:
        store: The database; the serving node, another process, changes it.
        message_id: The message.
        seconds: How long.
        quiet: Do not tell a terminal what is waited for.

    Returns:
        Whether somebody pressed Ctrl-C before the end.
    """
    end = time.monotonic() + seconds
    shown = nullcontext() if quiet else error_console().status("waiting for the recipients' nodes")
    try:
        with shown:
            while _is_queued(copies_of(store, message_id)) and time.monotonic() < end:
                time.sleep(min(_POLL_S, max(0.0, end - time.monotonic())))
    except KeyboardInterrupt:
        return True
    return False


def _is_queued(copies: tuple[CopyView, ...]) -> bool:
    return any(copy.state is DeliveryState.QUEUED for copy in copies)


def end_by(copies: tuple[CopyView, ...], command: str) -> None:
    """End a command that waited: 3 if somebody has not answered, 6 if somebody did not take it.

    Args:
        copies: How they stand.
        command: How a command for this home begins.

    The result itself was shown before, so this goes to stderr alone.

    Raises:
        Exit: Not every copy is acknowledged.
    """
    queued = [copy.agency for copy in copies if copy.state is DeliveryState.QUEUED]
    failed = [
        f"{copy.agency} ({copy.state.value}{f', {copy.code}' if copy.code else ''})"
        for copy in copies
        if copy.state.ended
    ]
    if failed:
        sys.stderr.write(f"error UNDELIVERED: not delivered to {', '.join(failed)}\n")
    if queued:
        sys.stderr.write(
            f"error WAIT_RAN_OUT: no answer yet from {', '.join(queued)}; the message stays "
            f"queued, and '{command} outbox list' tells why\n"
        )
        raise typer.Exit(ExitCode.WAIT_RAN_OUT)
    if failed:
        raise typer.Exit(ExitCode.POLICY)
