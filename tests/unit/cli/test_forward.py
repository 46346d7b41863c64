"""`alert preview`, `forward` and `consent`: who may see what, as officers read it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.ids import show_message_id
from sesn_node.domain.markings import HandlingCode, Markings, Tlp
from sesn_node.trust.fingerprint import hex_groups
from tests.support.commands import assert_commands_exist, rows, sesn, untouched
from tests.support.homes import BE, DE, GH, NL
from tests.support.passing import marked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.network import Network

pytestmark = pytest.mark.usefixtures("_wide")

BELGIUM = Markings(Tlp.AMBER, (HandlingCode.H1,), onward=("be.*",))


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies that trust each other."""
    return connect(NL, GH, BE)


@pytest.fixture
def alert_file(tmp_path: Path) -> Path:
    """An alert with marks on every axis."""
    document = {
        "markings": {
            "tlp": "AMBER",
            "handling": ["H1", "H3"],
            "handling_text": "Not to the [bold]exporter[/bold].",
            "evaluation": {"scheme": "4x4", "source": "B", "information": "2"},
            "purpose": "Inspection at Tema",
            "legal_basis": "Naples II Convention",
            "retain_until": "2100-01-01T00:00:00Z",
            "onward": ["be.*"],
        },
        "alert": {
            "subject": "Phones",
            "urgency": "URGENT",
            "requested_action": "HOLD",
            "narrative": "Not tested.",
        },
    }
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(document))
    return path


def _to_the_present(net: Network) -> None:
    """Commands read the real clock."""
    net.clock.now_ms = max(net.clock.now_ms, time.time_ns() // 1_000_000)


def test_preview(net: Network, alert_file: Path) -> None:
    """Every question has an answer in plain words; nothing is written."""
    with untouched(net[NL].home):
        ran = sesn("alert", "preview", alert_file, "--to", GH, home=net[NL].home)
    assert (ran.code, ran.err) == (0, "")
    told = " ".join(ran.out.split())
    for words in (
        "gh.epa Agency gh.epa GH, customs may pass it on to be.police",
        "TLP:AMBER, H1, H3, evaluated B2 (4x4)",
        "who may read it people of the recipients' organisations and of their clients",
        "pass it on to any agency of be, without asking; to others only with the originator's",
        "use in court only with the originator's permission (H1)",
        "keep it until 2100-01-01 00:00 UTC; then nodes erase it",
        "use it for Inspection at Tema",
        "shared under Naples II Convention",
        "also (H3) Not to the [bold]exporter[/bold].",
    ):
        assert words in told


def test_preview_for_programs(net: Network, alert_file: Path) -> None:
    """The same as one line of JSON."""
    with untouched(net[NL].home):
        ran = sesn("alert", "preview", alert_file, "--to", GH, "--json", home=net[NL].home)
    (recipient,) = rows(ran.json["recipients"])
    assert (recipient["agency"], recipient["may_pass_on_to"]) == (GH, [BE])
    may = ran.json["may"]
    assert isinstance(may, dict)
    assert (may["pass_on"], may["onward"], may["court"]) == ("ask", ["be.*"], False)
    assert (may["read"], may["keep_until"]) == ("CLIENTS", "2100-01-01T00:00:00.000Z")
    assert may["restrictions"] == "Not to the [bold]exporter[/bold]."
    assert ran.json["markings"] == json.loads(alert_file.read_text())["markings"]
    assert ran.json["ended"] is False


def test_preview_to_nobody_we_know(net: Network, alert_file: Path, tmp_path: Path) -> None:
    """A recipient that is no partner is found out; so is a file that is no alert."""
    sesn("alert", "preview", alert_file, "--to", DE, home=net[NL].home).failed(
        6, "NOT_TRUSTED", "de.port is not a partner"
    )
    wrong = tmp_path / "wrong.json"
    wrong.write_text(alert_file.read_text().replace('"AMBER"', '"RED"'))
    sesn("alert", "preview", wrong, "--to", GH, home=net[NL].home).failed(
        4, "MALFORMED", "markings.onward", "take the grant away"
    )


def test_forward_that_is_refused_and_then_consented_to(net: Network) -> None:
    """The error says what to type, and where; typed there, it helps."""
    message_id = show_message_id(net.share(NL, GH, payload=marked(Markings(Tlp.AMBER))))
    net.deliver(NL, GH)
    line = ("alert", "forward", message_id, "--to", BE, "--text", "You inspect at Antwerp.")
    net.rest()
    with untouched(net[GH].home):
        ran = sesn(*line, home=net[GH].home)
    ran.failed(6, "NOT_GRANTED", f"consent {message_id} --to gh.epa --onward be.police' there")
    assert_commands_exist(ran.err)
    consent = ("alert", "consent", message_id, "--to", GH, "--onward", BE, "--json")
    given = sesn(*consent, "--until", "2100-01-01", home=net[NL].home)
    assert given.code == 0, given.err
    assert (given.json["about"], given.json["onward"]) == (message_id, [BE])
    assert given.json["until"] == "2100-01-01T00:00:00Z"
    _to_the_present(net)
    net.deliver(NL, GH)
    done = sesn(*line, "--json", home=net[GH].home)
    assert done.code == 0, done.err
    assert (done.json["originator"], done.json["original"]) == (NL, message_id)
    assert done.json["consent"] == given.json["message_id"]
    (copy,) = rows(done.json["recipients"])
    assert (copy["agency"], copy["state"]) == (BE, "queued")


def test_forward_as_it_is_read(net: Network) -> None:
    """The list tells whose it is; the alert, how far that is known, and why it came."""
    message_id = net.share(NL, GH, payload=marked(BELGIUM, "Two [red]containers"))
    net.deliver(NL, GH)
    line = ("alert", "forward", show_message_id(message_id), "--to", BE, "--text", "Your port.")
    ran = sesn(*line, home=net[GH].home)
    assert "It carries message" in ran.out
    forward_id = ran.out.split()[1]
    _to_the_present(net)
    net.deliver(GH, BE)
    told = " ".join(sesn("alert", "list", home=net[BE].home).out.split())
    assert "Two [red]containers" in told
    assert "from gh.epa, first from nl.customs TLP:AMBER, H1" in told
    told = " ".join(sesn("alert", "show", forward_id, home=net[BE].home).out.split())
    for words in (
        "first from Agency nl.customs (nl.customs)",
        f"message {show_message_id(message_id)}",
        "sent to gh.epa",
        "its card under the root that is pinned here",
        "passed on Your port.",
        "Two [red]containers",
        "What we may do with it",
        "use in court only with the originator's permission (H1)",
    ):
        assert words in told
    shown = sesn("alert", "show", forward_id, "--json", home=net[BE].home).json
    forward = shown["forward"]
    assert isinstance(forward, dict)
    assert (forward["originator"], forward["card"], forward["text"]) == (NL, "pinned", "Your port.")
    assert (shown["originator"], shown["marks"]) == (NL, ["TLP:AMBER", "H1"])
    payload = shown["payload"]
    assert isinstance(payload, dict)
    assert set(payload) == {"markings", "alert"}
    accepted = sesn("alert", "accept", forward_id, "--note", "Tomorrow", home=net[BE].home)
    assert "gh.epa will know" in accepted.out
    assert "No node serves this home" in accepted.out


def test_originator_that_nobody_here_knows(connect: Callable[..., Network]) -> None:
    """The fingerprint to compare is shown, with the warning."""
    net = connect(NL, GH, BE, pinned=False)
    for one, other in ((NL, GH), (GH, NL), (GH, BE), (BE, GH)):
        net.trust(one, other)
    message_id = net.share(NL, GH, payload=marked(BELGIUM))
    net.deliver(NL, GH)
    ran = sesn("alert", "forward", show_message_id(message_id), "--to", BE, home=net[GH].home)
    forward_id = ran.out.split()[1]
    _to_the_present(net)
    net.deliver(GH, BE)
    told = " ".join(sesn("alert", "show", forward_id, home=net[BE].home).out.split())
    assert "the originator's card is not pinned here: compare its fingerprint" in told
    assert hex_groups(net[NL].card.fingerprint) in told


@pytest.mark.parametrize("until", ["tomorrow", "2100-01-01T00:00:00", "2100-13-01", ""])
def test_consent_until_no_time(net: Network, until: str) -> None:
    """A date, or a time with its offset; what else is refused, and nothing is sent."""
    message_id = show_message_id(net.share(NL, GH))
    line = ("alert", "consent", message_id, "--to", GH, "--onward", BE, "--until", until)
    sesn(*line, home=net[NL].home).failed(4, "MALFORMED", "until: expected a date such as")


def test_consent_as_it_is_told(net: Network) -> None:
    """Who may pass what on to whom, and until when; patterns in words."""
    message_id = show_message_id(net.share(NL, GH))
    line = ("alert", "consent", message_id, "--to", GH, "--onward", "be.*", "--onward", DE)
    told = sesn(*line, "--until", "2100-01-01T02:00:00+02:00", home=net[NL].home).out
    assert f"gh.epa may pass {message_id} on to any agency of be, de.port, until " in told
    assert "2100-01-01 00:00 UTC." in told
    sesn(*line[:-1], "anybody", home=net[NL].home).failed(4, "MALFORMED", "onward[0]: expected")
    sesn("alert", "consent", message_id, "--to", BE, "--onward", "*", home=net[GH].home).failed(
        6, "UNKNOWN_MESSAGE"
    )


def test_marks_before_sending(net: Network, alert_file: Path) -> None:
    """A list shows marks that keep an alert close, and leaves out those that most have."""
    sesn("alert", "send", alert_file, "--to", GH, "--yes", home=net[NL].home)
    net.share(NL, GH, payload=marked(Markings(Tlp.AMBER), "An ordinary one"))
    _to_the_present(net)
    net.deliver(NL, GH)
    told = sesn("alert", "list", home=net[GH].home).out
    assert "TLP:AMBER, H1, H3, evaluated B2 (4x4)" in told
    assert told.count("TLP:") == 1
