"""Payloads to bytes, to JSON, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sesn_node.domain.alert import (
    MAX_NARRATIVE,
    Alert,
    CallKind,
    Consignment,
    Container,
    Goods,
    Party,
    PartyRole,
    PortCall,
    Regime,
    RequestedAction,
    Urgency,
)
from sesn_node.domain.conversation import Decision
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.messages import MAX_PAYLOAD_BYTES
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import alert_pb2
from sesn_node.wire._pb import payload_pb2 as pb
from sesn_node.wire.payloads import decode_payload, encode_payload, payload_to_json
from tests.support.objects import alert, consignment, payload, response

PLAIN = Payload(Markings(Tlp.CLEAR), replace(alert(), consignment=None, respond_by=None))


@pytest.mark.parametrize("original", [payload(), PLAIN, Payload(Markings(Tlp.RED), response())])
def test_payload_survives_the_trip(original: Payload) -> None:
    """An alert with everything, one with little, and a response."""
    data = encode_payload(original)
    assert decode_payload(data) == original
    assert encode_payload(decode_payload(data)) == data


def test_every_word_survives_the_trip() -> None:
    """No enum of the domain is missing on the wire."""
    for tlp in Tlp:
        marked = replace(payload(), markings=Markings(tlp))
        assert decode_payload(encode_payload(marked)) == marked
    for urgency in Urgency:
        _assert_trip(replace(alert(), urgency=urgency))
    for action in RequestedAction:
        _assert_trip(replace(alert(), requested_action=action))
    route = tuple(PortCall("NLRTM", kind) for kind in CallKind)
    parties = tuple(Party("x", role) for role in PartyRole)
    _assert_trip(replace(alert(), consignment=Consignment(route=route, parties=parties)))
    for regime in Regime:
        _assert_trip(replace(alert(), consignment=replace(consignment(), regime=regime)))
    for decision in Decision:
        answered = Payload(Markings(Tlp.RED), replace(response(), decision=decision))
        assert decode_payload(encode_payload(answered)) == answered


def _assert_trip(body: Alert) -> None:
    original = Payload(Markings(Tlp.GREEN), body)
    assert decode_payload(encode_payload(original)) == original


def test_largest_alert_fits() -> None:
    """Every list and text at its limit, in the longest characters: within a megabyte."""
    wide = "\U0001f6a2"
    huge = Goods(
        description=wide * 2_000,
        hs_code=wide * 40,
        hs_edition=wide * 10,
        basel_codes=tuple(f"{index:02d}" + wide * 18 for index in range(50)),
        quantity="123456789012345.123456",
        unit=wide * 20,
        oecd_codes=tuple(f"{index:02d}" + wide * 18 for index in range(50)),
        eu_waste_codes=tuple(f"{index:02d}" + wide * 18 for index in range(50)),
        un_numbers=tuple(f"{index:02d}" + wide * 18 for index in range(50)),
    )
    full = Consignment(
        containers=tuple(Container(f"{index:03d}" + wide * 37, wide * 15) for index in range(100)),
        vessel=consignment().vessel,
        route=(PortCall(wide * 40, CallKind.SIGHTED, consignment().route[0].at),) * 50,
        declared=huge,
        suspected=huge,
        found=huge,
        parties=(Party(wide * 200, PartyRole.BROKER, wide * 500, *[wide * 40] * 3),) * 50,
        regime=Regime.OECD,
    )
    original = replace(alert(), narrative=wide * MAX_NARRATIVE, consignment=full)
    assert len(encode_payload(Payload(Markings(Tlp.RED), original))) < MAX_PAYLOAD_BYTES
    _assert_trip(original)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m.ClearField("markings"), r"^payload\.markings: missing"),
        (lambda m: m.markings.ClearField("tlp"), r"^payload\.markings\.tlp: missing.*AMBER\+STRIC"),
        (lambda m: setattr(m.markings, "tlp", 6), r"^payload\.markings\.tlp: 6 is unknown"),
        (lambda m: m.ClearField("alert"), r"^payload\.body: missing"),
        (lambda m: m.alert.ClearField("subject"), r"^payload\.alert\.subject: "),
        (lambda m: m.alert.ClearField("urgency"), r"^payload\.alert\.urgency: missing"),
        (lambda m: setattr(m.alert.respond_by, "seconds", -1), r"alert\.respond_by\.seconds: "),
        (lambda m: setattr(m.alert.respond_by, "seconds", 2**62), r"\.respond_by\.seconds: "),
        (lambda m: setattr(m.alert.respond_by, "nanos", -1), r"alert\.respond_by\.nanos: "),
        (lambda m: setattr(m.alert.respond_by, "nanos", 1), r"\.nanos: expected whole micro"),
        (lambda m: m.alert.consignment.Clear(), r"^payload\.alert\.consignment\.containers: "),
        (
            lambda m: m.alert.consignment.containers.add(),
            r"^payload\.alert\.consignment\.containers\[1\]\.number: must not be empty",
        ),
        (
            lambda m: setattr(m.alert.consignment.route[1], "kind", 9),
            r"^payload\.alert\.consignment\.route\[1\]\.kind: 9 is unknown",
        ),
        (
            lambda m: setattr(m.alert.consignment.route[0].at, "seconds", -5),
            r"^payload\.alert\.consignment\.route\[0\]\.at\.seconds: ",
        ),
        (
            lambda m: m.alert.consignment.vessel.Clear(),
            r"^payload\.alert\.consignment\.vessel\.name: ",
        ),
        (
            lambda m: setattr(m.alert.consignment.declared, "quantity", "many"),
            r"^payload\.alert\.consignment\.declared\.quantity: ",
        ),
        (
            lambda m: m.alert.consignment.suspected.Clear(),
            r"^payload\.alert\.consignment\.suspected\.description: ",
        ),
        (
            lambda m: m.alert.consignment.found.Clear(),
            r"^payload\.alert\.consignment\.found\.description: ",
        ),
        (
            lambda m: setattr(m.alert.consignment, "regime", 4),
            r"^payload\.alert\.consignment\.regime: 4 is unknown; .*BASEL, OECD, EU",
        ),
        (
            lambda m: m.alert.consignment.parties[0].ClearField("role"),
            r"^payload\.alert\.consignment\.parties\[0\]\.role: missing",
        ),
        (lambda m: m.response.Clear() or m.response.SetInParent(), r"^payload\.response\."),
    ],
)
def test_bad_field_is_named(change: Callable[[pb.Payload], object], problem: str) -> None:
    """Hostile payloads are refused with the path of what is wrong."""
    message = pb.Payload.FromString(encode_payload(payload()))
    change(message)
    with pytest.raises(MalformedError, match=problem):
        decode_payload(message.SerializeToString(deterministic=True))


def test_too_many_parts_attack() -> None:
    """A megabyte of small parts is counted, not built."""
    message = pb.Payload.FromString(encode_payload(payload()))
    message.alert.consignment.containers.extend([alert_pb2.Container(number="x")] * 100_000)
    with pytest.raises(MalformedError, match=r"containers: at most 100 elements, got 100,001"):
        decode_payload(message.SerializeToString(deterministic=True))


def test_json_of_an_alert() -> None:
    """Names of the .proto file, words of the domain, times in UTC, nothing unset."""
    written = payload_to_json(payload())
    assert written["markings"] == {"tlp": "AMBER+STRICT"}
    body = written["alert"]
    assert isinstance(body, dict)
    assert body["urgency"] == "SHIP_SAILS"
    assert body["respond_by"] == "2026-12-09T08:00:00.250000Z"
    plain = payload_to_json(PLAIN)["alert"]
    assert isinstance(plain, dict)
    assert list(plain) == ["subject", "urgency", "requested_action", "narrative"]


def test_json_of_a_response() -> None:
    """Ids and hashes read as everywhere else."""
    written = payload_to_json(Payload(Markings(Tlp.RED), response()))
    assert written["response"] == {
        "message_id": "01a229f1-2800-7031-b233-343536373839",
        "header_sha256": "68" * 32,
        "decision": "DECLINED",
        "text": "Discharged before we read it.",
    }
