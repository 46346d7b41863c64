"""Homes that trust each other, founded once per run of the simulation and copied into memory.

`nl.customs` and `gh.epa` listen; `be.police` only dials out, so its partners' messages reach it
through its own `Collect`. `gh.epa` has two endpoints, for histories in which two processes share
its database.
"""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node import bootstrap, founding
from sesn_node.config import Agency, Config, Limits, Node
from sesn_node.crypto.kdf import KdfParams
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.cards import Role
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.times import DAY_MS
from sesn_node.exchange.peers import add_peer
from tests.simulation.disk import HEAD_FILE, KEY_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sesn_node.crypto.signers import Signer
    from sesn_node.trust.card import TrustedCard

PASSPHRASE = b"a passphrase of simulations"

NL = AgencyId("nl.customs")
GH = AgencyId("gh.epa")
BE = AgencyId("be.police")

ENDPOINTS = {
    NL: ("nl.example:7443",),
    GH: ("gh.example:7443", "gh.example:7444"),
    BE: (),
}

CIRCLES: tuple[tuple[AgencyId, ...], ...] = ((NL, GH), (NL, BE), (GH, BE), (NL, GH, BE))
"""Who takes part in a history. Two that only dial could not meet."""
CIRCLE_WEIGHTS = (4, 3, 1, 2)
"""How often: three agencies cost three times as much as two."""

_BATCHES = {NL: 64, GH: 2, BE: 1}
"""Messages that each takes in one batch."""

_HALF_YEAR_MS = 182 * DAY_MS
_CHEAP = KdfParams(64, 1, 1)


@dataclass(frozen=True, slots=True)
class Template:
    """A node as every history finds it.

    Args:
        home: Folder with settings and keys.
        config: The settings.
        database: The database, serialised.
        files: Head file and key file, by name.
        root: Signs its cards.
    """

    home: Path
    config: Config
    database: bytes
    files: dict[str, bytes]
    root: Signer


class Templates:
    """Founds homes in a folder, and keeps a template for each circle of partners."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cards: dict[AgencyId, TrustedCard] = {}
        self._circles: dict[tuple[AgencyId, ...], dict[AgencyId, Template]] = {}
        self.start_ms = 0
        """When every history begins: the same for all of a run."""

    def circle(self, agencies: Sequence[AgencyId]) -> dict[AgencyId, Template]:
        """Return templates of agencies that trust each other."""
        key = tuple(agencies)
        if key not in self._circles:
            self._circles[key] = self._pin(key)
        return self._circles[key]

    def prepare(self) -> None:
        """Make the templates of every circle."""
        for agencies in CIRCLES:
            self.circle(agencies)

    def _pin(self, agencies: tuple[AgencyId, ...]) -> dict[AgencyId, Template]:
        folder = self._folder / "+".join(agencies)
        templates = {}
        for agency in agencies:
            if agency not in self._cards:
                self._cards[agency] = self._found(agency, self._folder / agency)
        for agency in agencies:
            home = folder / agency
            _copy(self._folder / agency, home)
            with bootstrap.open_home(home, PASSPHRASE) as desk:
                for other in agencies:
                    if other != agency:
                        card = self._cards[other]
                        add_peer(desk.office, card.sealed, fingerprint=card.fingerprint)
                settings = desk.config
            templates[agency] = Template(
                home=home,
                config=settings,
                database=_serialised(home / "node.db"),
                files={
                    HEAD_FILE: (home / bootstrap.HEAD_FILE).read_bytes(),
                    KEY_FILE: (home / bootstrap.NODE_KEY).read_bytes(),
                },
                root=_root(home),
            )
        # Long enough after it that no clock jumps back to before the keys.
        latest = max(card.card.issued_ms for card in self._cards.values())
        # The same for all runs of a half-year, so that they can be compared line by line.
        self.start_ms = ((latest + 30 * DAY_MS) // _HALF_YEAR_MS + 1) * _HALF_YEAR_MS
        return templates

    def _found(self, agency: AgencyId, home: Path) -> TrustedCard:
        endpoints = ENDPOINTS[agency]
        country = agency.split(".", 1)[0].upper()
        settings = Config(
            home=home,
            agency=Agency(id=agency, name=f"Agency {agency}", country=country, role=Role.CUSTOMS),
            node=Node(listen=endpoints[0] if endpoints else "", advertise=endpoints),
            limits=Limits(batch_envelopes=_BATCHES[agency]),
        )
        return founding.found(settings, PASSPHRASE, kdf=_CHEAP)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)


def _serialised(path: Path) -> bytes:
    connection = sqlite3.connect(path)
    try:
        # An image in memory has no write-ahead log.
        connection.execute("PRAGMA journal_mode = DELETE")
        return connection.serialize()
    finally:
        connection.close()


def _root(home: Path) -> Signer:
    ring = decrypt_keyring((home / bootstrap.ROOT_KEY).read_bytes(), PASSPHRASE)
    return signer_for(ring.of_kind(KeyKind.ROOT)[0])
