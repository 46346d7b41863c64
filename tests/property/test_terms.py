"""Normal forms of numbers and names, whatever the text."""

from __future__ import annotations

import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sesn_node.domain.terms import normalised

SEPARATORS = " \t\n-/.,;:_()'\"\u00a0\u200b\u2013\u3000"
# Without the dotless i, which has no capital of its own.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u0131"), max_size=30)
PLAIN = st.text("ABCXYZabcxyz0123456789", min_size=1, max_size=15)


@given(TEXT)
@example("O\u00b4Neill")
@example("\u0345\u0399\u0130")
@settings(max_examples=300)
def test_normalising_twice_is_as_good_as_once(text: str) -> None:
    """A normal form is its own normal form, is NFKC, and holds no separator."""
    form = normalised(text)
    assert normalised(form) == form
    assert unicodedata.is_normalized("NFKC", form)
    assert not any(unicodedata.category(one)[0] in "ZPC" for one in form)


@given(TEXT)
@settings(max_examples=200)
def test_forms_of_unicode_do_not_matter(text: str) -> None:
    """Composed, decomposed and compatibility forms of a text are found alike."""
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert normalised(unicodedata.normalize(form, text)) == normalised(text)


@given(st.text(st.characters(max_codepoint=127), max_size=30))
@settings(max_examples=200)
def test_plain_text_has_no_rules_of_its_own(text: str) -> None:
    """The short way for ASCII leads to where the long way for all others does."""
    assert normalised(text + "\u0439") == normalised(text) + "\u0439"


@given(PLAIN, st.data())
@settings(max_examples=200)
def test_case_and_separators_do_not_matter(text: str, data: st.DataObject) -> None:
    """Any case and separators anywhere give the same form; letters and digits all count."""
    written = "".join(
        data.draw(st.text(SEPARATORS, max_size=2))
        + data.draw(st.sampled_from([one.lower(), one.upper()]))
        for one in text
    )
    assert normalised(written) == text.lower()
