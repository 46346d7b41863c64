"""Alerts that people type as JSON: read strictly, refused with the path and the way out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sesn_node.codes.consignment import check_alert
from sesn_node.domain.alert import Alert
from sesn_node.domain.findings import Result, Rule
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.wire.payloads import (
    MAX_JSON_BYTES,
    alert_from_json,
    decode_payload,
    encode_payload,
    payload_to_json,
)
from tests.support.objects import alert, payload

DEMO = sorted((Path(__file__).resolve().parents[3] / "configs/demo").glob("*.json"))

SMALL = {
    "markings": {"tlp": "AMBER"},
    "alert": {
        "subject": "s",
        "urgency": "ROUTINE",
        "requested_action": "INFORM",
        "narrative": "n",
    },
}


def _with(section: str, **values: object) -> str:
    document = json.loads(json.dumps(SMALL))
    document[section] |= values
    return json.dumps(document)


def test_written_json_reads_back() -> None:
    """What a node shows of an alert can be sent again."""
    assert alert_from_json(json.dumps(payload_to_json(payload()))) == payload()


@pytest.mark.parametrize("tlp", Tlp)
@pytest.mark.parametrize("prefix", ["", "TLP_"])
def test_words_with_and_without_their_prefix(tlp: Tlp, prefix: str) -> None:
    """`AMBER` for people, `TLP_AMBER` for tools that write the protobuf mapping."""
    spelled = prefix + (tlp.name if prefix else tlp.value)
    assert alert_from_json(_with("markings", tlp=spelled)).markings == Markings(tlp)


def test_names_in_lower_camel_case() -> None:
    """The protobuf JSON mapping writes requestedAction; both are read."""
    text = json.dumps(payload_to_json(payload()))
    for name in ("requested_action", "respond_by", "bill_of_lading", "hs_code", "basel_codes"):
        first, *rest = name.split("_")
        text = text.replace(f'"{name}"', f'"{first}{"".join(part.title() for part in rest)}"')
    assert alert_from_json(text) == payload()


def test_time_of_another_zone_becomes_utc() -> None:
    """An officer writes local time with its offset."""
    read = alert_from_json(_with("alert", respond_by="2026-12-09T22:00:00+01:00"))
    assert isinstance(read.body, Alert)
    assert read.body.respond_by == datetime(2026, 12, 9, 21, tzinfo=UTC)


def test_null_is_unset() -> None:
    """The protobuf JSON mapping allows null for what is not there."""
    read = alert_from_json(_with("alert", consignment=None, respond_by=None))
    assert isinstance(read.body, Alert)
    assert read.body.consignment is None


def test_byte_order_mark_is_ignored() -> None:
    """Windows editors write one."""
    assert alert_from_json(b"\xef\xbb\xbf" + json.dumps(SMALL).encode()) == alert_from_json(
        json.dumps(SMALL)
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"^document: not JSON at line 1, column 1"),
        ('{\n  "markings": }', r"^document: not JSON at line 2, column 15"),
        ("null", r"^document: expected an object \{ \}, got null"),
        ("[]", r"^document: expected an object \{ \}, got a list"),
        ("7", r"^document: expected an object \{ \}, got a number"),
        ("{}", r"^alert: missing"),
        ('{"alert": {}}', r"^markings: missing"),
        ('{"markings": {"tlp": "RED"}, "alert": true}', r"^alert: expected an object .*got true"),
        ('{"response": {}}', r"^response: unknown key; expected markings, alert"),
        ('{"alert": {"subjct": "x"}}', r"^alert\.subjct: unknown key; did you mean subject\?"),
        ('{"alert": {"\\ud800\\u001b": 1}}', r"^alert\.\\ud800\\x1b: unknown key"),
        ('{"alert": {"subject": "a", "subject": "b"}}', r"^alert\.subject: given twice"),
        ('{"alert": {"requested_action": "HOLD", "requestedAction": "HOLD"}}', r"given twice"),
        ('{"alert": {"subject": 7}}', r'^alert\.subject: expected text in "quotes", got a number'),
        ('{"alert": {"subject": "\\udc00"}}', r"^alert\.subject: half of a surrogate pair"),
        ('{"alert": {"urgency": 2}}', r"^alert\.urgency: expected one of ROUTINE, .* got a number"),
        ('{"alert": {"urgency": "SOON"}}', r"^alert\.urgency: 'SOON' is unknown; .*SHIP_SAILS"),
        ('{"alert": {"urgency": "URGENCY_UNSPECIFIED"}}', r"^alert\.urgency: .*is unknown"),
        ('{"alert": {"narrative": NaN}}', r"^document: NaN is not JSON"),
        ('{"alert": {"narrative": -Infinity}}', r"^document: -Infinity is not JSON"),
        ("[" * 100_000, r"^document: nested too deeply"),
        ('{"a": ' + "9" * 10_000 + "}", r"^a: unknown key"),
        ('{"alert": {"respond_by": "tomorrow"}}', r"^alert\.respond_by: expected a time such as"),
        ('{"alert": {"respond_by": "2026-12-09T08:00:00"}}', r"^alert\.respond_by: expected a"),
        ('{"alert": {"respond_by": "2026-02-30T08:00:00Z"}}', r"not a time of the calendar"),
        ('{"alert": {"respond_by": "0001-01-01T00:00:00+23:59"}}', r"^alert\.respond_by: "),
        ('{"alert": {"respond_by": "9999-12-31T23:59:59-00:01"}}', r"after 9999 in UTC"),
        ('{"alert": {"respond_by": {"seconds": 1}}}', r"^alert\.respond_by: expected text"),
        ('{"alert": {"consignment": {"containers": {}}}}', r"containers: expected a list \[ \]"),
    ],
)
def test_bad_document_is_refused(text: str, problem: str) -> None:
    """Each message starts with the path, tells the problem, and the allowed values."""
    with pytest.raises(MalformedError, match=problem):
        alert_from_json(text)


def test_element_of_a_list_is_named_by_its_index() -> None:
    """The second of three containers is `containers[1]`."""
    boxes = [{"number": "A"}, {"number": None}, {"number": "C"}]
    with pytest.raises(MalformedError, match=r"^alert\.consignment\.containers\[1\]\.number: must"):
        alert_from_json(_with("alert", consignment={"containers": boxes}))
    with pytest.raises(MalformedError, match=r"^alert\.consignment\.containers\[0\]: expected an"):
        alert_from_json(_with("alert", consignment={"containers": [None]}))
    codes = {"description": "x", "basel_codes": ["Y31", 31]}
    with pytest.raises(MalformedError, match=r"declared\.basel_codes\[1\]: expected text"):
        alert_from_json(_with("alert", consignment={"declared": codes}))


def test_bounds_of_the_domain_hold() -> None:
    """What the domain refuses is refused here with the same words and the whole path."""
    with pytest.raises(MalformedError, match=r"^alert\.subject: at most 200 characters, got 201"):
        alert_from_json(_with("alert", subject="x" * 201))


def test_oversized_file_is_refused() -> None:
    """The limit is in bytes, whatever is in them."""
    with pytest.raises(MalformedError, match=r"^document: at most 1,048,576 bytes"):
        alert_from_json(" " * (MAX_JSON_BYTES + 1))
    with pytest.raises(MalformedError, match=r"^document: at most 1,048,576 bytes"):
        alert_from_json("\u00e9" * (MAX_JSON_BYTES // 2 + 1))


@pytest.mark.parametrize("data", [b"\xff\xfe{", "\ud800"])
def test_text_that_is_not_utf8_is_refused(data: str | bytes) -> None:
    """UTF-16 files and broken strings are told apart from broken JSON."""
    with pytest.raises(MalformedError, match=r"^document: byte 1 is not UTF-8"):
        alert_from_json(data)


def test_demo_has_twelve_alerts() -> None:
    """They are numbered, so that they come in the order of the story."""
    assert [path.name[:3] for path in DEMO] == [f"{number:02d}-" for number in range(1, 13)]


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.stem)
def test_demo_alert_loads(path: Path) -> None:
    """Each file is an alert, survives both codecs, and is written as the node would."""
    read = alert_from_json(path.read_bytes())
    assert decode_payload(encode_payload(read)) == read
    assert payload_to_json(read) == json.loads(path.read_text(encoding="utf-8"))


def test_demo_has_exactly_two_wrong_numbers() -> None:
    """06 and 10 tell of a wrong container number; the rest is what the alerts are about."""
    wrong = []
    for path in DEMO:
        body = alert_from_json(path.read_bytes()).body
        assert isinstance(body, Alert)
        wrong += [
            (path.name[:2], finding.field, finding.result)
            for finding in check_alert(body, datetime(2026, 12, 1, tzinfo=UTC))
            if finding.result is not Result.OK
            and finding.rule not in {Rule.GOODS_HS, Rule.GOODS_BASEL}
        ]
    place = "consignment.containers[0].number"
    assert wrong == [("06", place, Result.WARN), ("10", place, Result.WARN)]


def test_payload_without_a_consignment_reads_back() -> None:
    """A narrative alone is an alert."""
    plain = Payload(Markings(Tlp.GREEN), replace(alert(), consignment=None))
    assert alert_from_json(json.dumps(payload_to_json(plain))) == plain
