"""Hold: forbid to erase what a message says, and allow it again.

The ledger says when (LEGAL_HOLD with PLACED or RELEASED); the reason in words stays in the
database. A sender that recalls a held message is told that it is held, and why. What was due
meanwhile, a recall or a retention date, is done once the hold is released.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.checks import check_line
from sesn_node.domain.conversation import MAX_REASON
from sesn_node.domain.entries import EntryKind, HoldCode
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.errors import PolicyError
from sesn_node.exchange.about import about_message
from sesn_node.exchange.erase import targets_of
from sesn_node.exchange.open import ERASED
from sesn_node.store.keeping import HoldRow
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from sesn_node.exchange.erase import Target
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """What a hold was placed on, or released from.

    Args:
        holds: The holds, on the message that was named first, then on those that say the same.
        changed: Whether this call did it; else it was so before.
    """

    holds: tuple[HoldRow, ...]
    changed: bool


def hold(
    office: Office, message_id: MessageId, reason: str, sender: AgencyId | None = None
) -> Held:
    """Place a legal hold. Done again, it leaves the first as it is.

    Args:
        office: Ours.
        message_id: A message that we sent or received, of any kind.
        reason: What forbids to erase it; one line of at most 500 characters. A sender that recalls
            the message is told.
        sender: Who sent it, to choose when two senders used one id.

    Raises:
        MalformedError: The reason is missing, too long, or no line.
        PolicyError: No such message, or its content is gone (`ERASED`).
        ConflictError: Two senders used the same id, and none is named.
        StorageError: Nothing was changed, or the outcome is unknown: do it again.
    """
    check_line("reason", reason, MAX_REASON, required=True)
    operation = partial(_hold, office, message_id=message_id, sender=sender, reason=reason)
    return _reported(office.sequencer.run(operation).value, HoldCode.PLACED)


def release(office: Office, message_id: MessageId, sender: AgencyId | None = None) -> Held:
    """Release a legal hold; what is due since is done by the next `do_duties`.

    Raises:
        PolicyError: No such message, or it is under no hold (`NOT_HELD`).
        ConflictError: Two senders used the same id, and none is named.
        StorageError: Nothing was changed, or the outcome is unknown: do it again.
    """
    operation = partial(_release, office, message_id=message_id, sender=sender)
    return _reported(office.sequencer.run(operation).value, HoldCode.RELEASED)


def _hold(
    office: Office, work: Work, *, message_id: MessageId, sender: AgencyId | None, reason: str
) -> Held:
    keeping = work.transaction.keeping
    found, changed = [], False
    for target in targets_of(office, work.transaction, message_id, sender):
        if target.erased is not None:
            raise PolicyError(
                f"the content of message {show_message_id(target.message_id)} is gone already",
                code=ERASED,
            )
        row = keeping.hold(target.sender, target.message_id)
        if row is None:
            row = HoldRow(
                target.sender,
                target.message_id,
                reason,
                work.now_ms,
                _append(work, target, HoldCode.PLACED),
            )
            keeping.place(row)
            changed = True
        found.append(row)
    return Held(tuple(found), changed)


def _release(office: Office, work: Work, *, message_id: MessageId, sender: AgencyId | None) -> Held:
    keeping = work.transaction.keeping
    found = []
    for target in targets_of(office, work.transaction, message_id, sender):
        row = keeping.hold(target.sender, target.message_id)
        if row is not None:
            _append(work, target, HoldCode.RELEASED)
            keeping.release(target.sender, target.message_id)
            found.append(row)
    if not found:
        raise PolicyError(
            f"message {show_message_id(message_id)} is under no legal hold", code="NOT_HELD"
        )
    return Held(tuple(found), changed=True)


def _append(work: Work, target: Target, code: HoldCode) -> int:
    entry = about_message(work, EntryKind.LEGAL_HOLD, target.entry, code.value)
    return work.number(work.append(entry))


def _reported(held: Held, code: HoldCode) -> Held:
    if held.changed:
        for row in held.holds:
            _log.info(
                "legal-hold",
                message_id=show_message_id(MessageId(row.message_id)),
                sender=row.sender,
                code=code.value,
            )
    return held
