"""Time-stamps on our checkpoints: when to ask for one, and what is kept of the answer.

A token is no entry of the ledger: it stands beside the checkpoint that it covers. All of this is
beside the point of a node, so nothing waits for it: if no authority answers, that is noted, with
the time since when, and the node goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.checks import printable
from sesn_node.domain.times import HOUR_MS, MINUTE_MS
from sesn_node.ledger.checkpoint import verify_checkpoint_under
from sesn_node.store.timestamps import AskingRow, TokenRow

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.ledger.head import TreeHead
    from sesn_node.trust.timestamp_signers import TimestampRoots
    from sesn_node.trust.timestamps import Timestamp

LEASE: Final = "timestamps"
"""Whoever holds this lease asks; no agency has such an id."""

_FIRST_WAIT_MS: Final = MINUTE_MS
_LONGEST_WAIT_MS: Final = HOUR_MS
_MAX_DOUBLINGS: Final = 10
_ERROR_CHARACTERS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Authority:
    """A time-stamping authority.

    Args:
        url: Where it is asked.
        roots: Whom we trust to certify it.
        policy: Policy that its tokens must name (dotted OID); empty for any.
    """

    url: str
    roots: TimestampRoots
    policy: str = ""


@dataclass(frozen=True, slots=True)
class TimestampPlan:
    """Which authorities are asked, and how often.

    Args:
        authorities: In the order in which they are asked, until one answers; not empty.
        interval_ms: From one token to the next.
        timeout_s: How long one authority may take.
    """

    authorities: tuple[Authority, ...]
    interval_ms: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Unstamped:
    """A checkpoint that is to be time-stamped, and its signed note."""

    head: TreeHead
    note: bytes


def due(office: Office, plan: TimestampPlan) -> Unstamped | None:
    """Return our newest checkpoint, if it is time to ask and the ledger has grown; else None.

    Raises:
        StorageError: The database cannot be read, or the head file does not cover its head.
        VerificationError: The head's checkpoint is not signed by us.
    """
    now_ms = office.clock()
    with office.store.read() as transaction:
        asking = transaction.timestamps.asking()
        # A clock that was put back must not keep us from asking for years.
        if asking is not None and now_ms < asking.next_ms <= now_ms + plan.interval_ms:
            return None
        stored = transaction.ledger.require_head()
        newest = transaction.timestamps.newest(stored.origin)
        if stored.size == 0 or (newest is not None and newest.size >= stored.size):
            return None
        keys = office.vault.keys(office.partners.current(transaction))
    # It is shown to a stranger: an old copy of the database must not come after it unnoticed.
    office.sequencer.release(stored)
    return Unstamped(verify_checkpoint_under(stored.note, keys.log_sets), stored.note)


def keep(
    office: Office,
    plan: TimestampPlan,
    stamped: Unstamped,
    authority: Authority,
    token: tuple[bytes, Timestamp],
) -> AskingRow | None:
    """Keep a verified token, and the checkpoint that it covers; the grace period ends.

    Args:
        office: Ours.
        plan: How often to ask.
        stamped: What it covers.
        authority: Who gave it.
        token: It, DER, and what it says.

    Returns:
        How asking went before; None if this is the first time.

    Raises:
        StorageError: The database refused.
    """
    head = stamped.head
    der, said = token

    def operation(work: Work) -> AskingRow | None:
        before = work.transaction.timestamps.asking()
        work.transaction.witness.keep_checkpoint(
            origin=head.origin, size=head.size, root=head.root, note=stamped.note
        )
        work.transaction.timestamps.add(
            TokenRow(
                head.origin, head.size, head.root, authority.url, said.time_ms, work.now_ms, der
            )
        )
        work.transaction.timestamps.note(AskingRow(work.now_ms, work.now_ms + plan.interval_ms))
        return before

    return office.sequencer.run(operation).value


def note_failure(office: Office, plan: TimestampPlan, error: str) -> AskingRow:
    """Note that no authority answered. The first time, the grace period begins.

    Args:
        office: Ours.
        plan: How often to ask.
        error: What went wrong, with each.

    Returns:
        How asking goes now.

    Raises:
        StorageError: The database refused.
    """

    def operation(work: Work) -> AskingRow:
        before = work.transaction.timestamps.asking()
        failures = 1 if before is None else before.failures + 1
        since_ms = None if before is None else before.failing_ms
        now = AskingRow(
            asked_ms=work.now_ms,
            next_ms=work.now_ms + min(plan.interval_ms, _wait_ms(failures)),
            failures=failures,
            failing_ms=work.now_ms if since_ms is None else since_ms,
            # It may quote an authority, and is shown on a screen.
            error=printable(error)[:_ERROR_CHARACTERS],
        )
        work.transaction.timestamps.note(now)
        return now

    return office.sequencer.run(operation).value


def _wait_ms(failures: int) -> int:
    return min(_LONGEST_WAIT_MS, _FIRST_WAIT_MS << min(failures - 1, _MAX_DOUBLINGS))
