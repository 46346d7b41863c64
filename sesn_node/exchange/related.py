"""Related: which other messages name what one message names, and what they share.

By the search index alone: what the others say is opened only to show their subjects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.codes.across import Told, across
from sesn_node.domain.alert import Alert
from sesn_node.domain.case_messages import CaseStep
from sesn_node.domain.conversation import Update
from sesn_node.domain.ids import AgencyId, MessageId, show_message_id
from sesn_node.domain.terms import TermField
from sesn_node.errors import PolicyError
from sesn_node.exchange.conversations import show_messages
from sesn_node.exchange.forwardviews import carried
from sesn_node.exchange.open import ERASED
from sesn_node.exchange.search import apart, blinded, payload_terms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.domain.alert import Consignment
    from sesn_node.domain.findings import Finding
    from sesn_node.domain.payload import Body, Payload
    from sesn_node.domain.terms import Term
    from sesn_node.exchange.conversations import MessageView
    from sesn_node.exchange.office import Office

NEWEST: Final = 200
"""Messages that are looked at for one thing that is shared."""

# What tells two consignments apart weighs most. A ship alone carries thousands of them, and an
# owner's code or a port says next to nothing.
WEIGHTS: Final = {
    TermField.CONTAINER: 5,
    TermField.BILL: 5,
    TermField.SEAL: 4,
    TermField.VOYAGE: 3,
    TermField.PARTY: 2,
}


@dataclass(frozen=True, slots=True)
class RelatedView:
    """A message that names something of what another names.

    Args:
        message: The message.
        shared: What both name, the weightiest first.
        weight: How much that says; see `WEIGHTS`.
    """

    message: MessageView
    shared: tuple[Term, ...]
    weight: int


def related(
    office: Office, message_id: MessageId, sender: AgencyId, payload: Payload | None, limit: int
) -> tuple[RelatedView, ...]:
    """List messages that share something with one, the most related first, at most `limit`.

    Args:
        office: Ours.
        message_id: The message.
        sender: Who sent it.
        payload: What it says; None if it cannot be opened.
        limit: How many.

    Raises:
        PolicyError: `ERASED`: what it named is not known any more.
    """
    if payload is None:
        raise PolicyError(
            "what this message names cannot be read, so nothing can be related to it", code=ERASED
        )
    terms = {
        blinded(office, [term])[0]: term for term in payload_terms(payload) if term.field in WEIGHTS
    }
    shared: dict[tuple[str, bytes], set[Term]] = {}
    newest: dict[tuple[str, bytes], int] = {}
    with office.store.read() as transaction:
        for row in transaction.search.sharing(sorted(terms), NEWEST):
            key = row.sender, row.message_id
            if key != (sender, message_id):
                shared.setdefault(key, set()).add(terms[row.term])
                newest[key] = row.at_ms
        ranked = sorted(shared, key=lambda key: (-_weight(shared[key]), -newest[key], key))[:limit]
        ours, theirs = apart(office, ranked)
        views = show_messages(
            office,
            transaction,
            transaction.browse.sent_messages(ours),
            transaction.inbox.some(theirs),
        )
    known = {(str(one.sender), bytes(one.message_id)): one for one in views}
    return tuple(
        RelatedView(known[key], _in_order(shared[key]), _weight(shared[key]))
        for key in ranked
        if key in known
    )


def contradictions(
    message_id: MessageId, payload: Payload, found: Iterable[RelatedView]
) -> tuple[Finding, ...]:
    """Tell what a message and those related to it cannot both be right about, oldest first.

    Fields are `MESSAGE ID: PATH`.
    """
    every = [
        (message_id, payload),
        *((one.message.message_id, one.message.payload) for one in found),
    ]
    told = []
    # Ids begin with the time.
    for name, said in sorted(every, key=lambda one: one[0]):
        consignment = None if said is None else _consignment(carried(said).body)
        if consignment is not None:
            told.append(Told(show_message_id(name), consignment))
    return across(told)


def _consignment(body: Body) -> Consignment | None:
    """Return the consignment that an alert, its update, or the request of a case is about."""
    if isinstance(body, CaseStep):
        return body.details.consignment
    alert = body.alert if isinstance(body, Update) else body
    return alert.consignment if isinstance(alert, Alert) else None


def _weight(terms: set[Term]) -> int:
    # A ship's number and its name are one thing.
    fields = [one.field for one in terms if one.field is not TermField.VOYAGE]
    voyage = any(one.field is TermField.VOYAGE for one in terms)
    return sum(WEIGHTS[field] for field in fields) + WEIGHTS[TermField.VOYAGE] * voyage


def _in_order(terms: set[Term]) -> tuple[Term, ...]:
    return tuple(sorted(terms, key=lambda one: (-WEIGHTS[one.field], one.field, one.value)))
