"""Bugs that are planted on purpose: a simulation that does not find them finds nothing.

Each takes one defence away from the node's own code, as a careless change would.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from sesn_node.exchange import duties, erase, guard, receive, settle, share, witness
from sesn_node.exchange.sequencer import Sequencer
from sesn_node.exchange.work import Work
from sesn_node.store.erasures import ErasureTable
from sesn_node.store.inbox import InboxTable
from sesn_node.store.outbox import OutboxTable
from sesn_node.store.recalls import RecallTable
from sesn_node.transport.node import Node
from tests.simulation.disk import SharedLeases, SimulatedStore
from tests.simulation.process import Process
from tests.support.planting import Mutants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.exchange.office import Office
    from sesn_node.exchange.witness import Judged
    from sesn_node.store.engine import Transaction
    from sesn_node.store.outbox_rows import QueuedMessage
    from sesn_node.store.recalls import RecallRow


MUTANTS: Final = Mutants()
_mutant = MUTANTS.named


@_mutant("a cosignature leaves before what it promises is committed")
def _early_cosignature() -> Iterator[tuple[object, str, object]]:
    genuine = witness.record

    def record(office: Office, work: Work, judged: Judged) -> bytes:
        # Undone together with what it wrote, and done again by itself, some time later.
        connection = work.transaction._connection  # noqa: SLF001 - as a savepoint would
        connection.exec_driver_sql("SAVEPOINT early")
        lines = genuine(office, work, judged)
        connection.exec_driver_sql("ROLLBACK TO early")
        connection.exec_driver_sql("RELEASE early")
        office.sequencer.submit(partial(again, office, judged))
        return lines

    def again(office: Office, judged: Judged, work: Work) -> None:
        head = judged.accepted
        assert head is not None
        now = work.transaction.witness.head(head.origin)
        if now is None or now.size <= head.size:
            genuine(office, work, replace(judged, recorded=now))

    yield receive, "record", record
    yield settle, "record", record


@_mutant("a checkpoint leaves before the head file holds it")
def _unwritten_head_file() -> Iterator[tuple[object, str, object]]:
    yield Sequencer, "release", lambda _self, _head: None


@_mutant("a message that arrives again is stored again")
def _no_duplicate_check() -> Iterator[tuple[object, str, object]]:
    genuine = InboxTable.add

    def add(self: InboxTable, rows: list[Any]) -> None:
        known = {
            (row.sender, row.message_id)
            for row in rows
            if self._connection.exec_driver_sql(
                "SELECT 1 FROM inbox WHERE sender = ? AND message_id = ?",
                (row.sender, row.message_id),
            ).first()
        }
        genuine(self, [row for row in rows if (row.sender, row.message_id) not in known])

    yield InboxTable, "seen", lambda _self, _sender, _ids: {}
    yield InboxTable, "add", add


@_mutant("a second receipt is recorded as if it were the first")
def _unconditional_settling() -> Iterator[tuple[object, str, object]]:
    genuine = settle._acknowledge  # noqa: SLF001 - the function that is replaced

    def acknowledge(work: Work, agency: Any, proven: Any) -> Any:  # noqa: ANN401 - handed through
        with patch.object(OutboxTable, "states", lambda _self, _agency, _ids: {}):
            return genuine(work, agency, proven)

    yield settle, "_acknowledge", acknowledge


@_mutant("a copy is closed in one transaction, and its receipt entered in the next")
def _closed_before_receipt() -> Iterator[tuple[object, str, object]]:
    genuine = settle._acknowledge  # noqa: SLF001 - the function that is replaced
    run = Sequencer.run

    def acknowledge(work: Work, agency: Any, proven: Any) -> Any:  # noqa: ANN401 - handed through
        entries: list[object] = []
        with patch.object(Work, "append", lambda _self, entry: entries.append(entry)):
            done = genuine(work, agency, proven)
        later.extend(entries)
        return done

    def run_both(self: Sequencer, operation: Any, *, writes: bool = True) -> Any:  # noqa: ANN401 - same
        result = run(self, operation, writes=writes)
        if later and getattr(operation, "func", None) is settle._record:  # noqa: SLF001 - its caller
            entries = later[:]
            later.clear()
            run(self, lambda work: [work.append(entry) for entry in entries])
        return result

    later: list[Any] = []
    yield settle, "_acknowledge", acknowledge
    yield Sequencer, "run", run_both


@_mutant("SHARED is committed in one transaction, and the message queued in the next")
def _queued_after_shared() -> Iterator[tuple[object, str, object]]:
    genuine_run, genuine_queue = Sequencer.run, Work.queue

    def queue(self: Work, message: QueuedMessage) -> None:
        if self.transaction in inner:
            genuine_queue(self, message)
        else:
            later.append(message)

    def run(self: Sequencer, operation: Any, *, writes: bool = True) -> Any:  # noqa: ANN401 - handed through
        result = genuine_run(self, operation, writes=writes)
        while later:
            genuine_run(self, partial(again, later.pop()), writes=False)
        return result

    def again(message: QueuedMessage, work: Work) -> None:
        inner.append(work.transaction)
        try:
            work.queue(message)
        finally:
            inner.clear()

    later: list[QueuedMessage] = []
    inner: list[Transaction] = []
    yield Work, "queue", queue
    yield Sequencer, "run", run


@_mutant("an erasure leaves the key to what a message says")
def _key_kept() -> Iterator[tuple[object, str, object]]:
    def erase_received(self: ErasureTable, sender: str, message_id: bytes) -> None:
        self._connection.exec_driver_sql(
            "UPDATE inbox SET ciphertext = NULL WHERE sender = ? AND message_id = ?",
            (sender, message_id),
        )

    yield ErasureTable, "erase_received", erase_received


@_mutant("what was witnessed is not compared again in the transaction")
def _witness_not_compared() -> Iterator[tuple[object, str, object]]:
    genuine = witness.record

    def record(office: Office, work: Work, judged: Judged) -> bytes:
        head = judged.accepted
        assert head is not None
        # Whatever stands there now, as if it had stood there before.
        now = work.transaction.witness.head(head.origin)
        return genuine(office, work, replace(judged, recorded=now))

    yield receive, "record", record
    yield settle, "record", record


@_mutant("trust is not compared again in the transaction")
def _trust_not_compared() -> Iterator[tuple[object, str, object]]:
    for module in (receive, settle, share):
        yield module, "unmoved", lambda _transaction, _directory, _agencies: True


@_mutant("every process believes that it holds every delivery lease")
def _lease_ignored() -> Iterator[tuple[object, str, object]]:
    genuine = SharedLeases.acquire

    def acquire(self: SharedLeases, agency: str) -> object:
        lease = genuine(self, agency)
        return lease if lease is not None else _Anyway()

    yield SharedLeases, "acquire", acquire


class _Anyway:
    """A lease that somebody else holds."""

    @staticmethod
    def valid() -> bool:
        return True

    @staticmethod
    def release() -> None:
        return None


@_mutant("the database is not held against the head file")
def _head_file_not_compared() -> Iterator[tuple[object, str, object]]:
    yield guard, "_behind", lambda *_: None


@_mutant("a commit is reported before it is durable (SQLite's synchronous=OFF)")
def _commits_not_durable() -> Iterator[tuple[object, str, object]]:
    genuine_write, genuine_crash = SimulatedStore.write, Process.crash

    @contextmanager
    def write(self: SimulatedStore) -> Iterator[Transaction]:
        host = self._host
        before = host.disk.copy() if not host.disk.inside else None
        with genuine_write(self) as transaction:
            yield transaction
        host.disk.before = before  # type: ignore[attr-defined]  # this bug's own note

    def crash(self: Process, why: str) -> None:
        alive = self.alive
        genuine_crash(self, why)
        before = getattr(self.disk, "before", None)
        if alive and before is not None and self.world.faults.active:
            self.disk.before = None  # type: ignore[attr-defined]  # this bug's own note
            self.world.loop.call_soon(self.disk.load, before)

    yield SimulatedStore, "write", write
    yield Process, "crash", crash


@_mutant("nobody is woken when messages are queued")
def _lost_wake() -> Iterator[tuple[object, str, object]]:
    yield Sequencer, "on_queued", lambda _self, _call: None
    yield Node, "wake", lambda _self: None


@_mutant("each recall is tried once, whatever becomes of it")
def _recall_tried_once() -> Iterator[tuple[object, str, object]]:
    genuine, tried = RecallTable.to_obey, set[bytes]()

    def to_obey(self: RecallTable, limit: int) -> list[RecallRow]:
        found = [row for row in genuine(self, limit) if row.recall_id not in tried]
        tried.update(row.recall_id for row in found)
        return found

    yield RecallTable, "to_obey", to_obey


@_mutant("a recall is obeyed, and nothing is erased")
def _recalled_and_kept() -> Iterator[tuple[object, str, object]]:
    nothing = erase.Done((), frozenset(), ())
    yield duties, "erase_in", lambda *_, **__: nothing
