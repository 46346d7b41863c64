"""Documents of others, read field by field: typed, bounded, and with a record of what was read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from sesn_node.errors import MalformedError
from sesn_node.wire.json_reader import Json, JsonNumber, JsonObject, parse_json, read_time

MAX_DOCUMENT_BYTES: Final = 8 * 1024 * 1024
"""Above every alert that we write, and above what an officer would make one alert of."""

_MAX_DEPTH: Final = 32
_SHOWN: Final = 40

Value: TypeAlias = "dict[str, Value] | list[Value] | str | JsonNumber | bool | None"

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """An object of a document. Every field that is asked for counts as read.

    Args:
        path: Its place in the document.
        fields: Its fields.
        read: Paths of the document that were asked for, shared by all of its objects.
    """

    path: str
    fields: Mapping[str, Value]
    read: set[str] = field(default_factory=set, repr=False)

    def text(self, name: str) -> str:
        """Return a text; empty if there is none.

        Raises:
            MalformedError: It is no text.
        """
        value = self._take(name)
        return "" if value is None else self._text(self._at(name), value)

    def scalar(self, name: str) -> str:
        """Return a text, or a number or a flag as text; empty if there is none.

        Raises:
            MalformedError: It is none of these.
        """
        value = self.fields.get(name)
        if isinstance(value, bool):
            self._take(name)
            return str(int(value))
        if isinstance(value, JsonNumber):
            self._take(name)
            return value.text
        return self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts. Raises as `text` does."""
        place = self._at(name)
        return tuple(
            self._text(f"{place}[{index}]", one) for index, one in enumerate(self._list(name))
        )

    def choice(self, name: str, kind: type[E]) -> E | None:
        """Return one of a closed list; None if there is none.

        Raises:
            MalformedError: It is not of the list.
        """
        text = self.text(name)
        if not text:
            return None
        return choice(self._at(name), text, kind)

    def moment(self, name: str) -> datetime | None:
        """Return a time in UTC; None if there is none.

        Raises:
            MalformedError: Not RFC 3339, before 1970, or finer than a microsecond.
        """
        text = self.text(name)
        return read_time(self._at(name), text) if text else None

    def flag(self, name: str) -> bool:
        """Return whether something is said to be so, in any of the ways that programs write it."""
        value = self._take(name)
        text = value.text if isinstance(value, JsonNumber) else value
        return text is True or text in {"1", "true"}

    def node(self, name: str) -> Node | None:
        """Return an object; None if there is none.

        Raises:
            MalformedError: It is no object.
        """
        value = self._take(name)
        return None if value is None else self._node(self._at(name), value)

    def nodes(self, name: str) -> list[Node]:
        """Return a list of objects. Raises as `node` does."""
        place = self._at(name)
        return [self._node(f"{place}[{index}]", one) for index, one in enumerate(self._list(name))]

    def unread(self, apart: Collection[str] = ()) -> Iterator[str]:
        """Yield the names of fields that say something and were not asked for.

        Args:
            apart: Names that are not meant.
        """
        for name, value in self.fields.items():
            if name in apart or value in (None, "", [], {}) or self._at(name) in self.read:
                continue
            yield shown(name)

    def _take(self, name: str) -> Value:
        self.read.add(self._at(name))
        return self.fields.get(name)

    def _list(self, name: str) -> list[Value]:
        value = self._take(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise MalformedError(f"{self._at(name)}: expected a list [ ]")
        return value

    def _node(self, place: str, value: Value) -> Node:
        if not isinstance(value, dict):
            raise MalformedError(f"{place}: expected an object {{ }}")
        return Node(place, value, self.read)

    @staticmethod
    def _text(place: str, value: Value) -> str:
        if not isinstance(value, str):
            raise MalformedError(f'{place}: expected text in "quotes"')
        return value

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def choice(place: str, text: str, kind: type[E]) -> E:
    """Return one of a closed list.

    Raises:
        MalformedError: It is not of the list.
    """
    try:
        return kind(text)
    except ValueError as error:
        known = ", ".join(one.value for one in kind)
        raise MalformedError(f"{place}: {text[:_SHOWN]!a} is not one of {known}") from error


def shown(text: str) -> str:
    """Return a name from anywhere as it may stand on a screen: ASCII, and short."""
    return ascii(text[:_SHOWN])[1:-1]


def read_document(data: bytes) -> Node:
    """Parse a document.

    Raises:
        MalformedError: Over 8 MiB, not JSON, no object, a key twice, or nested too deeply.
    """
    value = _plain(parse_json(data, limit=MAX_DOCUMENT_BYTES), _MAX_DEPTH)
    if not isinstance(value, dict):
        raise MalformedError("document: expected an object { }")
    return Node("", value)


def _plain(value: Json, depth: int) -> Value:
    if depth == 0:
        raise MalformedError(f"document: nested more than {_MAX_DEPTH} deep")
    if isinstance(value, list):
        return [_plain(one, depth - 1) for one in value]
    if not isinstance(value, JsonObject):
        return value
    found: dict[str, Value] = {}
    for key, part in value.pairs:
        if key in found:
            raise MalformedError(f"document: {shown(key)} stands twice in one object")
        found[key] = _plain(part, depth - 1)
    return found
