"""The content of one message: what it says, and the rules of handling.

Mirrors `proto/sesn/v1/payload.proto`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sesn_node.domain.alert import Alert
from sesn_node.domain.case_messages import CaseFile, CaseStep
from sesn_node.domain.checks import check_count
from sesn_node.domain.conversation import (
    Answer,
    Consent,
    Destruction,
    Note,
    Recall,
    Request,
    Response,
    Sighting,
    Update,
)
from sesn_node.domain.forward import Forward
from sesn_node.domain.markings import Markings
from sesn_node.domain.people import MAX_ENDORSEMENTS, Endorsement

Body = (
    Alert
    | Response
    | Update
    | Recall
    | Destruction
    | Forward
    | Consent
    | Request
    | Answer
    | Note
    | Sighting
    | CaseStep
    | CaseFile
)


class MessageKind(StrEnum):
    """What a message is; the values are the names of the bodies in payload.proto."""

    ALERT = "alert"
    RESPONSE = "response"
    UPDATE = "update"
    RECALL = "recall"
    DESTRUCTION = "destruction"
    FORWARD = "forward"
    CONSENT = "consent"
    REQUEST = "request"
    ANSWER = "answer"
    NOTE = "note"
    SIGHTING = "sighting"
    CASE_STEP = "case_step"
    CASE_FILE = "case_file"


KINDS: Final[dict[type[Body], MessageKind]] = {
    Alert: MessageKind.ALERT,
    Response: MessageKind.RESPONSE,
    Update: MessageKind.UPDATE,
    Recall: MessageKind.RECALL,
    Destruction: MessageKind.DESTRUCTION,
    Forward: MessageKind.FORWARD,
    Consent: MessageKind.CONSENT,
    Request: MessageKind.REQUEST,
    Answer: MessageKind.ANSWER,
    Note: MessageKind.NOTE,
    Sighting: MessageKind.SIGHTING,
    CaseStep: MessageKind.CASE_STEP,
    CaseFile: MessageKind.CASE_FILE,
}

RECALLABLE: Final = frozenset(
    {
        MessageKind.ALERT,
        MessageKind.RESPONSE,
        MessageKind.UPDATE,
        MessageKind.FORWARD,
        MessageKind.REQUEST,
        MessageKind.ANSWER,
        MessageKind.NOTE,
        MessageKind.SIGHTING,
    }
)
"""What its sender can withdraw. Not what was done (recall, destruction) or allowed (consent), and
no message of a case: what a party has said there stays said."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The content of one message.

    Args:
        markings: Rules of handling.
        body: What it says.
        endorsements: Who wrote it, then who approved it, at most 8; verified by
            `sesn_node.trust.people`.
    """

    markings: Markings
    body: Body
    endorsements: tuple[Endorsement, ...] = ()

    def __post_init__(self) -> None:
        check_count("endorsements", self.endorsements, 0, MAX_ENDORSEMENTS)

    @property
    def kind(self) -> MessageKind:
        """What the message is."""
        return KINDS[type(self.body)]
