"""Taking erased bytes out of the files of a PostgreSQL database.

An UPDATE leaves the row as it was until VACUUM, and VACUUM leaves its bytes in the page until
something else is written there. VACUUM FULL writes a table and its indexes anew (PostgreSQL
manual, VACUUM). The server's log, its standbys and its backups are beyond our reach.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from sesn_node.errors import StorageError
from sesn_node.store import postgres
from sesn_node.store.scrubbed import Scrubbed

if TYPE_CHECKING:
    from psycopg.errors import Diagnostic

_TABLES: Final = ("sent", "outbox", "inbox", "search_term")
"""Where content, its keys and its terms are."""
_ATTEMPTS: Final = 5
_PAUSE_S: Final = 0.3
_NUMBER: Final = re.compile(r"[0-9]+")
_BEYOND: Final = (
    "the PostgreSQL server's write-ahead log holds it until its segments are written over, and "
    "standbys, archived log and base backups for as long as they are kept"
)

_Session = psycopg.Connection[tuple[object, ...]]


def scrub(url: str, most_bytes: int) -> Scrubbed:
    """Write the tables anew that held erased content.

    Args:
        url: The database.
        most_bytes: Larger tables are not written anew: nobody can use them meanwhile.

    Raises:
        StorageError: The database cannot be reached.
    """
    try:
        session = postgres.connect(url)
    except psycopg.Error as error:
        raise StorageError(f"the database cannot be reached: {error}") from error
    try:
        with session:
            return _scrub(session, most_bytes)
    except psycopg.Error as error:
        said = str(error).partition("\n")[0]
        return Scrubbed(done=False, remains=(f"the database still holds it: {said}", _BEYOND))


def _scrub(session: _Session, most_bytes: int) -> Scrubbed:
    whole = _size(session) <= most_bytes
    # While we wait for a table, everybody else waits behind us: several short waits.
    session.execute("SET lock_timeout = '300ms'")
    left = list(_TABLES)
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S)
        left = [table for table in left if not _vacuum(session, table, whole=whole)]
        if not left:
            break
    why = ""
    if not whole:
        why = (
            "unused parts of the tables may hold it until something is written over them, or until "
            "'sesn alert erase' is run with --compact, which writes the tables anew"
        )
    elif left:
        why = (
            f"the files of {', '.join(left)} may still hold it, since somebody reads there or "
            "this user does not own them"
        )
    if why:
        return Scrubbed(done=False, remains=(why, _BEYOND))
    return Scrubbed(done=True, remains=(_BEYOND,))


def _size(session: _Session) -> int:
    statement = "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS name"
    row = session.execute(statement, [list(_TABLES)]).fetchone()
    return 0 if row is None else int(str(row[0]))


def _vacuum(session: _Session, table: str, *, whole: bool) -> bool:
    """Vacuum a table; say whether no row is left that nobody should see any more."""
    options = "FULL, VERBOSE" if whole else "VERBOSE"
    statement = sql.SQL(f"VACUUM ({options}) {{}}").format(sql.Identifier(table))
    details: list[str] = []

    def hear(notice: Diagnostic) -> None:
        # It can be asked now, and not when it has been handled.
        if notice.message_detail:
            details.append(notice.message_detail)

    session.add_notice_handler(hear)
    try:
        session.execute(statement)
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        session.remove_notice_handler(hear)
    return _nothing_kept(details)


def _nothing_kept(details: list[str]) -> bool:
    """Read from VERBOSE's details how many dead rows stay, for those who may still see them.

    Without any detail, the table was skipped: it belongs to somebody else.
    """
    counts = [_NUMBER.search(detail) for detail in details]
    return bool(details) and all(found is None or int(found[0]) == 0 for found in counts)
