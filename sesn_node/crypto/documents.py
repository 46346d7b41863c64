"""Strict reading of small JSON documents: the key file and what its box holds.

Python's reader takes the last of two equal names, `NaN`, and `true` for `1`. Here each field
is read once, by name and type, and nothing may be left over.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import NoReturn

from sesn_node.errors import MalformedError

# What `json` returns. `object` for the values makes mypy ask for a check at every use.
_Members = dict[str, object]


class Document:
    """The members of one JSON object, taken one by one and closed with `end`."""

    __slots__ = ("_members", "_what")

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise MalformedError(f"{what}: expected an object")
        self._members: _Members = dict(value)
        self._what = what

    @property
    def what(self) -> str:
        """What and where it is, as errors name it."""
        return self._what

    def has(self, name: str) -> bool:
        """Tell whether a member that may be left out is there and was not taken yet."""
        return name in self._members

    def text(self, name: str) -> str:
        """Take a string.

        Raises:
            MalformedError: Missing, or of another type.
        """
        value = self._take(name)
        if not isinstance(value, str):
            raise MalformedError(f"{self._what}.{name}: expected a string")
        return value

    def integer(self, name: str) -> int:
        """Take an integer; booleans and fractions are none.

        Raises:
            MalformedError: Missing, or of another type.
        """
        value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise MalformedError(f"{self._what}.{name}: expected an integer")
        return value

    def data(self, name: str) -> bytes:
        """Take bytes: padded, canonical base64 (RFC 4648 sections 3.5 and 4).

        Raises:
            MalformedError: Missing, of another type, or another encoding.
        """
        text = self.text(name)
        try:
            value = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise MalformedError(f"{self._what}.{name}: expected base64") from exc
        if base64.b64encode(value).decode("ascii") != text:
            raise MalformedError(f"{self._what}.{name}: base64 is not canonical")
        return value

    def document(self, name: str) -> Document:
        """Take an object.

        Raises:
            MalformedError: Missing, or of another type.
        """
        return Document(self._take(name), f"{self._what}.{name}")

    def documents(self, name: str) -> list[Document]:
        """Take a list of objects.

        Raises:
            MalformedError: Missing, or of another type.
        """
        value = self._take(name)
        if not isinstance(value, list):
            raise MalformedError(f"{self._what}.{name}: expected a list")
        return [Document(item, f"{self._what}.{name}[{i}]") for i, item in enumerate(value)]

    def flag(self, name: str) -> bool:
        """Take `true` or `false`.

        Raises:
            MalformedError: Missing, or of another type.
        """
        value = self._take(name)
        if not isinstance(value, bool):
            raise MalformedError(f"{self._what}.{name}: expected true or false")
        return value

    def texts(self, name: str) -> list[str]:
        """Take a list of strings.

        Raises:
            MalformedError: Missing, or of another type.
        """
        value = self._take(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise MalformedError(f"{self._what}.{name}: expected a list of strings")
        return value

    def end(self) -> None:
        """Close the object.

        Raises:
            MalformedError: It has a member that nobody asked for.
        """
        if self._members:
            raise MalformedError(f"{self._what}: unknown member {min(self._members)[:40]!a}")

    def _take(self, name: str) -> object:
        try:
            return self._members.pop(name)
        except KeyError as exc:
            raise MalformedError(f"{self._what}.{name}: missing") from exc


def read_document(data: bytes, what: str, *, limit: int) -> Document:
    """Parse one JSON object (RFC 8259), UTF-8, at most `limit` bytes.

    Raises:
        MalformedError: Too long, not JSON, not an object, two members of one name, a fraction,
            or `NaN` and the like.
    """
    if len(data) > limit:
        raise MalformedError(f"{what}: longer than {limit} bytes")
    try:
        value: object = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except (ValueError, RecursionError) as exc:
        # ValueError: bad UTF-8, bad JSON, or an integer of thousands of digits.
        raise MalformedError(f"{what}: not a JSON document") from exc
    return Document(value, what)


def encode_bytes(data: bytes) -> str:
    """Write bytes the way `Document.data` reads them."""
    return base64.b64encode(data).decode("ascii")


def _unique(pairs: list[tuple[str, object]]) -> _Members:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedError("JSON document: two members of one object have the same name")
    return members


def _refuse_number(text: str) -> NoReturn:
    raise MalformedError(f"JSON document: {text[:40]!a} is not an integer")
