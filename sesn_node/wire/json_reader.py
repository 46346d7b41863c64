"""Strict reading of the protobuf JSON mapping, with errors made for people who type it.

Reads text, enums by name, timestamps (RFC 3339), messages and lists of them. Every error names
the path and the way out, and what `google.protobuf.json_format` takes beside that, such as enum
numbers, is refused.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn, cast

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from sesn_node.domain.checks import check_pattern
from sesn_node.errors import MalformedError

_SHOWN = 40
_SURROGATE = re.compile("[\ud800-\udfff]")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AFTER = datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH + timedelta(days=1)
_DAY_S = 86_400

# TLP 2.0 spells one label with a plus sign, which no protobuf name can have.
_SPELLINGS = {
    "TLP_AMBER_STRICT": "AMBER+STRICT",
    "EVALUATION_4X4": "4x4",
    "EVALUATION_3X5X2": "3x5x2",
    "EVALUATION_5X5X5": "5x5x5",
}


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object as written, duplicate keys and all: only its reader knows its path."""

    pairs: tuple[tuple[str, Json], ...]


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A JSON number, as written. No field that is read here is a number."""

    text: str


Json = JsonObject | list["Json"] | str | JsonNumber | bool | None


def parse_json(text: str | bytes, *, limit: int) -> Json:
    """Parse JSON text (RFC 8259), keeping what a reader needs to judge it.

    Raises:
        MalformedError: Over `limit` bytes, not UTF-8, or not JSON; line and column are told.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > limit:
        raise MalformedError(f"document: at most {limit:,} bytes, got {len(data):,}")
    try:
        # RFC 8259 section 8.1: a byte order mark may be ignored; Windows editors write one.
        decoded = data.decode("utf-8-sig")
        parsed: Json = json.loads(
            decoded,
            object_pairs_hook=_keep_pairs,
            parse_int=JsonNumber,
            parse_float=JsonNumber,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError as exc:
        raise MalformedError(f"document: byte {exc.start + 1:,} is not UTF-8") from exc
    except json.JSONDecodeError as exc:
        raise MalformedError(
            f"document: not JSON at line {exc.lineno}, column {exc.colno}: {exc.msg}"
        ) from exc
    except RecursionError as exc:
        raise MalformedError("document: nested too deeply") from exc
    return parsed


def read_message(
    message: Message, value: Json, path: str, fields: Sequence[FieldDescriptor] | None = None
) -> None:
    """Fill a message from a JSON object; `null` leaves a field unset.

    Args:
        message: An empty message.
        value: What stands where the object is expected.
        path: Path of the message; empty for the whole document.
        fields: The fields that may be given; all by default.

    Raises:
        MalformedError: A wrong type, an unknown or duplicate key, or a value out of its list.
    """
    if not isinstance(value, JsonObject):
        _wrong_type(path or "document", "an object { }", value)
    # The stubs of protobuf type a descriptor as one of two implementations with the same face.
    every = cast("Sequence[FieldDescriptor]", message.DESCRIPTOR.fields)
    known = {field.name: field for field in fields or every}
    aliases = {field.json_name: field for field in known.values()}
    seen: set[str] = set()
    for key, part in value.pairs:
        field = known.get(key) or aliases.get(key)
        if field is None:
            raise _unknown_key(path, key, list(known))
        place = _join(path, field.name)
        if field.name in seen:
            raise MalformedError(f"{place}: given twice; keep one")
        seen.add(field.name)
        if part is not None:
            _read_field(message, field, part, place)


def read_members(value: Json, path: str, known: Sequence[str]) -> dict[str, Json]:
    """Return the members of a JSON object by key; those that are `null` are left out.

    Raises:
        MalformedError: No object, or an unknown or duplicate key.
    """
    if not isinstance(value, JsonObject):
        _wrong_type(path or "document", "an object { }", value)
    found: dict[str, Json] = {}
    for key, part in value.pairs:
        if key not in known:
            raise _unknown_key(path, key, list(known))
        if key in found:
            raise MalformedError(f"{_join(path, key)}: given twice; keep one")
        found[key] = part
    return {key: part for key, part in found.items() if part is not None}


def read_list(value: Json, path: str) -> list[tuple[str, Json]]:
    """Return the elements of a JSON list, each with its path.

    Raises:
        MalformedError: No list.
    """
    if not isinstance(value, list):
        _wrong_type(path, "a list [ ]", value)
    return [(f"{path}[{index}]", part) for index, part in enumerate(value)]


def read_text(value: Json, path: str) -> str:
    """Return a JSON string.

    Raises:
        MalformedError: No string, or one that has no UTF-8 form.
    """
    if not isinstance(value, str):
        _wrong_type(path, 'text in "quotes"', value)
    if _SURROGATE.search(value) is not None:
        raise MalformedError(f"{path}: half of a surrogate pair; the text is damaged")
    return value


def read_time(path: str, text: str) -> datetime:
    """Read a time in RFC 3339, with up to six digits of a second, as one in UTC.

    Raises:
        MalformedError: No such time, or one before 1970 or after 9999.
    """
    check_pattern(path, text, _RFC3339, "a time such as 2026-03-14T09:30:00Z")
    try:
        since = datetime.fromisoformat(text.upper()) - _EPOCH
    except (ValueError, OverflowError) as exc:
        raise MalformedError(f"{path}: {text} is not a time of the calendar") from exc
    if not timedelta(0) <= since < _AFTER:
        raise MalformedError(f"{path}: {text} is before 1970 or after 9999 in UTC")
    return _EPOCH + since


def _read_field(message: Message, field: FieldDescriptor, value: Json, path: str) -> None:
    if not field.is_repeated:
        if field.message_type is None:
            setattr(message, field.name, _read_scalar(field, value, path))
        else:
            part: Message = getattr(message, field.name)
            part.SetInParent()
            _read_part(part, value, path)
        return
    if not isinstance(value, list):
        _wrong_type(path, "a list [ ]", value)
    elements = getattr(message, field.name)
    for index, element in enumerate(value):
        place = f"{path}[{index}]"
        if field.message_type is None:
            elements.append(_read_scalar(field, element, place))
        else:
            _read_part(elements.add(), element, place)


def _read_part(part: Message, value: Json, path: str) -> None:
    if isinstance(part, Timestamp):
        _read_timestamp(part, value, path)
    else:
        read_message(part, value, path)


def _read_scalar(field: FieldDescriptor, value: Json, path: str) -> str | int:
    if field.enum_type is not None:
        return _read_enum(field.enum_type, value, path)
    if field.type != FieldDescriptor.TYPE_STRING:
        raise MalformedError(f"{path}: cannot be given in JSON")
    return read_text(value, path)


def _read_enum(enum: EnumDescriptor, value: Json, path: str) -> int:
    """Accept `TLP_AMBER` as well as `AMBER`: the prefix only serves protobuf's name space."""
    numbers: dict[str, int] = {}
    shown: list[str] = []
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    for member in enum.values:
        if member.number == 0:
            continue
        short = member.name.removeprefix(prefix)
        spelled = _SPELLINGS.get(member.name, short)
        numbers |= {member.name: member.number, short: member.number, spelled: member.number}
        shown.append(spelled)
    allowed = f"one of {', '.join(shown)}"
    if not isinstance(value, str):
        _wrong_type(path, allowed, value)
    number = numbers.get(value)
    if number is None:
        raise MalformedError(f"{path}: {value[:_SHOWN]!a} is unknown; expected {allowed}")
    return number


def _read_timestamp(part: Timestamp, value: Json, path: str) -> None:
    since = read_time(path, read_text(value, path)) - _EPOCH
    part.seconds = since.days * _DAY_S + since.seconds
    part.nanos = since.microseconds * 1_000


def _keep_pairs(pairs: list[tuple[str, Json]]) -> JsonObject:
    return JsonObject(tuple(pairs))


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedError(f"document: {name} is not JSON (RFC 8259)")


def _unknown_key(path: str, key: str, known: list[str]) -> MalformedError:
    close = difflib.get_close_matches(key[:_SHOWN], known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"expected {', '.join(known)}"
    # A key is text from anywhere: shown in ASCII, control characters escaped.
    place = _join(path, ascii(key[:_SHOWN])[1:-1])
    return MalformedError(f"{place}: unknown key; {hint}")


def _wrong_type(path: str, expected: str, value: Json) -> NoReturn:
    raise MalformedError(f"{path}: expected {expected}, got {_name(value)}")


def _name(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "text"
        case JsonNumber():
            return "a number"
        case JsonObject():
            return "an object { }"
        case _:
            return "a list [ ]"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
