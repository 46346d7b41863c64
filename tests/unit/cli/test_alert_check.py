"""`alert check`: doubts about numbers and codes, for people and programs, without a home."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sesn_node.domain.findings import Rule
from tests.support.commands import rows, sesn, untouched

DEMO = Path(__file__).resolve().parents[3] / "configs" / "demo"
PLASTIC = DEMO / "02-lead-batteries-as-plastic-scrap.json"
NUMBERS = DEMO / "10-transhipped-box-with-two-numbers.json"


def _written(path: Path, **consignment: object) -> Path:
    document = {
        "markings": {"tlp": "AMBER"},
        "alert": {
            "subject": "Batteries",
            "urgency": "ROUTINE",
            "requested_action": "NONE",
            "narrative": "Seen on the quay.",
            **({"consignment": consignment} if consignment else {}),
        },
    }
    path.write_text(json.dumps(document))
    return path


def test_json_has_every_finding(tmp_path: Path) -> None:
    """Five keys each, in the order of the fields; doubts are no failure."""
    with untouched(tmp_path):
        ran = sesn("alert", "check", NUMBERS, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert list(ran.json) == ["findings"]
    found = rows(ran.json["findings"])
    assert all(
        list(one) == ["field", "observed", "normalised", "result", "reason"] for one in found
    )
    assert found[0] == {
        "field": "consignment.containers[0].number",
        "observed": "XNQU4713367",
        "normalised": "XNQU4713367",
        "result": "warn",
        "reason": "check digit is 7, the number asks for 3",
    }
    assert [one["field"] for one in found if one["result"] != "ok"] == [
        "consignment.containers[0].number",
        "consignment.declared.hs_code",
    ]


@pytest.mark.parametrize("columns", ["80", "100"])
def test_table_fits_the_screen(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer than the screen, and no reason is cut short."""
    monkeypatch.setenv("COLUMNS", columns)
    ran = sesn("alert", "check", PLASTIC)
    assert ran.code == 0
    assert max(len(line) for line in ran.out.splitlines()) <= int(columns)
    words = " ".join(ran.out.split())
    for said in ("warn", "B3011", "A1160, Y31", "the day of the shipment"):
        assert said in words
    assert "…" not in ran.out


def test_codes_as_at_the_day_of_the_shipment(tmp_path: Path) -> None:
    """The first loading of the route tells the day; a code of another time is doubtful then."""
    results = []
    for day in ("2024-12-31", "2025-01-01"):
        path = _written(
            tmp_path / "alert.json",
            route=[{"port": "NLRTM", "kind": "LOADING", "at": f"{day}T12:00:00Z"}],
            found={"basel_codes": ["A1181"], "eu_waste_codes": ["16 06 01"]},
            regime="EU",
        )
        found = rows(sesn("alert", "check", path, "--json").json["findings"])
        results.append([one["result"] for one in found])
        assert f"as at {day}, the day of the shipment" in " ".join(
            sesn("alert", "check", path).out.split()
        )
    assert results == [["ok", "warn", "warn"], ["ok", "ok", "warn"]]


def test_alert_without_numbers(tmp_path: Path) -> None:
    """A narrative alone has nothing to check."""
    path = _written(tmp_path / "alert.json")
    assert sesn("alert", "check", path, "--json").json == {"findings": []}
    assert "no number and no code" in sesn("alert", "check", path).out


def test_file_that_is_no_alert(tmp_path: Path) -> None:
    """Malformed is the one failure, with the path of the field and where examples are."""
    path = tmp_path / "alert.json"
    path.write_text('{"alert": {"subject": 1}}')
    ran = sesn("alert", "check", path)
    ran.failed(4, "MALFORMED", str(path), "alert.subject", "configs/demo/")
    assert sesn("alert", "check", tmp_path / "none.json").code == 2


def test_findings_are_never_markup(tmp_path: Path) -> None:
    """What a document says is shown, not obeyed."""
    path = _written(tmp_path / "alert.json", containers=[{"number": "[red]CSQU[/red]"}])
    assert "[red]CSQU[/red]" in sesn("alert", "check", path).out


def test_rules_are_named_for_the_documentation() -> None:
    """A rule's name is fit for a link."""
    assert all(rule.value == rule.name.lower().replace("_", "-") for rule in Rule)
