"""Requests, notes, sightings, conversations, tracks, watches and groups, as officers type them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sesn_node.cli.body_text import KIND_WORDS, body_text, subject_of
from sesn_node.cli.show import console
from sesn_node.domain.alert import Alert
from sesn_node.domain.conversation import Decision, Note
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.exchange.forwarding import forward
from tests.support.alerts import CONTAINER, PARTY, consignment
from tests.support.bodies import BODIES, MARKED
from tests.support.commands import assert_commands_exist, rows, sesn, untouched
from tests.support.homes import BE, GH, NL
from tests.support.network import alert
from tests.support.talking import day, request, sighting, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.commands import JsonIn, Ran
    from tests.support.network import Network

DEMO = Path(__file__).resolve().parents[3] / "configs/demo/01-televisions-as-second-hand-goods.json"


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies that trust each other."""
    return connect(NL, GH)


def _ids(found: JsonIn) -> list[JsonIn]:
    return [row["message_id"] for row in rows(found)]


def _csv(ran: Ran) -> list[list[str]]:
    assert ran.code == 0, ran
    return list(csv.reader(io.StringIO(ran.out, newline="")))


def test_request_and_answer(net: Network) -> None:
    """Asked by one, listed and answered by the other, and shown as one conversation."""
    ours, theirs = net[NL].home, net[GH].home
    line = ("--subject", "Who is it?", "--text", "Please look.", "--by", "2020-01-01T12:00Z")
    ran = sesn("request", "send", "--to", GH, *line, "--tlp", "AMBER", "--yes", home=ours)
    assert ran.code == 0, ran
    assert_commands_exist(ran.out)
    net.deliver(NL, GH)
    net.rest()
    (asked,) = rows(sesn("request", "list", "--json", home=theirs).json["requests"])
    assert (asked["state"], asked["from"], asked["open"]) == ("overdue", NL, [GH])
    assert asked["respond_by"] == "2020-01-01T12:00:00.000Z"
    status = sesn("status", home=theirs).out
    assert "1 request that nobody here has answered" in status
    assert sesn("status", "--json", home=theirs).json["requests_unanswered"] == 1
    shown = sesn("request", "list", home=theirs).out
    assert "overdue" in shown
    assert "2020-01-01 12:00" in shown
    ran = sesn("request", "answer", asked["message_id"], "--text", "A firm.", home=theirs)
    assert "nl.customs will know" in ran.out
    assert "No node serves this home" in ran.out
    net.pass_time(1)
    net.deliver(GH, NL)
    net.rest()
    (asked,) = rows(sesn("request", "list", "--json", home=ours).json["requests"])
    assert asked["state"] == "answered"
    assert sesn("status", "--json", home=theirs).json["requests_unanswered"] == 0
    ran = sesn("conversation", "show", str(asked["message_id"])[:8], home=ours)
    for words in ("request for information", "answer", "A firm.", "TLP:AMBER", "Who is it?"):
        assert words in ran.out, words
    sesn("request", "answer", asked["message_id"], "--text", "A", home=ours).failed(
        6, "UNKNOWN_MESSAGE", "sesn request list"
    )


def test_notes_in_a_conversation(net: Network) -> None:
    """Without recipients it goes to all who take part, as strictly as before."""
    first = net.share(NL, GH)
    net.deliver(NL, GH)
    net.rest()
    theirs = net[GH].home
    name = show_message_id(first)
    ran = sesn("note", "send", "We are on it.", "--in", name, "--yes", "--json", home=theirs)
    assert ran.json["conversation_id"] == name
    assert [one["agency"] for one in rows(ran.json["recipients"])] == [NL]
    found = sesn("conversation", "show", name, "--json", home=theirs).json
    assert (found["participants"], found["begun_by"]) == ([GH, NL], NL)
    assert [one["kind"] for one in rows(found["messages"])] == ["alert", "note"]
    assert found["view_recorded"] is True
    (line,) = rows(sesn("conversation", "list", "--json", home=theirs).json["conversations"])
    assert (line["count"], line["of_strangers"]) == (2, 0)
    table = _csv(sesn("conversation", "list", "--csv", home=theirs))
    assert table[1][:2] == [name, "Two containers of untested television sets"]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (("note", "send", "Hello", "--yes"), "MALFORMED", "--to"),
        (("note", "send", "Hello", "--to", GH, "--yes"), "MALFORMED", "--tlp"),
        (("note", "send", " ", "--to", GH, "--tlp", "RED", "--yes"), "MALFORMED", "text"),
        (("note", "send", "Hello", "--to", "X Y", "--tlp", "RED", "--yes"), "MALFORMED", "agency"),
        (("note", "send", "Hello", "--to", "@none", "--tlp", "RED", "--yes"), "UNKNOWN_GROUP", ""),
        (("note", "send", "Hello", "--to", GH, "--tlp", "RED"), "NO_TERMINAL", "--yes"),
        (("note", "send", "Hi", "--in", "01a2", "--yes"), "MALFORMED", "first 8 digits"),
        (("note", "send", "Hi", "--in", "ffffffff", "--yes"), "UNKNOWN_MESSAGE", "conversation"),
        (("conversation", "show", "ffffffff"), "UNKNOWN_MESSAGE", "sesn conversation list"),
        (("watch", "add"), "MALFORMED", "--container"),
        (("watch", "add", "--owner", "MSKU", "--party", "P"), "MALFORMED", "one thing"),
        (("watch", "add", "--route", "NLRTM"), "MALFORMED", "NLRTM:GHTEM"),
        (("watch", "add", "--owner", "M1"), "MALFORMED", "four letters"),
        (("watch", "remove", "123"), "UNKNOWN_ENTRY", "sesn watch list"),
        (("group", "add", "x y", GH), "MALFORMED", "west-africa"),
        (("group", "add", "all", "zz.none"), "NOT_TRUSTED", "sesn peer list"),
        (("group", "remove", "none"), "UNKNOWN_GROUP", "sesn group add"),
        (("track", "//"), "MALFORMED", "letter or digit"),
    ],
)
def test_mistakes(home: Path, line: tuple[str, ...], code: str, words: str) -> None:
    """Each says what is wrong and what to do; nothing is written."""
    with untouched(home):
        ran = sesn(*line, home=home)
    ran.failed(ran.code, code, *([words] if words else []))
    assert ran.code != 0
    assert_commands_exist(ran.err)


@pytest.mark.parametrize("text", ["now", "2026-13-01", "2026-11-01T12:00"])
def test_moments_need_a_zone(home: Path, text: str) -> None:
    """A sighting at an unclear time would make jumps of nothing."""
    line = ("--place", "GHTEM", "--at", text, "--container", "X1", "--to", GH, "--tlp", "RED")
    sesn("sighting", "send", *line, "--yes", home=home).failed(4, "MALFORMED", "at: ")


def test_groups_stand_for_their_members(home: Path) -> None:
    """Everything that takes --to takes a group, and says who is in it."""
    ran = sesn("group", "add", "all", GH, BE, "--json", home=home)
    assert ran.json == {"group": "all", "members": [BE, GH]}
    assert f"@all   {BE}, {GH}" in sesn("group", "list", home=home).out
    ran = sesn("alert", "send", DEMO, "--to", "@all", "--yes", home=home)
    assert f"@all: {BE}, {GH}" in ran.err
    ran = sesn("alert", "send", DEMO, "--to", "@all", "--to", GH, "--yes", "--json", home=home)
    assert [one["agency"] for one in rows(ran.json["recipients"])] == [BE, GH]
    ran = sesn("alert", "preview", DEMO, "--to", "@all", "--json", home=home)
    assert [one["agency"] for one in rows(ran.json["recipients"])] == [BE, GH]
    line = ("--place", "GHTEM", "--at", "2026-11-01", "--seal", "S1", "--tlp", "AMBER", "--yes")
    ran = sesn("sighting", "send", "--to", "@all", *line, "--json", home=home)
    assert [one["agency"] for one in rows(ran.json["recipients"])] == [BE, GH]
    assert sesn("group", "remove", "all", GH, "--json", home=home).json["members"] == [BE]
    assert "@all is gone" in sesn("group", "remove", "@all", home=home).out


def test_track(net: Network) -> None:
    """One container by number, one ship by IMO number: places, sources, doubts."""
    net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    tell(net, NL, sighting("NLRTM", day(1), container=CONTAINER), GH)
    tell(net, GH, sighting("GHTEM", day(1, 6), container=CONTAINER, text="On the quay."), NL)
    net.rest()
    home = net[NL].home
    ran = sesn("track", CONTAINER.lower(), home=home)
    for words in (
        "2 stops by 2 agencies",
        "NLRTM",
        "gh.epa",
        "seen by an officer, high",
        "On the quay.",
        "impossible jump: NLRTM (nl.customs, 2026-11-01 00:00), then GHTEM",
    ):
        assert words in " ".join(ran.out.split()), words
    found = sesn("track", CONTAINER, "--json", home=home).json
    assert [one["doubt"] for one in rows(found["troubles"])] == ["impossible-jump"]
    assert [one["source"] for one in rows(found["stops"])] == [NL, GH]
    assert found["view_recorded"] is True
    assert len(rows(found["messages"])) == 3
    ship = sesn("track", "IMO 9074729", "--json", home=home).json
    assert len(rows(ship["messages"])) == 1
    assert "No message here names it" in sesn("track", "ABCU1234560", home=home).out


def test_watch(net: Network) -> None:
    """What is watched for is marked in the list of alerts, in CSV and in the status."""
    home = net[GH].home
    for line in (("--party", PARTY), ("--owner", "QZWU"), ("--route", "NLRTM:GHTEM")):
        assert sesn("watch", "add", *line, home=home).code == 0
    again = sesn("watch", "add", "--owner", "qzwu", "--json", home=home).json
    assert again["added"] is False
    net.share(NL, GH, payload=consignment())
    net.share(NL, GH)
    net.deliver(NL, GH)
    net.rest()
    words = ["owner QZWU", f"party {PARTY}"]
    found = rows(sesn("alert", "list", "--json", home=home).json["alerts"])
    assert [one["watched"] for one in found] == [[], words]
    assert "watched for: owner QZWU" in sesn("alert", "list", home=home).out
    table = _csv(sesn("alert", "list", "--csv", home=home))
    assert [row[table[0].index("watched")] for row in table[1:]] == ["", "; ".join(words)]
    status = sesn("status", "--json", home=home).json
    assert status["watched"] == {"entries": 3, "matches": 1, "days": 30}
    assert "watched for" in sesn("status", home=home).out
    listed = rows(sesn("watch", "list", "--json", home=home).json["watched"])
    assert [one["watched"] for one in listed] == [
        f"party {PARTY}",
        "owner QZWU",
        "route NLRTM to GHTEM",
    ]
    assert sesn("watch", "remove", listed[1]["number"], home=home).code == 0
    assert "owner QZWU" not in sesn("watch", "list", home=home).out


def test_related(net: Network) -> None:
    """What shares a container comes first, and the list says what is shared."""
    first = net.share(NL, GH, payload=consignment())
    party = net.share(NL, GH, payload=consignment("ABCU1234560", seal="9", imo="9074730"))
    seen = tell(net, NL, sighting("GHTEM", day(1), container=CONTAINER), GH)
    net.rest()
    home = net[NL].home
    found = sesn("alert", "related", show_message_id(first), "--json", home=home).json
    assert _ids(found["related"]) == [show_message_id(one) for one in (seen, party)]
    shared = [one["shared"] for one in rows(found["related"])]
    assert shared[0] == [{"field": "container", "value": "qzwu7319402"}]
    shown = sesn("alert", "related", show_message_id(first), home=home).out
    assert "container qzwu7319402" in shown
    assert "sighting to gh.epa" in shown


def test_related_that_contradict(net: Network) -> None:
    """One seal on two containers: both alerts cannot be right, and the list says so."""
    first = net.share(NL, GH, payload=consignment(seal="SEAL 7"))
    net.pass_time(1)
    second = net.share(NL, GH, payload=consignment("ABCU1234560", seal="SEAL-7"))
    net.rest()
    home = net[NL].home
    found = sesn("alert", "related", show_message_id(first), "--json", home=home).json
    (doubt,) = rows(found["findings"])
    assert str(doubt["field"]).startswith(f"{show_message_id(second)}: ")
    assert "the same seal is on" in str(doubt["reason"])
    assert "the same seal is on" in sesn("alert", "related", show_message_id(first), home=home).out


def test_overdue_alerts_and_markup(net: Network) -> None:
    """Until when an answer is asked for, and that it is over; words in brackets stay words."""
    payload = alert("[bold]Call[/bold] [link=http://x.example]us[/link]")
    assert isinstance(payload.body, Alert)
    late = replace(payload.body, respond_by=datetime(2020, 1, 2, 3, 4, tzinfo=UTC))
    first = net.share(NL, GH, payload=replace(payload, body=late))
    net.deliver(NL, GH)
    tell(net, NL, Note("[red]Hurry[/red] up."), GH, conversation=first, deliver=False)
    net.rest()
    for agency in (NL, GH):
        shown = sesn("alert", "list", home=net[agency].home).out
        assert "[bold]Call[/bold] [link=http://x.example]us[/link]" in shown
        assert "overdue since 2020-01-02 03:04" in shown
    net.respond(GH, first, Decision.ACCEPTED)
    net.rest()
    assert "overdue" not in sesn("alert", "list", home=net[GH].home).out
    shown = sesn("conversation", "show", show_message_id(first), home=net[NL].home).out
    assert "[red]Hurry[/red] up." in shown


def test_csv_of_hostile_words(net: Network) -> None:
    """A partner's subject is no formula in our spreadsheet."""
    net.share(GH, NL, payload=alert('=HYPERLINK("http://x.example";"open")'))
    net.share(GH, NL, payload=alert("@SUM(1+1)"))
    tell(net, GH, request("+1 (555) call"), NL, deliver=False)
    net.deliver(GH, NL)
    net.rest()
    home = net[NL].home
    tables = [
        _csv(sesn(*line, "--csv", home=home))
        for line in (("alert", "list"), ("conversation", "list"), ("request", "list"))
    ]
    for table in tables:
        assert len({len(row) for row in table}) == 1
        cells = [cell for row in table[1:] for cell in row]
        assert not [one for one in cells if one.startswith(("=", "+", "-", "@"))]
    assert '\'=HYPERLINK("http://x.example";"open")' in tables[0][2]
    assert "'+1 (555) call" in tables[2][1]
    outbox = _csv(sesn("outbox", "list", "--csv", home=net[GH].home))
    assert outbox[0][0] == "message_id"


def test_a_forward_in_a_conversation(connect: Callable[..., Network]) -> None:
    """Whose message it is, and what it says, not its bytes."""
    net = connect(NL, GH, BE)
    payload = consignment()
    granted = net.share(
        NL, GH, payload=replace(payload, markings=replace(payload.markings, onward=(BE,)))
    )
    net.deliver(NL, GH)
    done = forward(net[GH].office, granted, (BE,), text="You may know the ship.")
    net.pass_time(1)
    net.deliver(GH, BE)
    net.rest()
    name = show_message_id(done.message_id)
    shown = sesn("conversation", "show", name, home=net[BE].home).out
    for words in ("forward", "first from", NL, "You may know the ship.", CONTAINER):
        assert words in shown, words
    found = sesn("conversation", "show", name, "--json", home=net[BE].home).json
    (one,) = rows(found["messages"])
    assert one["originator"] == NL
    assert "alert" in str(one["payload"])


@pytest.mark.parametrize("kind", [one for one in MessageKind if one is not MessageKind.FORWARD])
def test_every_kind_has_words(kind: MessageKind) -> None:
    """All that a body says is shown; none of it as markup."""
    payload = Payload(MARKED, BODIES[kind])
    console.cache_clear()
    shown = console()
    with shown.capture() as captured:
        shown.print(body_text(payload))
    text = captured.get()
    assert "TLP:AMBER" in text
    assert subject_of(payload)
    assert KIND_WORDS[kind]
    for name in ("text", "reason", "subject", "place", "hold"):
        value = getattr(payload.body, name, "")
        if value:
            assert value.split("\n")[0][:40] in text, name
