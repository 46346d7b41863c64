"""What officers watch for: a container, an owner's containers, a ship, a party, or a way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sesn_node.domain.checks import check_line
from sesn_node.domain.terms import Sought, Term, TermField, normalised
from sesn_node.errors import MalformedError

MAX_ENTRIES: Final = 1_000
"""Entries of a watchlist: each arrival is held against all of them."""

_MAX_TEXT: Final = 200
_OWNER: Final = re.compile(r"[a-z]{4}", re.ASCII)


class WatchKind(StrEnum):
    """What an entry names."""

    CONTAINER = "container"
    OWNER = "owner"
    """The first four letters of container numbers: owner's code and category (ISO 6346)."""
    VESSEL = "vessel"
    """A ship by its IMO number or name."""
    PARTY = "party"
    ROUTE = "route"
    """A call at one port, and later at another."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Something that is watched for.

    Args:
        kind: What it names.
        value: A number or name as an officer wrote it; of a route the first port.
        other: Of a route the later port; else empty.

    Raises:
        MalformedError: Too long, with control characters, or nothing to look for.
    """

    kind: WatchKind
    value: str
    other: str = ""

    def __post_init__(self) -> None:
        is_route = self.kind is WatchKind.ROUTE
        for text in (self.value, self.other) if is_route else (self.value,):
            check_line(self.kind.value, text, _MAX_TEXT)
            if not normalised(text):
                raise MalformedError(f"{self.kind}: {text!a} has no letter or digit to look for")
        if self.other and not is_route:
            raise MalformedError(f"{self.kind}: only a route has two ends")
        if self.kind is WatchKind.OWNER and not _OWNER.fullmatch(normalised(self.value)):
            raise MalformedError(
                f"owner: expected the first four letters of container numbers, such as MSCU, got "
                f"{self.value[:_MAX_TEXT]!a}"
            )

    @property
    def words(self) -> str:
        """It, in one line for people."""
        return f"{self.kind} {self.value}" + (f" to {self.other}" if self.other else "")

    def terms(self) -> tuple[tuple[Term, Term | None], ...]:
        """Return what a message is matched by: it must have a term, and the other if there is one.

        Of a ship there are two ways: who writes it down need not say whether it is number or name.
        """
        form = normalised(self.value)
        match self.kind:
            case WatchKind.VESSEL:
                (ways,) = Sought(vessel=self.value).terms()
                return tuple((term, None) for term in sorted(ways, key=lambda one: one.field))
            case WatchKind.ROUTE:
                to = Term(TermField.TO_PORT, normalised(self.other))
                return ((Term(TermField.FROM_PORT, form), to),)
            case WatchKind.CONTAINER:
                return ((Term(TermField.CONTAINER, form), None),)
            case WatchKind.OWNER:
                return ((Term(TermField.OWNER, form), None),)
            case WatchKind.PARTY:
                return ((Term(TermField.PARTY, form), None),)
