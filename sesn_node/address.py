"""The address of a node's database, as `database.url` has it.

    sqlite:///{home}/node.db
    postgresql://sesn@db.example/sesn?sslrootcert={home}/ca.pem

A PostgreSQL address may hold a password, so it is never shown: not in errors, not in logs, not by
`repr`. What it looks like is checked strictly, since a password with an unescaped character would
otherwise be read as part of a host, which libpq's messages do name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sesn_node.errors import MalformedError

SQLITE: Final = "sqlite:///"
POSTGRESQL: Final = "postgresql://"
HOME: Final = "{home}"
"""Stands for the home of the node."""

# RFC 3986 section 2: unreserved characters, sub-delims without & and =, and escaped ones.
_PLAIN = r"(?:[A-Za-z0-9._~!$'()*+,;-]|%[0-9A-Fa-f]{2})"
_HOST = rf"(?:{_PLAIN}*|\[[0-9A-Fa-f:.%]+\])(?::\d{{1,5}})?"
_POSTGRESQL_URL = re.compile(
    rf"{POSTGRESQL}(?:(?P<user>{_PLAIN}*)(?P<password>:(?:{_PLAIN}|=)*)?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)"
    rf"(?:/(?P<database>(?:{_PLAIN}|=)*))?"
    rf"(?:\?(?P<options>[a-z_]+=(?:{_PLAIN}|[/:{{}}])*(?:&[a-z_]+=(?:{_PLAIN}|[/:{{}}])*)*))?",
    re.ASCII,
)
_SECRETS = re.compile(r"\b((?:ssl)?password=)[^&]*")


def check(key: str, address: str) -> None:
    """Refuse what is no address of a database.

    Raises:
        MalformedError: The message starts with the key and never repeats a PostgreSQL address.
    """
    if address.startswith(POSTGRESQL):
        if _POSTGRESQL_URL.fullmatch(address) is None:
            raise MalformedError(
                f"{key}: expected {POSTGRESQL}USER@HOST:PORT/DATABASE?OPTION=VALUE; write special "
                "characters as %XX, in a password too, or keep it in a password file "
                "(?passfile=PATH)"
            )
        return
    path = address.removeprefix(SQLITE)
    # Nobody should believe that options behind a question mark are read.
    if not address.startswith(SQLITE) or path in {"", ":memory:"} or "?" in path:
        # Whatever it is, somebody may have meant it to hold a password.
        got = "" if "@" in address else f", got {address!a}"
        raise MalformedError(
            f"{key}: expected {SQLITE} and the path of a file, or {POSTGRESQL}USER@HOST/DATABASE"
            f"{got}"
        )


def sqlite_path(address: str, home: Path) -> Path | None:
    """Return the SQLite file, an absolute path; None if the address is one of PostgreSQL."""
    if address.startswith(POSTGRESQL):
        return None
    return home / address.removeprefix(SQLITE).replace(HOME, str(home))


def resolved(address: str, home: Path) -> str:
    """Return the address with the home filled in."""
    path = sqlite_path(address, home)
    return address.replace(HOME, quote(str(home))) if path is None else f"{SQLITE}{path}"


def shown(address: str) -> str:
    """Return the address for people's eyes: without passwords."""
    match = _POSTGRESQL_URL.fullmatch(address)
    if match is None:
        return address if address.startswith(SQLITE) else "(hidden)"
    start, end = match.span("password")
    if start >= 0:
        address = f"{address[:start]}:***{address[end:]}"
    return _SECRETS.sub(r"\1***", address)
