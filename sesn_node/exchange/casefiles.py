"""Case files: steps of a case as their senders sealed them, for a member that does not have them.

A node hands over by itself what a member did not get (`caseduties`). By hand it is done for a
member that has lost it since, or that has restored its database from an old copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_messages import MAX_FILED, CaseFile
from sesn_node.domain.forward import MAX_FORWARD_BYTES, Original
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.payload import Payload
from sesn_node.errors import PolicyError
from sesn_node.exchange.casecontent import markings_of, originals_of
from sesn_node.exchange.casesteps import UNKNOWN_CASE, find_history
from sesn_node.exchange.casework import last_delivery
from sesn_node.exchange.share import Draft, share
from sesn_node.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.domain.case_terms import Step
    from sesn_node.domain.markings import Markings
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work

_log = get_logger(__name__)

_ROOM: Final = 16 * 1024
"""What of a message is not originals, bytes."""


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
        wanted = [one for one in history.allowed if one.sender != agency]
        originals = originals_of(office, transaction, case_id)
        markings = markings_of(office, transaction, history)
    readable = [(one, originals[one.step_id]) for one in wanted if one.step_id in originals]
    sent = []
    for part in parts_of(readable):
        draft = case_file(office, case_id, agency, markings, part)
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


def case_file(
    office: Office,
    case_id: MessageId,
    agency: AgencyId,
    markings: Markings,
    part: list[tuple[Step, Original]],
) -> Draft:
    """Write a case file, as it will be sent; nothing is stored.

    Args:
        office: Ours.
        case_id: The case.
        agency: The member that gets it.
        markings: How it is to be handled.
        part: One of `parts_of`.

    Raises:
        PolicyError: The member is not trusted, or has no key in force.
    """
    return Draft(
        payload=Payload(markings, CaseFile(tuple(original for _, original in part))),
        to=(agency,),
        conversation_id=case_id,
        expires_ms=last_delivery(office, (agency,)),
    )


def parts_of(
    found: list[tuple[Step, Original]],
) -> Iterator[list[tuple[Step, Original]]]:
    """Split steps so that each part fits into one case file."""
    part: list[tuple[Step, Original]] = []
    size = 0
    for step, original in found:
        if part and (size + original.size > MAX_FORWARD_BYTES - _ROOM or len(part) == MAX_FILED):
            yield part
            part, size = [], 0
        part.append((step, original))
        size += original.size
    if part:
        yield part
