"""What every kind of message says, in the report: under a heading of its own, nothing lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sesn_node.audit.report_case import Content
from sesn_node.audit.report_content import content_part
from sesn_node.audit.report_words import SAYS
from sesn_node.crypto.primitives import sha256
from sesn_node.domain.case_messages import CaseFile, CaseStep
from sesn_node.domain.conversation import Note, Sighting
from sesn_node.domain.forward import Forward
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.wire.envelopes import encode_header
from sesn_node.wire.payloads import encode_payload
from tests.support import objects
from tests.support.bodies import BODIES, MARKED, original


def _shown(payload: Payload) -> str:
    data = encode_payload(payload)
    content = Content(len(data), sha256(data), payload, matches=True)
    return content_part(content, SAYS[payload.kind])


@pytest.mark.parametrize("kind", list(MessageKind))
def test_every_kind(kind: MessageKind) -> None:
    """Its heading, its own words, and how it is to be handled."""
    body = BODIES[kind]
    page = _shown(Payload(MARKED, body))
    assert SAYS[kind] in page
    assert "may be passed on (TLP)" in page
    assert MARKED.purpose in page
    for name in ("text", "reason", "subject", "place", "hold"):
        value = getattr(body, name, "")
        if value:
            assert value.split("\n")[0][:40] in page, name


def test_words_stay_words() -> None:
    """An identifier that reads like a code is not replaced by that code's meaning."""
    sighting = BODIES[MessageKind.SIGHTING]
    assert isinstance(sighting, Sighting)
    body = replace(sighting, place="HELD", container="LOW", seal="NONE")
    page = _shown(Payload(MARKED, body))
    for value in ("HELD", "LOW", "NONE"):
        assert f"<bdi>{value}</bdi>" in page
    assert "confidence" in page


def test_a_forward_shows_what_it_passes_on() -> None:
    """Whose message, and its words, not its bytes; what cannot be read is said."""
    header = objects.header()
    inner = Payload(MARKED, Note("Nobody has seen it."))
    passed = replace(original(), header=encode_header(header), payload=encode_payload(inner))
    page = _shown(Payload(MARKED, Forward(passed, None, "For your eyes.")))
    assert show_message_id(header.message_id) in page
    assert header.sender in page
    assert "Nobody has seen it." in page
    assert "For your eyes." in page
    assert passed.seal.hex() not in page
    broken = _shown(Payload(MARKED, Forward(original())))
    assert "cannot be read" in broken


def test_a_step_of_a_case_shows_what_it_says_and_no_proofs() -> None:
    """What its mark and the receipt prove stands in the part on cases."""
    step = BODIES[MessageKind.CASE_STEP]
    assert isinstance(step, CaseStep)
    page = _shown(Payload(MARKED, step))
    for value in ("SHIP", "DET", step.details.text, step.details.taker, "GH 000123/1", "24.5"):
        assert value in page
    assert step.salt.hex() not in page
    assert "informed" not in page


def test_a_case_file_names_what_it_hands_over() -> None:
    """Whose messages, not their bytes."""
    header = objects.header()
    handed = replace(original(), header=encode_header(header))
    page = _shown(Payload(MARKED, CaseFile((handed, original()))))
    assert f"message {show_message_id(header.message_id)} of {header.sender}" in page
    assert "a message whose header cannot be read" in page
    assert handed.seal.hex() not in page
