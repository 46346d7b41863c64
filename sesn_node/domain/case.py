"""What may happen in a return-to-origin case: one table, readable beside the law.

Basel Convention on the Control of Transboundary Movements of Hazardous Wastes, Articles 8 and 9;
Regulation (EU) 2024/1157 on shipments of waste, Articles 22 to 26. Which article a row rests on is
our reading; a row without one is a rule of this system.

There is no legal way to refuse a return: whoever disagrees disputes, with one of the closed
reasons, and the clock runs on. That a case is overdue is derived, not a state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_terms import (
    Action,
    DisputeReason,
    Ground,
    IncidentKind,
    RejectReason,
    Role,
    SealCheck,
    Settlement,
    State,
    WithdrawReason,
)

if TYPE_CHECKING:
    from enum import StrEnum

DET, EXP, TRN, FAC = Role.DET, Role.EXP, Role.TRN, Role.FAC
ANYBODY: Final = (DET, EXP, TRN, FAC)
OPEN: Final = tuple(state for state in State if state.is_open and state is not State.DRAFT)
"""Every state in which something can still happen between agencies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row: a step that these roles may take in these states.

    Args:
        action: What the step does.
        source: States in which it may be taken.
        target: The state after it; None if it changes none by itself.
        by: Roles that may take it.
        needs: Fields of its content that must be there; "a|b": one of the two.
        codes: The closed list of its reasons or outcomes, if it has one.
        facility: Whether it names the authority of the facility from now on.
        two_people: Whether one person writes it and another approves it.
        when: What else must be so.
        basel: Article of the Basel Convention that it rests on; empty: a rule of this system.
        eu: The same of Regulation (EU) 2024/1157.
    """

    action: Action
    source: tuple[State, ...]
    target: State | None
    by: tuple[Role, ...]
    needs: tuple[str, ...] = ()
    codes: type[StrEnum] | None = None
    facility: bool = False
    two_people: bool = False
    when: str = ""
    basel: str = ""
    eu: str = ""


TABLE: Final[tuple[Rule, ...]] = (
    Rule(
        action=Action.REQUEST,
        source=(State.DRAFT,),
        target=State.REQUESTED,
        by=(DET,),
        needs=("subject", "text", "responsibility", "consignment", "evidence"),
        codes=Ground,
        two_people=True,
        basel="8, 9(1), 9(2)",
        eu="22(1), 25(1), 25(2)",
    ),
    Rule(
        action=Action.ACKNOWLEDGE,
        source=(State.REQUESTED,),
        target=State.ACKNOWLEDGED,
        by=(EXP,),
        needs=("reference",),
        when="the clock does not wait for it",
        basel="9(2)",
        eu="25(5)",
    ),
    Rule(
        action=Action.ASK,
        source=(State.ACKNOWLEDGED,),
        target=State.INFO_REQUESTED,
        by=(EXP,),
        needs=("text",),
        when="the clock runs on",
        eu="25(5)",
    ),
    Rule(
        action=Action.ANSWER,
        source=(State.INFO_REQUESTED,),
        target=State.ACKNOWLEDGED,
        by=(DET,),
        needs=("text",),
        eu="25(5)",
    ),
    Rule(
        action=Action.ACCEPT,
        source=(State.ACKNOWLEDGED,),
        target=State.ACCEPTED,
        by=(EXP,),
        needs=("taker", "payer"),
        two_people=True,
        basel="8, 9(2)(a)",
        eu="22(2), 25(2), 26(1)",
    ),
    Rule(
        action=Action.DISPUTE,
        source=(State.ACKNOWLEDGED,),
        target=State.DISPUTED,
        by=(EXP,),
        needs=("text",),
        codes=DisputeReason,
        basel="20(1)",
        eu="25(8), 29, 61(3)",
    ),
    Rule(
        action=Action.SETTLE,
        source=(State.DISPUTED,),
        target=State.SETTLEMENT_PROPOSED,
        by=(DET, EXP),
        needs=("text",),
        codes=Settlement,
        basel="20(1)",
        eu="25(5)",
    ),
    Rule(
        action=Action.AGREE,
        source=(State.SETTLEMENT_PROPOSED,),
        target=State.ACKNOWLEDGED,
        by=(DET, EXP),
        when="RESUME was proposed to it",
        basel="20(1)",
        eu="25(5)",
    ),
    Rule(
        action=Action.AGREE,
        source=(State.SETTLEMENT_PROPOSED,),
        target=State.CONSIGNEE_TREATMENT,
        by=(DET, EXP),
        when="CONSIGNEE was proposed to it",
        basel="9(3)",
        eu="25(8)",
    ),
    Rule(
        action=Action.AGREE,
        source=(State.DISPUTED,),
        target=State.CONSIGNEE_TREATMENT,
        by=(DET,),
        when="the dispute says CONSIGNEE_AT_FAULT",
        basel="9(3)",
        eu="25(8)",
    ),
    Rule(
        action=Action.DECLINE,
        source=(State.SETTLEMENT_PROPOSED,),
        target=State.DISPUTED,
        by=(DET, EXP),
        needs=("text",),
        when="it was proposed to it",
        basel="20(1)",
        eu="25(5)",
    ),
    Rule(
        action=Action.PROPOSE,
        source=(State.ACKNOWLEDGED, State.ACCEPTED, State.REJECTED),
        target=State.ALTERNATIVE_PROPOSED,
        by=(DET, EXP),
        needs=("text", "site", "operation"),
        facility=True,
        basel="8, 9(2)(b), 9(4)",
        eu="22(3), 25(3), 25(10)",
    ),
    Rule(
        action=Action.AGREE,
        source=(State.ALTERNATIVE_PROPOSED,),
        target=State.ALTERNATIVE_AGREED,
        by=ANYBODY,
        when="every authority has",
        basel="8, 9(2)(b), 9(4)",
        eu="22(3), 25(3), 25(10)",
    ),
    Rule(
        action=Action.DECLINE,
        source=(State.ALTERNATIVE_PROPOSED,),
        target=None,
        by=ANYBODY,
        needs=("text",),
        when="back to where it was proposed",
        basel="8, 9(2)(b), 9(4)",
        eu="22(3), 25(3), 25(10)",
    ),
    Rule(
        action=Action.DOCUMENT,
        source=(State.ACCEPTED, State.REJECTED),
        target=State.DOCUMENTED,
        by=(EXP,),
        needs=("reference|text",),
        facility=True,
        when="the notification, or a reasoned request; after REJECTED, another facility",
        basel="6(1), Annex V A",
        eu="22(5), 25(5)",
    ),
    Rule(
        action=Action.SHIP,
        source=(State.DOCUMENTED,),
        target=State.SHIPPED,
        by=(DET,),
        needs=(
            "movement_document",
            "container",
            "seal",
            "imo|vehicle",
            "bill_of_lading|vehicle",
        ),
        basel="4(7)(c), Annex V B",
        eu="22(8), 25(9)",
    ),
    Rule(
        action=Action.ARRIVE,
        source=(State.SHIPPED,),
        target=State.ARRIVED,
        by=(EXP,),
        needs=("seal|text", "at"),
        codes=SealCheck,
        when="any seal but the one that left opens an incident",
        basel="9(2)(a)",
        eu="25(5)",
    ),
    Rule(
        action=Action.RECEIVE,
        source=(State.ARRIVED,),
        target=State.RECEIVED,
        by=(FAC,),
        needs=("at",),
        basel="6(9), Annex V B",
        eu="16(5)",
    ),
    Rule(
        action=Action.REJECT,
        source=(State.ARRIVED,),
        target=State.REJECTED,
        by=(FAC,),
        needs=("text",),
        codes=RejectReason,
        eu="22(1)",
    ),
    Rule(
        action=Action.TREAT,
        source=(State.RECEIVED, State.ALTERNATIVE_AGREED),
        target=State.TREATED,
        by=(FAC,),
        needs=("certificate", "operation", "at"),
        basel="6(9)",
        eu="16(6), 25(3)",
    ),
    Rule(
        action=Action.TREAT,
        source=(State.CONSIGNEE_TREATMENT,),
        target=State.TREATED,
        by=(FAC, DET),
        needs=("certificate", "operation", "at"),
        when="FAC only if the request named it",
        basel="6(9), 9(3)",
        eu="16(6), 25(8)",
    ),
    Rule(
        action=Action.CLOSE,
        source=(State.TREATED,),
        target=State.CLOSED,
        by=(DET,),
        eu="22(9), 25(11)",
    ),
    Rule(
        action=Action.WITHDRAW,
        source=OPEN,
        target=State.WITHDRAWN,
        by=(DET,),
        needs=("text",),
        codes=WithdrawReason,
    ),
    Rule(
        action=Action.EXTEND,
        source=OPEN,
        target=None,
        by=(DET, EXP),
        needs=("text",),
        when="it proposes a later date",
        basel="8, 9(2), 9(3)",
        eu="22(2), 25(5), 25(8)",
    ),
    Rule(
        action=Action.AGREE,
        source=OPEN,
        target=None,
        by=(DET, EXP),
        when="a later date was proposed to it",
        basel="8, 9(2), 9(3)",
        eu="22(2), 25(5), 25(8)",
    ),
    Rule(
        action=Action.DECLINE,
        source=OPEN,
        target=None,
        by=(DET, EXP),
        needs=("text",),
        when="a later date was proposed to it",
        basel="8, 9(2), 9(3)",
        eu="22(2), 25(5), 25(8)",
    ),
    Rule(
        action=Action.INFORM,
        source=OPEN,
        target=None,
        by=(DET,),
        needs=("informed",),
        when="its node does it by itself",
        basel="8, 9(2)",
        eu="22(2), 25(5)",
    ),
    Rule(
        action=Action.INVITE,
        source=OPEN,
        target=None,
        by=(DET, EXP),
        basel="6(4)",
        eu="22(3), 25(3)",
    ),
    Rule(
        action=Action.INCIDENT,
        source=OPEN,
        target=None,
        by=ANYBODY,
        needs=("text",),
        codes=IncidentKind,
    ),
    Rule(
        action=Action.RESOLVE,
        source=OPEN,
        target=None,
        by=ANYBODY,
        needs=("text",),
        when="it told of the incident, or is DET",
    ),
)
"""Every step that there is. Whatever it does not allow is refused, on sending and on receiving."""


def rules_of(action: Action) -> tuple[Rule, ...]:
    """Return the rows of an action, in the order of the table."""
    return tuple(rule for rule in TABLE if rule.action is action)


def two_people(action: Action) -> bool:
    """Tell whether one person writes a step of this kind, and another approves it."""
    return any(rule.two_people for rule in rules_of(action))
