"""One ledger at two sizes, and a second history of it: homes for tests of exports and proofs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.homes import BE, GH, NL
from tests.support.network import HOUR_MS, Network

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from tests.support.homes import Homes


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Homes of nl.customs; copy one before it is written to.

    Args:
        small: Some thirty entries.
        large: The same ledger with more than 512 entries.
        forked: The small one that went on otherwise, under the same keys, to some forty.
        message: The first message of all three, to both partners, which acknowledged it.
    """

    small: Path
    large: Path
    forked: Path
    message: MessageId


def make_ledgers(homes: Homes, folder: Path) -> Ledgers:
    """Let nl.customs share alerts; a pair of partners cosigns."""
    copies = homes.copy((NL, GH, BE), folder / "first")
    start_ms = max(homes.card(agency).card.issued_ms for agency in copies) + HOUR_MS
    net = Network(copies, start_ms)
    message = net.share(NL, GH, BE)
    for _ in range(8):
        net.share(NL, GH, BE)
    net.deliver(NL, GH)
    net.deliver(NL, BE)
    net.close()
    kept = {name: folder / name for name in ("small", "large", "forked")}
    for home in kept.values():
        shutil.copytree(folder / "first", home)
    for name, count in (("large", 180), ("forked", 5)):
        net = Network({agency: kept[name] / agency for agency in copies}, start_ms + HOUR_MS)
        # Once at the end: after each of so many messages it would take half a minute.
        net.checking = False
        for _ in range(count):
            net.share(NL, GH, BE)
        net.deliver(NL, GH)
        net.deliver(NL, BE)
        net.checking = True
        net.check()
        net.close()
    return Ledgers(kept["small"] / NL, kept["large"] / NL, kept["forked"] / NL, message)
