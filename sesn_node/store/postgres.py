"""Connections to PostgreSQL, the database that several processes of one agency share.

libpq reads the address, so everything that it knows works: sockets, several hosts, service and
password files. What the address leaves open is set to what this node needs: commits that are
durable, dead connections that are noticed on both sides, and TLS to any other machine.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import create_engine

from sesn_node.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine
# Hosts of this very machine; any other is reached over TLS, unless the address says otherwise.
_HERE: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
# A database that is gone without a word is noticed after some 25 seconds, on either side: the
# server then frees the head of the ledger and the leases of a machine that lost its power.
_PARAMETERS: Final = {
    "application_name": "sesn",
    "client_encoding": "UTF8",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
# Each of them only where the server's own setting is off: an administrator's stands.
_SESSION: LiteralString = """
SELECT set_config(name, wanted, false)
FROM (VALUES
    ('synchronous_commit', 'off', 'on'),
    ('lock_timeout', '0', '30s'),
    ('idle_in_transaction_session_timeout', '0', '60s')
) AS ours(name, off, wanted)
WHERE current_setting(name) = off;
SELECT set_config(name, wanted, false)
FROM (VALUES
    ('tcp_keepalives_idle', '10'),
    ('tcp_keepalives_interval', '5'),
    ('tcp_keepalives_count', '3'),
    ('tcp_user_timeout', '25000')
) AS ours(name, wanted)
"""


def create(url: str, connections: int) -> Engine:
    """Return an engine with a pool of that many connections.

    Raises:
        ConfigError: libpq cannot read the address.
    """
    parameters = conninfo(url)
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: _connect(parameters),
        pool_size=connections,
        max_overflow=0,
        use_native_hstore=False,
    )


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """Open a connection outside of any pool, in autocommit.

    Raises:
        ConfigError: libpq cannot read the address.
        psycopg.Error: The database cannot be reached, or refuses.
    """
    return _connect(conninfo(url))


def _connect(parameters: str) -> psycopg.Connection[tuple[object, ...]]:
    # Autocommit, since the store begins its transactions by itself.
    connection = psycopg.connect(parameters, autocommit=True)
    try:
        connection.execute(_SESSION)
    except BaseException:
        connection.close()
        raise
    return connection


def conninfo(url: str) -> str:
    """Read an address, and add what it leaves open: libpq's parameters, as it takes them.

    Raises:
        ConfigError: libpq cannot read the address.
    """
    try:
        given = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError as error:
        # libpq's own words repeat parts of the address, where a password may stand.
        raise ConfigError(
            "database.url is no address of a PostgreSQL database: expected "
            "postgresql://USER@HOST/DATABASE?OPTION=VALUE with options that libpq knows; write "
            "special characters in a password as %XX, or keep it in a password file"
        ) from error
    added = dict(_PARAMETERS)
    if "," in given.get("host", ""):
        # Of several servers, the one that is not a standby.
        added["target_session_attrs"] = "read-write"
    if "service" not in given and "PGSSLMODE" not in os.environ and _elsewhere(given):
        # libpq would take a connection in clear, and any certificate.
        added["sslmode"] = "verify-full"
    return make_conninfo(**(added | given))


def _elsewhere(given: Mapping[str, str]) -> bool:
    """Whether another machine is meant, as far as we are told; a service file tells for itself."""
    hosts = given.get("host") or given.get("hostaddr") or os.environ.get("PGHOST", "")
    return any(host not in _HERE and not host.startswith(("/", "@")) for host in hosts.split(","))
