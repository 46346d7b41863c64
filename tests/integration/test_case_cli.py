"""`sesn case`: a return to origin as officers type it, on both sides and beside."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.cli.case_html import page
from sesn_node.cli.case_text import show_text
from sesn_node.cli.show import console
from sesn_node.codes.zones import zoned
from sesn_node.config import load, render
from sesn_node.config.cases import Regime
from sesn_node.domain.cards import Contact
from sesn_node.domain.case_clock import last_moment
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_terms import Action, Ground
from sesn_node.domain.ids import parse_message_id
from sesn_node.domain.times import utc_minute
from sesn_node.exchange.caseviews import view_case
from tests.support.alerts import consignment
from tests.support.case_cli import OFFICER, Desks, actions, named
from tests.support.commands import assert_commands_exist, rows
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import DAY_MS
from tests.support.pages import Page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.commands import JsonIn
    from tests.support.network import Network

pytestmark = pytest.mark.engine("sqlite")

SHIP = (
    *("--movement-document", "GH 1/1", "--container", "MSCU6639870", "--seal", "NL4711"),
    *("--imo", "9074729", "--bill-of-lading", "MEDU1234567", "--place", "NLRTM"),
)
AT = ("--at", "2026-11-23T10:00Z")
TREAT = ("--certificate", "T-9", "--operation", "R4", *AT)
HOSTILE = "</h1><script>alert(1)</script>\"'><img src=x onerror=alert(1)> &lt;b&gt; \u200b"


@pytest.fixture
def desks(connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch) -> Desks:
    """Three agencies that trust each other."""
    return Desks(connect(NL, GH, BE), monkeypatch)


def _next(shown: dict[str, JsonIn]) -> tuple[JsonIn, list[JsonIn]]:
    found = shown["next"]
    assert isinstance(found, dict)
    return found["who"], [one["action"] for one in rows(found["steps"])]


def _possible(shown: dict[str, JsonIn]) -> set[JsonIn]:
    return {one["action"] for one in rows(shown["possible"])}


def _requested(desks: Desks, *, by_facility: bool = False) -> str:
    """Request a return of NL to GH, with BE in transit; it has arrived everywhere."""
    case_id = desks.work.request(NL, GH, transit=(BE,), facility=(BE,) if by_facility else ())
    desks.work.post()
    return named(case_id)


def _opened(desks: Desks, tmp_path: Path) -> str:
    """Open a case from an alert, complete it, request it, and approve it; return its id."""
    report = tmp_path / "report.pdf"
    report.write_bytes(b"what the inspection found")
    alert_id = named(desks.net.share(NL, GH, payload=consignment()))
    line: tuple[str, ...] = ()
    line += ("--exporter", GH, "--transit", BE, "--facility", GH, "--ground", "NOT_AS_DOCUMENTED")
    line += ("--responsibility", "EXPORTER", "--subject", "Tubes", "--alert", alert_id[:13])
    draft = desks.json(NL, "open", *line, "--evidence", f"Report={report}", "--tlp", "AMBER")
    draft_id = str(draft["draft_id"])
    assert draft["lacking"] == ["details.text"]
    desks.case(NL, "request", draft_id, "--as", OFFICER).failed(4, "MALFORMED", "details.text")
    draft = desks.json(NL, "open", "--replace", draft_id[:13], "--text", "24 t of tubes.")
    assert (draft["draft_id"], draft["lacking"]) == (draft_id, [])
    proposed = desks.json(NL, "request", draft_id, "--as", OFFICER)
    assert proposed == {"draft_id": draft_id, "reason": "REQUEST", "to": [BE, GH]}
    case_id = desks.approve(NL, draft_id[:13])
    assert desks.json(NL, "list")["drafts"] == []
    with desks.net[NL].office.store.read() as transaction:
        sent = transaction.outbox.message(parse_message_id(alert_id))
    assert sent is not None
    first, second = _evidence(desks.shown(BE, case_id))
    assert (first["message_id"], first["sha256"]) == (alert_id, sent.sealed.header_sha256.hex())
    assert second["sha256"] == hashlib.sha256(report.read_bytes()).hexdigest()
    return case_id


def _evidence(shown: dict[str, JsonIn]) -> list[dict[str, JsonIn]]:
    found: JsonIn = rows(shown["steps"])[0]
    for name in ("payload", "case_step", "details", "evidence"):
        assert isinstance(found, dict)
        found = found[name]
    return rows(found)


def test_a_whole_case(desks: Desks, tmp_path: Path) -> None:
    """From an alert to closed, with a seal that does not match; every answer is for programs."""
    for agency in (NL, GH):
        desks.hire(agency)
    case_id = _opened(desks, tmp_path)
    shown = desks.shown(BE, case_id)
    people = rows(rows(shown["steps"])[0]["people"])
    assert [(one["act"], one["operator"]) for one in people] == [
        ("AUTHORED", "k7"),
        ("APPROVED", "s2"),
    ]
    assert (actions(shown), shown["clock"]) == (["REQUEST", "INFORM"], "RUNNING")
    assert _next(shown) == ([GH], ["ACKNOWLEDGE"])
    done = desks.step(GH, case_id, "acknowledge", "--reference", "GH-17")
    assert (done["case_id"], done["step"], done["awaited"]) == (case_id, "ACKNOWLEDGE", [GH])
    assert [one["agency"] for one in rows(done["recipients"])] == [BE, NL]
    assert desks.step(GH, case_id, "ask", "--text", "Photos?")["state"] == "INFO_REQUESTED"
    words = tmp_path / "answer.txt"
    words.write_bytes(b"They are in\r\nthe report.\n")
    answered = desks.step(NL, case_id[:13], "answer", "--text-file", words)
    assert answered["state"] == "ACKNOWLEDGED"
    accept = ("accept", case_id, "--taker", "Exporter Ltd", "--payer", "Exporter Ltd", "--yes")
    waiting = desks.json(GH, *accept, "--as", OFFICER)
    assert waiting["reason"] == "ACCEPT"
    assert desks.shown(GH, case_id)["state"] == "ACKNOWLEDGED"
    assert case_id in desks.typed(GH, "approve", "list").out
    desks.approve(GH, waiting["draft_id"])
    assert desks.step(GH, case_id, "document", "--reference", "GH 1")["state"] == "DOCUMENTED"
    assert desks.step(NL, case_id, "ship", *SHIP)["state"] == "SHIPPED"
    assert desks.step(GH, case_id, "arrive", "--seal", "NL4712", *AT)["state"] == "ARRIVED"
    shown = desks.shown(NL, case_id)
    (incident,) = rows(shown["incidents"])
    assert (incident["kind"], incident["by"], incident["resolved"]) == ("MISMATCH", GH, False)
    assert shown["clock"] == "MET"
    assert desks.step(NL, case_id, "resolve", "--text", "A typing error.")["state"] == "ARRIVED"
    assert desks.step(GH, case_id, "receive", *AT)["state"] == "RECEIVED"
    assert desks.step(GH, case_id, "treat", *TREAT)["state"] == "TREATED"
    assert desks.step(NL, case_id, "close")["awaited"] == []
    for agency in (NL, GH, BE):
        shown = desks.shown(agency, case_id)
        assert (shown["state"], _next(shown), _possible(shown)) == ("CLOSED", ([], []), set())
    desks.net.checking = True
    desks.net.check()


def test_a_case_goes_to_an_auditor_and_to_a_member_again(desks: Desks, tmp_path: Path) -> None:
    """`export` is the bundle of the conversation; `file` hands over as often as it is asked for."""
    case_id = _requested(desks)
    bundle = tmp_path / "case.sesnaudit"
    exported = desks.json(NL, "export", case_id, "--output", bundle)
    assert (exported["case_id"], exported["case_steps"]) == (case_id, 2)
    assert exported["sha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    line = ("audit", "export", tmp_path / "same.sesnaudit", "--conversation", case_id, "--json")
    same = desks.typed(NL, *line).json
    assert (same["case_steps"], same["messages"]) == (2, exported["messages"])
    desks.case(NL, "export", case_id, "--output", bundle).failed(9, "FILE_EXISTS", "--force")
    blind = desks.json(NL, "export", case_id, "--output", bundle, "--blind", "--force")
    assert blind["entries"] == 0
    for _ in range(2):
        handed = desks.json(NL, "file", case_id, "--to", BE)
        assert (handed["to"], handed["steps"], handed["left_out"]) == (BE, 2, 0)
        assert isinstance(handed["message_ids"], list)
        (message_id,) = handed["message_ids"]
        desks.work.post()
        states = desks.net[NL].states(parse_message_id(str(message_id)))
        assert states == {BE: "acknowledged"}
    desks.case(NL, "file", case_id, "--to", DE).failed(6, "POLICY", "be.police, gh.epa")
    desks.case(NL, "file", case_id, "--to", NL).failed(6, "POLICY", "be.police, gh.epa")


def test_ways_through_a_dispute(desks: Desks) -> None:
    """Disputed, proposed twice, declined, taken back, and treated where it was found."""
    case_id = _requested(desks)
    desks.step(GH, case_id, "acknowledge", "--reference", "GH-17")
    line = ("dispute", "--reason", "INSUFFICIENT_EVIDENCE", "--text", "No photos.")
    assert desks.step(GH, case_id, *line)["state"] == "DISPUTED"
    assert _next(desks.shown(NL, case_id)) == ([NL], ["SETTLE", "WITHDRAW"])
    settle = ("settle", "--way", "CONSIGNEE", "--text", "The importer treats it.")
    assert desks.step(NL, case_id, *settle)["state"] == "SETTLEMENT_PROPOSED"
    shown = desks.shown(GH, case_id)
    (asked,) = rows(shown["asked"])
    assert (asked["action"], asked["by"], asked["of"]) == ("SETTLE", NL, [GH])
    assert desks.step(GH, case_id, "decline", "--text", "No.")["state"] == "DISPUTED"
    assert desks.step(NL, case_id, *settle)["state"] == "SETTLEMENT_PROPOSED"
    assert desks.step(NL, case_id, "decline", "--text", "We reconsider.")["state"] == "DISPUTED"
    assert desks.step(GH, case_id, *settle)["state"] == "SETTLEMENT_PROPOSED"
    assert desks.step(NL, case_id, "agree")["state"] == "CONSIGNEE_TREATMENT"
    assert desks.step(NL, case_id, "treat", *TREAT)["state"] == "TREATED"


def test_alternatives_rejections_and_withdrawal(desks: Desks) -> None:
    """A facility rejects what arrives; an alternative needs everybody; a request is withdrawn."""
    case_id = _requested(desks, by_facility=True)
    desks.step(GH, case_id, "acknowledge", "--reference", "GH-17")
    propose = ("propose", "--site", "Works", "--operation", "R4", "--text", "Near.")
    proposed = desks.step(GH, case_id, *propose, "--facility", BE)
    assert proposed["state"] == "ALTERNATIVE_PROPOSED"
    assert desks.step(BE, case_id, "agree")["state"] == "ALTERNATIVE_PROPOSED"
    shown = desks.shown(BE, case_id)
    assert _next(shown) == ([NL], ["AGREE", "DECLINE"])
    assert desks.step(NL, case_id, "decline", "--text", "Too far.")["state"] == "ACKNOWLEDGED"
    withdraw = ("withdraw", "--reason", "SETTLED_OTHERWISE", "--text", "Bought.")
    assert desks.step(NL, case_id, *withdraw)["state"] == "WITHDRAWN"
    assert desks.shown(GH, case_id)["clock"] == "STOPPED"

    case_id = named(desks.work.request(NL, GH, facility=(BE,)))
    desks.work.post()
    for agency, action in ((GH, Action.ACKNOWLEDGE), (GH, Action.ACCEPT), (GH, Action.DOCUMENT)):
        desks.work.step(agency, parse_message_id(case_id), action)
        desks.work.post()
    desks.step(NL, case_id, "ship", *SHIP)
    check = ("--seal-check", "BROKEN", "--seal", "NL4711", *AT)
    desks.step(GH, case_id, "arrive", *check)
    reject = ("reject", "--reason", "DAMAGED", "--text", "It leaks.")
    assert desks.step(BE, case_id, *reject)["state"] == "REJECTED"
    (incident,) = rows(desks.shown(BE, case_id)["incidents"])
    assert incident["kind"] == "BROKEN"
    desks.step(BE, case_id, "incident", "--kind", "GOODS_MISSING", "--text", "Two pallets.")
    refused = desks.case(NL, "resolve", case_id, "--text", "Found.", "--yes")
    refused.failed(6, "POLICY", "--about")
    about = rows(desks.shown(NL, case_id)["incidents"])[1]["step"]
    desks.step(NL, case_id, "resolve", "--text", "Found.", "--about", str(about)[:8])
    assert [one["resolved"] for one in rows(desks.shown(BE, case_id)["incidents"])] == [False, True]


def test_due_dates(desks: Desks) -> None:
    """Extended by both, then overdue: in lists, by whom it was missed, and since when."""
    first, second = _requested(desks), _requested(desks)
    start_ms = desks.net.clock.now_ms
    text = desks.case(NL, "due").out
    assert "in 30 days" in text
    last = last_moment(start_ms, 45)
    until = _day(last)
    refused = ("extend", first, "--text", "Ice.", "--yes", "--until")
    desks.case(GH, *refused, _day(last_moment(start_ms, 30))).failed(
        4, "MALFORMED", f"--until: {_day(last_moment(start_ms, 30))} is not later than the due date"
    )
    desks.step(GH, first, "extend", "--until", until, "--text", "Ice on the river.")
    shown = desks.shown(NL, first)
    (asked,) = rows(shown["asked"])
    assert (asked["action"], asked["of"]) == ("EXTEND", [NL])
    assert asked["due"] == f"{until}T23:59:59.999Z"
    about = str(asked["step"])[:8]
    agreed = desks.step(NL, first, "agree", "--about", about)
    assert agreed["due"] == asked["due"]
    found = rows(desks.json(GH, "due")["cases"])
    assert [one["case_id"] for one in found] == [second, first]
    assert desks.json(GH, "due", "--within", 29)["cases"] == []
    assert desks.case(GH, "due", "--within", 3).out == "Nothing is due by then.\n"
    desks.net.pass_time(35 * DAY_MS)
    desks.work.post()
    found = rows(desks.json(GH, "due")["cases"])
    assert [(one["case_id"], one["clock"]) for one in found] == [
        (second, "OVERDUE"),
        (first, "RUNNING"),
    ]
    overdue = rows(desks.json(GH, "list", "--overdue")["cases"])
    assert [one["case_id"] for one in overdue] == [second]
    shown = desks.shown(BE, second)
    assert shown["missed_by"] == [GH]
    assert [one["code"] for one in rows(shown["notices"])] == ["OVERDUE"]
    text = desks.case(BE, "show", second).out
    assert re.search(r"due +\S+ 24:00 UTC, overdue, \d days? late", text), text
    assert re.search(r"missed by +gh\.epa", text)
    assert "has passed" in text


def test_local_times_and_other_settings(desks: Desks) -> None:
    """The due date on the clocks of the members; a period that our settings do not have."""
    for agency, zone in ((NL, "Europe/Amsterdam"), (GH, "Africa/Accra")):
        desks.net[agency].issue(contact=Contact(time_zone=zone))
    file = desks.net[GH].home / "node.toml"
    config = load(file)
    regimes = (Regime(name="basel", illegal_days=20, consented_days=90),)
    file.write_text(render(replace(config, cases=replace(config.cases, regimes=regimes))))
    case_id = _requested(desks)
    desks.step(GH, case_id, "acknowledge", "--reference", "G")
    due_ms = last_moment(desks.net.clock.now_ms, 30)
    text = desks.case(GH, "show", case_id).out
    local = f"{zoned(due_ms, 'Europe/Amsterdam')} in Europe/Amsterdam"
    assert local in text
    assert "in Africa/Accra" in text
    words = "the request names 30 days; our settings have 20 for basel"
    assert words in " ".join(text.split())
    (finding,) = rows(desks.shown(GH, case_id)["findings"])
    assert (finding["result"], finding["observed"]) == ("warn", "30")
    zones = {one["agency"]: one["time_zone"] for one in rows(desks.shown(GH, case_id)["members"])}
    assert zones == {NL: "Europe/Amsterdam", GH: "Africa/Accra", BE: None}
    read = Page(page(view_case(desks.net[GH].office, parse_message_id(case_id)), GH, due_ms))
    assert local in read.text


def _day(time_ms: int) -> str:
    return utc_minute(time_ms)[:10]


def test_lists(desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    """By state and role, without a passphrase; what each is about needs one."""
    assert desks.case(NL, "list").out == "There is no case yet.\n"
    assert desks.case(NL, "due").out == "Nothing is due.\n"
    case_id = _requested(desks)
    desks.json(NL, "open", "--subject", "Lead dross")
    with monkeypatch.context() as without:
        without.setenv("SESN_PASSPHRASE", "wrong")
        found = desks.json(NL, "list")
        (line,), (draft,) = rows(found["cases"]), rows(found["drafts"])
        assert (line["case_id"], line["state"], line["our_roles"]) == (
            case_id,
            "REQUESTED",
            ["DET"],
        )
        assert "subject" not in line
        assert draft["waits"] is False
        assert rows(desks.json(NL, "due")["cases"]) == [line]
        desks.case(NL, "list", "--subjects").failed(5, "WRONG_PASSPHRASE")
        assert desks.json(NL, "list", "--role", "EXP") == {"cases": [], "drafts": []}
        assert rows(desks.json(GH, "list", "--role", "EXP")["cases"]) != []
        assert desks.json(NL, "list", "--state", "CLOSED")["cases"] == []
        assert rows(desks.json(NL, "list", "--state", "DRAFT")["drafts"]) == [draft]
        assert desks.case(NL, "list", "--state", "CLOSED").out == "No case is like that.\n"
    (line,) = rows(desks.json(NL, "list", "--subjects")["cases"])
    assert line["subject"] == "Cathode ray tubes declared as metal scrap"
    text = desks.case(NL, "list", "--subjects").out
    for words in ("draft", "not requested yet", "REQUESTED", "nl.customs to gh.epa", "Cathode ray"):
        assert words in text


def test_the_timeline_tells_what_is_next_and_why(desks: Desks) -> None:
    """Who, when, what; then by whom, until when, and on which article it rests."""
    case_id = _requested(desks)
    due = _day(last_moment(desks.net.clock.now_ms, 30))
    text = desks.case(GH, "show", case_id[:13]).out
    for words in (
        "REQUEST  nl.customs, as DET",
        "written by anna, officer",
        "approved by ben, supervisor",
        f"gh.epa; by {due} (in 30 days)",
        f"case acknowledge {case_id[:13]} --reference ..",
        "proven by its ledger",
    ):
        assert words in text, words
    assert "Basel Art. 9(2), Reg. (EU) 2024/1157 Art. 25(5)" in " ".join(text.split())
    taken = desks.case(GH, "acknowledge", case_id, "--reference", "G", "--yes")
    assert f"Next: gh.epa, ACCEPT, DISPUTE or ASK, by {due}." in " ".join(taken.out.split())
    words = " ".join(desks.case(GH, "show", case_id).out.split())
    assert "DISPUTE needs reason, text; Basel Art. 20(1)" in words
    assert "ACCEPT needs taker, payer, two people; Basel Art. 8" in words
    assert_commands_exist(taken.out)
    assert max(len(line) for line in text.splitlines()) <= 100


def test_steps_that_do_not_count_are_shown_as_such(desks: Desks) -> None:
    """Superseded, waiting, and not allowed: each with its reason, in text, page and JSON."""
    work, net = desks.work, desks.net
    case_id = work.request(NL, GH, transit=(BE,))
    work.post()
    work.step(GH, case_id, Action.ACKNOWLEDGE)
    work.post()
    # Both from the same point: the requester's counts, and the other can decide again.
    work.step(NL, case_id, Action.PROPOSE, facility=BE)
    work.step(GH, case_id, Action.ASK)
    work.post()
    shown = desks.shown(BE, named(case_id))
    standing = {one["action"]: one["standing"] for one in rows(shown["steps"])}
    assert (standing["PROPOSE"], standing["ASK"]) == ("COUNTS", "SUPERSEDED")
    assert "superseded: another step" in desks.case(BE, "show", named(case_id)).out
    work.step(GH, case_id, Action.AGREE)
    net.deliver(GH, NL)
    work.step(NL, case_id, Action.INCIDENT, code="DELAY")
    net.deliver(NL, BE)
    steps = rows(desks.shown(BE, named(case_id))["steps"])
    assert (steps[-1]["action"], steps[-1]["standing"]) == ("INCIDENT", "WAITING")
    assert "waiting: something that it builds on is not here yet" in (
        desks.case(BE, "show", named(case_id)).out
    )
    view = view_case(net[NL].office, case_id)
    *others, newest = view.steps
    forbidden = replace(newest, standing=Standing.NOT_ALLOWED, why="<b>TRN cannot</b>")
    view = replace(view, steps=(*others, forbidden))
    with console().capture() as captured:
        console().print(show_text(view, NL, net.clock.now_ms, "sesn"))
    words = " ".join(captured.get().split())
    assert "not allowed, and counts for nothing: <b>TRN cannot</b>" in words
    read = Page(page(view, NL, net.clock.now_ms))
    assert "not allowed, and counts for nothing: <b>TRN cannot</b>" in read.text
    assert read.named("b") == []


def test_what_was_erased_is_told(desks: Desks, tmp_path: Path) -> None:
    """The state stays, what a step said is gone, and the case can go on."""
    case_id = _requested(desks)
    desks.step(GH, case_id, "acknowledge", "--reference", "SECRET-17")
    step = rows(desks.shown(NL, case_id)["steps"])[-1]
    line = ("alert", "erase", step["message_id"], "--reason", "Sent in error", "--yes")
    ran = desks.typed(NL, *line)
    assert ran.code == 0, ran
    shown = desks.shown(NL, case_id)
    erased = rows(shown["steps"])[-1]
    assert (shown["state"], erased["payload"], erased["problem"]) == (
        "ACKNOWLEDGED",
        None,
        "ERASED",
    )
    text = desks.case(NL, "show", case_id).out
    assert "what it says was erased" in text
    assert "Sent in error" in text
    assert "SECRET-17" not in text
    target = tmp_path / "case.html"
    assert desks.case(NL, "show", case_id, "--html", target).code == 0
    assert "Sent in error" in Page(target.read_text(encoding="utf-8")).text
    handed = desks.json(NL, "file", case_id, "--to", BE)
    assert (handed["steps"], handed["left_out"]) == (2, 1)
    assert desks.step(GH, case_id, "ask", "--text", "More?")["state"] == "INFO_REQUESTED"


def test_the_page_is_whole_and_nothing_in_it_is_markup(desks: Desks, tmp_path: Path) -> None:
    """One file without scripts or links; hostile words make no element."""
    plain = _requested(desks)
    desks.step(GH, plain, "acknowledge", "--reference", "G", "--text", "Plain words")
    hostile = _requested(desks)
    desks.step(GH, hostile, "acknowledge", "--reference", HOSTILE[:90], "--text", HOSTILE)
    pages = []
    for name, case_id in (("plain", plain), ("hostile", hostile)):
        target = tmp_path / f"{name}.html"
        told = desks.json(NL, "show", case_id, "--html", target)
        assert told["html"] == str(target)
        assert target.stat().st_mode & 0o077 == 0
        pages.append(Page(target.read_text(encoding="utf-8")))
    first, second = pages
    seen = [[e for e, a in one.elements if a.get("class") != "unseen"] for one in pages]
    assert seen[0] == seen[1]
    assert HOSTILE.replace("\u200b", "U+200B") in second.text
    for one in pages:
        assert one.links == []
        assert {"script", "img", "link", "iframe"} & {name for name, _ in one.elements} == set()
        (policy,) = [a["content"] for a in one.named("meta") if "http-equiv" in a]
        assert policy.startswith("default-src 'none'")
    for words in (
        "Return to origin: Cathode ray tubes",
        "authority of the country of export",
        "written by anna, officer",
        "What is next",
        "Basel Art. 8, 9(2)(a)",
        "MSCU6639870",
    ):
        assert words in first.text, words
    refused = desks.case(NL, "show", plain, "--html", tmp_path / "plain.html")
    refused.failed(9, "FILE_EXISTS", "--force")
    text = desks.case(NL, "show", hostile).out
    assert "\x1b" not in text


def test_views_are_recorded(desks: Desks) -> None:
    """Looking at a case is recorded once for each message; a list shows no content."""
    case_id = _requested(desks)
    before = desks.net[BE].size()
    desks.case(BE, "list", "--subjects")
    desks.case(BE, "due")
    assert desks.net[BE].size() == before
    assert desks.shown(BE, case_id)["view_recorded"] is True
    desks.net[BE].reopen()
    assert desks.net[BE].size() == before + 2
    desks.shown(BE, case_id)
    assert desks.net[BE].size() == before + 2


def test_who_joins(connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is invited sees the case so far, and from whom it came."""
    desks = Desks(connect(NL, GH, BE, DE), monkeypatch)
    case_id = named(desks.work.request(NL, GH, ground=Ground.NOT_COMPLETED))
    desks.work.post()
    desks.step(GH, case_id, "invite", "--transit", BE, "--facility", DE, "--transit", DE)
    shown = desks.shown(DE, case_id)
    (ours,) = [one for one in rows(shown["members"]) if one["agency"] == DE]
    assert ours["roles"] == ["TRN", "FAC"]
    assert rows(shown["steps"])[0]["carrier"] == GH
    assert "in a case file of gh.epa" in desks.case(DE, "show", case_id).out
    line = rows(desks.json(DE, "list")["cases"])[0]
    assert (line["our_roles"], line["clock"]) == (["TRN", "FAC"], "RUNNING")
    refused = desks.case(GH, "invite", case_id, "--yes")
    refused.failed(4, "MALFORMED", "--transit or --facility")
