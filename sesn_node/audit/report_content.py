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
from sesn_node.audit.report_words import FIELD_WORDS, WORDS
from sesn_node.crypto.primitives import sha256
from sesn_node.domain.case_messages import CaseFile
from sesn_node.domain.forward import Forward, Original
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.payload import MessageKind
from sesn_node.errors import MalformedError
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import JsonOut, decode_payload, payload_to_json

if TYPE_CHECKING:
    from sesn_node.audit.report_case import Content
    from sesn_node.domain.payload import Payload

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
    "header_sha256": "its header (SHA-256)",
    "at": "when",
    "onward": "may be passed on to",
    "retain_until": "keep until",
    "passed_on": "was passed on to",
    "backups_expire": "last backup gone",
    "basis": "how it is known",
}
_ABOUT: Final = {
    MessageKind.RESPONSE: "answers message",
    MessageKind.ANSWER: "answers message",
    MessageKind.UPDATE: "updates message",
    MessageKind.RECALL: "withdraws message",
}
_TIMES: Final = frozenset({"respond_by", "at", "retain_until", "backups_expire", "until"})
_PLAIN: Final = frozenset(
    {"action", "code", "reference", "taker", "payer", "site", "vehicle", "certificate"}
    | {"movement_document", "bill_of_lading"}
    | {"subject", "narrative", "text", "description", "name", "address"}
    | {"reason", "hold", "place", "container", "imo", "seal", "why"}
    | {"purpose", "legal_basis", "handling_text"}
)
"""Fields in people's own words, or in those of a table, which are never replaced."""


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
        parts += _said(content.payload, writer)
        if writer.left_out:
            parts.append(tag("p", f"{writer.left_out:,} values more are left out.", class_="note"))
    return tag("div", *parts, class_="content")


def details_part(payload: Payload) -> Html:
    """Write what a step of a case says beside its mark, and how it is handled."""
    whole = payload_to_json(payload)
    details = _mapping(_mapping(whole.get(payload.kind.value) or {}).get("details") or {})
    said = {name: one for name, one in details.items() if name != "informed"}
    return _Writer().fields({**said, **_mapping(whole.get("markings") or {})})


def _said(payload: Payload, writer: _Writer) -> list[Html]:
    """Write what a payload says: of a forward why, then what it passes on."""
    body = payload.body
    if isinstance(body, CaseFile):
        marks = _mapping(payload_to_json(payload).get("markings") or {})
        return [writer.fields({"hands_over": [*map(_handed, body.originals)], **marks})]
    if not isinstance(body, Forward):
        return [writer.payload(payload)]
    why = {"why": body.text} if body.text else {}
    marks = _mapping(payload_to_json(payload).get("markings") or {})
    parts = [writer.fields({**why, **_outside(body), **marks})]
    try:
        parts.append(writer.payload(decode_payload(body.original.payload)))
    except MalformedError:
        data = body.original.payload
        text = f"{len(data):,} bytes that this program cannot read; SHA-256 "
        parts.append(tag("p", text, code(sha256(data).hex())))
    return parts


def _outside(forward: Forward) -> dict[str, JsonOut]:
    """Say whose message is passed on."""
    consent = {"with": "a consent of its originator"} if forward.consent else {}
    return {"passes_on": _handed(forward.original), **consent}


def _handed(original: Original) -> str:
    """Say whose message it is, as its header says; its seal is not verified here."""
    try:
        header = decode_header(original.header)
    except MalformedError:
        return "a message whose header cannot be read"
    return f"message {show_message_id(header.message_id)} of {header.sender}"


class _Writer:
    """Writes values until there were too many."""

    def __init__(self) -> None:
        self._count = 0
        self._labels: Mapping[str, str] = {}
        self.left_out = 0

    def payload(self, payload: Payload) -> Html:
        whole = payload_to_json(payload)
        body = _mapping(whole.get(payload.kind.value) or {})
        nested = body.get("alert")
        if isinstance(nested, dict):
            # An update has the whole alert.
            body = {**{key: one for key, one in body.items() if key != "alert"}, **nested}
        if payload.kind is MessageKind.CASE_STEP:
            body = _step(body)
        self._labels = {"message_id": _ABOUT.get(payload.kind, "about message")}
        return self.fields({**body, **_mapping(whole.get("markings") or {})})

    def _label(self, name: str) -> str:
        return self._labels.get(name) or _label(name)

    def fields(self, fields: Mapping[str, JsonOut]) -> Html:
        pairs = ((self._label(name), self._value(name, value)) for name, value in fields.items())
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
            value = FIELD_WORDS.get(name, WORDS).get(value, value)
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


def _step(body: Mapping[str, JsonOut]) -> dict[str, JsonOut]:
    """Write a step for people: what else its mark says, and the proofs, the case's part shows."""
    mark, details = _mapping(body.get("mark") or {}), _mapping(body.get("details") or {})
    said = {name: mark[name] for name in ("action", "role", "code") if name in mark}
    return {**said, **{name: one for name, one in details.items() if name != "informed"}}


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _mapping(value: JsonOut) -> Mapping[str, JsonOut]:
    return value if isinstance(value, dict) else {}
