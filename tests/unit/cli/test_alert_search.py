"""`alert list --container ...`: finding alerts by what they name, as officers type it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.ids import show_message_id
from tests.support.alerts import CONTAINER, IMO, PARTY, SEAL, VESSEL, consignment
from tests.support.commands import sesn, untouched
from tests.support.homes import GH, NL

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import MessageId
    from tests.support.commands import JsonIn
    from tests.support.network import Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies that trust each other."""
    return connect(NL, GH)


@pytest.fixture
def alert_id(net: Network) -> MessageId:
    """An alert about a consignment, after two others."""
    net.share(NL, GH)
    net.share(NL, GH, payload=consignment("ABCU1234560", seal="", imo="", party="Nobody"))
    found = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    net.rest()
    return found


def _ids(found: JsonIn) -> list[JsonIn]:
    assert isinstance(found, list)
    return [row["message_id"] for row in found if isinstance(row, dict)]


@pytest.mark.parametrize(
    "options",
    [
        ("--container", CONTAINER.lower()),
        ("--vessel", IMO),
        ("--vessel", VESSEL.upper(), "--container", CONTAINER),
        ("--party", PARTY),
        ("--seal", SEAL.replace("-", " ")),
        ("--container", CONTAINER, "--vessel", VESSEL, "--party", PARTY, "--seal", SEAL),
    ],
)
def test_found(net: Network, alert_id: MessageId, options: tuple[str, ...]) -> None:
    """By sender and recipient, in a list for people and in one for programs."""
    for agency in (NL, GH):
        with untouched(net[agency].home):
            ran = sesn("alert", "list", *options, "--json", home=net[agency].home)
            assert ran.code == 0
            assert _ids(ran.json["alerts"]) == [show_message_id(alert_id)]
            ran = sesn("alert", "list", *options, home=net[agency].home)
            assert ran.out.count("A consignment") == 1


def test_nothing_found(net: Network, alert_id: MessageId) -> None:
    """All that is asked for must be named; that nothing was found is no error."""
    assert alert_id
    options = ("--container", CONTAINER, "--party", "Nobody")
    ran = sesn("alert", "list", *options, home=net[NL].home)
    assert (ran.code, ran.out) == (0, "No alert here names all of that.\n")
    ran = sesn("alert", "list", *options, "--json", home=net[NL].home)
    assert ran.json["alerts"] == []


def test_newest_and_limit(net: Network, alert_id: MessageId) -> None:
    """The newest come first, and no more than asked for."""
    found = sesn("alert", "list", "--vessel", VESSEL, "--json", home=net[NL].home).json["alerts"]
    assert len(_ids(found)) == 2
    options = ("--vessel", VESSEL, "--limit", "1", "--json")
    found = sesn("alert", "list", *options, home=net[NL].home).json["alerts"]
    assert _ids(found) == [show_message_id(alert_id)]


def test_doubtful_number_is_told_and_looked_for(net: Network, alert_id: MessageId) -> None:
    """A check digit that does not fit is told on stderr; the evidence is found all the same."""
    ran = sesn("alert", "list", "--container", CONTAINER, home=net[NL].home)
    assert f"container {CONTAINER}: check digit is 2, the number asks for" in ran.err
    assert "A consignment" in ran.out
    ran = sesn("alert", "list", "--vessel", "IMO 9074720", "--json", home=net[NL].home)
    (finding,) = _findings(ran.json["findings"])
    assert (finding["field"], finding["result"]) == ("vessel", "warn")
    assert "the number asks for 9" in str(finding["reason"])
    assert ran.err == ""
    assert "findings" not in sesn("alert", "list", "--json", home=net[NL].home).json
    assert alert_id


def _findings(found: JsonIn) -> list[dict[str, JsonIn]]:
    assert isinstance(found, list)
    return [row for row in found if isinstance(row, dict)]


@pytest.mark.parametrize("option", ["--container", "--vessel", "--party", "--seal"])
@pytest.mark.parametrize("text", ["", "-/.", "\x1b[2J", "a\u202eb", "9" * 201])
def test_bad_text(net: Network, option: str, text: str) -> None:
    """What cannot be in an alert is refused before the passphrase is asked for."""
    ran = sesn("alert", "list", option, text, home=net[NL].home)
    ran.failed(4, "MALFORMED", option.removeprefix("--"))
    assert "\x1b" not in ran.err + ran.out
