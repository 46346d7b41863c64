"""Who takes part in a conversation, by the headers of its messages.

Its id is the id of its first message, and whoever knows that can write it into a header. So it
takes part who sent or got the first message, and whom somebody who takes part has written to. The
order in which messages came does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId
    from sesn_node.domain.messages import Header


def taking_part(first: Header, others: Iterable[Header]) -> frozenset[AgencyId]:
    """Return the agencies that take part in a conversation.

    Args:
        first: Header of its first message, whose id it bears.
        others: Headers of all messages that bear its id; those of strangers may be among them.
    """
    found = _members(first)
    left = list(others)
    while True:
        fresh = [one for one in left if one.sender in found]
        if not fresh:
            return frozenset(found)
        left = [one for one in left if one.sender not in found]
        for header in fresh:
            found |= _members(header)


def _members(header: Header) -> set[AgencyId]:
    return {header.sender, *(one.agency for one in header.recipients)}
