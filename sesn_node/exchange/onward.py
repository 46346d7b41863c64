"""Onward: rules for messages of third agencies that partners pass on, and for consents to that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.domain.conversation import Consent
from sesn_node.domain.onward import FORWARDABLE, Permission, Transfer, obstacle
from sesn_node.domain.refusals import RefusalCode
from sesn_node.domain.times import instant
from sesn_node.errors import PolicyError, VerificationError
from sesn_node.exchange.originals import Standing, ended_early, open_original, standing

if TYPE_CHECKING:
    from sesn_node.domain.forward import Forward
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.originals import OpenedOriginal
    from sesn_node.exchange.rules import Arrival

NOT_GRANTED: Final = "NOT_GRANTED"
"""Code of the refusal to pass on what its originator does not let go further."""


def check_forward(arrival: Arrival, body: Forward) -> None:
    """A forward carries a message whose originator lets its sender give it to us.

    1. The original verifies (`open_original`), under a card that contradicts none that is pinned.
    2. It is of a kind that may be passed on; so never a forward.
    3. The consent, if there is one, verifies, is the same originator's, and names this message.
    4. The originator lets the sender pass it on to us, now.
    5. The marks of the forward are not weaker than the original's.

    Raises:
        MalformedError: As `open_original`.
        VerificationError: As `open_original`, or BAD_SEAL: the originator is not believed.
        PolicyError: Its originator does not let it come here.
    """
    found = _verified(arrival, body)
    if found.payload.kind not in FORWARDABLE:
        raise PolicyError("messages of this kind cannot be passed on")
    transfer = Transfer(
        markings=found.payload.markings,
        originator=found.header.sender,
        recipients=_recipients(found),
        forwarder=arrival.header.sender,
        to=arrival.office.agency,
        at=instant(arrival.now_ms),
        permission=_permission(arrival, body, found),
    )
    problem = obstacle(transfer)
    if problem is not None:
        raise PolicyError(f"the message must not be passed on to this node: {problem}")
    weaker = arrival.payload.markings.weaker_than(found.payload.markings)
    if weaker is not None:
        raise PolicyError(f"the forward is marked less strictly than its original: {weaker}")


def check_consent(arrival: Arrival, body: Consent) -> None:
    """A consent answers a message of its sender's own: if that is here, this very one.

    It may not be here: a consent can come first, or we have the message from somebody else.

    Raises:
        PolicyError: It answers another.
    """
    if arrival.header.in_reply_to != body.message_id:
        raise PolicyError("the consent answers another message than it names")
    seen = arrival.transaction.inbox.seen(arrival.header.sender, [body.message_id])
    known = seen.get(body.message_id)
    if known is not None and known.header_sha256 != body.header_sha256:
        raise PolicyError("the consent names another message under an id that is here")


def permission_of(found: OpenedOriginal, consent: OpenedOriginal) -> Permission | None:
    """Take what an originator sealed as its consent for a message of its; None if it is none."""
    body = consent.payload.body
    if (
        not isinstance(body, Consent)
        or consent.header.sender != found.header.sender
        or (body.message_id, body.header_sha256) != (found.header.message_id, found.header_sha256)
    ):
        return None
    return Permission(body, _recipients(consent))


def _recipients(found: OpenedOriginal) -> frozenset[AgencyId]:
    return frozenset(one.agency for one in found.header.recipients)


def _verified(arrival: Arrival, body: Forward) -> OpenedOriginal:
    """Open the original, if its originator is who it says, as far as this node can tell."""
    office = arrival.office
    found = open_original(body.original, arrival.now_ms + office.terms.clock_skew_ms)
    directory = office.partners.current(arrival.transaction)
    recalls = arrival.transaction.recalls
    if recalls.tombstones(found.header.sender, [found.header.message_id]):
        raise PolicyError("the message that was passed on was recalled by its originator")
    stands = standing(directory, found.header.sender, found.card.root.der)
    if stands is Standing.OURS:
        raise PolicyError("the message that was passed on bears this agency's own name")
    if stands is Standing.CUT_OFF:
        raise PolicyError("the originator of the message that was passed on is not trusted here")
    if stands is Standing.OTHER_ROOT or ended_early(arrival.transaction, found):
        raise VerificationError(
            "the message that was passed on: it is sealed under another root than the one that is "
            "pinned here, or with a key that had ended",
            code=RefusalCode.BAD_SEAL.value,
        )
    return found


def _permission(arrival: Arrival, body: Forward, found: OpenedOriginal) -> Permission | None:
    if body.consent is None:
        return None
    latest_ms = arrival.now_ms + arrival.office.terms.clock_skew_ms
    consent = open_original(body.consent, latest_ms)
    if consent.card.root.der != found.card.root.der or ended_early(arrival.transaction, consent):
        raise VerificationError(
            "the consent is sealed under another root than the message, or with a key that had "
            "ended",
            code=RefusalCode.BAD_SEAL.value,
        )
    given = permission_of(found, consent)
    if given is None:
        raise PolicyError("the consent is not its originator's, or for another message")
    return given
