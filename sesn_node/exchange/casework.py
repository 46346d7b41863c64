"""Casework: requesting a return, and every step after it, each a sealed message to all members."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.primitives import random_bytes
from sesn_node.domain.case import rules_of
from sesn_node.domain.case_history import parents, seen_by
from sesn_node.domain.case_messages import CaseStep, Details
from sesn_node.domain.case_steps import apply, needed_by
from sesn_node.domain.case_terms import Action, Ground, Mark, Member, Role, SealCheck, Step
from sesn_node.domain.entries import SALT_BYTES
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.payload import Payload
from sesn_node.domain.times import DAY_MS
from sesn_node.errors import PolicyError
from sesn_node.exchange.casecontent import details_of, markings_of
from sesn_node.exchange.casesteps import find_history
from sesn_node.exchange.share import Draft, share

if TYPE_CHECKING:
    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.markings import Markings
    from sesn_node.exchange.office import Office
    from sesn_node.trust.directory import Directory

LIFETIME_MS: Final = 300 * DAY_MS
"""How long a step is delivered at most: whoever was cut off for months must still get it."""

_UNSENT: Final = b"\0" * 32
"""Names a step before it has a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A step that an officer wants to take.

    Args:
        action: What it does.
        code: A reason or outcome, where the action has a list of those.
        about: The proposal, extension or incident; None: the only one that it can be about.
        members: Who joins (INVITE).
        facility: Authority of the facility; None: the only one that takes part, or our own agency.
        due_ms: The last moment of a later due date (EXTEND).
        details: What it says.
        markings: How it is to be handled; None: as strictly as what was said in the case before.
    """

    action: Action
    code: str = ""
    about: bytes | None = None
    members: tuple[Member, ...] = ()
    facility: AgencyId | None = None
    due_ms: int = 0
    details: Details = field(default_factory=Details)
    markings: Markings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """A return to be requested.

    Args:
        exporter: Authority of the country of export.
        transit: Authorities of the countries of transit.
        facility: Authorities of the country of the facility, if one is known.
        ground: Why it has to go back.
        regime: The rules that the clock follows, by the name that the settings give them; None:
            the usual one.
        details: What the request says.
        markings: How it is to be handled.
    """

    exporter: AgencyId
    transit: tuple[AgencyId, ...] = ()
    facility: tuple[AgencyId, ...] = ()
    ground: Ground
    regime: str | None = None
    details: Details
    markings: Markings


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken.

    Args:
        case_id: The case.
        message_id: Its message, durable and queued.
        to: To whom it goes.
    """

    case_id: MessageId
    message_id: MessageId
    to: tuple[AgencyId, ...]


def request(office: Office, wanted: TakeBack) -> Taken:
    """Request a return; the case begins.

    Raises:
        PolicyError: The table does not allow it, or as `share`; `ApprovalNeeded`: somebody else has
            to approve it first.
        SesnError: As `share`; nothing was sent.
    """
    draft = request_draft(office, wanted)
    message_id = share(office, draft)
    return Taken(message_id, message_id, draft.to)


def request_draft(office: Office, wanted: TakeBack) -> Draft:
    """Write the request, as it will be sent; nothing is stored.

    Raises:
        PolicyError: A member is not trusted, the regime is unknown, or the table forbids it.
        MalformedError: A part of it is missing.
    """
    regime = office.cases.regime(wanted.regime)
    mark = Mark(
        action=Action.REQUEST,
        role=Role.DET,
        code=wanted.ground.value,
        members=_members(office.agency, wanted),
        regime=regime.name,
        days=regime.days(wanted.ground),
    )
    to = tuple(one.agency for one in mark.members if one.agency != office.agency)
    apply(None, _step(office, MessageId(b"\0" * 16), mark, to))
    return _draft(office, mark, wanted.details, wanted.markings, to=to)


def take_step(
    office: Office, case_id: MessageId, move: Move, founder: AgencyId | None = None
) -> Taken:
    """Take a step in a case.

    Args:
        office: Ours.
        case_id: Id of the message that requested the return.
        move: The step.
        founder: Who sent that, to choose when two agencies used one id.

    Raises:
        PolicyError: `UNKNOWN_CASE`; the table does not allow it; or as `share`. `ApprovalNeeded`:
            somebody else has to approve it first.
        ConflictError: `CASE_MOVED`: the case went on meanwhile; nothing was sent.
        MalformedError: A part of it is missing.
        SesnError: As `share`; nothing was sent.
    """
    draft = step_draft(office, case_id, move, founder)
    return Taken(case_id, share(office, draft), draft.to)


def step_draft(
    office: Office, case_id: MessageId, move: Move, founder: AgencyId | None = None
) -> Draft:
    """Write a step, as it will be sent; nothing is stored. Errors are those of `take_step`."""
    with office.store.read() as transaction:
        history = find_history(transaction, case_id, founder)
        case = seen_by(history)
        if case is None:
            raise PolicyError("the request of this case does not hold; nothing can follow it")
        if move.action is Action.ARRIVE and not move.code:
            found = _seal_check(details_of(office, transaction, case, Action.SHIP), move.details)
            move = replace(move, code=found.value)
        markings = move.markings or markings_of(office, transaction, history)
    mark = write_mark(office.agency, history, case, move)
    to = _recipients(office, case, mark)
    try:
        apply(case, _step(office, case_id, mark, to))
    except PolicyError as error:
        raise PolicyError(
            f"{error}; 'sesn case show {show_message_id(case_id)}' tells what is next"
        ) from error
    by_node = move.action is Action.INFORM
    return _draft(office, mark, move.details, markings, to=to, case_id=case_id, by_node=by_node)


def write_mark(us: AgencyId, history: History, case: Case, move: Move) -> Mark:
    """Write what the state depends on: our role, what we know, and what it is about.

    Raises:
        PolicyError: We take no part in the case, or it could be about several things.
    """
    facility = None
    if any(rule.facility for rule in rules_of(move.action)):
        facility = move.facility or _only_facility(case) or us
    return Mark(
        action=move.action,
        role=_role(us, case, move.action),
        after=parents(history),
        code=move.code,
        about=_about(us, case, move),
        members=move.members,
        facility=facility,
        at_ms=move.due_ms,
    )


def _recipients(office: Office, case: Case, mark: Mark) -> tuple[AgencyId, ...]:
    """Return to whom a step goes: all members that can be sent to, and all that have to be.

    Whoever is brought in has to be, too: nobody else will tell it.
    """
    us = office.agency
    needed = (needed_by(case, us) | mark.named) - {us}
    others = [one.agency for one in case.members if one.agency not in {us, *needed}]
    directory, now_ms = office.directory(), office.clock()
    able = [one for one in others if can_be_sent_to(directory, one, now_ms)]
    room = max(0, office.terms.recipients - len(needed))
    return tuple(sorted({*needed, *able[:room]}))


def can_be_sent_to(directory: Directory, agency: AgencyId, now_ms: int) -> bool:
    """Tell whether an agency is trusted here, and has an encryption key in force."""
    try:
        directory.openable_until((agency,), now_ms, now_ms)
    except PolicyError:
        return False
    return True


def _role(us: AgencyId, case: Case, action: Action) -> Role:
    """Return as what we take a step: the first of our roles that can take it in this state."""
    ours = case.roles_of(us)
    if not ours:
        raise PolicyError(f"{us} takes no part in this case")
    rows = [rule for rule in rules_of(action) if case.state in rule.source]
    able = [role for role in ours if any(role in rule.by for rule in rows)]
    return (able or list(ours))[0]


def _about(us: AgencyId, case: Case, move: Move) -> bytes:
    if move.about is not None:
        return move.about
    if move.action is Action.INFORM:
        return case.line.steps[0]
    if move.action is Action.RESOLVE:
        found = tuple(one.step_id for one in case.open_incidents)
    elif move.action is Action.AGREE:
        found = case.asked_of(us)
    elif move.action is Action.DECLINE:
        found = case.asked_of(us) or case.proposed_by(us)
    else:
        return b""
    if len(found) > 1:
        shown = ", ".join(one.hex()[:12] for one in found)
        raise PolicyError(f"this could be about {shown}; say which with --about")
    if not found:
        what = "incident is open" if move.action is Action.RESOLVE else "answer is asked of us"
        raise PolicyError(f"no {what} in this case")
    return found[0]


def _only_facility(case: Case) -> AgencyId | None:
    found = [one.agency for one in case.members if Role.FAC in one.roles]
    return found[0] if len(found) == 1 and found[0] != case.facility else None


def _seal_check(shipped: Details | None, found: Details) -> SealCheck:
    """Compare the seal that was found with the one that left."""
    if not found.seal.strip():
        return SealCheck.MISSING
    if shipped is None:
        raise PolicyError(
            "what was shipped cannot be read here, so nobody can compare the seal; say how it was "
            "found with --seal-check"
        )
    same = found.seal.strip().upper() == shipped.seal.strip().upper()
    return SealCheck.INTACT if same else SealCheck.MISMATCH


def _members(us: AgencyId, wanted: TakeBack) -> tuple[Member, ...]:
    roles: dict[AgencyId, set[Role]] = {us: {Role.DET}}
    roles.setdefault(wanted.exporter, set()).add(Role.EXP)
    for agency in wanted.transit:
        roles.setdefault(agency, set()).add(Role.TRN)
    for agency in wanted.facility:
        roles.setdefault(agency, set()).add(Role.FAC)
    return tuple(
        Member(agency, tuple(role for role in Role if role in found))
        for agency, found in sorted(roles.items())
    )


def _step(office: Office, case_id: MessageId, mark: Mark, to: tuple[AgencyId, ...]) -> Step:
    """Make the step as it would be, to ask the table about it."""
    return Step(_UNSENT, case_id, case_id, office.agency, frozenset(to), office.clock(), mark)


def _draft(  # noqa: PLR0913 - the parts of a message
    office: Office,
    mark: Mark,
    details: Details,
    markings: Markings,
    *,
    to: tuple[AgencyId, ...],
    case_id: MessageId | None = None,
    by_node: bool = False,
) -> Draft:
    if markings.stays_with_recipients:
        raise PolicyError(
            "markings: a step of a case is neither RED nor H2, since who joins later gets it too"
        )
    body = CaseStep(mark, random_bytes(SALT_BYTES), details)
    return Draft(
        payload=Payload(markings, body),
        to=to,
        conversation_id=case_id,
        expires_ms=last_delivery(office, to),
        by_node=by_node,
    )


def last_delivery(office: Office, to: tuple[AgencyId, ...]) -> int:
    """Return until when a message of a case can be delivered: as long as its recipients' keys live.

    Raises:
        PolicyError: A recipient is not trusted, or has no key in force.
    """
    now_ms = office.clock()
    return office.directory().openable_until(to, now_ms, now_ms + LIFETIME_MS)
