"""Four eyes: which messages need a second person, by settings and by the table of cases."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from sesn_node.domain.alert import Alert, RequestedAction
from sesn_node.domain.case import two_people
from sesn_node.domain.case_messages import CaseStep
from sesn_node.domain.case_terms import Action
from sesn_node.domain.conversation import Update
from sesn_node.domain.markings import Tlp
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.errors import MalformedError


class Demand(StrEnum):
    """What a partner's message must show to be taken."""

    NOTHING = "nothing"
    AUTHOR = "author"
    APPROVAL = "approval"


UNASKED: Final = frozenset({MessageKind.RECALL, MessageKind.DESTRUCTION, MessageKind.CASE_FILE})
"""What nobody is asked about, here or at a partner: a recall must not wait, and a node writes
receipts, recalls of what it has passed on, and case files by itself."""

WORDS: Final = (
    *(tlp.value for tlp in Tlp),
    *(action.value for action in RequestedAction if action is not RequestedAction.NONE),
    *(kind.value for kind in MessageKind if kind not in UNASKED),
)
"""What can be named: TLP labels and requested actions in capitals, kinds of messages."""


def check_word(key: str, text: str) -> None:
    """Refuse a word that names nothing.

    Raises:
        MalformedError: It starts with the key, and lists the words.
    """
    if text not in WORDS:
        raise MalformedError(f"{key}: expected some of {', '.join(WORDS)}; got {text[:40]!a}")


def is_unasked(payload: Payload) -> bool:
    """Tell whether nobody is asked about a message; INFORM is the one step that a node takes."""
    body = payload.body
    informs = isinstance(body, CaseStep) and body.mark.action is Action.INFORM
    return informs or payload.kind in UNASKED


def needs_second(payload: Payload, words: Collection[str]) -> str | None:
    """Return the first word for which a message needs a second person; None if it needs none.

    Some steps of cases need one whatever the settings say.
    """
    if is_unasked(payload):
        return None
    if isinstance(payload.body, CaseStep) and two_people(payload.body.mark.action):
        return payload.body.mark.action.value
    said = [payload.kind.value, payload.markings.tlp.value]
    alert = payload.body.alert if isinstance(payload.body, Update) else payload.body
    if isinstance(alert, Alert):
        said.append(alert.requested_action.value)
    return next((word for word in words if word in said), None)
