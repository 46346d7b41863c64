"""Carriers: what else has to go with a message that its originator recalls.

Our own forwards of it, and those of others that are here. What is held of these holds all.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.signing import body_hash
from sesn_node.domain.forward import Forward
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import SesnError
from sesn_node.exchange.open import open_received

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction
    from sesn_node.store.keeping import HoldRow
    from sesn_node.store.recalls import RecallRow

_MOST_OPENED: Final = 8
"""Forwards of one message by one partner that are opened to compare what they carry."""


def hold_on(office: Office, transaction: Transaction, row: RecallRow) -> HoldRow | None:
    """Return what forbids to erase a recalled message, or a forward that carries it."""
    keys = [(row.sender, row.message_id)]
    keys += [(office.agency, one) for one in forwards_of(transaction, row)]
    keys += carrying(office, transaction, row)
    holds = (transaction.keeping.hold(*key) for key in keys)
    return next((one for one in holds if one is not None), None)


def carrying(
    office: Office, transaction: Transaction, row: RecallRow
) -> list[tuple[AgencyId, bytes]]:
    """Return the forwards of others that are here and carry the recalled message itself.

    Its originator wants it gone from here, by whatever way it came. One that carries another
    header under its id stays: it proves that the originator used the id twice, or was imitated.
    """
    found, opened = [], Counter[str]()
    for sender, message_id in transaction.recalls.carrying(row.sender, row.message_id):
        opened[sender] += 1
        if opened[sender] > _MOST_OPENED:
            continue
        # One at a time: each may be as large as a message can be.
        (one,) = transaction.inbox.some([(sender, message_id)])
        try:
            body = open_received(office, one).body
        except SesnError:
            continue  # Nobody can read it.
        if isinstance(body, Forward) and body_hash(body.original.header) == row.header_sha256:
            found.append((AgencyId(sender), message_id))
    return found


def forwards_of(transaction: Transaction, row: RecallRow) -> list[bytes]:
    """Return our messages that pass on what was recalled.

    Of a forward that was recalled, those that carry the same message, unless that is here by
    another way.
    """
    found = transaction.forwards.of(row.sender, row.message_id)
    carried = transaction.recalls.carried_by(row.sender, row.message_id)
    if carried is not None and not transaction.recalls.also_from(
        carried, (row.sender, row.message_id)
    ):
        found += transaction.forwards.of(*carried)
    return found
