"""Search: find alerts by what they name, through an index that tells nothing without its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.alert import Alert
from sesn_node.domain.terms import terms_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.domain.alert import Payload
    from sesn_node.domain.terms import Sought, Term
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction


def index_terms(office: Office, payload: Payload) -> tuple[bytes, ...]:
    """Return what a message can be found by, to be stored with it; nothing for a response."""
    body = payload.body
    return _blinded(office, terms_of(body)) if isinstance(body, Alert) else ()


def find(
    office: Office, transaction: Transaction, sought: Sought, limit: int
) -> tuple[list[bytes], list[tuple[str, bytes]]]:
    """Return the newest alerts that name all that is sought, at most `limit`.

    Returns:
        The ids of those that we sent; sender and id of those that arrived.
    """
    wanted = [_blinded(office, terms) for terms in sought.terms()]
    found = transaction.search.find(wanted, limit) if wanted else []
    ours = [message_id for sender, message_id in found if sender == office.agency]
    return ours, [one for one in found if one[0] != office.agency]


def _blinded(office: Office, terms: Iterable[Term]) -> tuple[bytes, ...]:
    index = office.keys.index
    return tuple(sorted(index.term(term.field.value, term.value) for term in terms))
