"""`outbox`: where each copy stands and why, the life of a message, and trying it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import system_clock
from sesn_node.cli import outbox as commands
from sesn_node.cli.outbox_text import span
from sesn_node.domain.alert import Urgency
from sesn_node.domain.conversation import Decision
from sesn_node.domain.ids import show_message_id
from sesn_node.errors import PeerUnavailable
from sesn_node.exchange.aside import set_aside
from sesn_node.exchange.expire import expire
from tests.support.commands import rows, sesn, untouched
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import HOUR_MS, alert
from tests.support.trips import other_key
from tests.support.wires import due_batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.commands import JsonIn
    from tests.support.network import Network

pytestmark = pytest.mark.usefixtures("_wide")

_FAR_MS = 2**42


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Four agencies that trust each other; the clock of the network is the machine's."""
    net = connect(NL, GH, BE, DE)
    # Commands go by the machine's clock.
    net.pass_time(system_clock() - net.clock.now_ms)
    return net


def _list(net: Network, *options: str) -> list[dict[str, JsonIn]]:
    net.rest()
    with untouched(net[NL].home):
        return rows(sesn("outbox", "list", "--json", *options, home=net[NL].home).json["outbox"])


def _text(net: Network, *line: str) -> str:
    """Run a command; without what the width of the screen does to its words."""
    net.rest()
    with untouched(net[NL].home):
        ran = sesn(*line, home=net[NL].home)
    assert (ran.code, ran.err) == (0, "")
    return " ".join(ran.out.split())


def _refused(net: Network, to: AgencyId = GH) -> MessageId:
    """Share a message that cannot be opened."""
    message_id = net.share(NL, to)
    wire = net.wire(NL, to)
    wire.tamper_request = other_key
    wire.deliver()
    return message_id


def test_empty(net: Network) -> None:
    """Nothing waits: that is said, and differs from a filter that finds nothing."""
    assert "nothing was sent from here yet" in _text(net, "outbox", "list")
    assert sesn("outbox", "list", "--json", home=net[NL].home).json == {"outbox": [], "total": 0}
    net.share(NL, GH)
    net.deliver(NL, GH)
    assert "every message was acknowledged by every recipient" in _text(net, "outbox", "list")
    assert f"Nothing waits for {BE}; --all shows" in _text(net, "outbox", "list", "--to", BE)
    assert "No copy stands so" in _text(net, "outbox", "list", "--to", BE, "--all")
    assert "No copy stands so" in _text(net, "outbox", "list", "--state", "dead")


def test_recipient_that_is_no_partner(net: Network) -> None:
    """A slip of the pen is not taken for an empty outbox."""
    with untouched(net[NL].home):
        ran = sesn("outbox", "list", "--to", "gh.eap", home=net[NL].home)
    ran.failed(6, "NOT_TRUSTED", "gh.eap is not a partner; 'sesn peer list'")


def test_waits_for_its_turn(net: Network) -> None:
    """What goes first is counted for each recipient by itself."""
    for urgency in (Urgency.ROUTINE, Urgency.SHIP_SAILS, Urgency.URGENT):
        net.share(NL, GH, payload=alert(urgency=urgency))
    net.share(NL, BE)
    found = {(row["agency"], row["priority"]): row for row in _list(net)}
    assert {key: row["ahead"] for key, row in found.items()} == {
        (GH, "IMMEDIATE"): 0,
        (GH, "URGENT"): 1,
        (GH, "ROUTINE"): 2,
        (BE, "URGENT"): 0,
    }
    assert {row["why"] for row in found.values()} == {"waits-for-its-turn"}
    text = _text(net, "outbox", "list")
    for words in (
        "leaves next",
        "one goes first",
        "2 go first",
        "not connected so far",
        "in 30 days",
    ):
        assert words in text or words.replace("30", "29") in text, words
    assert "No node serves this home" in text


def test_put_off(net: Network) -> None:
    """The last refusal, the next attempt, and how many there may be."""
    message_id = net.share(NL, BE)
    with net[NL].office.store.write() as transaction:
        until_ms = net.clock.now_ms + HOUR_MS
        transaction.outbox.defer(message_id, BE, until_ms=until_ms, code="BUSY", detail="full")
    (row,) = _list(net)
    assert (row["why"], row["code"], row["detail"]) == ("put-off", "BUSY", "full")
    assert (row["attempts"], row["attempts_allowed"], row["ahead"]) == (1, 20_000, None)
    text = _text(net, "outbox", "list")
    assert "tried again in 59 min, after BUSY: full (attempt 1 of 20,000)" in text


def test_not_answered(net: Network) -> None:
    """A message that was set aside says so, and that it goes alone."""
    net[NL].deal(backoff_initial_ms=HOUR_MS, backoff_cap_ms=HOUR_MS)
    net.share(NL, GH)
    outgoing = due_batch(net[NL].office, GH)
    assert outgoing is not None
    set_aside(net[NL].office, GH, outgoing, PeerUnavailable("gh.epa said nothing"))
    (row,) = _list(net)
    assert (row["why"], row["code"]) == ("put-off", "NO_ANSWER")
    assert "after no answer when sent alone: gh.epa said nothing" in _text(net, "outbox", "list")
    for _ in range(2):
        net.share(NL, GH)
    with net[NL].office.store.write() as transaction:
        transaction.outbox.defer(
            outgoing.consigned[0].message_id, GH, until_ms=0, code="NO_ANSWER", detail=None
        )
    assert "is sent alone, after 2 others, after no answer" in _text(net, "outbox", "list")


def test_not_reached(net: Network) -> None:
    """Since when, why, and when the next attempt is; after three failures the circuit is open."""
    net.share(NL, GH)
    net.share(NL, BE)
    with net[NL].office.store.write() as transaction:
        transaction.peers.link_up(GH, 1_700_000_000_000)
        transaction.peers.link_down(GH, failures=1, next_attempt_ms=0, error="refused")
        transaction.peers.link_down(BE, failures=3, next_attempt_ms=_FAR_MS, error="no route")
    found = {row["agency"]: row for row in _list(net)}
    assert {row["why"] for row in found.values()} == {"not-reached"}
    assert (found[GH]["link_failures"], found[GH]["link_error"]) == (1, "refused")
    assert (found[GH]["circuit"], found[BE]["circuit"]) == ("closed", "open")
    text = _text(net, "outbox", "list")
    assert (
        "not connected; the last time from 2023-11-14 22:13 UTC, failed once; next try is" in text
    )
    assert "not connected so far, failed 3 times in a row; circuit open, next probe in" in text
    assert "queued: waits until be.police is reached" in text


def test_waits_to_be_collected(net: Network) -> None:
    """A recipient without endpoints has to come by itself."""
    net[DE].issue(endpoints=())
    net.deliver(NL, DE)
    net.share(NL, DE)
    (row,) = _list(net)
    assert (row["why"], row["collects"]) == ("waits-to-be-collected", True)
    text = _text(net, "outbox", "list")
    # Nobody serves, so it is not connected, though nobody noted when that ended.
    assert "only collects; not connected; the last time from 20" in text
    assert "waits for de.port to collect" in text


def test_past_its_expiry(net: Network) -> None:
    """A copy that a node has still to end says what it is."""
    net.share(NL, GH, expires_ms=net.clock.now_ms + 1)
    (row,) = _list(net)
    assert (row["state"], row["why"]) == ("queued", "past-its-expiry")
    assert "past its expiry; a serving node ends it passed" in _text(net, "outbox", "list")


def test_how_copies_ended(net: Network) -> None:
    """Refused, given up, revoked, expired, sealed anew: each with its reason and the way out."""
    net[NL].deal(attempts=1)
    net[GH].skew_ms = -HOUR_MS
    net.share(NL, GH)
    net.deliver(NL, GH)
    net[GH].skew_ms = 0
    net.share(NL, BE)
    net.revoke(NL, BE)
    _refused(net, DE)
    net.share(NL, GH, expires_ms=net.clock.now_ms + 5)
    net.pass_time(10)
    assert expire(net[NL].office) == 1
    found = {str(row["why"]): row for row in _list(net)}
    assert set(found) == {"given-up", "recipient-revoked", "refused", "expired"}
    assert found["given-up"]["code"] == "CLOCK_SKEW"
    text = _text(net, "outbox", "list")
    for words in (
        "dead: given up after 1 attempt; the last: CLOCK_SKEW: created",
        "dead: be.police was revoked",
        "refused: for good, UNDECRYPTABLE: the wrapped key is not the one",
        "expired: not delivered in time",
        "outbox requeue ID' tries those again",
    ):
        assert words in text, words
    assert "No node serves" not in text


def test_filters(net: Network) -> None:
    """By recipient, by state, with those that are acknowledged, and not too many."""
    acknowledged = net.share(NL, GH, BE)
    net.deliver(NL, GH)
    refused = _refused(net)
    queued = [net.share(NL, GH) for _ in range(3)]
    every = [*queued, acknowledged, refused, acknowledged]
    assert len(_list(net, "--all")) == len(every)
    assert {row["agency"] for row in _list(net, "--to", BE)} == {BE}
    assert [row["message_id"] for row in _list(net, "--state", "refused")] == [
        show_message_id(refused)
    ]
    assert {str(row["state"]) for row in _list(net, "--state", "refused", "--state", "queued")} == {
        "refused",
        "queued",
    }
    (row,) = _list(net, "--state", "acknowledged")
    assert isinstance(row["receipt"], dict)
    ran = sesn("outbox", "list", "--limit", "2", "--json", home=net[NL].home)
    assert (len(rows(ran.json["outbox"])), ran.json["total"]) == (2, 5)
    assert "2 of 5 copies; --limit shows more" in _text(net, "outbox", "list", "--limit", "2")
    assert "acknowledged: 20" in _text(net, "outbox", "list", "--all")


def test_life_of_a_message(net: Network) -> None:
    """Shared, refused, queued again, received with proof, answered: in the order of our ledger."""
    message_id = net.share(NL, GH, BE)
    net[GH].skew_ms = 60 * 24 * HOUR_MS
    net.deliver(NL, GH)
    net[GH].skew_ms = 0
    ran = sesn("outbox", "requeue", show_message_id(message_id), "--to", GH, home=net[NL].home)
    assert ran.code == 0
    net.deliver(NL, GH)
    net.respond(GH, message_id, Decision.ACCEPTED)
    net.deliver(GH, NL)
    found = sesn("outbox", "show", show_message_id(message_id)[:18], "--json", home=net[NL].home)
    steps = rows(found.json["steps"])
    assert [step["what"] for step in steps] == [
        "shared",
        "refused-by-recipient",
        "requeued",
        "acknowledged",
        "answered",
    ]
    assert [step["entry"] for step in steps] == sorted(int(str(step["entry"])) for step in steps)
    assert (steps[1]["code"], steps[1]["detail"]) == ("EXPIRED", None)
    assert isinstance(steps[3]["receipt"], dict)
    assert steps[3]["cosigned"]
    assert {row["agency"]: row["state"] for row in rows(found.json["copies"])} == {
        GH: "acknowledged",
        BE: "queued",
    }
    text = _text(net, "outbox", "show", show_message_id(message_id))
    for words in (
        "sealed, recorded as SHARED, and queued",
        "refused for good by gh.epa, EXPIRED",
        "queued again for gh.epa by an operator",
        "acknowledged by gh.epa received 20",
        "of gh.epa.sesn/ledger/1, proven under its checkpoint of",
        "it cosigned ours of",
        "gh.epa answered with response",
        "be.police queued: leaves next",
    ):
        assert words in text, words


def test_life_of_a_message_that_was_sealed_anew(net: Network) -> None:
    """Both messages name each other."""
    message_id = _refused(net)
    ran = sesn("outbox", "requeue", show_message_id(message_id), "--json", home=net[NL].home)
    (copy,) = rows(ran.json["copies"])
    anew = str(copy["resealed_as"])
    assert copy == {"agency": GH, "changed": True, "resealed_as": anew}
    old = _text(net, "outbox", "show", show_message_id(message_id))
    assert f"sealed anew for gh.epa by an operator, as {anew}" in old
    assert "refused for good by gh.epa, UNDECRYPTABLE: the wrapped key" in old
    assert f"says anew {show_message_id(message_id)}" in _text(net, "outbox", "show", anew)
    assert "sealed anew as" in _text(net, "outbox", "list")
    again = sesn("outbox", "requeue", show_message_id(message_id), home=net[NL].home)
    assert (
        f"was sealed anew before; see 'sesn --home {net[NL].home} outbox show {anew}'" in again.out
    )
    assert rows(sesn("outbox", "show", anew, "--json", home=net[NL].home).json["steps"])


def test_requeue(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node is poked after the commit; doing it again changes nothing."""
    message_id = net.share(NL, GH)
    net.revoke(NL, GH)
    net.trust(NL, GH)
    poked: list[Path] = []

    def wake(home: Path) -> bool:
        poked.append(home)
        return bool(poked[1:])

    monkeypatch.setattr(commands, "wake_node", wake)
    ran = sesn("outbox", "requeue", show_message_id(message_id), home=net[NL].home)
    assert "gh.epa: queued again." in ran.out
    assert "No node serves this home" in ran.out
    ran = sesn("outbox", "requeue", show_message_id(message_id), home=net[NL].home)
    assert ran.out == "gh.epa: is queued already.\n"
    assert poked == [net[NL].home] * 2


def test_what_cannot_be_named(net: Network) -> None:
    """An id that is none, that no message has, or that several begin with; a message of others."""
    message_id = show_message_id(net.share(NL, GH))
    net.clock.now_ms -= 1
    other = show_message_id(net.share(NL, GH))
    theirs = show_message_id(net.share(GH, NL))
    net.deliver(GH, NL)
    net.rest()
    with untouched(net[NL].home):
        for command in ("show", "requeue"):
            for text, code, word in (
                ("0123", 4, "MALFORMED"),
                ("x" * 50, 4, "MALFORMED"),
                ("\x1b[2Jabcdefgh", 4, "MALFORMED"),
                ("00000000", 6, "UNKNOWN_MESSAGE"),
                (theirs, 6, "UNKNOWN_MESSAGE"),
                (theirs[:13], 6, "UNKNOWN_MESSAGE"),
                (message_id[:13], 7, "AMBIGUOUS"),
            ):
                ran = sesn("outbox", command, text, home=net[NL].home)
                ran.failed(code, word)
                assert "\x1b" not in ran.err
        ran = sesn("outbox", "show", theirs, home=net[NL].home)
        ran.failed(6, "UNKNOWN_MESSAGE", f"was received from gh.epa: 'sesn alert show {theirs}'")
        assert other[:13] == message_id[:13]
        ran = sesn("outbox", "requeue", message_id, "--to", "be.police", home=net[NL].home)
        ran.failed(6, "NOT_A_RECIPIENT", "gh.epa")
        sesn("outbox", "list", "--to", "nobody", home=net[NL].home).failed(4, "MALFORMED")
        sesn("outbox", "list", "--state", "lost", home=net[NL].home).failed(2, "USAGE", "lost")


def test_spans() -> None:
    """The largest unit of which there are two; what is over is no time."""
    assert [span(ms) for ms in (-5, 0, 119_999, 120_000, 7_199_999, 7_200_000)] == [
        "0 s",
        "0 s",
        "119 s",
        "2 min",
        "119 min",
        "2 h",
    ]
    assert span(2 * 24 * HOUR_MS) == "2 days"
