"""Steps of cases where officers meet messages of any kind: lists, lives, drafts, and errors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.case_terms import Action, Ground
from sesn_node.domain.ids import show_message_id
from sesn_node.exchange.approval import propose
from sesn_node.exchange.casework import TakeBack, request_draft
from tests.support.casework import MARKS, REQUESTED, Casework
from tests.support.commands import rows, sesn
from tests.support.homes import GH, NL

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import MessageId
    from tests.support.network import Network

_BOX = "MSCU6639870"


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


def _requested(net: Network) -> tuple[Casework, MessageId]:
    work = Casework(net)
    case_id = work.request(NL, GH)
    work.post()
    net.rest()
    return work, case_id


def test_conversation_and_outbox(net: Network) -> None:
    """A step is shown with all that it says, and its life tells that it is one."""
    name = show_message_id(_requested(net)[1])
    home = net[GH].home
    listed = sesn("conversation", "list", home=home).out
    assert REQUESTED.subject in listed
    shown = sesn("conversation", "show", name, home=home).out
    for words in ("step of a case", "request, as DET", REQUESTED.text, _BOX, "inform, as DET"):
        assert words in shown, words
    (first, *_) = rows(sesn("conversation", "show", name, "--json", home=home).json["messages"])
    assert first["kind"] == "case_step"
    life = sesn("outbox", "show", name, home=net[NL].home)
    assert "recorded as a step of its case" in life.out
    assert "case step" in life.out
    steps = rows(sesn("outbox", "show", name, "--json", home=net[NL].home).json["steps"])
    assert [one["what"] for one in steps][:2] == ["shared", "case"]


def test_what_is_no_alert(net: Network) -> None:
    """Who takes a step for an alert is told where it is; nothing is exported as one."""
    whole = show_message_id(_requested(net)[1])
    for home in (net[NL].home, net[GH].home):
        for name in (whole, whole[:13]):
            for command in (
                ("alert", "show", name),
                ("alert", "export", name, "--format", "stix"),
                ("alert", "export", name, "--format", "misp"),
            ):
                sesn(*command, home=home).failed(6, "UNKNOWN_MESSAGE", f"sesn case show {whole}")
    sesn("alert", "recall", whole, "--reason", "x", "--yes", home=net[NL].home).failed(
        6, "NOT_RECALLABLE", "sesn case withdraw"
    )
    sesn("alert", "forward", whole, "--to", NL, home=net[GH].home).failed(
        6, "NOT_FORWARDABLE", "sesn case invite"
    )


def test_reach_and_erase(net: Network) -> None:
    """Where it went is told; what it says can be erased, and the case stays."""
    work, case_id = _requested(net)
    name = show_message_id(case_id)
    reached = sesn("alert", "reach", name, home=net[NL].home).out
    assert "case step" in reached
    assert GH in reached
    erased = sesn("alert", "erase", name, "--reason", "Done", "--yes", home=net[GH].home)
    assert erased.code == 0
    net[GH].reopen()
    assert work.case(GH, case_id) == work.case(NL, case_id)
    assert "erased" in sesn("conversation", "show", name, home=net[GH].home).out


def test_track(net: Network) -> None:
    """Movements stand in the track, and say that a case tells them."""
    work, case_id = _requested(net)
    for agency, action in (
        (GH, Action.ACKNOWLEDGE),
        (GH, Action.ACCEPT),
        (GH, Action.DOCUMENT),
        (NL, Action.SHIP),
    ):
        work.step(agency, case_id, action)
        work.post()
    net.rest()
    shown = " ".join(sesn("track", _BOX, home=net[GH].home).out.split())
    for words in ("left", "NLRTM", NL, "told in a case", "NL4711"):
        assert words in shown, words
    (stop,) = rows(sesn("track", _BOX, "--json", home=net[GH].home).json["stops"])
    assert (stop["what"], stop["case_id"]) == ("LEFT", show_message_id(case_id))


def test_draft_of_a_step(net: Network) -> None:
    """Whoever has to approve a request sees what it is about."""
    work = Casework(net)
    wanted = TakeBack(
        exporter=GH, ground=Ground.NOT_AS_DOCUMENTED, details=REQUESTED, markings=MARKS
    )
    officer, _ = work.people[NL]
    office = replace(net[NL].office, actor=officer)
    propose(office, request_draft(office, wanted))
    net.rest()
    listed = sesn("approve", "list", home=net[NL].home).out
    assert f"case, request: {REQUESTED.subject}" in " ".join(listed.split())
    assert "REQUEST; by anna to gh.epa" in listed
