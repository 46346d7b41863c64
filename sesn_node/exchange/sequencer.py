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
from typing import TYPE_CHECKING, TypeVar, cast

from sesn_node.crypto.keyring import KEY_MISSING
from sesn_node.domain.ids import Origin, parse_origin
from sesn_node.errors import SesnError, StorageError
from sesn_node.exchange.follow import follow
from sesn_node.exchange.guard import check_head
from sesn_node.exchange.headgate import HeadGate, extent
from sesn_node.exchange.lostcontent import record_recovery
from sesn_node.exchange.work import Committed, Work
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import Appender

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.exchange.office import Partners
    from sesn_node.exchange.ownledger import NodeCache
    from sesn_node.exchange.vault import Vault
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.ledger import EntryRow, HeadRow
    from sesn_node.telemetry.watch import Watch
    from sesn_node.trust.directory import Directory

T = TypeVar("T")

MAX_GROUP = 256
"""Operations in one transaction: bounds how long the first one waits for the last."""


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
        founded: Origin,
        partners: Partners,
        vault: Vault,
        cache: NodeCache,
        clock: Callable[[], int],
        watch: Watch,
    ) -> None:
        self._store = store
        self._head_file = head_file
        # By the settings; later epochs of it were opened by `reopen`.
        self._founded = founded
        self._origin: Origin | None = None
        self._partners = partners
        self._vault = vault
        self._cache = cache
        self._clock = clock
        self._watch = watch
        self._known: HeadRow | None = None
        self._frontier: tuple[bytes, ...] = ()
        self._gate = HeadGate()
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
        if not self._gate.wait(head):
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
        self._gate.writes(head)
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
            self._head_file.raise_to(head.note, head.size, head.witnessed, head.timeline)
        except Exception as error:  # noqa: BLE001 - whoever releases must learn of it, whatever it is
            failure = error
            # Hold the database against the file again before anything is built on it.
            self._known = None
        self._gate.written(None if failure else head)
        return failure

    def _transact(self, group: list[_Job]) -> tuple[HeadRow, bool]:
        with self._store.write() as transaction:
            directory = self._partners.current(transaction)
            head = self._head(transaction, directory)
            appender = Appender(head.size, self._frontier)
            work = Work(
                transaction, self._clock(), Origin(head.origin), appender, ledger=head.ledger
            )
            if self._known is None:
                record_recovery(work, head)
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
        self._cache.add(appender.nodes, head.ledger)
        return head, work.has_queued

    def _head(self, transaction: Transaction, directory: Directory) -> HeadRow:
        head = transaction.ledger.require_head()
        self._check_origin(head)
        known = self._known
        if known is None or _state(head) != _state(known):
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
                self._cache.add(tree.nodes, head.ledger)
            else:
                self._cache.clear()
                self._frontier = check_head(transaction, head, self._head_file, key_sets)
        self._vault.keys(directory).require_all()
        return head

    def _check_origin(self, head: HeadRow) -> None:
        """Make sure that the open ledger is ours, and the one that this process began with."""
        (agency, founded), (owner, epoch) = parse_origin(self._founded), parse_origin(head.origin)
        if owner != agency or epoch < founded:
            raise StorageError(
                f"the settings name the ledger {self._founded} (id and ledger_epoch of [agency]), "
                f"the database holds {head.origin}: neither is written to. Put the settings back; "
                "another ledger takes a new home."
            )
        if self._origin is None:
            self._origin = Origin(head.origin)
        elif head.origin != self._origin:
            raise StorageError(
                f"the ledger {self._origin} was closed, and {head.origin} opened, while this "
                "process ran: stop it and start it again"
            )

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


def _state(head: HeadRow) -> tuple[object, ...]:
    """What tells whether anybody but this process has moved the head."""
    return extent(head), head.root, head.timeline


def _beat(work: Work) -> None:
    work.transaction.pulse.beat()


def _nothing() -> None:
    """Nobody waits for queued messages."""
