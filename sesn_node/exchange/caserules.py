"""Rules for steps of cases and case files that arrive, as far as they need no other step.

What depends on other steps is judged in the transaction that stores them (`casesteps.obstacle`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.domain.case import two_people
from sesn_node.domain.case_messages import CaseFile, CaseStep
from sesn_node.domain.case_terms import Action
from sesn_node.domain.people import Act
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import PolicyError, SesnError, VerificationError
from sesn_node.exchange.casesteps import sealed_step
from sesn_node.exchange.informed import check_informed
from sesn_node.exchange.originals import Standing, ended_early, open_original, standing
from sesn_node.trust.people import verify_endorsements

if TYPE_CHECKING:
    from sesn_node.domain.messages import Envelope, Header
    from sesn_node.domain.payload import Payload
    from sesn_node.exchange.casesteps import SealedStep
    from sesn_node.exchange.originals import OpenedOriginal
    from sesn_node.exchange.rules import Arrival
    from sesn_node.trust.card import TrustedCard

_TOO_CLOSE: Final = "who joins a case later gets what was said before: no step is RED, or H2"


def check_case_step(arrival: Arrival, body: CaseStep) -> None:
    """A step of a case, by what is in it alone.

    Raises:
        PolicyError: It breaks a rule.
        VerificationError: What it says of when the authority of export was informed is not proven.
    """
    check_step_alone(arrival.card, arrival.header, arrival.payload)
    if body.mark.action is Action.INFORM:
        check_informed(arrival.office, arrival.transaction, arrival.header, body)


def check_step_alone(card: TrustedCard, header: Header, payload: Payload) -> None:
    """Refuse a step that breaks a rule that needs no other step.

    Args:
        card: Its sender's.
        header: Its header.
        payload: What it says.

    Raises:
        PolicyError: It breaks one.
    """
    body = payload.body
    if not isinstance(body, CaseStep):
        raise PolicyError("this is no step of a case")
    marks = payload.markings
    if marks.stays_with_recipients:
        raise PolicyError(_TOO_CLOSE)
    if header.in_reply_to is not None:
        raise PolicyError("a step of a case answers no message")
    first = header.message_id == header.conversation_id
    if first != (body.mark.action is Action.REQUEST):
        raise PolicyError("a case begins with its request, and with nothing else")
    if two_people(body.mark.action):
        to = [one.agency for one in header.recipients]
        try:
            found = verify_endorsements(card, payload, to=to, in_reply_to=None)
        except SesnError as error:
            raise PolicyError(f"its endorsements do not hold: {error}") from error
        if not {Act.AUTHORED, Act.APPROVED} <= {one.act for one in found}:
            raise PolicyError("this step needs two people: one who wrote it, one who approved it")


def check_case_file(arrival: Arrival, _body: CaseFile) -> None:
    """A case file answers no message; the steps in it are verified as they are taken out of it.

    Raises:
        PolicyError: It answers one.
    """
    if arrival.header.in_reply_to is not None:
        raise PolicyError("a case file answers no message")


def _filed_steps(arrival: Arrival, body: CaseFile) -> tuple[SealedStep, ...]:
    """Verify the steps that a case file holds, each as its sender sealed it; they are of one case.

    Raises:
        MalformedError: As `open_original`.
        VerificationError: As `open_original`, or a sender is not believed.
        PolicyError: Something in it is no step of the case, or breaks a rule.
    """
    found: list[SealedStep] = []
    for original in body.originals:
        opened = open_original(original, arrival.now_ms + arrival.office.terms.clock_skew_ms)
        _check_originator(arrival, opened)
        if opened.header.conversation_id != arrival.header.conversation_id:
            raise PolicyError("the case file holds a message of another conversation")
        check_step_alone(opened.card, opened.header, opened.payload)
        step = opened.payload.body
        if isinstance(step, CaseStep) and step.mark.action is Action.INFORM:
            check_informed(arrival.office, arrival.transaction, opened.header, step)
        one = sealed_step(
            opened.header, original.header, opened.header_sha256, original.seal, opened.payload
        )
        if one is not None:
            found.append(one)
    return tuple(found)


def arriving_steps(
    arrival: Arrival, envelope: Envelope, header_sha256: bytes
) -> tuple[SealedStep, ...]:
    """Return the steps that a message brings, once its content was checked; most bring none.

    Raises:
        SesnError: It is a case file, and something in it is not what it seems (`_filed_steps`).
    """
    body = arrival.payload.body
    if isinstance(body, CaseFile):
        return _filed_steps(arrival, body)
    one = sealed_step(
        arrival.header, envelope.header, header_sha256, envelope.seal, arrival.payload
    )
    return () if one is None else (one,)


def _check_originator(arrival: Arrival, opened: OpenedOriginal) -> None:
    """Refuse a step of an agency that is not trusted here as its sender."""
    directory = arrival.office.partners.current(arrival.transaction)
    stands = standing(directory, opened.header.sender, opened.card.root.der)
    if stands in {Standing.OURS, Standing.PINNED} and not ended_early(arrival.transaction, opened):
        return
    raise VerificationError(
        "the case file holds a step of an agency that is not trusted here, or that was sealed "
        "under another root or with a key that had ended",
        code=RefusalCode.BAD_SEAL.value,
    )
