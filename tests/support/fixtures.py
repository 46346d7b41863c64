"""Fixtures that integration tests and attacks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.exchange import office
from tests.support.homes import Homes
from tests.support.network import HOUR_MS, Network
from tests.support.view import open_card_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """Homes to copy, founded at their first use."""
    return Homes(tmp_path_factory.mktemp("homes"))


@pytest.fixture
def connect(
    homes: Homes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Network]]:
    """Make networks: `connect(NL, GH)`, of agencies that trust each other unless told otherwise."""
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
