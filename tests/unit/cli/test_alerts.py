"""`alert`: what officers see of messages, their copies, receipts and decisions."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from sesn_node.cli import alert as commands
from sesn_node.cli.show import STATE_STYLES, short_ids, until
from sesn_node.cli.wait import wait_for
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import new_message_id, show_message_id
from tests.support.commands import rows, sesn, untouched
from tests.support.homes import BE, GH, NL
from tests.support.network import alert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.store.engine import Store
    from tests.support.network import Network


pytestmark = pytest.mark.usefixtures("_wide")


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies that trust each other."""
    return connect(NL, GH, BE)


@pytest.fixture
def alert_file(tmp_path: Path) -> Path:
    """An alert with a container number that cannot be right."""
    document = {
        "markings": {"tlp": "AMBER"},
        "alert": {
            "subject": "Phones under a [bold]wrong[/bold] number",
            "urgency": "SHIP_SAILS",
            "requested_action": "HOLD",
            "consignment": {"containers": [{"number": "XNQU4713367", "seal": "GB6640127"}]},
        },
    }
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(document))
    return path


def test_send_queues_without_a_node(net: Network, alert_file: Path) -> None:
    """Sealed, recorded and queued: exit 0, in the shape that programs rely on."""
    line = ("alert", "send", alert_file, "--to", GH, "--to", BE, "--to", GH, "--yes")
    ran = sesn(*line, "--json", home=net[NL].home)
    assert (ran.code, ran.err) == (0, "")
    assert set(ran.json) == {"message_id", "recipients"}
    recipients = rows(ran.json["recipients"])
    assert [row["agency"] for row in recipients] == [BE, GH]
    assert all((row["state"], row["receipt"]) == ("queued", None) for row in recipients)
    ran = sesn(*line, home=net[NL].home)
    assert f"once 'sesn --home {net[NL].home} serve' runs" in " ".join(ran.out.split())
    assert "the number asks for" in ran.err


def test_recipient_that_collects(net: Network, alert_file: Path) -> None:
    """What waits for a partner without an address leaves when that comes."""
    net[GH].issue(endpoints=())
    net.deliver(NL, GH)
    line = ("alert", "send", alert_file, "--to", GH, "--to", BE, "--yes")
    ran = sesn(*line, home=net[NL].home)
    assert "gh.epa queued leaves when gh.epa collects" in " ".join(ran.out.split())
    assert "be.police queued leaves as soon as its node is reached" in " ".join(ran.out.split())
    shown = sesn("alert", "show", ran.out.split()[1], home=net[NL].home)
    assert "leaves when gh.epa collects" in shown.out


def test_one_option_for_what_the_sender_reads(net: Network) -> None:
    """Accepting and declining take either word."""
    for verb, option in (("accept", "--reason"), ("decline", "--note")):
        message_id = show_message_id(net.share(NL, GH))
        net.deliver(NL, GH)
        ran = sesn("alert", verb, message_id, option, "Tomorrow", home=net[GH].home)
        assert ran.code == 0, ran.err


def test_send_wakes_the_node_after_the_commit(
    net: Network, alert_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node is poked once the message is durable, so that it finds it."""
    seen: list[int] = []

    def wake(home: Path) -> bool:
        assert home == net[NL].home
        seen.append(net[NL].size())
        return True

    before = net[NL].size()
    monkeypatch.setattr(commands, "wake_node", wake)
    sesn("alert", "send", alert_file, "--to", GH, "--yes", home=net[NL].home)
    assert seen == [before + 1]


def test_wait_that_runs_out(net: Network, alert_file: Path) -> None:
    """Nobody answers: exit 3, and the result is still told."""
    line = ("alert", "send", alert_file, "--to", GH, "--yes", "--wait", "0.1")
    ran = sesn(*line, "--json", home=net[NL].home)
    assert ran.code == 3
    assert rows(ran.json["recipients"])[0]["state"] == "queued"
    assert ran.err.startswith("error WAIT_RAN_OUT: no answer yet from gh.epa")
    assert sesn(*line, home=net[NL].home).code == 3


def test_wait_sees_the_receipt(
    net: Network, alert_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another thread or process settles ends the wait, with the receipt."""
    threads: list[threading.Thread] = []

    def wake(_: Path) -> bool:
        threads.append(threading.Thread(target=net.deliver, args=(NL, GH)))
        threads[0].start()
        return True

    net.clock.now_ms = max(net.clock.now_ms, time.time_ns() // 1_000_000)
    monkeypatch.setattr(commands, "wake_node", wake)
    line = ("alert", "send", alert_file, "--to", GH, "--yes", "--wait", "60", "--json")
    ran = sesn(*line, home=net[NL].home)
    threads[0].join()
    assert ran.code == 0
    (row,) = rows(ran.json["recipients"])
    receipt = row["receipt"]
    assert isinstance(receipt, dict)
    assert row["state"] == "acknowledged"
    assert receipt["origin"] == "gh.epa.sesn/ledger/1"
    assert {"index", "leaf_hash", "size", "received"} <= set(receipt)


def test_wait_for_somebody_who_refuses(
    net: Network, alert_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Final, but not delivered: exit 6, and stderr says to whom and why."""

    def revoked(store: Store, *more: object, **options: object) -> object:
        net.revoke(NL, GH)
        return wait_for(store, *more, **options)  # type: ignore[arg-type] # passed on as they came

    monkeypatch.setattr(commands, "wait_for", revoked)
    line = ("alert", "send", alert_file, "--to", GH, "--yes", "--wait", "60", "--json")
    ran = sesn(*line, home=net[NL].home)
    assert ran.code == 6
    assert rows(ran.json["recipients"])[0]["state"] == "dead"
    assert ran.err == "error UNDELIVERED: not delivered to gh.epa (dead, PEER_REVOKED)\n"


def test_both_sides_of_a_decided_alert(net: Network) -> None:
    """List and show tell direction, subject, receipts, decision and ledger entries."""
    message_id = net.share(NL, GH, BE, payload=alert("Two containers"))
    net.deliver(NL, GH)
    ours = show_message_id(message_id)
    net.rest()
    with untouched(net[GH].home):
        (line,) = rows(sesn("alert", "list", "--json", home=net[GH].home).json["alerts"])
    assert (line["direction"], line["from"], line["decision"]) == ("received", NL, None)
    assert (line["message_id"], line["subject"]) == (ours, "Two containers")
    ran = sesn("alert", "accept", ours[:13], "--note", "Tomorrow", "--json", home=net[GH].home)
    assert (ran.json["alert"], ran.json["decision"]) == (ours, "ACCEPTED")
    net.clock.now_ms = max(net.clock.now_ms, time.time_ns() // 1_000_000)
    net.deliver(GH, NL)
    net.rest()
    shown = sesn("alert", "show", ours, "--json", home=net[NL].home).json
    assert shown["direction"] == "sent"
    assert [(one["agency"], one["state"]) for one in rows(shown["recipients"])] == [
        (BE, "queued"),
        (GH, "acknowledged"),
    ]
    (response,) = rows(shown["responses"])
    assert (response["agency"], response["decision"], response["text"]) == (
        GH,
        "ACCEPTED",
        "Tomorrow",
    )
    kinds = [entry["kind"] for entry in rows(shown["ledger"])]
    assert kinds == ["SHARED", "ACKNOWLEDGED", "VIEWED"]
    (line,) = rows(sesn("alert", "list", "--json", home=net[GH].home).json["alerts"])
    assert line["decision"] == "ACCEPTED"
    for member in (NL, GH):
        text = sesn("alert", "show", ours, home=net[member].home).out
        assert "Tomorrow" in text
        assert "accepted" in sesn("alert", "list", home=net[member].home).out


def test_alert_is_decided_once(net: Network) -> None:
    """A second decision is a conflict, and changes nothing."""
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    text = show_message_id(message_id)
    home = net[GH].home
    with untouched(home):
        ran = sesn("alert", "decline", text, "--reason", " ", home=home)
        ran.failed(4, "MALFORMED", "text: must not be empty")
        ran = sesn("alert", "accept", text, "--note", "x" * 2_001, home=home)
        ran.failed(4, "MALFORMED", "text: at most 2,000 characters")
    assert sesn("alert", "decline", text, "--reason", "Not ours", home=home).code == 0
    with untouched(home):
        sesn("alert", "accept", text, home=home).failed(7, "DECIDED", "decided already")
    shown = sesn("alert", "show", text, home=home).out
    assert "declined (queued)" in shown


def test_alert_from_nobody_we_still_trust(net: Network) -> None:
    """An answer to a revoked agency is refused; what it sent can still be read."""
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    net.revoke(GH, NL)
    net.rest()
    home = net[GH].home
    with untouched(home):
        ran = sesn("alert", "accept", show_message_id(message_id), home=home)
        ran.failed(6, "NOT_TRUSTED", "nl.customs is revoked")
    assert sesn("alert", "show", show_message_id(message_id), home=home).code == 0


def test_text_of_a_message_is_never_markup(net: Network, alert_file: Path) -> None:
    """Square brackets of a message are shown, not obeyed."""
    line = ("alert", "send", alert_file, "--to", GH, "--yes", "--json")
    message_id = str(sesn(*line, home=net[NL].home).json["message_id"])
    assert "[bold]wrong[/bold]" in sesn("alert", "show", message_id, home=net[NL].home).out
    assert "[bold]wrong[/bold]" in sesn("alert", "list", home=net[NL].home).out.replace("\n", " ")


def test_show_tells_what_is_wrong_with_the_numbers(net: Network, alert_file: Path) -> None:
    """A wrong container number is shown with its finding, to sender and recipient alike."""
    line = ("alert", "send", alert_file, "--to", GH, "--yes", "--json")
    message_id = str(sesn(*line, home=net[NL].home).json["message_id"])
    shown = sesn("alert", "show", message_id, "--json", home=net[NL].home).json
    finding, seal = rows(shown["findings"])
    assert seal["result"] == "ok"
    assert (finding["result"], finding["observed"]) == ("warn", "XNQU4713367")
    assert "the number asks for" in sesn("alert", "show", message_id, home=net[NL].home).out


def test_damaged_message_does_not_hide_the_others(net: Network) -> None:
    """A message that cannot be opened is listed with the reason; the others are listed as ever."""
    bad, good = net.share(NL, GH, payload=alert("Bad")), net.share(NL, GH, payload=alert("Good"))
    office = net[NL].office
    with office.store.write() as transaction:
        transaction._connection.exec_driver_sql(  # noqa: SLF001 - damages a row
            "UPDATE sent SET content_key = x'00' WHERE message_id = ?", (bad,)
        )
    lines = rows(sesn("alert", "list", "--json", home=net[NL].home).json["alerts"])
    assert [(line["subject"], line["problem"]) for line in lines] == [
        ("Good", None),
        (None, "MALFORMED"),
    ]
    for message_id in (bad, good):
        shown = sesn("alert", "show", show_message_id(message_id), home=net[NL].home)
        assert shown.code == 0
    assert "cannot be read" in sesn("alert", "list", home=net[NL].home).out


def test_empty_lists(net: Network) -> None:
    """Nothing sent, nothing received, nothing waiting: each says so."""
    home = net[NL].home
    assert "No alert" in sesn("alert", "list", home=home).out
    assert sesn("alert", "list", "--json", home=home).json == {"alerts": []}


def test_lists_are_bounded(net: Network) -> None:
    """A limit shows the newest."""
    ids = [show_message_id(net.share(NL, GH)) for _ in range(3)]
    ran = sesn("alert", "list", "--limit", "2", "--json", home=net[NL].home)
    assert [line["message_id"] for line in rows(ran.json["alerts"])] == [ids[2], ids[1]]


def test_short_ids_stay_different() -> None:
    """Ids of one millisecond are shown with more digits than others."""
    same = [new_message_id(1_700_000_000_000, bytes([0] * 9 + [last])) for last in (1, 2)]
    other = new_message_id(1_700_000_000_001, bytes(10))
    assert short_ids([same[0], other]) == {same[0]: "018bcfe5-6800", other: "018bcfe5-6801"}
    assert len(set(short_ids([*same, other]).values())) == 3


def test_times() -> None:
    """A time to come is told by how far away it is; the past is due."""
    assert until(1_000, 3_000) == "due"
    assert until(9_500, 3_000) == "in 6 s"


def test_every_state_has_a_style() -> None:
    """A state that a list cannot show would end the list."""
    assert set(STATE_STYLES) == set(DeliveryState)
