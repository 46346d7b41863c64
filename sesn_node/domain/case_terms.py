"""The words of a return-to-origin case: roles, states, steps, and the closed lists of reasons.

Law: Basel Convention Articles 8 and 9; in the European Union, Regulation (EU) 2024/1157. What a
step does, who may take it and what it needs stands in the table of `sesn_node.domain.case`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sesn_node.domain.checks import (
    SHA256_BYTES,
    check_agency,
    check_count,
    check_fixed,
    check_pattern,
    check_range,
    check_time_ms,
)
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.messages import MAX_RECIPIENTS, Header
from sesn_node.errors import MalformedError

MAX_PARENTS: Final = 16
"""Header hashes that a step names: what nobody has built on yet."""
MAX_JOINING: Final = 16
"""Agencies that one step brings in: without a bound, one party could make a case of thousands."""
MAX_DAYS: Final = 3_660

_REGIME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")


def check_regime(path: str, value: str) -> None:
    """Refuse what cannot name a regime: 1 to 32 of a-z, 0-9 and hyphens, a letter first."""
    check_pattern(path, value, _REGIME, "a word of a-z, 0-9 and hyphens such as eu-2024-1157")


class Role(StrEnum):
    """What an agency is in a case; the order decides between steps made at the same time."""

    DET = "DET"
    """Authority of the country of detection."""
    EXP = "EXP"
    """Authority of the country of export: the origin that the waste returns to."""
    TRN = "TRN"
    """Authority of a country of transit."""
    FAC = "FAC"
    """Authority of the country of the treatment facility."""


class State(StrEnum):
    """How far a case is."""

    DRAFT = "DRAFT"
    """Written by the detecting authority, known to nobody else."""
    REQUESTED = "REQUESTED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    INFO_REQUESTED = "INFO_REQUESTED"
    ACCEPTED = "ACCEPTED"
    DISPUTED = "DISPUTED"
    SETTLEMENT_PROPOSED = "SETTLEMENT_PROPOSED"
    CONSIGNEE_TREATMENT = "CONSIGNEE_TREATMENT"
    ALTERNATIVE_PROPOSED = "ALTERNATIVE_PROPOSED"
    ALTERNATIVE_AGREED = "ALTERNATIVE_AGREED"
    DOCUMENTED = "DOCUMENTED"
    SHIPPED = "SHIPPED"
    ARRIVED = "ARRIVED"
    RECEIVED = "RECEIVED"
    REJECTED = "REJECTED"
    TREATED = "TREATED"
    CLOSED = "CLOSED"
    WITHDRAWN = "WITHDRAWN"

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen."""
        return self not in {State.CLOSED, State.WITHDRAWN}


class Action(StrEnum):
    """What a step does. The second group changes no state by itself: such steps do not compete."""

    REQUEST = "REQUEST"
    ACKNOWLEDGE = "ACKNOWLEDGE"
    ASK = "ASK"
    ANSWER = "ANSWER"
    ACCEPT = "ACCEPT"
    DISPUTE = "DISPUTE"
    SETTLE = "SETTLE"
    PROPOSE = "PROPOSE"
    DOCUMENT = "DOCUMENT"
    SHIP = "SHIP"
    ARRIVE = "ARRIVE"
    RECEIVE = "RECEIVE"
    REJECT = "REJECT"
    TREAT = "TREAT"
    CLOSE = "CLOSE"
    WITHDRAW = "WITHDRAW"

    AGREE = "AGREE"
    DECLINE = "DECLINE"
    EXTEND = "EXTEND"
    INFORM = "INFORM"
    INVITE = "INVITE"
    INCIDENT = "INCIDENT"
    RESOLVE = "RESOLVE"

    @property
    def is_fact(self) -> bool:
        """Whether it changes no state by itself, and so competes with no other step."""
        return self in _FACTS

    @property
    def is_vote(self) -> bool:
        """Whether it answers a proposal or a later date."""
        return self in {Action.AGREE, Action.DECLINE}


_FACTS: Final = frozenset(
    {
        Action.AGREE,
        Action.DECLINE,
        Action.EXTEND,
        Action.INFORM,
        Action.INVITE,
        Action.INCIDENT,
        Action.RESOLVE,
    }
)


class Ground(StrEnum):
    """Why the waste has to go back."""

    NO_NOTIFICATION = "NO_NOTIFICATION"
    """Illegal: without notification to all States concerned. Basel Art. 9(1)(a)."""
    NO_CONSENT = "NO_CONSENT"
    """Illegal: without the consent of a State concerned. Basel Art. 9(1)(b)."""
    FRAUDULENT_CONSENT = "FRAUDULENT_CONSENT"
    """Illegal: consent through falsification, misrepresentation or fraud. Basel Art. 9(1)(c)."""
    NOT_AS_DOCUMENTED = "NOT_AS_DOCUMENTED"
    """Illegal: does not conform in a material way with the documents. Basel Art. 9(1)(d)."""
    DUMPING = "DUMPING"
    """Illegal: results in deliberate disposal against the Convention. Basel Art. 9(1)(e)."""
    PROHIBITED = "PROHIBITED"
    """Illegal: against a prohibition. Regulation (EU) 2024/1157 Art. 3(26)(f)."""
    GREEN_LIST_BREACH = "GREEN_LIST_BREACH"
    """Illegal: green-listed waste without its documents. Art. 3(26)(g) there."""
    NOT_COMPLETED = "NOT_COMPLETED"
    """Consented, but cannot be completed as intended. Basel Art. 8, Regulation Art. 22."""

    @property
    def is_illegal(self) -> bool:
        """Whether the movement was illegal: the shorter period holds."""
        return self is not Ground.NOT_COMPLETED


class Responsibility(StrEnum):
    """Whose conduct made it illegal."""

    EXPORTER = "EXPORTER"
    """The exporter or generator: the State of export takes it back. Basel Art. 9(2)."""
    IMPORTER = "IMPORTER"
    """The importer or disposer: the State of import disposes of it. Basel Art. 9(3)."""
    UNASSIGNED = "UNASSIGNED"
    """Nobody can be held responsible: the States cooperate. Basel Art. 9(4)."""


class DisputeReason(StrEnum):
    """Why the authority of export disputes a request. There is no refusal without one of these."""

    NOT_WASTE = "NOT_WASTE"
    NOT_ILLEGAL = "NOT_ILLEGAL"
    NOT_OUR_EXPORT = "NOT_OUR_EXPORT"
    CONSIGNEE_AT_FAULT = "CONSIGNEE_AT_FAULT"
    INSUFFICIENT_EVIDENCE = "INSUFFICIENT_EVIDENCE"


class Settlement(StrEnum):
    """How a dispute is proposed to end."""

    RESUME = "RESUME"
    """The request stands: back to ACKNOWLEDGED."""
    CONSIGNEE = "CONSIGNEE"
    """The consignee has it treated in the country of detection. Basel Art. 9(3)."""


class RejectReason(StrEnum):
    """Why the authority of the facility does not take what arrived."""

    NOT_AS_DOCUMENTED = "NOT_AS_DOCUMENTED"
    NOT_PERMITTED = "NOT_PERMITTED"
    NO_CAPACITY = "NO_CAPACITY"
    DAMAGED = "DAMAGED"


class WithdrawReason(StrEnum):
    """Why the authority of detection withdraws its request."""

    NOT_WASTE = "NOT_WASTE"
    NOT_ILLEGAL = "NOT_ILLEGAL"
    WRONG_COUNTRY = "WRONG_COUNTRY"
    SETTLED_OTHERWISE = "SETTLED_OTHERWISE"
    MISTAKE = "MISTAKE"


class SealCheck(StrEnum):
    """How the seal was found on arrival; all but the first open an incident."""

    INTACT = "INTACT"
    MISMATCH = "MISMATCH"
    BROKEN = "BROKEN"
    MISSING = "MISSING"


class IncidentKind(StrEnum):
    """What went wrong on the way."""

    SEAL_MISMATCH = "SEAL_MISMATCH"
    GOODS_MISSING = "GOODS_MISSING"
    GOODS_DIFFER = "GOODS_DIFFER"
    DAMAGE = "DAMAGE"
    DELAY = "DELAY"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class Member:
    """An agency and what it is in a case.

    Args:
        agency: The agency.
        roles: In the order of `Role`, each once, at least one.
    """

    agency: AgencyId
    roles: tuple[Role, ...]

    def __post_init__(self) -> None:
        check_agency("agency", self.agency)
        check_count("roles", self.roles, 1, len(Role))
        if list(self.roles) != [role for role in Role if role in self.roles]:
            raise MalformedError("roles: must be in the order DET, EXP, TRN, FAC, each once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What of a step the state of a case depends on; it tells nothing of the goods or of people.

    A ledger commits to it, so that an auditor can follow a case without its messages' content.

    Args:
        action: What the step does.
        role: As what its sender does it.
        after: Header hashes, 32 bytes each, of the steps that its sender knew and that nobody had
            built on yet: strictly ascending; none for REQUEST, else 1 to 16.
        code: A word of the list that the action prescribes; else empty.
        about: The proposal, extension or incident that it is about: its header hash. INFORM: that
            of the request.
        members: REQUEST: all, ascending by agency. INVITE: who joins, or gets a role more. INFORM:
            the authority of export.
        facility: Authority of the facility that treats the waste from now on.
        regime: REQUEST: the rules that the clock follows, a word of the sender's settings.
        days: REQUEST: how many days those give.
        at_ms: INFORM: when the authority of export was informed (t0). EXTEND: the last moment of
            the new due date. Unix milliseconds; else 0.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its name.
    """

    action: Action
    role: Role
    after: tuple[bytes, ...] = ()
    code: str = ""
    about: bytes = b""
    members: tuple[Member, ...] = ()
    facility: AgencyId | None = None
    regime: str = ""
    days: int = 0
    at_ms: int = 0

    def __post_init__(self) -> None:
        root = self.action is Action.REQUEST
        check_count("after", self.after, 0 if root else 1, 0 if root else MAX_PARENTS)
        for index, one in enumerate(self.after):
            check_fixed(f"after[{index}]", one, SHA256_BYTES)
        if list(self.after) != sorted(set(self.after)):
            raise MalformedError("after: must be ascending, each once")
        if self.about:
            check_fixed("about", self.about, SHA256_BYTES)
        check_count("members", self.members, 0, MAX_RECIPIENTS)
        agencies = [one.agency for one in self.members]
        if agencies != sorted(set(agencies)):
            raise MalformedError("members: must be ascending by agency, each once")
        if self.facility is not None:
            check_agency("facility", self.facility)
        if root:
            check_regime("regime", self.regime)
            check_range("days", self.days, 1, MAX_DAYS)
        elif self.regime or self.days:
            raise MalformedError("regime: only a request states it")
        if self.at_ms:
            check_time_ms("at_ms", self.at_ms)

    @property
    def roles(self) -> frozenset[tuple[AgencyId, Role]]:
        """Who is what from now on, as it says."""
        found = {(member.agency, role) for member in self.members for role in member.roles}
        return frozenset(found if self.facility is None else found | {(self.facility, Role.FAC)})

    @property
    def named(self) -> frozenset[AgencyId]:
        """Whom it gives a role."""
        return frozenset(agency for agency, _ in self.roles)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a case as its message, or a ledger, gives it.

    Args:
        step_id: SHA-256 of the message's header, 32 bytes.
        case_id: Id of the message that requested the return: the conversation's.
        message_id: Id of the message.
        sender: Who took the step.
        recipients: Whom it was addressed to.
        created_ms: When its sender wrote it, Unix milliseconds.
        mark: What it does.
    """

    step_id: bytes
    case_id: MessageId
    message_id: MessageId
    sender: AgencyId
    recipients: frozenset[AgencyId]
    created_ms: int
    mark: Mark

    @classmethod
    def under(cls, header: Header, step_id: bytes, mark: Mark) -> Step:
        """Return the step that a message takes.

        Args:
            header: Its header.
            step_id: SHA-256 of that, 32 bytes.
            mark: What it does.
        """
        return cls(
            step_id=step_id,
            case_id=header.conversation_id,
            message_id=header.message_id,
            sender=header.sender,
            recipients=frozenset(one.agency for one in header.recipients),
            created_ms=header.created_ms,
            mark=mark,
        )
