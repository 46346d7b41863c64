"""The one place where the ledger grows.

Operations queue up for one thread, which runs all that wait in one transaction: their rows,
their ledger entries, the tree, the head and the checkpoint signed over it commit together or
not at all (group commit). A caller learns of success once the commit is durable. The head file is
written next, and a checkpoint leaves the node only through `release`, which waits for it; so
nothing that left can be lost unnoticed.
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from sesn_node.crypto.keyring import KEY_MISSING
from sesn_node.domain.entries import EntryRef
from sesn_node.domain.ids import Origin
from sesn_node.errors import SesnError, StorageError
from sesn_node.exchange.follow import follow
from sesn_node.exchange.guard import check_head
from sesn_node.ledger.checkpoint import TreeHead
from sesn_node.ledger.merkle import Appender, leaf_hash
from sesn_node.store.engine import refusals
from sesn_node.store.ledger import EntryRow, HeadRow
from sesn_node.wire.entries import encode_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.entries import Entry
    from sesn_node.exchange.office import Partners
    from sesn_node.exchange.ownledger import NodeCache
    from sesn_node.exchange.vault import Vault
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.outbox import QueuedMessage
    from sesn_node.telemetry.watch import Watch
    from sesn_node.trust.directory import Directory

T = TypeVar("T")

_NOTHING: Final = (-1, -1)
"""Less than any ledger, even an empty one."""

MAX_GROUP = 256
"""Operations in one transaction: bounds how long the first one waits for the last."""


class Work:
    """What an operation may do: read and write tables, append entries, queue messages.

    Indexes of appended entries are final if the operation returns; if it raises, its rows and
    entries are undone and the rest of the group goes on.
    """

    __slots__ = (
        "_appender",
        "_queued",
        "_rows",
        "has_queued",
        "now_ms",
        "origin",
        "transaction",
    )

    def __init__(
        self, transaction: Transaction, now_ms: int, origin: Origin, appender: Appender
    ) -> None:
        self.transaction = transaction
        self.now_ms = now_ms
        self.origin = origin
        self._appender = appender
        self._rows: list[EntryRow] = []
        self._queued: list[QueuedMessage] = []
        self.has_queued = False

    def queue(self, message: QueuedMessage) -> None:
        """Queue a sealed message; it is written together with others of the group."""
        self._queued.append(message)

    def append(self, entry: Entry) -> EntryRef:
        """Append an entry to the ledger and say where it stands."""
        data = encode_entry(entry)
        hashed = leaf_hash(data)
        index = self._appender.append(hashed)
        self._rows.append(EntryRow(index, entry.kind.value, entry.message_id, data))
        return EntryRef(self.origin, index, hashed)

    def run(self, operation: Callable[[Work], T], *, writes: bool) -> T:
        """Run one operation of the group; undo it, and only it, if it raises."""
        if writes:
            # It may look for what an operation before it queued.
            self.flush()
        mark, rows, queued = self._appender.mark(), len(self._rows), len(self._queued)
        try:
            with self.transaction.savepoint() if writes else refusals():
                return operation(self)
        except BaseException:
            self._appender.rollback(mark)
            del self._rows[rows:]
            del self._queued[queued:]
            raise

    def flush(self) -> None:
        """Write the queued messages."""
        if self._queued:
            with refusals():
                self.transaction.outbox.add(self._queued)
            self._queued = []
            self.has_queued = True

    @property
    def rows(self) -> list[EntryRow]:
        """The entries that the group appended so far."""
        return self._rows


@dataclass(frozen=True, slots=True)
class Committed(Generic[T]):
    """An operation's result and the head of the ledger after its group."""

    value: T
    head: HeadRow


@dataclass(slots=True)
class _Job:
    """An operation in the queue; `after_head` delays its result until the head file is written."""

    operation: Callable[[Work], object]
    writes: bool
    after_head: bool = False
    done: Future[Committed[object]] = field(default_factory=Future)
    value: object = None
    error: Exception | None = None

    def settle(self, head: HeadRow, error: Exception | None) -> None:
        """Tell the caller how it ended."""
        if error is None:
            self.done.set_result(Committed(self.value, head))
        else:
            self.done.set_exception(error)


class Sequencer:
    """Runs operations in groups, each group in one transaction.

    `_known` and `_frontier` mirror the committed head. They belong to the sequencer's thread
    and are dropped whenever a commit failed, since its outcome is unknown then.
    """

    def __init__(  # noqa: PLR0913 - the composition root passes its parts by name
        self,
        *,
        store: Store,
        head_file: HeadFile,
        origin: Origin,
        partners: Partners,
        vault: Vault,
        cache: NodeCache,
        clock: Callable[[], int],
        watch: Watch,
    ) -> None:
        self._store = store
        self._head_file = head_file
        self._origin = origin
        self._partners = partners
        self._vault = vault
        self._cache = cache
        self._clock = clock
        self._watch = watch
        self._known: HeadRow | None = None
        self._frontier: tuple[bytes, ...] = ()
        # Guarded by the condition: what the head file holds, and what is being written.
        self._head_written = threading.Condition()
        self._released = _NOTHING
        self._writing = _NOTHING
        self._on_queued: Callable[[], None] = _nothing
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="sequencer", daemon=True)
        self._thread.start()

    def submit(
        self, operation: Callable[[Work], T], *, writes: bool = True
    ) -> Future[Committed[T]]:
        """Queue an operation; the future resolves when its commit is durable.

        Args:
            operation: What to do in the transaction.
            writes: Whether it writes to tables itself. One that only appends entries and queues
                messages shares its statements with others of its kind.

        The future raises what the operation raised, or `StorageError` if the transaction failed
        (the outcome is unknown then) or the database is an old copy (code `OLD_COPY`).
        """
        # A queue cannot be generic per element.
        return cast("Future[Committed[T]]", self._enqueue(_Job(operation, writes)))

    def _enqueue(self, job: _Job) -> Future[Committed[object]]:
        with self._lock:
            if self._closed:
                raise StorageError("the node is shutting down; try again when it serves")
            self._jobs.put(job)
        return job.done

    def run(self, operation: Callable[[Work], T], *, writes: bool = True) -> Committed[T]:
        """Queue an operation and wait for its commit. Raises as the future of `submit` does."""
        return self.submit(operation, writes=writes).result()

    def on_queued(self, call: Callable[[], None]) -> None:
        """Call back after each commit that queued messages, once for all of them.

        From the sequencer's thread; the call must return at once and not raise.
        """
        self._on_queued = call

    def check(self) -> None:
        """Make sure that the ledger can be appended to, and that the head file holds its head.

        Raises:
            StorageError: The database is an old copy (code `OLD_COPY`) or refuses, or the head
                file cannot be written.
        """
        self._enqueue(_Job(lambda _: None, writes=False, after_head=True)).result()

    def pulse(self) -> None:
        """As `check`; besides, make sure that the database takes a write.

        Raises:
            StorageError: As `check`.
        """
        self._enqueue(_Job(_beat, writes=True, after_head=True)).result()

    def release(self, head: HeadRow) -> None:
        """Wait until the head file covers a checkpoint or cosignature that is about to leave.

        Args:
            head: The ledger's head when it was made, or later.

        Raises:
            StorageError: It does not, and cannot; checkpoint and cosignature must stay here.
        """
        wanted = _extent(head)
        with self._head_written:
            self._head_written.wait_for(lambda: self._released >= wanted or self._writing < wanted)
            if self._released >= wanted:
                return
        # Another process's commit, or the file could not be written: try now.
        self.check()

    @property
    def head_file(self) -> HeadFile:
        """The file that holds the newest checkpoint."""
        return self._head_file

    @property
    def known_size(self) -> int:
        """Size of the ledger after the last commit of this process; 0 before the first."""
        known = self._known
        return 0 if known is None else known.size

    def close(self) -> None:
        """Finish what is queued, then stop. Further operations are refused."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            last = False
            while len(group) < MAX_GROUP and not self._jobs.empty():
                more = self._jobs.get()
                if more is None:
                    last = True
                    break
                group.append(more)
            # From here on they cannot be cancelled.
            self._commit([job for job in group if job.done.set_running_or_notify_cancel()])
            if last:
                return

    def _commit(self, group: list[_Job]) -> None:
        started = time.perf_counter()
        try:
            head, has_queued = self._transact(group)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers must learn of it
            self._known = None
            self._watch.group_failed(error.code if isinstance(error, SesnError) else "FAULT")
            for job in group:
                job.done.set_exception(error)
            return
        # A look at the ledger is no work.
        if operations := sum(not job.after_head for job in group):
            self._watch.grouped(operations, time.perf_counter() - started)
        with self._head_written:
            self._writing = _extent(head)
        # The commit is durable, which is what callers wait for. Whoever takes a checkpoint out of
        # the node waits in `release` for what comes next.
        for job in group:
            if not job.after_head:
                job.settle(head, job.error)
        if has_queued:
            self._on_queued()
        failure = self._write_head(head)
        for job in group:
            if job.after_head:
                job.settle(head, job.error or failure)

    def _write_head(self, head: HeadRow) -> Exception | None:
        failure: Exception | None = None
        try:
            self._head_file.raise_to(head.note, head.size, head.witnessed)
        except Exception as error:  # noqa: BLE001 - whoever releases must learn of it, whatever it is
            failure = error
            # Hold the database against the file again before anything is built on it.
            self._known = None
        with self._head_written:
            self._writing = _NOTHING
            if failure is None:
                self._released = max(self._released, _extent(head))
            self._head_written.notify_all()
        return failure

    def _transact(self, group: list[_Job]) -> tuple[HeadRow, bool]:
        with self._store.write() as transaction:
            directory = self._partners.current(transaction)
            head = self._head(transaction, directory)
            appender = Appender(head.size, self._frontier)
            work = Work(transaction, self._clock(), Origin(head.origin), appender)
            for job in group:
                try:
                    job.value = work.run(job.operation, writes=job.writes)
                except StorageError as error:
                    if error.code != KEY_MISSING:
                        raise
                    # Of this home, not of the database: it ends one operation only.
                    job.error = error
                except Exception as error:  # noqa: BLE001 - its caller gets it; the group goes on
                    # Not yet: it may rest on what another operation of the group has written.
                    job.error = error
            work.flush()
            if work.has_queued:
                transaction.notify()
            if transaction.witness.advanced:
                head = replace(head, witnessed=transaction.ledger.witnessed())
            if appender.size > head.size:
                head = self._grow(transaction, head, work.rows, appender, directory)
        # The commit returned: from here on the new head is the truth.
        self._known = head
        self._frontier = appender.frontier()
        self._cache.add(appender.nodes)
        return head, work.has_queued

    def _head(self, transaction: Transaction, directory: Directory) -> HeadRow:
        head = transaction.ledger.require_head()
        if head.origin != self._origin:
            raise StorageError(
                f"the settings name the ledger {self._origin} (id and ledger_epoch of [agency]), "
                f"the database holds {head.origin}: neither is written to. Put the settings back; "
                "another ledger takes a new home."
            )
        known = self._known
        if known is None or (_extent(head), head.root) != (_extent(known), known.root):
            # Start-up, a failed commit, or another process of this agency appended or witnessed.
            self._known = None
            key_sets = self._vault.keys(directory).log_sets
            tree = known and follow(
                transaction,
                known,
                self._frontier,
                head,
                head_file=self._head_file,
                key_sets=key_sets,
            )
            if tree:
                self._frontier = tree.frontier()
                self._cache.add(tree.nodes)
            else:
                self._cache.clear()
                self._frontier = check_head(transaction, head, self._head_file, key_sets)
        self._vault.keys(directory).require_all()
        return head

    def _grow(
        self,
        transaction: Transaction,
        head: HeadRow,
        rows: list[EntryRow],
        appender: Appender,
        directory: Directory,
    ) -> HeadRow:
        tree = TreeHead(Origin(head.origin), appender.size, appender.root())
        changed = transaction.peers.version() != directory.version
        after = self._partners.within(transaction) if changed else directory
        note = self._vault.sign_head(tree, self._clock() // 1000, directory, after)
        grown = replace(head, size=tree.size, root=tree.root, note=note)
        transaction.ledger.append(head, grown, rows, appender.nodes)
        return grown


def _extent(head: HeadRow) -> tuple[int, int]:
    """How far a database has come: neither number shrinks from one commit to the next."""
    return head.size, head.witnessed


def _beat(work: Work) -> None:
    work.transaction.pulse.beat()


def _nothing() -> None:
    """Nobody waits for queued messages."""
