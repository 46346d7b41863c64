"""What a message says, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from sesn_node.audit.report_markup import (
    EMPTY,
    Html,
    bullets,
    code,
    facts,
    join,
    listed,
    quoted,
    tag,
)
from sesn_node.audit.report_words import WORDS
from sesn_node.wire.payloads import JsonOut, payload_to_json

if TYPE_CHECKING:
    from sesn_node.audit.report_case import Content

MAX_TEXT: Final = 20_000
"""Characters of one text that are shown."""
MAX_VALUES: Final = 400
"""Values of one content that are shown."""
_LONG: Final = 120
_FIRST: Final = frozenset({"number", "port", "kind", "name", "role"})
"""Fields of a list's elements that need no label."""
_LABELS: Final = {
    "tlp": "may be passed on (TLP)",
    "requested_action": "asks to",
    "respond_by": "answer by",
    "imo": "IMO number",
    "hs_code": "HS code",
    "hs_edition": "HS edition",
    "basel_codes": "Basel codes",
    "message_id": "answers message",
    "header_sha256": "its header (SHA-256)",
    "at": "when",
}
_TIMES: Final = frozenset({"respond_by", "at"})
_PLAIN: Final = frozenset({"subject", "narrative", "text", "description", "name", "address"})
"""Fields in people's own words, which are never replaced."""


def content_part(content: Content, heading: str) -> Html:
    """Write what a message says.

    Args:
        content: The content.
        heading: What to call it.
    """
    parts: list[str] = [tag("h5", heading)]
    if not content.matches:
        warning = "This is not the content that was sent: it does not open the commitment."
        parts.append(tag("p", tag("strong", warning), class_="warn"))
    if content.payload is None:
        text = f"{content.length:,} bytes that this program cannot read; SHA-256 "
        parts.append(tag("p", text, code(content.sha256.hex())))
    else:
        writer = _Writer()
        whole = payload_to_json(content.payload)
        body = whole.get("alert") or whole.get("response") or {}
        fields = {**_mapping(body), **_mapping(whole.get("markings") or {})}
        parts.append(writer.fields(fields))
        if writer.left_out:
            parts.append(tag("p", f"{writer.left_out:,} values more are left out.", class_="note"))
    return tag("div", *parts, class_="content")


class _Writer:
    """Writes values until there were too many."""

    def __init__(self) -> None:
        self._count = 0
        self.left_out = 0

    def fields(self, fields: Mapping[str, JsonOut]) -> Html:
        pairs = ((_label(name), self._value(name, value)) for name, value in fields.items())
        return facts([(name, value) for name, value in pairs if value])

    def _value(self, name: str, value: JsonOut) -> Html:
        if isinstance(value, dict):
            return self.fields(value)
        if isinstance(value, list):
            return self._list(name, value)
        self._count += 1
        if self._count > MAX_VALUES:
            self.left_out += 1
            return EMPTY
        if name in _TIMES:
            # `payload_to_json` wrote it from a time.
            shown = value.replace("T", " ").removesuffix("Z")
            return tag("time", f"{shown} UTC", datetime=value)
        if name not in _PLAIN:
            value = WORDS.get(value, value)
        if "\n" in value or len(value) > _LONG:
            return tag("div", quoted(value, MAX_TEXT), class_="said", dir="auto")
        return quoted(value, MAX_TEXT)

    def _list(self, name: str, values: Sequence[JsonOut]) -> Html:
        if all(isinstance(value, str) for value in values):
            return listed(filter(None, (self._value(name, value) for value in values)))
        rows = (self._row(value) for value in values)
        return bullets([row for row in rows if row], "plain")

    def _row(self, value: JsonOut) -> Html:
        """Write an element of a list in one line: containers, parties, ports of call."""
        parts = []
        for name, part in _mapping(value).items():
            written = self._value(name, part)
            if written:
                first = name in _FIRST
                parts.append(written if first else join(f"{_label(name)} ", written))
        return listed(parts)


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _mapping(value: JsonOut) -> Mapping[str, JsonOut]:
    return value if isinstance(value, dict) else {}
