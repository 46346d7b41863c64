"""Disclose: record that what messages say is about to be given to somebody outside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.errors import PolicyError
from sesn_node.exchange.about import about_message
from sesn_node.exchange.open import ERASED, reveal_received, reveal_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.store.sealed import SealedRow


@dataclass(frozen=True, slots=True)
class Disclosable:
    """A message that is kept here.

    Args:
        about: Its sender and its id.
        sealed: Its row.
        reveal: Gives its salt and payload; raises as `open_received` does.
    """

    about: tuple[AgencyId, MessageId]
    sealed: SealedRow
    reveal: Callable[[], tuple[bytes, bytes]]


def messages_of(
    office: Office, transaction: Transaction, message_id: MessageId
) -> Iterator[Disclosable]:
    """Yield the messages of an id: one, unless somebody else has used it, too."""
    sent = transaction.outbox.message(message_id)
    if sent is not None:
        yield Disclosable(
            (office.agency, message_id), sent.sealed, partial(reveal_sent, office, sent)
        )
    for row in transaction.inbox.find(message_id):
        about = (AgencyId(row.sender), message_id)
        yield Disclosable(about, row.sealed, partial(reveal_received, office, row))


def record_disclosures(
    office: Office, message_ids: Sequence[MessageId], sender: AgencyId | None = None
) -> int:
    """Append DISCLOSED for every message of these ids, if all of them can be opened.

    It stands before anything is given away: what leaves is known to our ledger, even if in the end
    it does not leave.

    Args:
        office: Ours.
        message_ids: What is disclosed.
        sender: Whose messages, where others may have used the same ids; None: everybody's.

    Returns:
        The number of messages.

    Raises:
        PolicyError: UNKNOWN_MESSAGE, or ERASED; nothing was appended.
        StorageError: Nothing was appended, or the outcome is unknown.
    """
    if not message_ids:
        return 0
    with office.store.read() as transaction:
        for message_id in message_ids:
            found = _of(messages_of(office, transaction, message_id), sender)
            if not found:
                raise unknown(message_id)
            for one in found:
                one.reveal()
    return office.sequencer.run(partial(_append, office, message_ids, sender), writes=False).value


def _append(
    office: Office, message_ids: Sequence[MessageId], sender: AgencyId | None, work: Work
) -> int:
    count = 0
    for message_id in message_ids:
        for one in _of(messages_of(office, work.transaction, message_id), sender):
            if one.sealed.ciphertext is None:
                raise PolicyError(
                    f"the content of message {show_message_id(message_id)} was erased meanwhile",
                    code=ERASED,
                )
            work.append(about_message(work, EntryKind.DISCLOSED, one.sealed.entry_index))
            count += 1
    return count


def _of(found: Iterator[Disclosable], sender: AgencyId | None) -> list[Disclosable]:
    return [one for one in found if sender in {None, one.about[0]}]


def unknown(message_id: MessageId) -> PolicyError:
    """Return the error of an id that no message here has."""
    return PolicyError(
        f"there is no message {show_message_id(message_id)}; 'sesn alert list' and 'sesn outbox "
        "list --all' show them",
        code="UNKNOWN_MESSAGE",
    )
