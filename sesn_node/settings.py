"""How a section of settings is described, checked, read from TOML and written back.

A section is a frozen dataclass whose fields are annotated with `Setting`: one place tells a key's
meaning and bounds to the reader of the code, to the checks and to the comments of the file.
Types are text, whole numbers, enums of texts, and lists of texts, of whole numbers or of tables,
which are sections of their own. `sesn_node.config` has the sections themselves.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from sesn_node.domain.checks import check_count, check_distinct, check_line, check_range
from sesn_node.errors import ConfigError, MalformedError

Value: TypeAlias = "str | int | tuple[str, ...] | tuple[int, ...] | tuple[Section, ...]"
"""What a setting holds; members of an enum are text."""

S = TypeVar("S", bound="Section")

_COLUMNS = 98
_TEXT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Setting:
    """What a key means and what it may hold.

    Args:
        doc: One or two sentences, written as the comment above the key.
        low: Smallest number.
        high: Largest number; for text the most characters, for a list the most items.
        check: Called with the key and a text, or each text of a list, after the other checks;
            raises MalformedError whose message starts with the key.
    """

    doc: str
    low: int = 0
    high: int = _TEXT_CHARACTERS
    check: Callable[[str, str], None] | None = None

    def verify(self, key: str, value: Value) -> None:
        """Check a value of the right type.

        Raises:
            MalformedError: Out of bounds; the message starts with the key.
        """
        if isinstance(value, int):
            check_range(key, value, self.low, self.high)
        elif isinstance(value, str):
            self._verify_text(key, value, self.high)
        else:
            check_count(key, value, self.low, self.high)
            check_distinct(key, value)
            for item in value:
                # A section has checked itself.
                if isinstance(item, str):
                    self._verify_text(key, item, _TEXT_CHARACTERS)

    def _verify_text(self, key: str, value: str, high: int) -> None:
        check_line(key, value, high)
        if self.check is not None:
            self.check(key, value)


class Section:
    """Base of all sections: checks every field when one is made.

    Raises:
        ConfigError: A value out of bounds; the message starts with section and key.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        try:
            for key, setting in settings(type(self)).items():
                setting.verify(key, getattr(self, key))
            self.verify()
        except MalformedError as error:
            raise ConfigError(f"{name(type(self))}.{error.message}") from error

    def verify(self) -> None:
        """Check what concerns several fields; sections override it.

        Raises:
            MalformedError: The fields do not fit each other; the message starts with a key.
        """


def name(section: type[Section]) -> str:
    """Tell the name of a section in the file."""
    return section.__name__.lower()


def settings(section: type[Section]) -> Mapping[str, Setting]:
    """Tell the keys of a section, in order, and what each may hold."""
    known = _SETTINGS.get(section)
    if known is None:
        hints = get_type_hints(section, include_extras=True)
        known = {key: hint.__metadata__[0] for key, hint in hints.items()}
        _SETTINGS[section] = known
    return known


# Resolving annotations takes most of the time of reading a file: each section is resolved once.
_SETTINGS: dict[type[Section], Mapping[str, Setting]] = {}


def read(section: type[S], document: Mapping[str, object]) -> S:
    """Build a section from its table in a TOML document; a missing table is an empty one.

    Raises:
        ConfigError: An unknown or missing key, a wrong type, or a value out of bounds; the
            message starts with section and key.
    """
    where = name(section)
    table = document.get(where, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: expected a section, [{where}], got {_short(table)}")
    return _build(section, where, table)


def _build(section: type[S], where: str, table: Mapping[str, object]) -> S:
    """Build a section from its keys; `where` stands before them in messages."""
    known = settings(section)
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}.{key}: unknown key; [{where}] has {', '.join(known)}")
    for key, default in _defaults(section).items():
        if default is None and key not in table:
            raise ConfigError(f"{where}.{key}: missing, and required. {known[key].doc}")
    kinds = get_type_hints(section)
    build: Callable[..., S] = section
    return build(**{key: _convert(f"{where}.{key}", kinds[key], table[key]) for key in table})


def write(section: Section) -> list[str]:
    """Write a section as lines of TOML, each key under its meaning and bounds."""
    cls = type(section)
    lines = [f"# {cls.__doc__}", f"[{name(cls)}]"]
    for key in settings(cls):
        lines += [f"# {line}" for line in textwrap.wrap(_meaning(cls, key), _COLUMNS)]
        lines.append(f"{key} = {_toml(getattr(section, key))}")
    return lines


def _defaults(section: type[Section]) -> dict[str, Value | None]:
    """Tell the default of each key; None for a key that must be given."""
    found = fields(section)  # type: ignore[arg-type]  # every section is a dataclass, the base is not
    return {one.name: None if one.default is MISSING else one.default for one in found}


def _convert(where: str, kind: object, value: object) -> Value:
    """Check the type of a TOML value; a boolean is an integer for Python, but not here."""
    if kind is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise ConfigError(f"{where}: expected a whole number, got {_short(value)}")
    if get_origin(kind) is tuple:
        item_kind = get_args(kind)[0]
        if isinstance(item_kind, type) and issubclass(item_kind, Section):
            return _convert_tables(where, item_kind, value)
        return _convert_list(where, item_kind, value)
    if not isinstance(value, str):
        raise ConfigError(f"{where}: expected a text in quotes, got {_short(value)}")
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        if value in set(kind):
            return kind(value)
        raise ConfigError(f"{where}: expected one of {', '.join(kind)}, got {_short(value)}")
    return value


def _convert_list(where: str, kind: type, value: object) -> tuple[str, ...] | tuple[int, ...]:
    """Check a list of texts or of whole numbers."""
    example = "whole numbers such as [7, 2]" if kind is int else 'texts such as ["a"]'
    # Not isinstance: a boolean is an integer for Python.
    wanted = int if kind is int else str
    if isinstance(value, list) and all(type(item) is wanted for item in value):
        return tuple(value)
    raise ConfigError(f"{where}: expected a list of {example}, got {_short(value)}")


def _convert_tables(where: str, kind: type[S], value: object) -> tuple[S, ...]:
    """Build the sections of a list; `where` names the list in messages."""
    keys = ", ".join(settings(kind))
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ConfigError(f"{where}: expected a list of tables with {keys}, got {_short(value)}")
    found = []
    for index, item in enumerate(value):
        place = f"{where}[{index}]"
        try:
            found.append(_build(kind, place, item))
        except ConfigError as error:
            # A section knows its own name alone.
            problem = error.message.removeprefix(f"{name(kind)}.").removeprefix(f"{place}.")
            raise ConfigError(f"{place}.{problem}") from error
    return tuple(found)


def _short(value: object) -> str:
    return textwrap.shorten(ascii(value), 60, placeholder="...")


def _meaning(section: type[Section], key: str) -> str:
    """Tell what a key means, what it may hold, and what it holds when it is left out."""
    setting, default = settings(section)[key], _defaults(section)[key]
    kind = get_type_hints(section)[key]
    facts = []
    if kind is int:
        facts.append(f"{setting.low} to {setting.high}")
    elif isinstance(kind, type) and issubclass(kind, StrEnum):
        facts.append(f"one of {', '.join(kind)}")
    facts.append("required" if default is None else f"default {_short_toml(default)}")
    return f"{setting.doc} ({'; '.join(facts)})"


def _toml(value: Value) -> str:
    """Write a value as TOML: JSON's numbers, lists and texts without control characters are."""
    if isinstance(value, tuple) and any(isinstance(item, Section) for item in value):
        tables = (_table(item) for item in value if isinstance(item, Section))
        return "".join(["[\n", *(f"    {table},\n" for table in tables), "]"])
    return json.dumps(value, ensure_ascii=False)


def _short_toml(value: Value) -> str:
    """Write a value as TOML, on one line."""
    if isinstance(value, tuple) and any(isinstance(item, Section) for item in value):
        return f"[{', '.join(_table(item) for item in value if isinstance(item, Section))}]"
    return _toml(value)


def _table(section: Section) -> str:
    """Write a section as an inline table."""
    keys = (f"{key} = {_toml(getattr(section, key))}" for key in settings(type(section)))
    return f"{{ {', '.join(keys)} }}"
