"""Endorsing: who stands behind a message of ours, and whether that is enough for it to leave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sesn_node.domain.approval import Demand, is_unasked, needs_second
from sesn_node.domain.people import Act, Right, require
from sesn_node.errors import PolicyError, SesnError
from sesn_node.trust.people import verify_endorsements

if TYPE_CHECKING:
    from sesn_node.domain.messages import Header
    from sesn_node.domain.payload import Payload
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.operators import Actor
    from sesn_node.exchange.share import Draft
    from sesn_node.trust.card import TrustedCard

OPERATOR_REQUIRED: Final = "OPERATOR_REQUIRED"
NEEDS_APPROVAL: Final = "NEEDS_APPROVAL"


class ApprovalNeeded(PolicyError):
    """A second person has to approve a draft before it may leave; it was not sent."""

    code = NEEDS_APPROVAL

    def __init__(self, word: str, draft: Draft) -> None:
        super().__init__(
            f"{word}: this needs a second person; nothing was sent. Keep it as a draft, "
            "which another operator lets go with 'sesn approve give'"
        )
        self.draft = draft


@dataclass(frozen=True, slots=True)
class PeoplePolicy:
    """What this agency asks of its own messages, and of its partners'.

    Args:
        sign: Every message of ours is signed by whoever wrote it.
        four_eyes: What needs a second person; see `sesn_node.domain.approval`.
        demand: What partners' messages must show.
    """

    sign: bool = False
    four_eyes: tuple[str, ...] = ()
    demand: Demand = Demand.NOTHING


def endorsed(office: Office, draft: Draft) -> Draft:
    """Sign a draft as whoever acts, unless that was done, and see whether it may leave.

    What the node sends by itself nobody signs.

    Raises:
        PolicyError: Nobody acts, and somebody must (`OPERATOR_REQUIRED`); whoever acts may not
            write (`ROLE`); or a second person has to approve it first (`ApprovalNeeded`).
    """
    if draft.by_node:
        return draft
    payload, actor = draft.payload, office.actor
    if not payload.endorsements and actor is not None:
        require(actor.operator.role, Right.WRITE)
        draft = signed(actor, draft, Act.AUTHORED, office.clock())
    word = needs_second(payload, office.people.four_eyes)
    if not draft.payload.endorsements and (office.people.sign or word):
        raise PolicyError(
            "this node sends only what somebody signed: add --as OPERATOR; 'sesn operator list' "
            "shows who there is",
            code=OPERATOR_REQUIRED,
        )
    if word is not None and not _approved(office, draft):
        raise ApprovalNeeded(word, replace(draft, payload=payload))
    return draft


def signed(actor: Actor, draft: Draft, act: Act, now_ms: int) -> Draft:
    """Add an operator's endorsement to a draft, behind those that it has."""
    payload = draft.payload
    own = actor.endorse(payload, act, to=draft.to, in_reply_to=draft.in_reply_to, at_ms=now_ms)
    return replace(draft, payload=replace(payload, endorsements=(*payload.endorsements, own)))


def check_endorsements(
    card: TrustedCard, header: Header, payload: Payload, policy: PeoplePolicy
) -> None:
    """Refuse a partner's message whose people are not what they seem, or are wanting.

    Args:
        card: The sender's.
        header: The message's.
        payload: What it says.
        policy: Ours.

    Raises:
        PolicyError: An endorsement is none, as `verify_endorsements` says; or nobody wrote or
            approved the message, and we ask for that.
    """
    to = [recipient.agency for recipient in header.recipients]
    try:
        found = verify_endorsements(card, payload, to=to, in_reply_to=header.in_reply_to)
    except SesnError as error:
        raise PolicyError(f"its endorsements do not hold: {error}") from error
    if policy.demand is Demand.NOTHING or is_unasked(payload):
        return
    acts = {one.act for one in found}
    wanted = Act.AUTHORED if policy.demand is Demand.AUTHOR else Act.APPROVED
    if wanted not in acts:
        what = "says who wrote it" if wanted is Act.AUTHORED else "was approved by a second person"
        raise PolicyError(f"this node takes only what {what}")


def _approved(office: Office, draft: Draft) -> bool:
    found = verify_endorsements(
        office.directory().own, draft.payload, to=draft.to, in_reply_to=draft.in_reply_to
    )
    return any(one.act is Act.APPROVED for one in found)
