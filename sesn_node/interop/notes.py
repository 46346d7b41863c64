"""What is converted, and what of it did not come along."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from sesn_node.domain.checks import clean_line, clean_text
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.payload import Payload

Document: TypeAlias = dict[str, "JsonOut"]
"""A JSON object that is written."""

JsonOut: TypeAlias = "str | bool | list[JsonOut] | Document"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that did not come along, or that was not there and had to be set.

    Args:
        path: The field: of the alert, when it is written; of the document, when one is read. What
            had to be set is a field of the alert.
        reason: Why, for people.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """The message that an alert was sent in.

    Args:
        author: Who wrote it.
        message_id: The alert, also where an update of it is what stands now.
        created_ms: When it was written, Unix milliseconds.
        modified_ms: When what stands now was written, Unix milliseconds.
    """

    author: AgencyId
    message_id: MessageId
    created_ms: int
    modified_ms: int


@dataclass(frozen=True, slots=True)
class Written:
    """An alert in the form of others.

    Args:
        document: The JSON object.
        dropped: What it does not say.
    """

    document: Document
    dropped: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """An alert that was made of a document of others; an officer has yet to read it.

    Args:
        payload: Markings and alert.
        dropped: What of the document is not in it.
        supplied: What it says and the document did not.
    """

    payload: Payload
    dropped: tuple[Note, ...]
    supplied: tuple[Note, ...]


@dataclass(slots=True)
class Notes:
    """Notes, as they are taken."""

    dropped: list[Note] = field(default_factory=list)
    supplied: list[Note] = field(default_factory=list)

    def drop(self, path: str, reason: str) -> None:
        """Say that something did not come along."""
        self.dropped.append(Note(path, reason))

    def supply(self, path: str, reason: str) -> None:
        """Say that something had to be set."""
        self.supplied.append(Note(path, reason))

    def line(self, path: str, text: str, high: int) -> str:
        """Make a line of at most `high` characters of somebody's text."""
        return self._fitted(path, text, clean_line(text), high)

    def text(self, path: str, text: str, high: int) -> str:
        """Make a text of at most `high` characters of somebody's text."""
        return self._fitted(path, text, clean_text(text), high)

    def draft(self, payload: Payload) -> Draft:
        """Return the draft, with these notes."""
        return Draft(payload, tuple(self.dropped), tuple(self.supplied))

    def _fitted(self, path: str, before: str, clean: str, high: int) -> str:
        if clean != before:
            self.drop(path, "control characters, which an alert must not have")
        if len(clean) > high:
            self.drop(path, f"all after the first {high:,} characters of {len(clean):,}")
        return clean[:high]
