"""OTLP in JSON: a batch of spans as one line, as the OpenTelemetry collector's files have them.

OTLP 1.x, "JSON Protobuf Encoding": ids in hex, 64-bit integers as text, enums as numbers, names in
lowerCamelCase. One line is one `TracesData` message. Written by hand, since there are several spans
for each message: dictionaries and `json.dumps` take three times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanKind, StatusCode

# The SDK numbers its kinds from 0; OTLP has 0 for "unspecified".
_KINDS: Final = {
    SpanKind.INTERNAL: 1,
    SpanKind.SERVER: 2,
    SpanKind.CLIENT: 3,
    SpanKind.PRODUCER: 4,
    SpanKind.CONSUMER: 5,
}
_STATUSES: Final = {StatusCode.UNSET: 0, StatusCode.OK: 1, StatusCode.ERROR: 2}


def line(spans: Sequence[ReadableSpan], scope: str, version: str) -> bytes:
    """Write spans of one resource as a line of JSON in ASCII, the line feed included."""
    resource = f'{{"attributes":{_attributes(spans[0].resource.attributes)}}}'
    scoped = (
        f'{{"scope":{{"name":{quoted(scope)},"version":{quoted(version)}}},'
        f'"spans":[{",".join(map(_span, spans))}]}}'
    )
    document = f'{{"resourceSpans":[{{"resource":{resource},"scopeSpans":[{scoped}]}}]}}\n'
    return document.encode("ascii")


def _span(span: ReadableSpan) -> str:
    context = span.context
    if context is None:
        raise AssertionError  # Every span is made with one.
    parent = f'"parentSpanId":"{span.parent.span_id:016x}",' if span.parent else ""
    events = f',"events":[{",".join(map(_event, span.events))}]' if span.events else ""
    links = f',"links":[{",".join(map(_link, span.links))}]' if span.links else ""
    said = span.status.description
    message = f',"message":{quoted(said)}' if said else ""
    return (
        f'{{"traceId":"{context.trace_id:032x}","spanId":"{context.span_id:016x}",{parent}'
        f'"name":{quoted(span.name)},"kind":{_KINDS[span.kind]},'
        f'"startTimeUnixNano":"{span.start_time}","endTimeUnixNano":"{span.end_time}",'
        f'"attributes":{_attributes(span.attributes or {})}{events}{links},'
        f'"status":{{"code":{_STATUSES[span.status.status_code]}{message}}}}}'
    )


def _event(event: Event) -> str:
    return f'{{"timeUnixNano":"{event.timestamp}","name":{quoted(event.name)}}}'


def _link(link: Link) -> str:
    context = link.context
    return f'{{"traceId":"{context.trace_id:032x}","spanId":"{context.span_id:016x}"}}'


def _attributes(attributes: Mapping[str, object]) -> str:
    return f"[{','.join(_attribute(key, value) for key, value in attributes.items())}]"


def _attribute(key: str, value: object) -> str:
    # A boolean is an integer for Python, but not here.
    if isinstance(value, bool):
        written = f'"boolValue":{"true" if value else "false"}'
    elif isinstance(value, int):
        written = f'"intValue":"{value}"'
    else:
        written = f'"stringValue":{quoted(str(value))}'
    return f'{{"key":{quoted(key)},"value":{{{written}}}}}'
