"""The state of a case: what all that members said adds up to.

A case has a line of steps that change its state, one after the other, and facts beside it: votes on
proposals, extensions, incidents, who joined, when the authority of export was informed. Facts never
compete, so they are the same in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.case_terms import Member, Role, State

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId, MessageId


@dataclass(frozen=True, slots=True)
class Proposal:
    """What others are asked to agree to.

    Args:
        step_id: The step that proposed it.
        by: Who did.
        asked: Who has to agree, all of them.
        target: The state if they do.
        back: The state if one of them declines.
        facility: Authority of the facility if they do; None: as before.
    """

    step_id: bytes
    by: AgencyId
    asked: frozenset[AgencyId]
    target: State
    back: State
    facility: AgencyId | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """The steps that changed the state, up to one of them.

    Args:
        steps: Their ids, oldest first; the last is the head.
        state: The state after the head, without what was voted on it.
        since_ms: When the head was written, Unix milliseconds; by the date of an earlier step if
            that is later.
        proposal: What the head proposes.
        facility: Authority of the facility, once it is settled.
        met_ms: When the waste was back, or treated instead: the clock stops. None before.
    """

    steps: tuple[bytes, ...]
    state: State
    since_ms: int
    proposal: Proposal | None = None
    facility: AgencyId | None = None
    met_ms: int | None = None

    @property
    def head(self) -> bytes:
        """The step that changed the state last."""
        return self.steps[-1]


@dataclass(frozen=True, slots=True)
class Vote:
    """What an agency said to a proposal or an extension."""

    about: bytes
    agency: AgencyId
    agrees: bool


@dataclass(frozen=True, slots=True)
class Extension:
    """A later due date that one party proposed.

    Args:
        step_id: The step.
        by: Who proposed it.
        asked: Who has to agree.
        due_ms: The last moment of the new date, Unix milliseconds.
    """

    step_id: bytes
    by: AgencyId
    asked: AgencyId
    due_ms: int


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong: a word of `IncidentKind`, or of `SealCheck` on arrival."""

    step_id: bytes
    by: AgencyId
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case as some set of its steps makes it.

    Args:
        case_id: Id of the message that requested the return.
        ground: Why, a word of `Ground`.
        regime: The rules that its clock follows.
        days: How many days those give.
        requested_ms: When the return was requested, Unix milliseconds.
        line: The steps that changed its state.
        roles: What each member is, by agency.
        named: What the request made each of its members.
        acted: Members that have taken a step.
        votes: What was said to proposals and extensions.
        informed_ms: When the authority of export was informed (t0); None: not proven yet.
        extensions: Later dates that were proposed.
        incidents: What went wrong.
        resolved: Ids of incidents that were.
    """

    case_id: MessageId
    ground: str
    regime: str
    days: int
    requested_ms: int
    line: Line
    roles: frozenset[tuple[AgencyId, Role]]
    named: frozenset[tuple[AgencyId, Role]]
    acted: frozenset[AgencyId]
    votes: frozenset[Vote] = frozenset()
    informed_ms: int | None = None
    extensions: frozenset[Extension] = frozenset()
    incidents: frozenset[Incident] = frozenset()
    resolved: frozenset[bytes] = frozenset()

    @property
    def state(self) -> State:
        """How far it is: the state after the last step, and what was voted on that.

        What all have agreed to stays agreed: whoever declines beside its own AGREE, as if it did
        not know that, undoes nothing.
        """
        proposal = self.line.proposal
        if proposal is None:
            return self.line.state
        said = [vote for vote in self.votes if vote.about == proposal.step_id]
        if proposal.asked <= {vote.agency for vote in said if vote.agrees}:
            return proposal.target
        return self.line.state if all(vote.agrees for vote in said) else proposal.back

    @property
    def facility(self) -> AgencyId | None:
        """Authority of the facility, once it is settled."""
        proposal = self.line.proposal
        if proposal is None or proposal.facility is None or self.state is not proposal.target:
            return self.line.facility
        return proposal.facility

    @property
    def members(self) -> tuple[Member, ...]:
        """Who takes part, by agency."""
        return tuple(
            Member(agency, self.roles_of(agency))
            for agency in sorted({one for one, _ in self.roles})
        )

    def roles_of(self, agency: AgencyId) -> tuple[Role, ...]:
        """Return what an agency is in this case; nothing if it takes no part."""
        return tuple(role for role in Role if (agency, role) in self.roles)

    def agency_of(self, role: Role) -> AgencyId:
        """Return the one agency that is DET, or EXP."""
        return next(agency for agency, one in self.roles if one is role)

    def speaks_for_facility(self, agency: AgencyId) -> bool:
        """Tell whether an agency can receive, reject and treat as FAC: no other was named.

        Where the waste is treated at its consignee, FAC is only whom the request named: whoever
        disputed must not bring in somebody who certifies that all is done.
        """
        if self.state is State.CONSIGNEE_TREATMENT:
            return (agency, Role.FAC) in self.named
        return self.facility in {None, agency}

    def asked_of(self, agency: AgencyId) -> tuple[bytes, ...]:
        """Return the proposals and later dates that wait for an agency's answer."""
        found = {one.step_id for one in self.extensions if one.asked == agency}
        proposal = self.line.proposal
        if proposal is not None and agency in proposal.asked:
            found.add(proposal.step_id)
        said = {vote.about for vote in self.votes if vote.agency == agency}
        return tuple(sorted((found - said) & self._unsettled()))

    def proposed_by(self, agency: AgencyId) -> tuple[bytes, ...]:
        """Return the proposals and later dates of an agency that it can still take back."""
        found = {one.step_id for one in self.extensions if one.by == agency}
        proposal = self.line.proposal
        if proposal is not None and proposal.by == agency:
            found.add(proposal.step_id)
        return tuple(sorted(found & self._unsettled()))

    def agreed(self, extension: Extension) -> bool:
        """Tell whether both sides signed a later date; nobody can undo that."""
        return Vote(extension.step_id, extension.asked, agrees=True) in self.votes

    @property
    def open_incidents(self) -> tuple[Incident, ...]:
        """What went wrong and was not resolved."""
        return tuple(
            sorted(
                (one for one in self.incidents if one.step_id not in self.resolved),
                key=lambda one: one.step_id,
            )
        )

    def _unsettled(self) -> set[bytes]:
        """Return proposals and later dates that nobody declined, and not all agreed to."""
        asked = {one.step_id: frozenset({one.asked}) for one in self.extensions}
        if self.line.proposal is not None:
            asked[self.line.proposal.step_id] = self.line.proposal.asked
        declined = {vote.about for vote in self.votes if not vote.agrees}
        agreed = {(vote.about, vote.agency) for vote in self.votes if vote.agrees}
        return {
            about
            for about, agencies in asked.items()
            if about not in declined and not {(about, one) for one in agencies} <= agreed
        }
