"""Founded homes, made once and copied for every test that needs one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node import bootstrap, founding
from sesn_node.config import Agency, Config, Database, Node
from sesn_node.crypto.kdf import KdfParams
from sesn_node.domain.cards import Role
from sesn_node.domain.ids import AgencyId
from sesn_node.exchange.peers import add_peer
from tests.support.engines import current

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sesn_node.trust.card import TrustedCard

PASSPHRASE = b"a passphrase of tests"

NL = AgencyId("nl.customs")
GH = AgencyId("gh.epa")
BE = AgencyId("be.police")
DE = AgencyId("de.port")

CHEAP = KdfParams(64, 1, 1)
"""Cost of trying passphrases, for tests."""


class Homes:
    """Keeps one home of each agency, and one set of homes for each circle of partners.

    Founding an agency makes keys and a database, which takes longer than most tests; a copy of
    its folder takes a millisecond, and one of its PostgreSQL database not much more.

    Args:
        folder: Where they are kept.
        clock: When they are founded, Unix milliseconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], int] = bootstrap.system_clock) -> None:
        self._folder = folder
        self._clock = clock
        self._cards: dict[AgencyId, TrustedCard] = {}
        self._circles: dict[tuple[AgencyId, ...], Path] = {}

    def copy(
        self, agencies: Sequence[AgencyId], to: Path, *, pinned: bool = True
    ) -> Mapping[AgencyId, Path]:
        """Copy homes of these agencies into a folder.

        Args:
            agencies: Whose.
            to: An empty or missing folder.
            pinned: Whether all of them trust each other already.
        """
        source = self._circle(tuple(agencies)) if pinned else self._founded(agencies)
        for agency in agencies:
            current().copy(source / agency, to / agency)
        return {agency: to / agency for agency in agencies}

    def card(self, agency: AgencyId) -> TrustedCard:
        """Return an agency's first card."""
        self._founded([agency])
        return self._cards[agency]

    def _founded(self, agencies: Sequence[AgencyId]) -> Path:
        folder = self._folder / "founded"
        for agency in agencies:
            if agency not in self._cards:
                country = agency.split(".", 1)[0].upper()
                config = Config(
                    home=folder / agency,
                    agency=Agency(
                        id=agency, name=f"Agency {agency}", country=country, role=Role.CUSTOMS
                    ),
                    node=Node(listen="127.0.0.1:0", advertise=("127.0.0.1:7443",)),
                    database=Database(url=current().with_tables(folder / agency)),
                )
                self._cards[agency] = founding.found(
                    config, PASSPHRASE, kdf=CHEAP, clock=self._clock
                )
        return folder

    def _circle(self, agencies: tuple[AgencyId, ...]) -> Path:
        if agencies not in self._circles:
            folder = self._folder / "+".join(agencies)
            self.copy(agencies, folder, pinned=False)
            for agency in agencies:
                with bootstrap.open_home(folder / agency, PASSPHRASE, clock=self._clock) as desk:
                    for other in agencies:
                        if other != agency:
                            card = self._cards[other]
                            add_peer(desk.office, card.sealed, fingerprint=card.fingerprint)
            self._circles[agencies] = folder
        return self._circles[agencies]
