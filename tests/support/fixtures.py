"""Fixtures that integration tests and attacks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.exchange import office
from tests.support import engines
from tests.support.engines import POSTGRESQL, PostgresEngine, SqliteEngine
from tests.support.homes import Homes
from tests.support.network import HOUR_MS, Network
from tests.support.postgres import Server
from tests.support.view import open_card_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId
    from tests.support.engines import Engine


class Shelf:
    """One engine of each kind, and the homes that were founded on it, made at their first use."""

    def __init__(self) -> None:
        self.engines: dict[str, Engine] = {}
        self.homes: dict[str, Homes] = {}
        self.servers: list[Server] = []

    def engine(self, name: str) -> Engine:
        """Return the engine of that name."""
        if name not in self.engines:
            self.engines[name] = PostgresEngine(self._server()) if name == POSTGRESQL else _SQLITE
        return self.engines[name]

    def _server(self) -> Server:
        self.servers.append(Server())
        return self.servers[-1]


_SQLITE = SqliteEngine()


@pytest.fixture(scope="session")
def shelf() -> Iterator[Shelf]:
    """What the tests of this process share."""
    made = Shelf()
    yield made
    for server in made.servers:
        server.remove()


@pytest.fixture(scope="session")
def engine(shelf: Shelf, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The database under the homes of a test: SQLite, except where both are asked for."""
    found = shelf.engine(getattr(request, "param", _SQLITE.name))
    with engines.using(found):
        yield found


@pytest.fixture(scope="session")
def homes(shelf: Shelf, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """Homes to copy, founded at their first use."""
    if engine.name not in shelf.homes:
        shelf.homes[engine.name] = Homes(tmp_path_factory.mktemp("homes"))
    return shelf.homes[engine.name]


@pytest.fixture
def connect(
    homes: Homes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Network]]:
    """Make networks: `connect(NL, GH)`, of agencies that trust each other unless told otherwise."""
    yield from connecting(homes, tmp_path, monkeypatch)


def connecting(
    homes: Homes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Network]]:
    """Make networks of some homes, and close them in the end."""
    # Opening a card tries every key in it, and is pure: once is enough for all tests.
    monkeypatch.setattr(office, "open_card", open_card_once)
    networks: list[Network] = []

    def make(*agencies: AgencyId, pinned: bool = True) -> Network:
        folder = tmp_path / f"network-{len(networks)}"
        copies = homes.copy(agencies, folder, pinned=pinned)
        # After every card was issued, so that none is of the future.
        start_ms = max(homes.card(agency).card.issued_ms for agency in agencies) + HOUR_MS
        networks.append(Network(copies, start_ms))
        return networks[-1]

    yield make
    for network in networks:
        network.close()
