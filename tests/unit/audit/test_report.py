"""The report: its structure and bounds, that it needs nothing else, that it invents nothing."""

from __future__ import annotations

import ast
import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest

from sesn_node.audit import report as report_module
from sesn_node.audit.account import Selection
from sesn_node.audit.codes import Code
from sesn_node.audit.report import report
from sesn_node.audit.report_case import MAX_GAPS, MAX_IN_CONVERSATION, MAX_MESSAGES
from sesn_node.audit.verdict import BundleVerdict, Check, Finding, State, Verdict
from sesn_node.domain.alert import Alert
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.messages import MAX_PAYLOAD_BYTES
from tests.support.audit_cases import START_MS, Forgery, verdict
from tests.support.bundles import AGENCY, HASH
from tests.support.network import alert
from tests.support.pages import Page

_FOREIGN = {"script", "img", "link", "iframe", "object", "embed", "form", "input", "base", "svg"}


def written(made: Verdict, *files: BytesIO) -> str:
    """Write a report."""
    return "".join(report(made, files))


def of(forgery: Forgery, made: Verdict | None = None, **changes: object) -> str:
    """Write a report of one forged bundle."""
    return written(made or verdict(), forgery.file(**changes))


def test_parts_stand_in_an_order_that_people_can_follow() -> None:
    """The verdict comes first, the cryptography last; no level of heading is skipped."""
    forgery = Forgery()
    forgery.send(alert(), disclose=True)
    page = Page(of(forgery))
    assert page.heading(1) == ["Audit report"]
    assert page.heading(2) == [
        "Verdict",
        "What was examined",
        "In numbers",
        "Gaps",
        "Conversations",
        "Checks",
        "Cryptographic detail",
        "Fingerprints",
    ]
    levels = [level for level, _ in page.headings]
    assert all(new <= old + 1 for old, new in pairwise(levels))


def test_page_refers_to_nothing_outside() -> None:
    """No element fetches, runs or leads anywhere; every link has its target on the page."""
    forgery = Forgery()
    forgery.send(alert(), disclose=True)
    text = of(forgery)
    page = Page(text)
    assert not {name for name, _ in page.elements} & _FOREIGN
    assert page.links
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(set(page.ids)) == len(page.ids)
    assert "http" not in re.sub("http-equiv", "", text)
    assert "url(" not in text
    assert "@import" not in text
    for _, attributes in page.elements:
        assert not {"src", "srcset", "style", "action", "background"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)


def test_policy_of_the_page_allows_its_own_style_and_nothing_else() -> None:
    """The hash in the policy is that of the style, byte for byte."""
    text = of(Forgery())
    style = re.search("<style>(.*)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    (policy,) = (one for one in Page(text).named("meta") if "http-equiv" in one)
    assert policy["content"].startswith(f"default-src 'none'; style-src 'sha256-{digest}';")


def test_page_can_be_read_aloud() -> None:
    """The language is told, tables have captions, and header cells a scope."""
    forgery = Forgery()
    forgery.send(alert(), disclose=True)
    page = Page(of(forgery))
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("table")) == len(page.named("caption"))
    assert {one.get("scope") for one in page.named("th")} == {"col", "row"}
    assert page.named("main")
    assert page.named("nav") == [{"aria-label": "Contents"}]


def test_same_inputs_give_the_same_bytes() -> None:
    """There is no time, chance or order of a set in it."""
    forgery = Forgery()
    forgery.send(alert(), disclose=True)
    forgery.send(state=DeliveryState.REFUSED, code="POLICY")
    assert of(forgery) == of(forgery)


def test_verdict_that_holds_is_one_sentence() -> None:
    """It names the agency and how many checks were made."""
    page = Page(of(Forgery(), verdict(size=0)))
    assert "✓ HOLDS" in page.text
    assert f"The records of {AGENCY} hold" in page.text
    assert "all 2 checks that could be made" in page.text
    assert "DOES NOT" not in page.text


def test_check_that_was_not_made_is_named_with_its_reason() -> None:
    """On the first page, and in its row."""
    page = Page(of(Forgery(), verdict(reason="no policy was given: give one")))
    assert "1 check could not be made (no policy was given)" in page.text
    assert "Check 10, not made: no policy was given: give one." in page.text
    assert "? not made" in page.text


def test_finding_stands_on_the_first_page_at_its_message_and_in_its_check() -> None:
    """Three places, and a warning over the conversations."""
    forgery = Forgery()
    message_id = forgery.send(alert(), disclose=True)
    finding = Finding(Code.SEAL_INVALID, "the seal does not verify", "messages.pb", 0, message_id)
    page = Page(of(forgery, verdict(finding)))
    assert "✗ DOES NOT HOLD" in page.text
    assert "do not hold as they stand: 1 of 2 checks that could be made failed" in page.text
    assert "Check 10 fails: the seal does not verify" in page.text
    assert "SEAL_INVALID" in page.text
    assert "not established" in page.text
    assert page.text.count("the seal does not verify") == 3


def test_file_that_is_no_bundle_has_its_findings_and_nothing_else() -> None:
    """No part claims anything of what could not be read."""
    failed = Check(
        1,
        "container",
        "the file is a bundle",
        State.FAILS,
        1,
        1,
        (Finding(Code.UNREADABLE, "it is no bundle <b>"),),
    )
    other = Check(2, "cards", "every card opens", State.NOT_MADE, reason="no bundle")
    third = Check(3, "checkpoints", "all are signed", State.NOT_MADE, reason="no bundle")
    one = BundleVerdict(None, HASH, None, (), (), (failed, other, third))
    page = Page(written(Verdict((one,), (), policy=False), BytesIO(b"junk")))
    assert "Nothing here can be read as an audit bundle" in page.text
    assert "it is no bundle <b>" in page.text
    assert "Checks 2 to 3, not made: no bundle." in page.text
    assert page.heading(2) == ["Verdict", "What was examined", "Checks"]
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_unreadable_file_beside_a_good_one_does_not_hide_it() -> None:
    """The sentence tells of both."""
    forgery = Forgery()
    forgery.send()
    failed = Check(1, "container", "it is", State.FAILS, 1, 1, (Finding(Code.UNREADABLE, "no"),))
    junk = BundleVerdict(None, HASH, None, (), (), (failed,))
    both = Verdict((*verdict().bundles, junk), (), policy=False)
    page = Page(written(both, forgery.file(), BytesIO(b"junk")))
    assert "1 of 2 files cannot be read as an audit bundle, and so proves nothing. " in page.text
    assert f"The records of {AGENCY} hold" in page.text
    assert "✗ DOES NOT HOLD" in page.text
    assert "Bundle 2: cannot be read" in page.text


def test_gaps_name_what_did_not_arrive_and_why() -> None:
    """Refused, expired, dead, open, erased, and an answer to what is not there."""
    forgery = Forgery()
    forgery.send(state=DeliveryState.REFUSED, code="POLICY")
    forgery.send(state=DeliveryState.EXPIRED)
    forgery.send(state=DeliveryState.DEAD, code="NO_ANSWER")
    first = forgery.send(erased=True)
    unseen = type(first)(first[:-1] + b"\xff")
    forgery.send(in_reply_to=unseen)
    text = Page(of(forgery)).text
    assert "1 erased, 2 still open, 1 refused, 2 not delivered, 1 unseen" in text
    assert "a rule or an operator of the recipient forbade it (POLICY)" in text
    assert "its time had run out (EXPIRED)" in text
    assert "the recipient's node gave no answer to it (NO_ANSWER)" in text
    assert "Answers a message that is not in these bundles" in text
    assert "Content erased by nl.customs" in text


def test_unknown_code_is_shown_as_it_is() -> None:
    """A later release may have words of its own."""
    forgery = Forgery()
    forgery.send(state=DeliveryState.REFUSED, code="<NEW>")
    assert "✗ refused: <NEW>" in Page(of(forgery)).text


def test_disclosed_alert_is_shown_with_its_deadline() -> None:
    """Its text keeps its lines, and nobody has answered."""
    forgery = Forgery()
    payload = alert("Batteries as scrap", narrative="First line.\nSecond line.")
    assert isinstance(payload.body, Alert)
    asked = datetime.fromtimestamp(START_MS // 1000 + 3600, UTC)
    forgery.send(replace(payload, body=replace(payload.body, respond_by=asked)), disclose=True)
    page = Page(of(forgery))
    assert "Conversation 1: Batteries as scrap" in page.heading(3)
    assert "First line.\nSecond line." in page.text
    assert "AMBER: within the recipients' organisations" in page.text
    assert "An answer was asked for by 2026-12-04 17:00:00 UTC." in page.text
    assert "gh.epa: no answer in what is shown here." in page.text


def test_content_that_was_not_sent_is_marked() -> None:
    """A salt that does not open the commitment."""
    forgery = Forgery()
    forgery.send(alert(), disclose=True)
    forgery.disclosed[0] = replace(forgery.disclosed[0], salt=bytes([1] * 32))
    text = Page(of(forgery)).text
    assert "This is not the content that was sent" in text
    assert "What the alert says" not in text


@pytest.mark.parametrize("payload", [b"", b"\xff" * 40, b"\x00" * MAX_PAYLOAD_BYTES])
def test_content_that_cannot_be_read_is_named_by_its_hash(payload: bytes) -> None:
    """Empty, no payload, and as large as can be."""
    forgery = Forgery()
    forgery.send(payload, disclose=True)
    text = of(forgery)
    assert hashlib.sha256(payload).hexdigest() in text
    assert f"{len(payload):,} bytes that this program cannot read" in text
    assert len(text) < 60_000


def test_what_is_not_disclosed_is_not_told() -> None:
    """The bundle commits to it, and that is all."""
    forgery = Forgery()
    forgery.send(alert("A secret subject"))
    text = of(forgery)
    assert "secret" not in text
    assert "Content not disclosed." in text


def test_many_messages_are_counted_and_the_first_are_shown() -> None:
    """What is disclosed is shown, wherever it stands; what is left out is counted."""
    forgery = Forgery()
    ids = [forgery.send() for _ in range(700)]
    last = forgery.send(alert("The one that matters"), disclose=True)
    text = of(forgery)
    page = Page(text)
    assert "701 messages in 701 conversations. Shown here: 100 messages" in page.text
    assert "Left out: 601 messages in 601 other conversations" in page.text
    assert f"{701 - MAX_GAPS:,} more are left out." in page.text
    assert "Conversation 100: The one that matters" in page.heading(3)
    assert show_message_id(last) in page.text
    assert show_message_id(ids[0]) in page.text
    assert show_message_id(ids[-1]) not in page.text
    assert len(text) < 2_000 * MAX_MESSAGES


def test_selection_is_told() -> None:
    """What a bundle leaves out is said before what it holds."""
    forgery = Forgery()
    message_id = forgery.send()
    chosen = Selection(
        from_ms=START_MS, to_ms=START_MS + 1, conversation=message_id, messages=(message_id,)
    )
    text = Page(of(forgery, selection=chosen)).text
    assert "recorded from 2026-12-04 16:00:00 UTC" in text
    assert f"conversation {show_message_id(message_id)}" in text
    assert "1 message by id" in text
    blind = Page(of(Forgery(), selection=Selection(blind=True))).text
    assert "without the ledger's entries (hashes only)" in blind


def test_only_constant_texts_are_taken_for_markup() -> None:
    """Outside of one module, no text of a bundle becomes `Html`."""
    folder = Path(report_module.__file__).parent
    checked = 0
    for path in folder.glob("report*.py"):
        if path.name == "report_markup.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Html":
                (argument,) = node.args
                constant = isinstance(argument, ast.Constant)
                assert constant or getattr(argument, "id", "") == "STYLE", path.name
                checked += 1
    assert checked
    assert MAX_IN_CONVERSATION <= MAX_MESSAGES


def test_what_rests_on_a_check_that_fails_is_not_said_to_hold() -> None:
    """Without a signed checkpoint, leaves that hash to a root show nothing."""
    broken = Finding(Code.CHECKPOINT_INVALID, "no checkpoint verifies")
    checks = (
        Check(1, "container", "it is whole", State.HOLDS, 8),
        Check(3, "checkpoints", "all are signed", State.FAILS, 1, 1, (broken,)),
        Check(4, "tree", "the leaves hash to the root", State.HOLDS, 1),
    )
    one = replace(verdict().bundles[0], checks=checks)
    text = Page(of(Forgery(), Verdict((one,), (), policy=False))).text
    assert "The file is complete" in text
    assert "no entry was changed" not in text
    assert "Check 4: nothing was found amiss, but that rests on checks that fail" in text
