"""What a database says when it refuses, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from sesn_node import address

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError

_QUESTION: Final = "Is the server running"
_AGAIN: Final = "Nothing was half written; it is tried again."
# SQLSTATE (PostgreSQL manual, appendix A): what to do about it.
_REMEDIES: Final = {
    "25006": "This server is a standby: name the one that takes writes in database.url.",
    "25P03": "The server ended a transaction that stood still for too long: is this machine "
    "overloaded, or was the process stopped for a while?",
    "40001": _AGAIN,
    "40P01": _AGAIN,
    "42501": "Nothing was half written; the user in database.url must own the tables.",
    "53100": "The disk of the database server is full; nothing was half written.",
    "53300": "Raise the server's max_connections: each process takes up to 18.",
    "55P03": "Another process held the ledger for too long: is it stopped, or its machine "
    "overloaded? Nothing was half written.",
}


def refused(error: SQLAlchemyError) -> str:
    """Say what a database refused and what to do, without statement, values or address."""
    # Of what the database said itself; else a row that must be there is not, or no connection
    # of the pool was free.
    problem = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    remedy = _REMEDIES.get(getattr(problem, "sqlstate", None) or "")
    if remedy is not None:
        return f"the database refused: {_words(problem)}. {remedy}"
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return (
            f"the connection to the database broke: {_words(problem)}. Nothing was half written; "
            "work goes on when the database is back."
        )
    if getattr(problem, "sqlstate", "") is None:
        # libpq itself: there is no connection.
        return (
            f"the database cannot be reached: {_words(problem)}. Work goes on when it is back; if "
            "it does not, check database.url and that the server runs."
        )
    return (
        f"the database refused: {_words(problem)}. Nothing was half written; check its disk, its "
        "permissions and 'sesn ledger verify'."
    )


def cannot_open(url: str, error: DBAPIError) -> str:
    """Say why a database cannot be opened and what to do; the address may hold a password."""
    if url.startswith(address.POSTGRESQL):
        return (
            f"the database cannot be opened: {_words(error.orig)}. Check database.url, and that "
            "the server runs and lets this user in."
        )
    return (
        f"the database {url.removeprefix(address.SQLITE)} cannot be opened: {_words(error.orig)}. "
        "Check the path, its permissions and the free space."
    )


def _words(problem: BaseException | None) -> str:
    """One line. Of a server's message the first part: details repeat values of the row."""
    primary = getattr(getattr(problem, "diag", None), "message_primary", None)
    lines = [line.strip() for line in str(primary or problem).splitlines()]
    # libpq asks what we say ourselves.
    told = " ".join(line for line in lines if not line.startswith(_QUESTION))
    return told.rstrip(". ")
