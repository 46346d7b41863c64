"""Key care: wrap content keys anew after the storage key changed, and destroy what is over.

The running node does this when it starts, whenever the directory changes and each hour; so does
the command that rotates. Everything can be cut off anywhere and begun again, and several
processes may be at it at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.crypto.keys import KeyKind
from sesn_node.domain.entries import KeyCode
from sesn_node.domain.times import HOUR_MS
from sesn_node.exchange.keyhistory import key_history, keys_in_use
from sesn_node.exchange.owncard import DESTRUCTION_MS, append_key_entry, promised_keys
from sesn_node.exchange.rewrap import rewrap
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sesn_node.crypto.keys import KeyRecord
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.rewrap import Rewrapped
    from sesn_node.exchange.work import Work

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tended:
    """What was done.

    Args:
        rewrapped: Content keys that were wrapped anew.
        destroyed: Ids of keys whose private part is gone, as recorded by this call.
    """

    rewrapped: Rewrapped
    destroyed: tuple[bytes, ...] = ()


def tend_keys(office: Office, stop: Callable[[], bool] = lambda: False) -> Tended:
    """Finish what a rotation of the storage key began, then destroy the keys whose time is over.

    Args:
        office: Ours.
        stop: Asked between two transactions whether to leave the rest for later.

    Raises:
        StorageError: The database or the key file cannot be written; what is left is done later.
    """
    rewrapped = rewrap(office, stop)
    if rewrapped.count:
        _log.info("keys-rewrapped", count=rewrapped.count)
    if rewrapped.unreadable:
        _log.warning("keys-unreadable", count=rewrapped.unreadable)
    destroyed = () if stop() else destroy_due(office)
    for key_id in destroyed:
        _log.info("key-destroyed", key=key_id.hex()[:16])
    return Tended(rewrapped, destroyed)


def destroy_due(office: Office) -> tuple[bytes, ...]:
    """Destroy the private keys whose time is over: remove them from the key file, and record it.

    Encryption keys go on the day that our cards named for it; all others an hour after they were
    retired, except the storage key, which goes as soon as nothing is wrapped under it.

    Returns:
        Ids of the keys whose end this call recorded.

    Raises:
        StorageError: The key file cannot be written, or the ledger not be appended to. The rest
            is done by the next call.
    """
    now_ms = office.clock()
    with office.store.read() as transaction:
        directory = office.partners.current(transaction)
        history = key_history(transaction)
        promised = promised_keys(transaction, office.agency)
    ring = office.vault.file.refresh()
    used = set(keys_in_use(directory, ring).values())

    def due(record: KeyRecord) -> bool:
        if record.kind is KeyKind.ENCRYPTION:
            end_ms = promised.get(record.key_id, record.not_after_ms + DESTRUCTION_MS)
            return end_ms <= now_ms
        if record.key_id in used or record.key_id not in history.retired:
            return False
        wait_ms = 0 if record.kind is KeyKind.STORAGE else HOUR_MS
        return history.retired[record.key_id] + wait_ms <= now_ms

    over = [record.key_id for record in ring.records if due(record)]
    if over:
        ring = office.vault.file.change(lambda held: held.without(over))
    # Besides those that went now: keys that went before a crash kept this from the ledger.
    ended = {*history.retired, *(name for name, end_ms in promised.items() if end_ms <= now_ms)}
    gone = sorted(name for name in ended - history.destroyed if ring.find(name) is None)
    return office.sequencer.run(partial(_record_end, gone=gone)).value if gone else ()


def _record_end(work: Work, gone: Sequence[bytes]) -> tuple[bytes, ...]:
    known = key_history(work.transaction).destroyed
    fresh = tuple(name for name in gone if name not in known)
    for name in fresh:
        append_key_entry(work, KeyCode.KEY_DESTROYED, name)
    if fresh:
        # Every process drops them from its memory.
        work.transaction.peers.keys_changed()
        work.transaction.notify()
    return fresh
