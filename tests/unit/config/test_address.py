"""Addresses of databases: what is taken, and that no password is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesn_node import address
from sesn_node.config import Agency, Config, Database
from sesn_node.domain.cards import Role
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import ConfigError, MalformedError

_SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///node.db",
        "sqlite:////srv/a b/100%.db",
        "postgresql://",
        "postgresql:///sesn",
        "postgresql://sesn@/sesn?host=/run/postgresql",
        "postgresql://sesn@db.example/sesn",
        "postgresql://sesn@db.example:5432/sesn?sslmode=verify-full&sslrootcert={home}/ca.pem",
        "postgresql://sesn:a%40b%2Fc=d@[2001:db8::1]:5432/sesn",
        "postgresql://one:5432,two:5433/sesn?target_session_attrs=read-write",
        "postgresql://%2Frun%2Fpostgresql/sesn",
        "postgresql:///?service=sesn",
        "postgresql://sesn@db.example/sesn?passfile={home}/pgpass",
    ],
)
def test_addresses_that_are_taken(url: str) -> None:
    """SQLite files, and every form of a PostgreSQL address that libpq documents."""
    address.check("url", url)
    assert Database(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "node.db",
        "sqlite:///",
        "mysql://db.example/sesn",
        "postgres://db.example/sesn",
        "postgresql+psycopg://db.example/sesn",
        "postgresql://db.example:port/sesn",
        "postgresql://db.example:543210/sesn",
        "postgresql://db.example/a/b",
        "postgresql://db.example/sesn?sslmode",
        "postgresql://db.example/sesn#fragment",
        "postgresql://db example/sesn",
        "postgresql://db.example/sesn?host=a b",
        "postgresql://db.example/%zz",
        "postgresql://db.example/sesn\n",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    """Anything else is refused with what was expected."""
    with pytest.raises(MalformedError, match=r"url: expected (sqlite:///|postgresql://)"):
        address.check("url", url)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://sesn:{_SECRET}@with@db.example/sesn",
        f"postgresql://sesn:{_SECRET}/with@db.example/sesn",
        f"postgresql://sesn:12/{_SECRET}@db.example/sesn",
        f"postgresql://sesn:{_SECRET}#@db.example/sesn",
        f"postgresql://sesn:{_SECRET}?@db.example/sesn",
        f"postgresql://sesn:{_SECRET}:x@db.example/sesn",
        f"postgresql://sesn:{_SECRET}%@db.example/sesn",
        f"postgresql://sesn@db.example/sesn?password={_SECRET}@",
        f"postgres://sesn:{_SECRET}@db.example/sesn",
        f"mysql://sesn:{_SECRET}@db.example/sesn",
    ],
)
def test_password_that_is_not_escaped(url: str) -> None:
    """A password that would be read as something else is refused, and not repeated."""
    with pytest.raises(ConfigError, match=r"database\.url: expected") as refused:
        Database(url=url)
    assert _SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://sesn:{_SECRET}@db.example/sesn", "postgresql://sesn:***@db.example/sesn"),
        (
            f"postgresql:///sesn?password={_SECRET}&host=/run",
            "postgresql:///sesn?password=***&host=/run",
        ),
        (f"postgresql:///sesn?sslpassword={_SECRET}", "postgresql:///sesn?sslpassword=***"),
        ("postgresql://sesn@db.example/sesn", "postgresql://sesn@db.example/sesn"),
        ("sqlite:///node.db", "sqlite:///node.db"),
        (f"sesn:{_SECRET}@db", "(hidden)"),
    ],
)
def test_what_is_shown(url: str, shown: str) -> None:
    """People see everything but passwords."""
    assert address.shown(url) == shown


def test_repr_of_settings_has_no_password() -> None:
    """Settings that end up in a log or a traceback do not tell the password."""
    config = Config(
        home=Path("/srv/sesn"),
        agency=Agency(id=AgencyId("nl.customs"), name="NL", country="NL", role=Role.CUSTOMS),
        database=Database(url=f"postgresql://sesn:{_SECRET}@db.example/sesn"),
    )
    assert _SECRET not in repr(config)
    assert "sesn:***@db.example" in repr(config)
    assert config.database_path is None
    assert _SECRET in config.database_url


def test_home_in_a_postgresql_address() -> None:
    """Files beside the settings can be named, whatever the path of the home looks like."""
    url = "postgresql://sesn@db.example/sesn?sslrootcert={home}/ca.pem"
    found = address.resolved(url, Path("/srv/a b&c"))
    assert found == "postgresql://sesn@db.example/sesn?sslrootcert=/srv/a%20b%26c/ca.pem"
