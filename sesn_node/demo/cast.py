"""Who plays in the demonstration, and what they do. All of it is invented.

The three agencies exist, but have no part in this: their names make the story easier to follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sesn_node.domain.alert import Alert
from sesn_node.domain.cards import Role
from sesn_node.domain.conversation import Decision
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.payload import Payload
from sesn_node.errors import ConfigError, MalformedError
from sesn_node.wire.payloads import alert_from_json

NL: Final = AgencyId("nl.customs")
GH: Final = AgencyId("gh.epa")
BE: Final = AgencyId("be.police")

ALERTS: Final = Path(__file__).with_name("alerts")
"""The alerts of `configs/demo`: a link to them in a checkout, a copy in an installed package."""


@dataclass(frozen=True, slots=True)
class Member:
    """An agency that takes part; `four_eyes` is what leaves it only with a second person."""

    agency: AgencyId
    name: str
    country: str
    role: Role
    four_eyes: tuple[str, ...] = ()


CAST: Final = (
    Member(NL, "Netherlands Customs", "NL", Role.CUSTOMS, four_eyes=("RED",)),
    Member(GH, "Environmental Protection Agency of Ghana", "GH", Role.ENVIRONMENT),
    Member(BE, "Belgian Federal Police", "BE", Role.POLICE),
)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """An alert, who sends it, and to whom.

    Args:
        number: Of its file: `01` to `12`.
        file: Where it is.
        payload: What is sealed and sent: the alert and its markings.
        alert: The alert itself.
        sender: Who sends it.
        to: Recipients.
        while_down: Whether it is sent while the Belgian node is down.
    """

    number: str
    file: Path
    payload: Payload
    alert: Alert
    sender: AgencyId
    to: tuple[AgencyId, ...]
    while_down: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What an officer decides about an alert."""

    number: str
    agency: AgencyId
    decision: Decision
    text: str


ANSWERS: Final = (
    Answer(
        "01",
        GH,
        Decision.ACCEPTED,
        "Both containers go to the inspection bay at Tema. We open them on the 15th.",
    ),
    Answer(
        "05",
        BE,
        Decision.ACCEPTED,
        "We know the exporter from a case in Antwerp. An investigator takes this on tonight.",
    ),
    Answer(
        "08",
        BE,
        Decision.DECLINED,
        "Felixstowe to Port Said touches no Belgian port or company. Please ask the UK.",
    ),
)

_ROUTES: Final = {
    "01": (NL, (GH, BE)),
    "02": (GH, (NL, BE)),
    "03": (BE, (NL, GH)),
    "04": (BE, (GH, NL)),
    "05": (NL, (BE, GH)),
    "06": (NL, (GH, BE)),
    "07": (BE, (NL,)),
    "08": (NL, (BE,)),
    "09": (GH, (NL, BE)),
    "10": (NL, (BE, GH)),
    "11": (NL, (GH, BE)),
    "12": (GH, (NL, BE)),
}
_FIRST_WHILE_DOWN: Final = "09"


def dispatches() -> tuple[Dispatch, ...]:
    """Read the alerts.

    Raises:
        ConfigError: They are not there.
        MalformedError: One of them is not an alert.
    """
    files = {path.name[:2]: path for path in sorted(ALERTS.glob("*.json"))}
    if set(files) != set(_ROUTES):
        raise ConfigError(
            f"{ALERTS}: expected the demonstration's alerts {', '.join(sorted(_ROUTES))}, found "
            f"{', '.join(sorted(files)) or 'none'}; install sesn-node again, or clone it anew"
        )
    return tuple(_dispatch(number, path) for number, path in files.items())


def _dispatch(number: str, path: Path) -> Dispatch:
    payload = alert_from_json(path.read_bytes())
    if not isinstance(payload.body, Alert):
        raise MalformedError(f"{path}: expected an alert")
    sender, to = _ROUTES[number]
    return Dispatch(
        number=number,
        file=path,
        payload=payload,
        alert=payload.body,
        sender=sender,
        to=to,
        while_down=number >= _FIRST_WHILE_DOWN,
    )
