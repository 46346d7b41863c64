"""Codes, in words that need no manual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.domain.alert import CallKind, PartyRole, RequestedAction, Urgency
from sesn_node.domain.case_clock import ClockState
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_terms import Action, State
from sesn_node.domain.conversation import (
    Confidence,
    Decision,
    DestructionOutcome,
    SightingBasis,
)
from sesn_node.domain.entries import CaseCode, EntryKind, ErasedCode, HoldCode, UndeliveredCode
from sesn_node.domain.markings import Tlp
from sesn_node.domain.messages import Priority
from sesn_node.domain.payload import MessageKind
from sesn_node.domain.refusals import RefusalCode

if TYPE_CHECKING:
    from sesn_node.audit.report_case import Event

CHECKS: Final = {
    1: "The file is complete and is as its own list of contents says.",
    2: "The cards by which agencies identify themselves are sealed, and follow each other.",
    3: "The agency signed its ledger with two keys that were in force.",
    4: (
        "The ledger in the file is the one that was signed: no entry was changed, left out, added "
        "or moved since."
    ),
    5: "Every entry that is shown is the one in the ledger, and none is missing.",
    6: "Each ledger begins as it must, and goes on from the one before.",
    7: "What partners signed of their own ledgers shows one history of each.",
    8: "What partners confirmed of the agency's ledger, they signed themselves.",
    9: "The partners that you asked for have confirmed the ledger.",
    10: "Every message sent was sealed by its sender and stands in its ledger.",
    11: "Every receipt is by its recipient, stands in its ledger, and names that very message.",
    12: "Every copy without a receipt ended as the ledger says, or is still on its way.",
    13: "Every message received was sealed by its sender, and stands in the ledgers of both.",
    14: "Who viewed, disclosed or erased a content is recorded about the message that it was.",
    15: "The contents shown are exactly those that were sent.",
    16: "The time-stamps are over these ledgers.",
    17: "A ledger that several files hold is the same in all.",
    18: "What one agency kept of another's ledger is in that ledger.",
    19: "All files know each agency by the same root.",
    20: "What one agency says of a delivery, the other says too.",
    21: "A copy that did not arrive is in nobody's ledger as received.",
    22: "Nothing was received before it was sent, as far as clocks tell.",
    23: "What came back from an export after a loss is named, and nothing of it is missing.",
    24: "Every step of a return-to-origin case is its sender's, and stands in the ledger.",
    25: "The steps of a case are the same in all files, and so are its dates.",
}
"""What holds if a check holds, by its number."""

CODES: Final = {
    RefusalCode.NOT_TRUSTED.value: "the sender was not trusted",
    RefusalCode.BAD_SEAL.value: "the seal did not verify",
    RefusalCode.NOT_IN_LEDGER.value: "it was not proven to be in the sender's ledger",
    RefusalCode.LEDGER_FORK.value: "the sender's ledger showed two histories",
    RefusalCode.NOT_FOR_US.value: "it was not addressed to the recipient",
    RefusalCode.UNDECRYPTABLE.value: "it could not be decrypted",
    RefusalCode.COMMITMENT_MISMATCH.value: "the content was not the one that was committed to",
    RefusalCode.MALFORMED.value: "it broke its format",
    RefusalCode.TOO_LARGE.value: "it was larger than the recipient accepts",
    RefusalCode.EXPIRED.value: "its time had run out",
    RefusalCode.CLOCK_SKEW.value: "its date was ahead of the recipient's clock",
    RefusalCode.CONFLICT.value: "another message stands under its id",
    RefusalCode.POLICY.value: "a rule or an operator of the recipient forbade it",
    RefusalCode.BUSY.value: "the recipient could not store it",
    UndeliveredCode.DEAD.value: "it was put off too often, and given up",
    UndeliveredCode.PEER_REVOKED.value: "the recipient was not trusted any more",
    ErasedCode.OPERATOR.value: "an operator had it erased",
    ErasedCode.RETENTION.value: "it had been kept as long as it may be",
    ErasedCode.RECALLED.value: "its sender withdrew it",
    "ERASED": "its content was erased before it could be delivered",
    HoldCode.PLACED.value: "a legal hold was placed: it must not be erased",
    HoldCode.RELEASED.value: "a legal hold was released",
    CaseCode.STEP.value: "the ledger commits to what it does",
    CaseCode.FILED.value: "another member handed it over",
    CaseCode.DUE_SOON.value: "the due date is near",
    CaseCode.OVERDUE.value: "the due date has passed",
    "REQUEUED": "it is tried again",
    "RESEALED": "its content was sealed anew, as another message",
    "QUEUED": "it was still waiting when the file was made",
    "NO_ANSWER": "the recipient's node gave no answer to it",
}
PRIORITIES: Final = {
    Priority.ROUTINE: "routine",
    Priority.URGENT: "urgent",
    Priority.IMMEDIATE: "immediate",
}
WORDS: Final = {
    **{one.value: one.value.lower() for one in CallKind},
    **{one.value: one.value.lower().replace("_", " ") for one in PartyRole},
    Tlp.RED.value: "RED: to its recipients alone",
    Tlp.AMBER_STRICT.value: "AMBER+STRICT: within the recipients' own organisations",
    Tlp.AMBER.value: "AMBER: within the recipients' organisations and to their clients",
    Tlp.GREEN.value: "GREEN: within the community of the recipients, not in public",
    Tlp.CLEAR.value: "CLEAR: to anybody",
    Urgency.ROUTINE.value: "routine",
    Urgency.URGENT.value: "urgent",
    Urgency.SHIP_SAILS.value: "immediate: the ship sails",
    RequestedAction.NONE.value: "nothing",
    RequestedAction.INFORM.value: "inform the sender",
    RequestedAction.HOLD.value: "hold the consignment",
    RequestedAction.INSPECT.value: "inspect the consignment",
    Decision.ACCEPTED.value: "accepted",
    Decision.DECLINED.value: "declined",
}
"""Words of a content; others are shown as they stand."""

FIELD_WORDS: Final = {
    "basis": {
        SightingBasis.SEEN.value: "seen by an officer",
        SightingBasis.RECORDED.value: "recorded by a camera, gate or scanner",
        SightingBasis.DOCUMENTED.value: "a document says so",
        SightingBasis.REPORTED.value: "told by somebody else",
    },
    "confidence": {one.value: one.value.lower() for one in Confidence},
    "outcome": {
        DestructionOutcome.DESTROYED.value: "destroyed: the content is gone from the node",
        DestructionOutcome.NEVER_KEPT.value: "never kept: if it comes, nothing of it stays",
        DestructionOutcome.HELD.value: "not destroyed: a legal hold forbids it",
    },
}
"""Words of one field of a content."""

SAYS: Final = {
    MessageKind.ALERT: "What the alert says",
    MessageKind.RESPONSE: "What the answer says",
    MessageKind.UPDATE: "What the update says",
    MessageKind.RECALL: "What the recall says",
    MessageKind.DESTRUCTION: "What the destruction receipt says",
    MessageKind.FORWARD: "What was passed on",
    MessageKind.CONSENT: "What the consent says",
    MessageKind.REQUEST: "What the request says",
    MessageKind.ANSWER: "What the answer says",
    MessageKind.NOTE: "What the note says",
    MessageKind.SIGHTING: "What the sighting says",
    MessageKind.CASE_STEP: "What the step says",
    MessageKind.CASE_FILE: "Which steps were handed over",
}
"""What to call a content, by its kind."""

STATES: Final = {
    State.DRAFT: "not requested yet",
    State.REQUESTED: "return requested",
    State.ACKNOWLEDGED: "request acknowledged",
    State.INFO_REQUESTED: "information asked for",
    State.ACCEPTED: "return accepted",
    State.DISPUTED: "disputed",
    State.SETTLEMENT_PROPOSED: "disputed, a settlement is proposed",
    State.CONSIGNEE_TREATMENT: "the consignee treats it where it was found",
    State.ALTERNATIVE_PROPOSED: "another treatment is proposed",
    State.ALTERNATIVE_AGREED: "another treatment is agreed on",
    State.DOCUMENTED: "documents are ready",
    State.SHIPPED: "on its way back",
    State.ARRIVED: "arrived",
    State.RECEIVED: "received by the facility",
    State.REJECTED: "rejected by the facility",
    State.TREATED: "treated",
    State.CLOSED: "closed",
    State.WITHDRAWN: "request withdrawn",
}
"""How far a case is."""

STEPS: Final = {
    Action.REQUEST: "requested the return",
    Action.ACKNOWLEDGE: "acknowledged the request",
    Action.ASK: "asked for information",
    Action.ANSWER: "answered",
    Action.ACCEPT: "accepted the return",
    Action.DISPUTE: "disputed the request",
    Action.SETTLE: "proposed a way out of the dispute",
    Action.PROPOSE: "proposed another treatment",
    Action.DOCUMENT: "gave the documents",
    Action.SHIP: "shipped it",
    Action.ARRIVE: "reported its arrival",
    Action.RECEIVE: "took it in",
    Action.REJECT: "did not take it in",
    Action.TREAT: "certified its treatment",
    Action.CLOSE: "closed the case",
    Action.WITHDRAW: "withdrew the request",
    Action.AGREE: "agreed",
    Action.DECLINE: "declined, or took back",
    Action.EXTEND: "proposed a later due date",
    Action.INFORM: "showed when the authority of export was informed",
    Action.INVITE: "brought in others",
    Action.INCIDENT: "told of an incident",
    Action.RESOLVE: "settled an incident",
}
"""What a step of a case does."""

STANDINGS: Final = {
    Standing.COUNTS: ("✓ counts", "holds"),
    Standing.SUPERSEDED: ("… superseded", "open"),
    Standing.WAITING: ("? not judged", "open"),
    Standing.NOT_ALLOWED: ("✗ not allowed", "fails"),
}
"""What became of a step, and how to show it."""

CLOCKS: Final = {
    ClockState.NOT_STARTED: ("? not started", "open"),
    ClockState.RUNNING: ("… running", "open"),
    ClockState.WARNING: ("… near", "open"),
    ClockState.OVERDUE: ("✗ overdue", "fails"),
    ClockState.MET: ("✓ met", "holds"),
    ClockState.MET_LATE: ("✗ met late", "fails"),
    ClockState.STOPPED: ("… stopped", "open"),
}
"""How a case stands to its due date, and how to show it."""

NOTICES: Final = {
    CaseCode.DUE_SOON.value: "the due date is near",
    CaseCode.OVERDUE.value: "the due date has passed",
}
"""What ledgers record of due dates."""

_OTHER: Final = {
    "TRUSTED": "decided to trust {agency}",
    "CARD_TAKEN": "took a new card of {agency}",
    "REVOKED": "revoked its trust in {agency}",
    "QUARANTINED": "shut {agency} out after a contradiction",
    "RELEASED": "let {agency} in again",
    "CARD_ISSUED": "issued a card of its own",
    "KEY_ROTATED": "took a new key into use",
    "KEY_RETIRED": "uses a key for nothing new any more",
    "KEY_DESTROYED": "destroyed the private part of a key",
}


def reason(code: str) -> str:
    """Say why, in words and with the code; a code that is not known stands alone."""
    words = CODES.get(code)
    return f"{words} ({code})" if words else code


def other(event: Event) -> str:
    """Say what an entry about no message records."""
    if event.kind is EntryKind.EXPORTED:
        return "made an audit bundle"
    if event.kind is EntryKind.EPOCH:
        return "began this ledger after closing the one before"
    if event.kind is EntryKind.RECOVERED:
        return "got entries back from an export, without messages and receipts"
    return _OTHER.get(event.code, event.code).format(agency=event.agency)
