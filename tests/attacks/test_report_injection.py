"""Contents, names and findings that try to become markup, or to look like another text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sesn_node.audit.codes import Code
from sesn_node.audit.report import report
from sesn_node.audit.report_content import MAX_TEXT
from sesn_node.audit.report_markup import facts, quoted, shown, table, tag
from sesn_node.audit.verdict import Finding, Verdict
from tests.support.audit_cases import Forgery, verdict
from tests.support.network import alert
from tests.support.pages import Page

HOSTILE = (
    "<script>alert(1)</script>",
    "</td></table></main><h1>Audit report</h1><p>✓ HOLDS</p>",
    "\"><img src=x onerror='alert(1)'>",
    "</style><style>*{display:none}</style>",
    "<!-- -->]]><![CDATA[ &lt;script&gt; &#60;b&#62;",
    "<meta http-equiv=refresh content='0;url=//example.org'>",
    "javascript:alert(1)",
)
BIDI = "\u202egnirts live\u202c \u2066\u2069\u200f\u200b\ufeff"


def page_of(forgery: Forgery, made: Verdict | None = None) -> Page:
    """Write a report and read it."""
    return Page("".join(report(made or verdict(), [forgery.file()])))


def elements(page: Page) -> list[str]:
    """Name every element, but those that make unseen characters visible."""
    return [name for name, attributes in page.elements if attributes.get("class") != "unseen"]


@pytest.mark.parametrize("text", HOSTILE)
def test_content_cannot_become_markup(text: str) -> None:
    """Whatever an alert says, the page has the same elements."""
    plain, hostile = Forgery(), Forgery()
    plain.send(alert("A subject", narrative="A narrative"), disclose=True)
    hostile.send(alert(text, narrative=text), disclose=True)
    page = page_of(hostile)
    assert elements(page) == elements(page_of(plain))
    assert text in page.text
    assert page.heading(1) == ["Audit report"]


@pytest.mark.parametrize("text", HOSTILE)
def test_finding_cannot_become_markup(text: str) -> None:
    """Findings quote what the maker of a bundle wrote."""
    forgery = Forgery()
    message_id = forgery.send()
    plain = Finding(Code.SEAL_INVALID, "plain", "messages.pb", 0, message_id)
    hostile = Finding(Code.SEAL_INVALID, text, "messages.pb", 0, message_id)
    page = page_of(forgery, verdict(hostile))
    assert elements(page) == elements(page_of(forgery, verdict(plain)))
    assert text in page.text


def test_text_cannot_turn_the_reading_direction() -> None:
    """What cannot be seen is named, and words of others stand apart."""
    page = Page(tag("p", quoted(BIDI)))
    assert "\u202e" not in page.text
    for code in ("U+202E", "U+202C", "U+2066", "U+2069", "U+200F", "U+200B", "U+FEFF"):
        assert code in page.text
    assert [name for name, _ in page.elements][:2] == ["p", "bdi"]


def test_marks_cannot_be_piled_over_the_lines_around() -> None:
    """Four marks on one letter are enough for any language."""
    page = Page(tag("p", "a" + "\u0301" * 50))
    assert page.text.count("\u0301") == 4
    assert page.text.count("U+0301") == 46


def test_attribute_cannot_be_left() -> None:
    """Quotes are escaped there, too."""
    page = Page(tag("p", "x", id='a" onclick="alert(1)\u202e'))
    assert page.elements == [("p", {"id": 'a" onclick="alert(1)[U+202E]'})]


def test_giant_text_is_cut_and_the_cut_is_said() -> None:
    """A page stays readable, and honest on what it leaves out."""
    page = Page(tag("p", quoted("x" * (MAX_TEXT + 1_234), MAX_TEXT)))
    assert page.text.count("x") == MAX_TEXT
    assert "(1,234 characters more are left out)" in page.text


@given(st.text(max_size=200))
@example("<b>")
@example("&amp;")
@example("\ud800")
@example("\x00\x1b[31m\r\n\t\u2028")
def test_any_text_stays_text(text: str) -> None:
    """In cells, values, captions and heads."""
    seen = Page(
        tag("div", text, facts([(text, quoted(text))]), table(text, (text,), [(text, text)]))
    )
    assert {name for name, _ in seen.elements} <= {
        *("div", "dl", "dt", "dd", "bdi", "span"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td"),
    }
    for character in seen.text:
        assert character.isprintable() or character in "\n\t"
    assert all(one.isprintable() or one in "\n\t" for one in shown(text))
