"""`alert erase`, `alert erased`: what whoever erases is told, and what others see afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.ids import show_message_id
from tests.support.alerts import CONTAINER, consignment
from tests.support.commands import assert_commands_exist, rows, sesn, untouched
from tests.support.homes import BE, GH, NL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.network import Network

pytestmark = pytest.mark.usefixtures("_wide")

_WHY = "Held longer than the law allows"


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies that trust each other."""
    return connect(NL, GH, BE)


def test_erased_by_the_sender(net: Network) -> None:
    """What was erased, which copies are not sent, what is left and where: for people, then JSON."""
    message_id = show_message_id(net.share(NL, GH, BE, payload=consignment()))
    net.deliver(NL, GH)
    net.rest()
    home = net[NL].home
    ran = sesn("alert", "erase", message_id[:13], "--reason", _WHY, "--yes", home=home)
    assert (ran.code, ran.err) == (0, "")
    assert f"{message_id}: erased; entry" in ran.out
    assert "is not sent to be.police any more" in ran.out
    assert "no byte of it any more" in ran.out
    assert "Backups" in ran.out
    shown = sesn("alert", "show", message_id, home=home).out
    assert _WHY in shown
    assert "ERASED" in shown
    assert CONTAINER not in shown
    assert "erased 20" in sesn("alert", "list", home=home).out
    assert "No alert here" in sesn("alert", "list", "--container", CONTAINER, home=home).out
    life = sesn("outbox", "show", message_id, home=home).out
    assert _WHY in life
    assert "since its content was erased" in life
    ran = sesn("alert", "erase", message_id, "--reason", "Again", "--yes", "--json", home=home)
    (row,) = rows(ran.json["erased"])
    assert (row["changed"], row["reason"], row["from"]) == (False, _WHY, NL)
    assert (ran.json["bytes_gone"], ran.json["remains"], ran.json["not_sent"]) == (True, [], [])
    ran = sesn("outbox", "requeue", message_id, home=home)
    ran.failed(6, "ERASED", "nothing to send")
    ran = sesn("ledger", "verify", "--json", home=home)
    assert ran.json["verified"] is True


def test_answers_that_stay_are_named(net: Network) -> None:
    """Of the conversation, what can still be read is told to whoever erases."""
    message_id = show_message_id(net.share(NL, GH))
    net.deliver(NL, GH)
    home = net[GH].home
    answer = sesn("alert", "accept", message_id, "--note", "Seen", "--json", home=home).json
    line = ("alert", "erase", message_id, "--reason", _WHY, "--yes")
    assert "1 other message of the conversation still can be read" in sesn(*line, home=home).out
    (row,) = rows(sesn(*line, "--json", home=home).json["still_readable"])
    assert (row["message_id"], row["kind"]) == (answer["message_id"], "response")
    # A response is a message, too.
    own = ("alert", "erase", answer["message_id"], "--reason", _WHY, "--yes", "--json")
    assert sesn(*own, home=home).json["still_readable"] == []


def test_list_of_erasures(net: Network) -> None:
    """The list needs no passphrase, and is empty at first."""
    home = net[NL].home
    assert "Nothing was erased yet" in sesn("alert", "erased", home=home).out
    assert sesn("alert", "erased", "--json", home=home).json == {"erased": []}
    message_id = show_message_id(net.share(NL, GH))
    sesn("alert", "erase", message_id, "--reason", "[red]Why[/red]", "--yes", home=home)
    net.rest()
    with untouched(home):
        (row,) = rows(sesn("alert", "erased", "--json", home=home).json["erased"])
        assert (row["message_id"], row["reason"]) == (message_id, "[red]Why[/red]")
        assert row["bytes_gone"] is not None
        assert "[red]Why[/red]" in sesn("alert", "erased", home=home).out


def test_nobody_is_asked_without_a_terminal(net: Network) -> None:
    """A yes is needed, a reason, and a message that is there."""
    message_id = show_message_id(net.share(NL, GH))
    net.rest()
    home = net[NL].home
    with untouched(home):
        line = ("alert", "erase", message_id, "--reason", _WHY)
        sesn(*line, home=home).failed(10, "NO_TERMINAL", "--yes")
        sesn("alert", "erase", message_id, "--reason", " ", "--yes", home=home).failed(
            4, "MALFORMED", "reason"
        )
        assert sesn("alert", "erase", message_id, "--yes", home=home).code == 2
        nobody = "01a2079f-f053-7000-8000-000000000000"
        for text in (nobody, nobody[:13]):
            ran = sesn("alert", "erase", text, "--reason", _WHY, "--yes", home=home)
            ran.failed(6, "UNKNOWN_MESSAGE")
            assert_commands_exist(ran.err)
        ran = sesn("alert", "erase", message_id, "--reason", _WHY, "--yes", "--from", GH, home=home)
        ran.failed(6, "UNKNOWN_MESSAGE", GH)


def _viewed(home: Path, message_id: str) -> int:
    ran = sesn("alert", "show", message_id, "--json", home=home)
    assert ran.code == 0
    assert ran.json["view_recorded"] is True
    return [entry["kind"] for entry in rows(ran.json["ledger"])].count("VIEWED")


def test_show_is_recorded_once_an_hour(net: Network) -> None:
    """Who is shown an alert leaves VIEWED, for people as for programs; the list does not."""
    message_id = show_message_id(net.share(NL, GH))
    net.deliver(NL, GH)
    net.rest()
    home = net[GH].home
    with untouched(home):
        assert sesn("alert", "list", home=home).code == 0
    assert [_viewed(home, message_id) for _ in range(3)] == [1, 1, 1]
    assert "VIEWED" in sesn("alert", "show", message_id, home=home).out
    shown = sesn("outbox", "show", message_id, home=net[NL].home).out
    assert "was shown to somebody here" not in shown
    sesn("alert", "show", message_id, home=net[NL].home)
    assert "was shown to somebody here" in sesn("outbox", "show", message_id, home=net[NL].home).out


def test_alert_can_be_read_where_nothing_may_be_appended(net: Network) -> None:
    """On an old copy it is shown, and a log line says that the ledger does not tell."""
    message_id = show_message_id(net.share(NL, GH))
    net.rest()
    net[NL].close()
    home = net[NL].home
    (home / "ledger.head").rename(home / "moved.head")
    with untouched(home):
        ran = sesn("alert", "show", message_id, home=home)
    assert ran.code == 0
    assert "untested television sets" in ran.out
    ran = sesn("alert", "show", message_id, "--json", home=home)
    assert (ran.code, ran.json["view_recorded"]) == (0, False)
    line = ("alert", "erase", message_id, "--reason", _WHY, "--yes")
    with untouched(home):
        sesn(*line, home=home).failed(9, "OLD_COPY")
    (home / "moved.head").rename(home / "ledger.head")
    net[NL].open()
