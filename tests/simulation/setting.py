"""Everything that a simulation replaces, in one place.

Replaced: the operating system's threads, clocks, disks, sockets and randomness; gRPC's channel and
server; signatures. All the rest is the node's own code, from `bootstrap.open_home` and
`transport.node.Node` downward. Code that runs outside of a history's processes is not affected.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import patch

import grpc.aio
import structlog

from sesn_node import bootstrap, config
from sesn_node.errors import StorageError
from sesn_node.exchange import headgate, office, officekeys, sequencer
from sesn_node.exchange.oldcopy import OLD_COPY
from sesn_node.exchange.work import Work
from sesn_node.store import engine, headfile, keyfile
from sesn_node.transport import link, node, probe
from sesn_node.transport.collector import Collector
from sesn_node.transport.pump import Pump
from tests.simulation.client import Channel
from tests.simulation.database import Database
from tests.simulation.disk import KEY_FILE, MemoryPath, SimulatedHeadFile, SimulatedStore
from tests.simulation.loop import OWNER
from tests.simulation.process import Process
from tests.simulation.server import SimulatedServer
from tests.simulation.standins import standing_in
from tests.simulation.strands import QUEUE, THREADING, Crash, Future, current, in_strand
from tests.support.view import open_card_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping
    from pathlib import Path
    from random import Random

    from sesn_node.domain.batches import Answer, Batch


_ERROR = 40
_DEBUG = 10


@contextmanager
def simulated(chance: Callable[[], Random], *, tracing: bool = False) -> Iterator[None]:
    """Replace it until the body ends.

    Args:
        chance: Where randomness comes from.
        tracing: Whether log lines of all levels go into the trace; else errors only are looked at.
    """
    with ExitStack() as stack:
        stack.enter_context(standing_in(chance))
        for owner, name, value in (*_threads(), *_guards(), *_disks(), *_homes(), *_transport()):
            stack.enter_context(patch.object(owner, name, value))
        stack.callback(structlog.configure, **structlog.get_config())
        structlog.configure(
            processors=[_sink],
            wrapper_class=structlog.make_filtering_bound_logger(_DEBUG if tracing else _ERROR),
        )
        yield


def running() -> Process | None:
    """Return the process whose code is running; None outside of a history."""
    owner = current().owner if in_strand() else OWNER.get(None)
    return owner if isinstance(owner, Process) else None


def _genuine(module: object, name: str) -> Any:  # noqa: ANN401 - whatever a module uses by a name
    """Return what is about to be replaced."""
    return getattr(module, name)


def _threads() -> Iterator[tuple[object, str, object]]:
    yield sequencer, "threading", THREADING
    yield headgate, "threading", THREADING
    yield sequencer, "queue", QUEUE
    make_job = _genuine(sequencer, "_Job")

    def job(*args: Any, **fields: Any) -> object:  # noqa: ANN401 - handed through
        return make_job(*args, done=Future(), **fields)

    yield sequencer, "_Job", job
    genuine = Work.run

    def run(self: Work, operation: Callable[[Work], object], *, writes: bool) -> object:
        process = running()
        if process is not None:
            process.purpose(operation)
        return genuine(self, operation, writes=writes)

    yield Work, "run", run


def _guards() -> Iterator[tuple[object, str, object]]:
    genuine = _genuine(sequencer, "check_head")

    def check_head(*args: Any, **options: Any) -> object:  # noqa: ANN401 - handed through
        try:
            return genuine(*args, **options)
        except StorageError as error:
            process = running()
            if error.code == OLD_COPY and process is not None:
                process.old_copy(error)
            raise

    yield sequencer, "check_head", check_head
    exchange = link._Exchanging.exchange  # noqa: SLF001 - the function that is watched

    async def watched(self: Any, batch: Batch) -> Answer:  # noqa: ANN401 - a link
        process = running()
        assert process is not None
        with process.world.under_way(process, batch):
            return await exchange(self, batch)

    yield link._Exchanging, "exchange", watched  # noqa: SLF001 - same


def _disks() -> Iterator[tuple[object, str, object]]:
    for module in (headfile, keyfile):
        yield from _files(module)
    create, migrate = _genuine(engine, "_create_engine"), _genuine(engine, "migrate")

    def create_engine(url: str) -> object:
        process = running()
        return create(url) if process is None else process.disk.engine

    def bring_up_to_date(*args: Any, **options: Any) -> None:  # noqa: ANN401 - as it is called
        if running() is None:
            migrate(*args, **options)

    listen = _genuine(engine, "event").listen

    def listen_to(target: object, *args: Any) -> None:  # noqa: ANN401 - handed through
        if not isinstance(target, Database):
            listen(target, *args)

    yield engine, "event", SimpleNamespace(listen=listen_to)
    yield engine, "_create_engine", create_engine
    yield engine, "migrate", bring_up_to_date


def _files(module: Any) -> Iterator[tuple[object, str, object]]:  # noqa: ANN401 - a module
    read, replace, locked = module.read_file, module.replace_file, module.locked

    def read_file(path: Path | MemoryPath, *, limit: int) -> bytes:
        return path.read() if isinstance(path, MemoryPath) else read(path, limit=limit)

    def replace_file(path: Path | MemoryPath, data: bytes) -> None:
        if isinstance(path, MemoryPath):
            path.replace(data)
        else:
            replace(path, data)

    def lock(path: Path | MemoryPath) -> AbstractContextManager[None]:
        return path.locked() if isinstance(path, MemoryPath) else locked(path)

    yield module, "read_file", read_file
    yield module, "replace_file", replace_file
    yield module, "locked", lock


def _homes() -> Iterator[tuple[object, str, object]]:
    store, head_file = _genuine(bootstrap, "Store"), _genuine(bootstrap, "HeadFile")
    load = config.load

    def open_store(url: str, **options: Any) -> object:  # noqa: ANN401 - as it is called
        process = running()
        if process is None:
            return store(url, **options)
        return SimulatedStore(process, url, **options)

    def open_head_file(path: Path) -> object:
        process = running()
        return head_file(path) if process is None else SimulatedHeadFile(process)

    def settings(path: Path) -> object:
        process = running()
        return load(path) if process is None else process.config

    key_file = _genuine(bootstrap, "KeyFile")

    def open_key_file(path: Path, passphrase: bytes) -> object:
        process = running()
        found = path if process is None else MemoryPath(process, KEY_FILE)
        return key_file(found, passphrase)

    yield bootstrap, "KeyFile", open_key_file
    yield bootstrap, "Store", open_store
    yield bootstrap, "HeadFile", open_head_file
    yield config, "load", settings
    # Pure, and the same for every process that opens a home.
    for module, name in (
        (keyfile, "unlock_keyring"),
        (officekeys, "signer_for"),
        (officekeys, "load_encryption_private"),
    ):
        yield module, name, lru_cache(maxsize=256)(_genuine(module, name))
    # Opening a card tries every key in it, and is pure.
    yield office, "open_card", open_card_once


def _transport() -> Iterator[tuple[object, str, object]]:
    # They stand in sets, and addresses in memory are no part of a seed.
    yield Pump, "__hash__", lambda pump: hash(pump._agency)  # noqa: SLF001 - see above
    yield Collector, "__hash__", lambda _: hash(Collector.__name__)
    yield node, "Server", SimulatedServer
    yield node, "listening", lambda _folder, _wake: nullcontext()
    yield node, "server_credentials", lambda _identity, _roots: None
    yield node, "ThreadPoolExecutor", lambda *_, **__: None
    yield node, "gc", SimpleNamespace(set_threshold=lambda *_: None)
    for dialling in (link, probe):
        yield dialling, "channel_credentials", lambda identity, _root: identity.leaf_pem
        yield dialling, "channel_options", lambda _agency: ()

    def secure_channel(endpoint: str, leaf: bytes, options: object) -> Channel:
        assert options is not None
        return Channel(endpoint, leaf)

    yield grpc.aio, "secure_channel", secure_channel


def _sink(_logger: object, method: str, event: MutableMapping[str, Any]) -> NoReturn:
    """Put log lines into the trace; what a node calls a fault of its own fails the history."""
    process = running()
    if process is not None:
        error = sys.exc_info()[1]
        name = event.pop("event", "")
        event.pop("component", None)
        fields = " ".join(f"{key}={value}" for key, value in event.items() if key != "exc_info")
        process.world.trace(process.name, f"{name} {fields}")
        if method == "exception" and error is not None and not isinstance(error, Crash):
            process.world.fault(f"{process.name}: {name}: {error!r}", error)
    raise structlog.DropEvent
