"""Alerts and responses are valid by construction, and keep what was observed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from sesn_node.domain.alert import (
    Alert,
    Consignment,
    Container,
    Goods,
    Party,
    PartyRole,
    PortCall,
    Regime,
    RequestedAction,
    Urgency,
    Vessel,
)
from sesn_node.domain.conversation import Decision
from sesn_node.errors import MalformedError
from tests.support.objects import alert, changed, consignment, goods, response


def test_smallest_alert() -> None:
    """A subject, what is wanted and a narrative are enough; the deadline is optional."""
    small = Alert(
        subject="s", urgency=Urgency.ROUTINE, requested_action=RequestedAction.HOLD, narrative="n"
    )
    assert small.respond_by is None


def test_alert_that_says_nothing_is_refused() -> None:
    """Neither narrative nor consignment: nobody could act on it."""
    for blank in ("", " \n\t"):
        with pytest.raises(MalformedError, match=r"^narrative: .*needs"):
            replace(alert(), narrative=blank, consignment=None)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"subject": ""}, "^subject: must not be empty"),
        ({"subject": "   "}, "^subject: must not be empty"),
        ({"subject": "x" * 201}, "^subject: at most 200 characters, got 201"),
        ({"subject": "two\nlines"}, r"^subject: character 4 is U\+000A"),
        ({"narrative": "x" * 20_001}, "^narrative: at most 20,000"),
        ({"narrative": "bell\a"}, r"^narrative: character 5 is U\+0007"),
        ({"narrative": "line\r\n"}, r"^narrative: character 5 is U\+000D"),
    ],
)
def test_alert_text_out_of_bounds_is_refused(changes: dict[str, str], problem: str) -> None:
    """Texts have a length, and no character that could forge a line."""
    with pytest.raises(MalformedError, match=problem):
        changed(alert(), **changes)


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u2028", "\x00", "\x7f", "\x9b", "\ud800"])
def test_bidi_override_attack_on_the_subject(sign: str) -> None:
    """A subject cannot read otherwise than it is stored."""
    with pytest.raises(MalformedError, match=rf"^subject: character 7 is U\+{ord(sign):04X}"):
        replace(alert(), subject=f"inspec{sign}t")


def test_other_scripts_are_welcome() -> None:
    """Letters, marks and joiners of any script are an officer's business."""
    text = "حاوية نفايات — 廃棄物 — naïve — नमस्ते\u200d"
    assert replace(alert(), subject=text).subject == text


@pytest.mark.parametrize(
    "when",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001 - a time without a zone is the point
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_time_without_a_zone_or_in_another_is_refused(when: datetime) -> None:
    """Times are aware, in UTC, from 1970 on."""
    with pytest.raises(MalformedError, match=r"^respond_by: "):
        replace(alert(), respond_by=when)
    with pytest.raises(MalformedError, match=r"^at: "):
        replace(consignment().route[0], at=when)


def test_wrong_number_is_kept_as_observed() -> None:
    """A wrong container number is evidence, never refused."""
    assert Container("see manifest ?").number == "see manifest ?"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"containers": (Container("A"), Container("A"))}, r"^containers\[1\]: 'A' occurs twice"),
        ({"containers": tuple(Container(str(n)) for n in range(101))}, "^containers: .*0 to 100"),
        ({"route": consignment().route * 26}, "^route: expected 0 to 50 elements, got 52"),
        ({"parties": consignment().parties * 51}, "^parties: expected 0 to 50"),
        ({"bill_of_lading": "1" * 21}, "^bill_of_lading: at most 20"),
    ],
)
def test_consignment_out_of_bounds_is_refused(changes: dict[str, object], problem: str) -> None:
    """Lists have a length, and no container stands twice."""
    with pytest.raises(MalformedError, match=problem):
        changed(consignment(), **changes)


def test_empty_parts_are_refused() -> None:
    """A part that says nothing has no place: there is one way to say nothing."""
    with pytest.raises(MalformedError, match=r"^containers: .*at least one"):
        Consignment()
    with pytest.raises(MalformedError, match=r"^name: "):
        Vessel(voyage="648S")
    with pytest.raises(MalformedError, match=r"^description: "):
        Goods(hs_edition="HS2022")
    with pytest.raises(MalformedError, match=r"^number: must not be empty"):
        Container("")
    with pytest.raises(MalformedError, match=r"^port: must not be empty"):
        PortCall(" ", consignment().route[0].kind)
    with pytest.raises(MalformedError, match=r"^name: must not be empty"):
        Party("", PartyRole.BROKER)


@pytest.mark.parametrize("quantity", ["24,5", "-1", "1e3", ".5", "5.", "007", "1" * 16, "\u0661"])
def test_quantity_that_is_no_decimal_number_is_refused(quantity: str) -> None:
    """An amount has one spelling in every country."""
    with pytest.raises(MalformedError, match=r"^quantity: expected a decimal number"):
        replace(goods(), quantity=quantity)


def test_quantity_and_unit_go_together() -> None:
    """A number without a unit says nothing."""
    with pytest.raises(MalformedError, match=r"^unit: missing"):
        replace(goods(), unit="")
    with pytest.raises(MalformedError, match=r"^quantity: missing"):
        replace(goods(), quantity="")


def test_basel_codes_are_bounded() -> None:
    """At most 50 codes, none twice or empty."""
    with pytest.raises(MalformedError, match=r"^basel_codes\[1\]: 'Y31' occurs twice"):
        replace(goods(), basel_codes=("Y31", "Y31"))
    with pytest.raises(MalformedError, match=r"^basel_codes\[0\]: must not be empty"):
        replace(goods(), basel_codes=("",))
    with pytest.raises(MalformedError, match=r"^basel_codes: "):
        replace(goods(), basel_codes=tuple(f"Y{n}" for n in range(51)))


def test_party_is_kept_as_observed() -> None:
    """A country written out is evidence; its length and characters are bounded."""
    assert Party("x", PartyRole.CARRIER, country="Ghana").country == "Ghana"
    for field in ("country", "lei", "vat"):
        for text in ("x" * 41, "two\nlines"):
            with pytest.raises(MalformedError, match=f"^{field}: "):
                changed(Party("x", PartyRole.CARRIER), **{field: text})


@pytest.mark.parametrize("field", ["oecd_codes", "eu_waste_codes", "un_numbers"])
def test_other_codes_are_bounded(field: str) -> None:
    """As Basel codes: at most 50, none twice or empty, 20 characters each."""
    for codes in (("A", "A"), ("",), ("x" * 21,), tuple(str(n) for n in range(51))):
        with pytest.raises(MalformedError, match=f"^{field}"):
            changed(goods(), **{field: codes})
    only = Goods(**{field: ("x",)})  # type: ignore[arg-type] # by name
    assert getattr(only, field) == ("x",)


def test_a_regime_alone_says_nothing() -> None:
    """Rules without goods, ship or container are no consignment; what was found is one."""
    with pytest.raises(MalformedError, match=r"^containers: .*at least one"):
        Consignment(regime=Regime.EU)
    assert Consignment(found=goods()).found == goods()


def test_refusal_needs_its_reason() -> None:
    """An acceptance may be silent, a refusal may not."""
    assert replace(response(), decision=Decision.ACCEPTED, text="").text == ""
    with pytest.raises(MalformedError, match=r"^text: must not be empty"):
        replace(response(), text="\n")
    with pytest.raises(MalformedError, match=r"^text: at most 2,000"):
        replace(response(), text="x" * 2_001)


def test_response_names_the_exact_message() -> None:
    """Id and header hash have their lengths."""
    with pytest.raises(MalformedError, match=r"^header_sha256: "):
        replace(response(), header_sha256=b"")
