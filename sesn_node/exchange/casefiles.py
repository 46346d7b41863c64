"""Handing a case over by hand: all that can be read of it, to a member that asks for it again.

A node hands over by itself what a member did not get. This is for a member that has lost it since,
or that has restored its database from an old copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_messages import CaseFile
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.payload import Payload
from sesn_node.errors import PolicyError
from sesn_node.exchange.casecontent import markings_of, originals_of
from sesn_node.exchange.caseduties import parts_of
from sesn_node.exchange.casesteps import UNKNOWN_CASE, find_history
from sesn_node.exchange.casework import last_delivery
from sesn_node.exchange.share import Draft, share
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Case files that were sent.

    Args:
        message_ids: Their messages, durable and queued.
        steps: How many steps they hold together.
        left_out: Steps whose content is gone here, so that nobody can hand them over.
    """

    message_ids: tuple[MessageId, ...]
    steps: int
    left_out: int


def hand_case(
    office: Office, case_id: MessageId, agency: AgencyId, founder: AgencyId | None = None
) -> HandedOver:
    """Send a member all steps of a case but its own.

    Each message is durable by itself; after an error, those before it went.

    Args:
        office: Ours.
        case_id: The case.
        agency: The member.
        founder: Who requested the return, to choose when two agencies used one id.

    Raises:
        PolicyError: `UNKNOWN_CASE`; it takes no part in the case; nothing can be read; or as
            `share`.
        ConflictError: Two agencies used the same id, and none is named.
        StorageError: As `share`.
    """
    with office.store.read() as transaction:
        history = find_history(transaction, case_id, founder)
        case = history.case
        if case is None:
            raise PolicyError("the request of this case does not hold", code=UNKNOWN_CASE)
        if agency == office.agency or not case.roles_of(agency):
            others = ", ".join(one.agency for one in case.members if one.agency != office.agency)
            raise PolicyError(f"{agency} is no other member of this case; those are {others}")
        wanted = [
            one
            for one in history.steps
            if one.sender != agency
            and history.standing[one.step_id] in {Standing.COUNTS, Standing.SUPERSEDED}
        ]
        originals = originals_of(office, transaction, case_id)
        markings = markings_of(office, transaction, history)
    readable = [(one, originals[one.step_id]) for one in wanted if one.step_id in originals]
    sent = []
    for part in parts_of(readable):
        body = CaseFile(tuple(original for _, original in part))
        draft = Draft(
            payload=Payload(markings, body),
            to=(agency,),
            conversation_id=case_id,
            expires_ms=last_delivery(office, office.directory(), (agency,)),
        )
        step_ids = [step.step_id for step, _ in part]
        sent.append(share(office, draft, beside=partial(_note, agency=agency, step_ids=step_ids)))
        _log.info("case-filed", case_id=show_message_id(case_id), peer=agency, steps=len(step_ids))
    return HandedOver(tuple(sent), len(readable), len(wanted) - len(readable))


def _note(work: Work, *, agency: AgencyId, step_ids: list[bytes]) -> None:
    """Note what was handed over, as far as that is not noted yet."""
    cases = work.transaction.cases
    known = cases.filed(step_ids)
    fresh = [one for one in step_ids if (agency, one) not in known]
    if fresh:
        cases.add_filed(agency, fresh)
