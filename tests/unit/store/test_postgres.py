"""What is added to the address of a PostgreSQL, and what is left as it is."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from sesn_node.errors import ConfigError
from sesn_node.store import postgres


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGSSLMODE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


def _read(url: str) -> dict[str, object]:
    return dict(conninfo_to_dict(postgres.conninfo(url)))


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql:///sesn", None),
        ("postgresql://sesn@/sesn?host=/run/postgresql", None),
        ("postgresql://%2Frun%2Fpostgresql/sesn", None),
        ("postgresql://localhost/sesn", None),
        ("postgresql://[::1]/sesn", None),
        ("postgresql:///?service=sesn", None),
        ("postgresql://db.example/sesn", "verify-full"),
        ("postgresql://localhost,db.example/sesn", "verify-full"),
        ("postgresql:///sesn?hostaddr=192.0.2.1", "verify-full"),
        ("postgresql://db.example/sesn?sslmode=require", "require"),
    ],
)
def test_another_machine_is_reached_over_tls(url: str, mode: str | None) -> None:
    """Nothing goes in clear to another machine, unless the address itself says so."""
    assert _read(url).get("sslmode") == mode


def test_environment_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    """What libpq takes from its environment counts as said."""
    monkeypatch.setenv("PGHOST", "db.example")
    assert _read("postgresql:///sesn").get("sslmode") == "verify-full"
    monkeypatch.setenv("PGSSLMODE", "require")
    assert "sslmode" not in _read("postgresql:///sesn")
    assert "sslmode" not in _read("postgresql://other.example/sesn")


def test_what_the_address_leaves_open() -> None:
    """Dead connections are noticed; of several servers the one that takes writes is used."""
    one = _read("postgresql://sesn:p%40ss@localhost/sesn")
    assert one["password"] == "p@ss"
    assert one["keepalives_idle"] == "10"
    assert one["tcp_user_timeout"] == "25000"
    assert one["connect_timeout"] == "10"
    assert "target_session_attrs" not in one
    several = _read("postgresql://a.example,b.example/sesn?connect_timeout=3")
    assert several["target_session_attrs"] == "read-write"
    assert several["connect_timeout"] == "3"
    any_of = _read("postgresql://a.example,b.example/sesn?target_session_attrs=any")
    assert any_of["target_session_attrs"] == "any"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://sesn:s3cr3t@localhost/sesn?nonsense=1",
        "postgresql://sesn:s3cr3t%zz@localhost/sesn",
        "postgresql://sesn:s3cr3t@[localhost/sesn",
    ],
)
def test_address_that_libpq_cannot_read(url: str) -> None:
    """What libpq says of an address repeats parts of it, so we do not."""
    with pytest.raises(ConfigError, match=r"database\.url is no address") as refused:
        postgres.conninfo(url)
    assert "s3cr3t" not in str(refused.value)
