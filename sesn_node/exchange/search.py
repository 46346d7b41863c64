"""Search: find messages by what they name, through an index that tells nothing without its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.domain.case_messages import CaseFile
from sesn_node.domain.forward import Forward
from sesn_node.domain.payload import MessageKind
from sesn_node.domain.terms import TermField, terms_of
from sesn_node.errors import MalformedError
from sesn_node.wire.payloads import decode_payload

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.domain.forward import Original
    from sesn_node.domain.payload import Payload
    from sesn_node.domain.terms import Sought, Term
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction


ALERTS: Final = (MessageKind.ALERT.value, MessageKind.FORWARD.value)
"""Kinds of messages that are, or pass on, an alert."""
OF_CASES: Final = (MessageKind.CASE_STEP.value, MessageKind.CASE_FILE.value)
"""Kinds of messages that belong to return-to-origin cases."""


_UNSTORED: Final = frozenset({TermField.OWNER, TermField.FROM_PORT, TermField.TO_PORT})
"""What tells too little to search by: looked at when somebody watches for it, and else left out."""


def index_terms(office: Office, payload: Payload) -> tuple[bytes, ...]:
    """Return what a message can be found by, to be stored with it."""
    terms = payload_terms(payload)
    return blinded(office, (one for one in terms if one.field not in _UNSTORED))


def all_terms(office: Office, payload: Payload) -> frozenset[bytes]:
    """Return everything that a message names, as it would stand in the index."""
    return frozenset(blinded(office, payload_terms(payload)))


def payload_terms(payload: Payload) -> frozenset[Term]:
    """Return what a message names: of a forward or a case file, what the messages in it name."""
    said = payload.body
    if isinstance(said, Forward):
        return _original_terms(said.original)
    if isinstance(said, CaseFile):
        return frozenset().union(*(_original_terms(one) for one in said.originals))
    return terms_of(said)


def _original_terms(original: Original) -> frozenset[Term]:
    try:
        return terms_of(decode_payload(original.payload).body)
    except MalformedError:
        # Refused where it comes in; an index must not fail because of it.
        return frozenset()


def find(
    office: Office, transaction: Transaction, sought: Sought, limit: int
) -> tuple[list[bytes], list[tuple[str, bytes]]]:
    """Return the newest alerts that name all that is sought, at most `limit`.

    Returns:
        The ids of those that we sent; sender and id of those that arrived.
    """
    wanted = [blinded(office, terms) for terms in sought.terms()]
    found = transaction.search.find(wanted, limit, ALERTS) if wanted else []
    return apart(office, found)


def apart(
    office: Office, found: Iterable[tuple[str, bytes]]
) -> tuple[list[bytes], list[tuple[str, bytes]]]:
    """Part (sender, id) of messages into the ids of ours, and those that arrived."""
    ours, theirs = [], []
    for sender, message_id in found:
        if sender == office.agency:
            ours.append(message_id)
        else:
            theirs.append((sender, message_id))
    return ours, theirs


def blinded(office: Office, terms: Iterable[Term]) -> tuple[bytes, ...]:
    """Return what stands in the index for terms, ascending."""
    index = office.keys.index
    return tuple(sorted(index.term(term.field.value, term.value) for term in terms))
