"""A case for audits: three agencies, a refusal, an expiry, an erasure, a disclosure, an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Final

from sesn_node.audit.account import Selection
from sesn_node.config import Agency, Config, Database, Node
from sesn_node.demo.cast import ALERTS, BE, CAST, GH, NL
from sesn_node.domain.alert import Alert
from sesn_node.domain.conversation import Decision
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.payload import Payload
from sesn_node.exchange.auditexport import export_bundle
from sesn_node.exchange.erase import erase
from sesn_node.exchange.expire import expire
from sesn_node.exchange.viewing import view_alert
from sesn_node.founding import found
from sesn_node.wire.payloads import alert_from_json
from tests.support.engines import current
from tests.support.homes import CHEAP, PASSPHRASE
from tests.support.network import HOUR_MS, Network

if TYPE_CHECKING:
    from pathlib import Path

MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class AuditStory:
    """What happened, and the bundles of those who were there.

    Args:
        bundles: The file of each agency.
        disclosed: The alert whose content both Dutch and Ghanaian bundles disclose.
        answer: The Ghanaian answer to it.
        refused: Went to a node whose clock had passed its expiry.
        expired: Nobody came for it.
        erased: Its sender erased what it says.
    """

    bundles: dict[AgencyId, bytes]
    disclosed: MessageId
    answer: MessageId
    refused: MessageId
    expired: MessageId
    erased: MessageId

    def files(self, *agencies: AgencyId) -> list[BytesIO]:
        """Open bundles."""
        return [BytesIO(self.bundles[one]) for one in agencies or self.bundles]


def found_cast(folder: Path) -> dict[AgencyId, Path]:
    """Found the three agencies of the demonstration under their names."""
    homes = {}
    for member in CAST:
        homes[member.agency] = home = folder / member.agency
        settings = Config(
            home=home,
            agency=Agency(
                id=member.agency, name=member.name, country=member.country, role=member.role
            ),
            node=Node(listen="127.0.0.1:0", advertise=("127.0.0.1:7443",)),
            database=Database(url=current().with_tables(home)),
        )
        found(settings, PASSPHRASE, kdf=CHEAP)
    return homes


def tell(net: Network, folder: Path) -> AuditStory:
    """Let the case happen, and have every agency export a bundle.

    Args:
        net: The three, strangers to each other.
        folder: Where the bundles are written.
    """
    for one in (NL, GH, BE):
        for other in (NL, GH, BE):
            if one != other:
                net.trust(one, other)
    net.pass_time(HOUR_MS)
    disclosed = net.share(NL, BE, GH, payload=_alert("01", answer_in_ms=6 * HOUR_MS, net=net))
    net.pass_time(2_400)
    net.deliver(NL, GH)
    net.pass_time(17 * MINUTE_MS)
    net.deliver(NL, BE)
    net.pass_time(25 * MINUTE_MS)
    view_alert(net[GH].office, disclosed)
    net.pass_time(80 * MINUTE_MS)
    answer = net.respond(GH, disclosed, Decision.ACCEPTED, "Both containers are on hold at Tema.")
    net.pass_time(1_800)
    net.deliver(GH, NL)
    net.pass_time(30 * MINUTE_MS)

    refused = net.share(NL, BE, payload=_alert("03"), expires_ms=net.clock.now_ms + 10 * MINUTE_MS)
    net[BE].skew_ms = 12 * MINUTE_MS
    net.deliver(NL, BE)
    net[BE].skew_ms = 0
    net.pass_time(HOUR_MS)
    expired = net.share(NL, GH, payload=_alert("05"), expires_ms=net.clock.now_ms + 2 * HOUR_MS)
    net.pass_time(3 * HOUR_MS)
    expire(net[NL].office)
    erased = net.share(BE, NL, payload=_alert("07"))
    net.pass_time(3_100)
    net.deliver(BE, NL)
    net.pass_time(4 * HOUR_MS)
    erase(net[BE].office, erased, "Names an informant")
    net.share(GH, BE, payload=_alert("08"))
    net.pass_time(HOUR_MS)

    net.rest()
    selections = {
        NL: Selection(disclosed=tuple(sorted((disclosed, answer)))),
        GH: Selection(disclosed=(disclosed,)),
        BE: Selection(),
    }
    for agency, selection in selections.items():
        export_bundle(net[agency].office, folder / agency, selection)
    bundles = {agency: (folder / agency).read_bytes() for agency in selections}
    return AuditStory(bundles, disclosed, answer, refused, expired, erased)


def _alert(number: str, *, answer_in_ms: int = 0, net: Network | None = None) -> Payload:
    path = next(ALERTS.glob(f"{number}-*.json"))
    payload = alert_from_json(path.read_bytes())
    assert isinstance(payload.body, Alert)
    asked = None
    if net is not None:
        asked = datetime.fromtimestamp((net.clock.now_ms + answer_in_ms) // 1000, UTC)
    return replace(payload, body=replace(payload.body, respond_by=asked))
