"""What a message says, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from sesn_node.audit.report_markup import EMPTY, Html, bullets, code, facts, quoted, tag
from sesn_node.audit.report_words import WORDS
from sesn_node.wire.payloads import JsonOut, payload_to_json

if TYPE_CHECKING:
    from sesn_node.audit.report_case import Content

MAX_TEXT: Final = 20_000
"""Characters of one text that are shown."""
MAX_VALUES: Final = 400
"""Values of one content that are shown."""
_LONG: Final = 120
_LABELS: Final = {
    "tlp": "may be passed on (TLP)",
    "requested_action": "asks to",
    "respond_by": "answer by",
    "imo": "IMO number",
    "hs_code": "HS code",
    "hs_edition": "HS edition",
    "basel_codes": "Basel codes",
    "message_id": "answers message",
    "at": "when",
}
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
        if name not in _PLAIN:
            value = WORDS.get(value, value)
        if "\n" in value or len(value) > _LONG:
            return tag("div", quoted(value, MAX_TEXT), class_="said", dir="auto")
        return quoted(value, MAX_TEXT)

    def _list(self, name: str, values: Sequence[JsonOut]) -> Html:
        written = [one for one in (self._value(name, value) for value in values) if one]
        return written[0] if len(written) == 1 else bullets(written)


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _mapping(value: JsonOut) -> Mapping[str, JsonOut]:
    return value if isinstance(value, dict) else {}
