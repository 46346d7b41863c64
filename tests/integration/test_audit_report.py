"""A report of a whole case: three agencies, a refusal, an expiry, an erasure, an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.report import report
from sesn_node.audit.verify import verify
from sesn_node.demo.cast import BE, GH, NL
from sesn_node.domain.ids import show_message_id
from sesn_node.trust.fingerprint import words
from tests.support.audit_story import AuditStory, found_cast, tell
from tests.support.engines import current
from tests.support.network import Network
from tests.support.pages import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.domain.ids import AgencyId
    from tests.support.engines import Engine

START_MS = 1_796_400_000_000


@pytest.fixture(scope="module")
def story(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditStory]:
    """What happened, told once for all tests."""
    assert engine is current()
    folder = tmp_path_factory.mktemp("story")
    net = Network(found_cast(folder / "homes"), START_MS)
    try:
        yield tell(net, folder)
    finally:
        net.close()


def report_of(story: AuditStory, *agencies: AgencyId) -> Page:
    """Audit bundles, and read the report."""
    files = story.files(*agencies)
    return Page("".join(report(verify(files), files)))


def test_report_of_three_bundles_tells_what_happened(story: AuditStory) -> None:
    """Who sent what to whom, who had it when, and what did not arrive."""
    page = report_of(story)
    assert "✓ HOLDS" in page.text
    assert (
        "The records of Netherlands Customs (nl.customs), Environmental Protection Agency of Ghana "
        "(gh.epa) and Belgian Federal Police (be.police) hold"
    ) in page.text
    first = next(one for one in page.heading(3) if one.startswith("Conversation 1: "))
    assert first.endswith("Untested CRT televisions as second-hand goods, Rotterdam to Tema")
    assert "6 messages in 5 conversations; all are shown." in page.text
    for said in (
        "sent message 1.1 to be.police, gh.epa",
        "received message 1.1 from nl.customs2.4 s",
        "got the receipt of be.police for message 1.117 min 2 s",
        "viewed the content of message 1.1",
        "disclosed the content of message 1.2",
        "learned that be.police refused message 2.1: its time had run out (EXPIRED)",
        "refused message 2.1 of nl.customs: its time had run out (EXPIRED)",
        "gave up delivering message 3.1 to gh.epa: its time had run out (EXPIRED)",
        "erased the content of message 4.1: an operator had it erased (OPERATOR)",
        "Content erased by be.police",
        "answered \N{LEFT DOUBLE QUOTATION MARK}accepted\N{RIGHT DOUBLE QUOTATION MARK}",
        "in time, 3 h 57 min before.",
        "be.police: no answer in what is shown here.",
        "Both containers are on hold at Tema.",
        "1 erased, 1 still open, 1 refused, 1 not delivered",
    ):
        assert said in page.text
    for one in (story.disclosed, story.answer, story.refused, story.expired, story.erased):
        assert show_message_id(one) in page.text
    assert "Names an informant" not in page.text


def test_report_tells_fingerprints_in_words(story: AuditStory) -> None:
    """All 24 words of every agency, in order, and the keys of its card."""
    page = report_of(story)
    for bundle in verify(story.files()).bundles:
        assert bundle.identities
        for identity in bundle.identities:
            for one in identity.fingerprints:
                assert "".join(words(one)) in page.text
    assert "nl.customs.sesn/witness+" in page.text


def test_report_of_one_bundle_says_what_it_cannot_know(story: AuditStory) -> None:
    """Without the sender's bundle, nobody knows what became of the other copies."""
    page = report_of(story, GH)
    assert "Checks 17 to 22, 25 (all bundles), not made: " in page.text
    assert "✓ received, says its own ledger" in page.text
    assert "? not told: the sender's bundle is not here" in page.text
    assert "none here" in page.text


def test_report_of_two_bundles_of_one_message_tells_it_once(story: AuditStory) -> None:
    """An event that two bundles tell of stands in the timeline once."""
    page = report_of(story, NL, GH)
    assert page.text.count("received message 1.1 from nl.customs2.4 s") == 1
    assert page.text.count("sent message 1.1 to ") == 1


def test_changed_byte_turns_the_verdict(story: AuditStory) -> None:
    """The file is named as unreadable, and nothing in it is shown."""
    data = bytearray(story.bundles[BE])
    data[len(data) // 2] ^= 1
    page = report_of(replace(story, bundles={BE: bytes(data)}))
    assert "✗ DOES NOT HOLD" in page.text
    assert "Conversations" not in page.heading(2)
