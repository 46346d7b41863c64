"""`sesn case` and what is wrong: drafts, options, states, roles, names, and rights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from sesn_node.domain.case_form import CaseForm
from sesn_node.domain.case_terms import Action, Role
from sesn_node.domain.ids import parse_message_id
from sesn_node.exchange import casedrafts
from sesn_node.exchange.approval import propose
from sesn_node.exchange.casedrafts import find_draft, replace_draft
from tests.support.case_cli import OFFICER, Desks, named
from tests.support.commands import rows, untouched
from tests.support.homes import BE, GH, NL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.exchange.approval import Proposal
    from tests.support.network import Network

_on_sqlite = pytest.mark.engine("sqlite")

REQUEST: Final = {
    "exporter": "gh.epa",
    "transit": ["be.police"],
    "ground": "NOT_AS_DOCUMENTED",
    "regime": "basel",
    "details": {
        "subject": "Tubes",
        "text": "24 t of unsorted tubes.",
        "responsibility": "EXPORTER",
        "consignment": {
            "containers": [{"number": "MSCU6639870", "seal": "NL1"}],
            "declared": {"description": "Metal scrap", "hs_code": "720449"},
            "route": [{"port": "NLRTM", "kind": "SIGHTED", "at": "2026-11-20T10:00:00Z"}],
        },
        "evidence": [{"description": "Report", "sha256": "ab" * 32}],
    },
    "markings": {"tlp": "AMBER", "handling": ["H1"], "retain_until": "2036-01-01T00:00:00Z"},
}

BAD_FILES: Final[tuple[tuple[object, str], ...]] = (
    ([], "document: expected an object"),
    ({"exporters": "gh.epa"}, "exporters: unknown key; did you mean exporter?"),
    ({"exporter": 7}, 'exporter: expected text in "quotes", got a number'),
    ({"exporter": "GH EPA"}, "exporter: agency id"),
    ({"transit": "be.police"}, "transit: expected a list"),
    ({"transit": ["be.police", "x"]}, "transit[1]: agency id"),
    ({"facility": [None]}, "facility[0]: expected text"),
    ({"ground": "BECAUSE"}, "ground: 'BECAUSE' is unknown; expected one of NO_NOTIFICATION"),
    ({"details": {"reference": "x"}}, "details.reference: unknown key"),
    ({"details": {"subject": "x" * 201}}, "details.subject: at most 200 characters"),
    ({"details": {"text": "\u202e"}}, "details.text: character 1 is U+202E"),
    ({"details": {"responsibility": "US"}}, "details.responsibility: 'US' is unknown"),
    ({"details": {"consignment": {"boxes": []}}}, "details.consignment.boxes: unknown key"),
    (
        {"details": {"consignment": {"containers": [{"seal": "1"}]}}},
        "details.consignment.containers[0].number",
    ),
    (
        {"details": {"evidence": [{"description": "a", "sha256": "zz"}]}},
        "details.evidence[0].sha256: expected 64 hexadecimal digits",
    ),
    (
        {"details": {"evidence": [{"sha256": "ab" * 32}]}},
        "details.evidence[0].description: must not be empty",
    ),
    (
        {"details": {"evidence": [{"description": "a", "sha256": "ab" * 32, "message_id": "x"}]}},
        "details.evidence[0].message id",
    ),
    ({"markings": {"tlp": "PINK"}}, "markings.tlp: 'PINK' is unknown"),
    ({"regime": "martian"}, "regime: 'martian' is none of the settings"),
)


@pytest.fixture
def desks(connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch) -> Desks:
    """Three agencies that trust each other."""
    return Desks(connect(NL, GH, BE), monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A whole request."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST))
    return path


@_on_sqlite
def test_a_file_is_kept_as_it_was_written(desks: Desks, file: Path) -> None:
    """What a draft holds is what the file says; options take the place of its parts."""
    draft = desks.json(NL, "open", file)
    assert (draft["request"], draft["lacking"], draft["waits"]) == (REQUEST, [], False)
    draft_id = str(draft["draft_id"])
    assert desks.json(NL, "show", draft_id[:13]) == draft
    text = desks.case(NL, "show", draft_id).out
    for words in ("gh.epa", "MSCU6639870", "Report, SHA-256 abab", "24 t of unsorted", "H1"):
        assert words in text, words
    changed = desks.json(NL, "open", "--replace", draft_id, "--subject", "Lead", "--tlp", "GREEN")
    request = changed["request"]
    assert isinstance(request, dict)
    details = request["details"]
    assert isinstance(details, dict)
    assert (details["subject"], details["text"]) == ("Lead", REQUEST["details"]["text"])  # type: ignore[index]
    assert request["markings"] == {"tlp": "GREEN"}
    assert desks.json(NL, "open", file, "--replace", draft_id)["request"] == REQUEST
    desks.case(NL, "show", draft_id, "--html", file.with_suffix(".html")).failed(4, "MALFORMED")
    assert not file.with_suffix(".html").exists()
    assert desks.json(NL, "open", "--delete", draft_id[:13]) == {"deleted": draft_id}
    desks.case(NL, "open", "--delete", draft_id).failed(6, "UNKNOWN_CASE_DRAFT", "sesn case list")
    desks.case(NL, "open", "--replace", draft_id, "--text", "x").failed(6, "UNKNOWN_CASE_DRAFT")
    desks.case(NL, "request", draft_id, "--as", OFFICER).failed(6, "UNKNOWN_OPERATOR")


@_on_sqlite
def test_nobody_else_can_read_a_draft(desks: Desks, file: Path) -> None:
    """The database holds no word of it."""
    desks.json(NL, "open", file)
    desks.net[NL].close()
    home = desks.net[NL].home
    assert not any(b"unsorted tubes" in path.read_bytes() for path in home.glob("node.db*"))


@_on_sqlite
def test_bad_files(desks: Desks, tmp_path: Path) -> None:
    """Each error names the file and the path in it, and nothing is kept."""
    desks.net.rest()
    path = tmp_path / "bad.json"
    for document, words in BAD_FILES:
        path.write_text(json.dumps(document))
        ran = desks.case(NL, "open", path, "--json")
        assert ran.code in {4, 6}, (document, ran)
        assert words in ran.err, (words, ran.err)
    for data, words in (
        (b"{", "not JSON at line 1"),
        (b"\xff", "is not UTF-8"),
        (b'{"ground": null, "ground": null}', "ground: given twice"),
        (b" " * (1 << 20) + b"{}", "longer than 1,048,576 bytes"),
    ):
        path.write_bytes(data)
        desks.case(NL, "open", path).failed(4, "MALFORMED", words, str(path))
    assert desks.json(NL, "list")["drafts"] == []


def test_a_request_waits_under_the_name_of_its_draft(desks: Desks, file: Path) -> None:
    """While it waits the draft cannot change; withdrawn, it can; sent, it is gone."""
    desks.hire(NL)
    draft_id = str(desks.json(NL, "open", file, "--as", OFFICER)["draft_id"])
    request = ("request", draft_id, "--as", OFFICER)
    desks.case(NL, "request", draft_id).failed(6, "OPERATOR_REQUIRED", "--as")
    assert "approve give" in desks.case(NL, *request).out
    assert "waits for a second person" in desks.case(NL, "list").out
    for line in (
        request,
        ("open", "--replace", draft_id, "--text", "x"),
        ("open", "--delete", draft_id),
    ):
        desks.case(NL, *line).failed(7, "WAITING", "sesn approve withdraw")
    desks.typed(NL, "approve", "give", draft_id, "--yes", "--as", OFFICER).failed(6, "ROLE")
    line = ("approve", "withdraw", draft_id, "--as", OFFICER)
    assert desks.typed(NL, *line).code == 0
    (line_,) = rows(desks.json(NL, "list")["drafts"])
    assert (line_["draft_id"], line_["waits"]) == (draft_id, False)
    assert desks.json(NL, "open", "--replace", draft_id, "--text", "More.")["waits"] is False
    assert desks.case(NL, *request).code == 0
    case_id = desks.approve(NL, draft_id)
    assert desks.json(NL, "list")["drafts"] == []
    assert desks.shown(GH, case_id)["state"] == "REQUESTED"
    desks.case(NL, *request).failed(6, "UNKNOWN_CASE_DRAFT")


@_on_sqlite
def test_a_draft_that_changes_while_it_is_requested_is_not_requested(
    desks: Desks, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two people at one draft, nobody signs what the other has replaced meanwhile."""
    desks.hire(NL)
    draft_id = str(desks.json(NL, "open", file)["draft_id"])
    desks.net[NL].reopen()

    def late(*arguments: object, **named_: object) -> Proposal:
        other = desks.net[NL].office
        draft = find_draft(other, parse_message_id(draft_id))
        replace_draft(other, draft, CaseForm(exporter=GH))
        return propose(*arguments, **named_)  # type: ignore[arg-type] # handed on

    monkeypatch.setattr(casedrafts, "propose", late)
    desks.case(NL, "request", draft_id, "--as", OFFICER).failed(7, "CHANGED", "look at it again")
    assert desks.typed(NL, "approve", "list", "--json").json == {"drafts": []}
    (line,) = rows(desks.json(NL, "list")["drafts"])
    assert line["waits"] is False


def _requested(desks: Desks) -> str:
    case_id = desks.work.request(NL, GH, transit=(BE,))
    desks.work.post()
    return named(case_id)


@_on_sqlite
def test_bad_options(desks: Desks, tmp_path: Path) -> None:
    """What is typed wrongly changes nothing, and each error names the option."""
    case_id = _requested(desks)
    desks.work.step(GH, parse_message_id(case_id), Action.ACKNOWLEDGE)
    desks.work.post()
    desks.net.rest()
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"\xff")
    ship = ("ship", case_id, "--movement-document", "1", "--container", "MSCU6639870")
    dispute = ("dispute", case_id, "--reason", "NOT_WASTE")
    treat = ("treat", case_id, "--certificate", "1", "--at", "2026-11-23", "--operation")
    cases: tuple[tuple[tuple[object, ...], int, str, str], ...] = (
        (("open",), 4, "MALFORMED", "name a file"),
        (("open", tmp_path / "none.json"), 2, "USAGE", "none.json"),
        (("open", "--ground", "WHY"), 2, "USAGE", "--ground"),
        (("open", "--responsibility", "US"), 2, "USAGE", "--responsibility"),
        (("open", "--exporter", "G H"), 4, "MALFORMED", "agency id"),
        (("open", "--transit", "G H"), 4, "MALFORMED", "agency id"),
        (("open", "--facility", "G H"), 4, "MALFORMED", "agency id"),
        (("open", "--regime", "martian"), 6, "POLICY", "basel, eu-2024-1157"),
        (("open", "--subject", "a\nb"), 4, "MALFORMED", "--subject"),
        (("open", "--text", "a", "--text-file", broken), 4, "MALFORMED", "--text-file"),
        (("open", "--text-file", broken), 4, "MALFORMED", "byte 1 is not UTF-8"),
        (("open", "--alert", "ffffffff"), 6, "UNKNOWN_MESSAGE", "sesn alert list"),
        (("open", "--evidence", "a photo"), 4, "MALFORMED", "--evidence: expected what it is"),
        (("open", "--evidence", f"a={tmp_path}/none"), 9, "STORAGE", "cannot be read"),
        (("open", "--tlp", "PINK"), 2, "USAGE", "--tlp"),
        (("open", "--delete", "ffffffff"), 6, "UNKNOWN_MESSAGE", "sesn case list"),
        (("open", "--delete", "ffffffff", "--text", "a"), 4, "MALFORMED", "--delete"),
        (("open", "--replace", "x", "--text", "a"), 4, "MALFORMED", "first 8 digits"),
        (("request", "ffffffff"), 6, "UNKNOWN_MESSAGE", "no draft"),
        (("acknowledge", case_id), 2, "USAGE", "--reference"),
        (("acknowledge", case_id, "--reference", "x" * 101), 4, "MALFORMED", "--reference"),
        (("ask", case_id), 4, "MALFORMED", "--text: ASK needs it"),
        (("ask", case_id, "--text", "x" * 20_001), 4, "MALFORMED", "--text"),
        (("ask", case_id, "--text", "a", "--tlp", "RED"), 6, "POLICY", "neither RED nor H2"),
        (("ask", case_id, "--text", "a", "--evidence", "=a"), 4, "MALFORMED", "--evidence"),
        (("dispute", case_id, "--text", "a"), 2, "USAGE", "--reason"),
        (("dispute", case_id, "--reason", "MOOD", "--text", "a"), 2, "USAGE", "--reason"),
        (dispute, 4, "MALFORMED", "--text: DISPUTE needs it"),
        (("settle", case_id, "--way", "WAR", "--text", "a"), 2, "USAGE", "--way"),
        (("propose", case_id, "--site", "a", "--text", "a"), 2, "USAGE", "--operation"),
        (
            ("propose", case_id, "--site", "a", "--text", "a", "--operation", "R99"),
            4,
            "MALFORMED",
            "--operation: expected D1 to D15",
        ),
        (
            ("document", case_id, "--facility", "G H", "--reference", "1"),
            4,
            "MALFORMED",
            "agency id",
        ),
        (ship, 2, "USAGE", "--seal"),
        ((*ship, "--seal", "x" * 16), 4, "MALFORMED", "--seal: at most 15"),
        ((*ship, "--seal", "1", "--quantity", "2"), 4, "MALFORMED", "--unit: missing"),
        ((*ship, "--seal", "1", "--quantity", "two", "--unit", "t"), 4, "MALFORMED", "--quantity"),
        ((*ship, "--seal", "1", "--at", "noon"), 4, "MALFORMED", "--at"),
        (("arrive", case_id, "--seal", "1"), 2, "USAGE", "--at"),
        (
            ("arrive", case_id, "--at", "2026-11-23", "--seal-check", "GONE"),
            2,
            "USAGE",
            "--seal-check",
        ),
        (("receive", case_id, "--at", "2026-11-23T10:00"), 4, "MALFORMED", "--at"),
        ((*treat, "X1"), 4, "MALFORMED", "--operation"),
        (("extend", case_id, "--until", "soon", "--text", "a"), 4, "MALFORMED", "--until"),
        (
            ("extend", case_id, "--until", "2027-01-31T12:00Z", "--text", "a"),
            4,
            "MALFORMED",
            "--until: expected a date",
        ),
        (("extend", case_id, "--until", "2027-02-30", "--text", "a"), 4, "MALFORMED", "--until"),
        (("withdraw", case_id, "--reason", "MOOD"), 2, "USAGE", "--reason"),
        (("invite", case_id), 4, "MALFORMED", "--transit or --facility"),
        (("invite", case_id, "--transit", "G H"), 4, "MALFORMED", "agency id"),
        (("incident", case_id, "--kind", "STORM"), 2, "USAGE", "--kind"),
        (("resolve", case_id, "--text", "a"), 6, "POLICY", "no incident is open"),
        (("resolve", case_id, "--text", "a", "--about", "xyz"), 4, "MALFORMED", "--about"),
        (
            ("agree", case_id, "--about", "ffffffff"),
            6,
            "UNKNOWN_STEP",
            "sesn case show",
        ),
        (("list", "--state", "LOST"), 2, "USAGE", "--state"),
        (("list", "--role", "BOSS"), 2, "USAGE", "--role"),
        (("due", "--within", "-1"), 2, "USAGE", "--within"),
        (("due", "--within", "many"), 2, "USAGE", "--within"),
        (("show", "01a2"), 4, "MALFORMED", "first 8 digits"),
        (("export", case_id), 2, "USAGE", "--output"),
        (("file", case_id), 2, "USAGE", "--to"),
        (("file", case_id, "--to", "G H"), 4, "MALFORMED", "agency id"),
    )
    with untouched(desks.net[GH].home):
        for line, exit_code, code, words in cases:
            steps = {*(one.value.lower() for one in Action)} - {"request"}
            asked = ("--yes",) if line[0] in steps else ()
            ran = desks.case(GH, *line, *asked, "--json")
            ran.failed(exit_code, code, words)
            told = ran.json["error"]
            assert isinstance(told, dict)
            assert told["code"] == code


@_on_sqlite
def test_wrong_states_roles_and_names(desks: Desks) -> None:
    """The table is asked before anything is sent; the error says what helps."""
    case_id = _requested(desks)
    close, ask = ("close", case_id, "--yes"), ("ask", case_id, "--text", "a", "--yes")
    desks.net.rest()
    with untouched(desks.net[NL].home):
        desks.case(NL, *close).failed(6, "POLICY", "state REQUESTED", f"sesn case show {case_id}")
        acknowledge = ("acknowledge", case_id, "--reference", "a", "--yes")
        desks.case(NL, *acknowledge).failed(6, "POLICY", "DET cannot ACKNOWLEDGE")
        desks.case(NL, "close", case_id).failed(10, "NO_TERMINAL", "--yes")
    desks.case(BE, *ask).failed(6, "POLICY", "ASK is not possible in state REQUESTED")
    withdraw = ("withdraw", case_id, "--reason", "MISTAKE", "--text", "a", "--yes")
    desks.case(BE, *withdraw).failed(6, "POLICY", "TRN cannot WITHDRAW")
    unknown = "01a2070e-572e-7a0f-acb6-34a42ff355ab"
    lines: tuple[tuple[str, ...], ...] = (
        ("show", unknown),
        ("close", unknown, "--yes"),
        ("file", unknown, "--to", GH),
        ("export", unknown, "--output", "/nonexistent/x"),
    )
    for line in lines:
        desks.case(NL, *line).failed(6, "UNKNOWN_CASE", "sesn case list")
    desks.case(NL, "show", "ffffffff").failed(6, "UNKNOWN_MESSAGE", "sesn case list")
    second = _requested(desks)
    assert case_id[:8] == second[:8]
    desks.case(NL, "show", case_id[:8]).failed(7, "AMBIGUOUS", "write more digits")
    desks.case(NL, "close", case_id[:8], "--yes").failed(7, "AMBIGUOUS", case_id, second)
    desks.case(NL, "show", case_id, "--from", BE).failed(6, "UNKNOWN_CASE")
    assert desks.json(NL, "show", case_id, "--from", NL)["case_id"] == case_id
    assert desks.json(BE, "show", case_id)["our_roles"] == [Role.TRN.value]


@_on_sqlite
def test_rights(desks: Desks, file: Path, tmp_path: Path) -> None:
    """Who may write opens and steps; who may export exports; looking needs no right."""
    desks.hire(NL)
    line = ("operator", "add", "aud", "--role", "auditor", "--json")
    assert desks.typed(NL, *line).code == 0
    case_id = _requested(desks)
    desks.case(NL, "open", file, "--as", "aud").failed(6, "ROLE", "write")
    withdraw = ("withdraw", case_id, "--reason", "MISTAKE", "--text", "a", "--yes")
    desks.case(NL, *withdraw, "--as", "aud").failed(6, "ROLE", "write")
    output = ("--output", tmp_path / "case.sesnaudit")
    desks.case(NL, "export", case_id, *output, "--as", OFFICER).failed(6, "ROLE", "export")
    assert desks.case(NL, "export", case_id, *output, "--as", "aud").code == 0
    assert desks.case(NL, "show", case_id, "--as", "aud").code == 0
