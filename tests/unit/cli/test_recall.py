"""`alert update`, `recall`, `hold`, `reach`: what officers are told, and what programs get."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.ids import MessageId, parse_message_id, show_message_id
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.exchange.duties import do_duties
from tests.support.alerts import CONTAINER, consignment
from tests.support.commands import rows, sesn, untouched
from tests.support.homes import BE, GH, NL
from tests.support.network import DAY_MS, alert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.network import Network

pytestmark = pytest.mark.usefixtures("_wide")

_WHY = "Wrong consignment"
_LAW = "Court order 17/2026"


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies that trust each other."""
    return connect(NL, GH, BE)


def _delivered(net: Network) -> str:
    message_id = net.share(NL, GH, BE, payload=consignment())
    net.deliver(NL, GH)
    net.rest()
    return show_message_id(message_id)


def _written(path: Path, narrative: str) -> Path:
    path.write_text(
        json.dumps(
            {
                "markings": {"tlp": "AMBER"},
                "alert": {
                    "subject": "A consignment",
                    "urgency": "URGENT",
                    "requested_action": "INSPECT",
                    "narrative": narrative,
                },
            }
        )
    )
    return path


def test_recalled_and_reached(net: Network) -> None:
    """Who is told, what is cancelled, and what comes back: for people, then JSON."""
    shown = _delivered(net)
    home = net[NL].home
    line = ("alert", "recall", shown[:13], "--reason", _WHY, "--yes")
    ran = sesn(*line, home=home)
    assert (ran.code, ran.err) == (0, "")
    assert f"Message {shown} is recalled from be.police, gh.epa." in ran.out
    assert f"{shown}: is not sent to be.police any more." in ran.out
    ran = sesn(*line, "--json", home=home)
    assert (ran.json["recalls"], ran.json["cancelled"], ran.json["erased"]) == ([], [], False)
    assert ran.json["messages"] == [shown]
    for agency in (GH, BE):
        net.deliver(NL, agency)
        do_duties(net[agency].office)
        net.deliver(agency, NL)
    net.rest()
    text = sesn("alert", "reach", shown, home=home).out
    assert "destroyed 20" in text
    assert "never kept 20" in text
    assert "in no backup from 20" in text
    found = sesn("alert", "reach", shown, "--json", home=home).json
    be, gh = rows(found["recipients"])
    assert (be["agency"], be["state"], be["code"], be["receipt"]) == (BE, "dead", "RECALLED", None)
    assert gh["receipt"] is not None
    (receipt,) = rows(gh["destruction"])
    assert (receipt["outcome"], receipt["hold"], receipt["passed_on"]) == ("DESTROYED", None, [])
    assert receipt["backups_expire"] is not None
    assert "recalled" in sesn("alert", "show", shown, home=home).out
    there = sesn("alert", "show", shown, home=net[GH].home).out
    assert "nl.customs recalled it" in there
    assert "nothing to decide" in sesn("alert", "list", home=net[GH].home).out
    assert CONTAINER not in there
    assert "the message was recalled" in sesn("outbox", "show", shown, home=home).out
    for member in net:
        assert sesn("ledger", "verify", "--json", home=member.home).json["verified"] is True


def test_own_content_erased_with_it(net: Network) -> None:
    """`--erase` takes our own content, too."""
    shown = _delivered(net)
    line = ("alert", "recall", shown, "--reason", _WHY, "--erase", "--yes")
    (before,) = rows(sesn("alert", "list", "--json", home=net[NL].home).json["alerts"])
    assert before["recalled"] is None
    assert "Our own content is erased, too." in sesn(*line, home=net[NL].home).out
    (after,) = rows(sesn("alert", "list", "--json", home=net[NL].home).json["alerts"])
    assert after["recalled"] is not None
    assert "recalled" in sesn("alert", "list", home=net[NL].home).out
    assert CONTAINER not in sesn("alert", "show", shown, home=net[NL].home).out


def test_recall_that_is_refused(net: Network) -> None:
    """Not without a reason, not of another's message, and not without being asked."""
    shown = _delivered(net)
    home = net[GH].home
    with untouched(home):
        line = ("alert", "recall", shown, "--yes", "--reason")
        sesn(*line, _WHY, home=home).failed(6, "NOT_OURS", "only its sender")
        sesn(*line, " ", home=home).failed(4, "MALFORMED", "reason")
        assert sesn("alert", "recall", shown, "--reason", _WHY, home=home).code != 0


def test_held_and_released(net: Network) -> None:
    """A hold is shown, forbids to erase, is told to whoever recalls; its end does what is due."""
    shown = _delivered(net)
    home = net[GH].home
    assert _LAW in sesn("alert", "hold", shown, "--reason", _LAW, home=home).out
    again = sesn("alert", "hold", shown, "--reason", "Another", "--json", home=home).json
    (row,) = rows(again["messages"])
    assert (again["changed"], row["reason"], row["from"]) == (False, _LAW, NL)
    assert _LAW in sesn("alert", "show", shown, home=home).out
    ran = sesn("alert", "erase", shown, "--reason", _WHY, "--yes", home=home)
    ran.failed(6, "UNDER_HOLD", _LAW)
    sesn("alert", "recall", shown, "--reason", _WHY, "--yes", home=net[NL].home)
    net.deliver(NL, GH)
    do_duties(net[GH].office)
    net.deliver(GH, NL)
    net.rest()
    assert f": {_LAW}" in sesn("alert", "reach", shown, home=net[NL].home).out
    assert "no legal hold any more" in sesn("alert", "hold", shown, "--release", home=home).out
    assert "nl.customs recalled it" in sesn("alert", "show", shown, home=home).out
    ran = sesn("alert", "hold", shown, "--release", home=home)
    ran.failed(6, "NOT_HELD", "under no legal hold")
    assert sesn("alert", "hold", shown, home=home).code != 0


def test_updated(net: Network, tmp_path: Path) -> None:
    """The newest stands, with what changed; `--history` shows what was said before."""
    first = alert(narrative="It lies at berth four.")
    message_id = net.share(NL, GH, payload=first)
    shown = show_message_id(message_id)
    net.rest()
    file = _written(tmp_path / "now.json", "It lies at berth nine.")
    line = ("alert", "update", shown, file, "--reason", "Moved", "--yes")
    ran = sesn(*line, "--json", home=net[NL].home)
    (queued,) = rows(ran.json["updates"])
    assert (queued["alert"], ran.json["left_out"]) == (shown, [])
    net.deliver(NL, GH)
    net.rest()
    home = net[GH].home
    text = sesn("alert", "show", shown, home=home).out
    assert "narrative: It lies at berth four. -> It lies at berth nine." in text
    assert text.count("berth four") == 1
    assert sesn("alert", "show", shown, "--history", home=home).out.count("berth four") == 1
    found = sesn("alert", "show", shown, "--history", "--json", home=home).json
    (update,) = rows(found["updates"])
    assert (update["reason"], update["message_id"]) == ("Moved", queued["message_id"])
    assert update["payload"] == found["stands"]
    assert found["payload"] != found["stands"]
    sesn(*line, home=home).failed(6, "OWN_ALERT_ONLY", "only its sender")


def test_what_will_be_erased_is_told_before(net: Network) -> None:
    """`alert show` says until when an alert is kept, `status` what goes within seven days."""
    soon = datetime.fromtimestamp((net.clock.now_ms + 3 * DAY_MS) / 1000, UTC).replace(
        microsecond=0
    )
    payload = replace(alert(), markings=Markings(Tlp.AMBER, retain_until=soon))
    shown = show_message_id(net.share(NL, GH, payload=payload))
    net.share(NL, GH, payload=alert())
    net.rest()
    home = net[NL].home
    assert (
        f"{soon:%Y-%m-%d %H:%M:%S} UTC, then erased" in sesn("alert", "show", shown, home=home).out
    )
    found = sesn("alert", "show", shown, "--json", home=home).json
    assert found["retain_until"] is not None
    net.clock.now_ms += 3 * DAY_MS
    do_duties(net[NL].office)
    net.rest()
    assert "its retention date has passed" in sesn("alert", "show", shown, home=home).out


def test_auditors_find_it_in_order(net: Network, tmp_path: Path) -> None:
    """Bundles of both sides verify, with a hold, a recall, and what it erased."""
    shown = _delivered(net)
    sesn("alert", "hold", shown, "--reason", _LAW, home=net[GH].home)
    sesn("alert", "recall", shown, "--reason", _WHY, "--yes", home=net[NL].home)
    for _ in range(2):
        net.deliver(NL, GH)
        do_duties(net[GH].office)
        net.deliver(GH, NL)
        net.rest()
        sesn("alert", "hold", shown, "--release", home=net[GH].home)
    bundles = []
    for agency in (NL, GH):
        bundles.append(tmp_path / f"{agency}.sesnaudit")
        ran = sesn("audit", "export", bundles[-1], home=net[agency].home)
        assert ran.code == 0, ran
    report = tmp_path / "report.html"
    ran = sesn("audit", "verify", *bundles, "--report", report)
    assert ran.code == 0, ran.out
    words = report.read_text(encoding="utf-8")
    assert "a legal hold was placed" in words
    assert "its sender withdrew it" in words


def test_ids_are_read(net: Network) -> None:
    """What `reach` names is a message of ours; one that was received is not."""
    shown = _delivered(net)
    assert MessageId(parse_message_id(shown))
    ran = sesn("alert", "reach", shown, home=net[GH].home)
    ran.failed(6, "UNKNOWN_MESSAGE", "was received from nl.customs")
