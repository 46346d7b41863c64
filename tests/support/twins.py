"""Two processes of one agency on one PostgreSQL: each has a home of its own, and keys alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sesn_node import config
from sesn_node.config import Agency, Config, Database, Node
from sesn_node.domain.cards import Role
from sesn_node.founding import found
from tests.support.homes import CHEAP, PASSPHRASE
from tests.support.serving import HOST, Home, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.config import Delivery
    from sesn_node.domain.ids import AgencyId
    from tests.support.engines import PostgresEngine


def found_twins(
    folder: Path, agency: AgencyId, engine: PostgresEngine, delivery: Delivery
) -> tuple[Home, Home]:
    """Found an agency with two processes, as docs/operations.md tells operators to do it.

    Its card names both endpoints. The second home is a copy of the first, with another port.
    """
    first, second = folder / agency, folder / f"{agency}-2"
    ports = free_port(), free_port()
    endpoints = tuple(f"{HOST}:{port}" for port in ports)
    settings = Config(
        home=first,
        agency=Agency(
            id=agency, name=f"Agency {agency}", country=agency[:2].upper(), role=Role.CUSTOMS
        ),
        node=Node(listen=endpoints[0], advertise=endpoints),
        database=Database(url=engine.with_tables(first)),
        delivery=delivery,
    )
    card = found(settings, PASSPHRASE, kdf=CHEAP)
    engine.share(first, second)
    other = replace(settings, home=second, node=replace(settings.node, listen=endpoints[1]))
    (second / config.FILE_NAME).write_text(config.render(other), encoding="utf-8")
    return Home(first, card, ports[0]), Home(second, card, ports[1])
