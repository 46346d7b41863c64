"""Passing on: what the originator let, and every reason why it did not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sesn_node.domain.conversation import Consent
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.markings import (
    Evaluation,
    EvaluationScheme,
    HandlingCode,
    Markings,
    Tlp,
)
from sesn_node.domain.onward import (
    FORWARDABLE,
    Obstacle,
    Permission,
    Transfer,
    obstacle,
)
from sesn_node.domain.payload import MessageKind
from tests.support.objects import MESSAGE_ID

NL, GH, BE, DE = (AgencyId(one) for one in ("nl.customs", "gh.epa", "be.police", "de.port"))
NOW = datetime(2026, 12, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
AMBER = Markings(Tlp.AMBER)
TRANSFER = Transfer(
    markings=AMBER, originator=NL, recipients=frozenset({GH}), forwarder=GH, to=BE, at=NOW
)


def _consent(*onward: str, until: datetime | None = None, to: AgencyId = GH) -> Permission:
    body = Consent(message_id=MESSAGE_ID, header_sha256=bytes(32), onward=onward, until=until)
    return Permission(body, frozenset({to}))


def _marked(**changes: object) -> Transfer:
    # `replace` takes whatever fields the test names; the constructor checks them.
    return replace(TRANSFER, markings=replace(AMBER, **changes))  # type: ignore[arg-type]


LET = {
    "granted by name": _marked(onward=("be.police",)),
    "granted by country": _marked(onward=("be.*",)),
    "granted to all": _marked(onward=("*",)),
    "clear": _marked(tlp=Tlp.CLEAR),
    "clear and handed on before": replace(
        _marked(tlp=Tlp.CLEAR), forwarder=DE, recipients=frozenset({GH})
    ),
    "green and granted": _marked(tlp=Tlp.GREEN, onward=("be.*",)),
    "H2 and granted": _marked(handling=(HandlingCode.H2,), onward=("be.*",)),
    "consented": replace(TRANSFER, permission=_consent("be.police")),
    "consented for the time": replace(
        TRANSFER, permission=_consent("be.police", until=NOW + SECOND)
    ),
    "consented besides a grant for others": replace(
        _marked(onward=("de.*",)), permission=_consent("be.police")
    ),
    "granted, with a consent that is over": replace(
        _marked(onward=("be.*",)), permission=_consent("be.police", until=NOW - SECOND)
    ),
    "kept until later": _marked(onward=("be.*",), retain_until=NOW + SECOND),
    "handed on by whom the grant names": replace(_marked(onward=("be.*", "de.*")), forwarder=DE),
    "handed on by whom the originator wrote a consent to": replace(
        TRANSFER, forwarder=DE, permission=_consent("be.police", to=DE)
    ),
}
REFUSED = {
    "nothing granted": (TRANSFER, Obstacle.NOT_GRANTED),
    "granted to others": (_marked(onward=("de.*",)), Obstacle.OTHERS_GRANTED),
    "green is not free": (_marked(tlp=Tlp.GREEN), Obstacle.NOT_GRANTED),
    "clear under H2": (
        _marked(tlp=Tlp.CLEAR, handling=(HandlingCode.H2,)),
        Obstacle.NOT_GRANTED,
    ),
    "red": (_marked(tlp=Tlp.RED), Obstacle.NEVER),
    "red with a consent": (
        replace(_marked(tlp=Tlp.RED), permission=_consent("*")),
        Obstacle.NEVER,
    ),
    "4 of 5x5x5": (
        _marked(
            tlp=Tlp.CLEAR, evaluation=Evaluation(EvaluationScheme.BRITISH_5X5X5, "A", "1", "4")
        ),
        Obstacle.NEVER,
    ),
    "consent for others": (
        replace(TRANSFER, permission=_consent("de.*")),
        Obstacle.OTHERS_CONSENTED,
    ),
    "consent to another": (
        replace(TRANSFER, permission=_consent("be.police", to=DE)),
        Obstacle.CONSENT_OF_OTHERS,
    ),
    "consent that is over": (
        replace(TRANSFER, permission=_consent("be.police", until=NOW)),
        Obstacle.CONSENT_ENDED,
    ),
    "past its date": (
        _marked(onward=("be.*",), retain_until=NOW),
        Obstacle.RETAINED,
    ),
    "clear and past its date": (_marked(tlp=Tlp.CLEAR, retain_until=NOW), Obstacle.RETAINED),
    "by somebody who never got it": (
        replace(_marked(onward=("be.*",)), forwarder=DE),
        Obstacle.NOT_HELD,
    ),
    "back to its originator": (
        replace(_marked(onward=("*",)), to=NL),
        Obstacle.ORIGINATOR,
    ),
    "by its originator": (replace(_marked(onward=("*",)), forwarder=NL), Obstacle.ORIGINATOR),
}


@pytest.mark.parametrize("name", LET)
def test_let(name: str) -> None:
    """The originator let it."""
    assert obstacle(LET[name]) is None


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """The originator did not, and the reason says so."""
    transfer, expected = REFUSED[name]
    assert obstacle(transfer) is expected


def test_every_reason_is_met() -> None:
    """No reason is there that no case gives."""
    assert {reason for _, reason in REFUSED.values()} == set(Obstacle)


def test_a_forward_is_never_passed_on() -> None:
    """Its original is; what tells of two agencies' dealings with a message stays between them."""
    kept = set(MessageKind) - FORWARDABLE
    assert kept >= {
        MessageKind.FORWARD,
        MessageKind.CONSENT,
        MessageKind.RESPONSE,
        MessageKind.RECALL,
        MessageKind.DESTRUCTION,
    }
