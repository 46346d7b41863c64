"""Messages about messages, and what officers tell each other: every bound."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from sesn_node.domain.conversation import (
    Confidence,
    Decision,
    DestructionOutcome,
    Note,
    SightingBasis,
)
from sesn_node.domain.payload import KINDS, MessageKind
from sesn_node.errors import MalformedError
from tests.support.bodies import AT, BODIES
from tests.support.objects import changed

LOCAL = AT.astimezone(timezone(timedelta(hours=1)))
OLD = datetime(1969, 12, 31, tzinfo=UTC)

NAMED = [
    ("message_id", bytes(16), "message_id: "),
    ("message_id", b"", "message_id: "),
    ("header_sha256", bytes(31), "header_sha256: expected 32 bytes, got 31"),
]

# Kind, field, a value that breaks its rule, how the message starts.
WRONG = [
    *[
        (kind, *case)
        for kind in (
            MessageKind.RESPONSE,
            MessageKind.UPDATE,
            MessageKind.RECALL,
            MessageKind.DESTRUCTION,
            MessageKind.CONSENT,
            MessageKind.ANSWER,
        )
        for case in NAMED
    ],
    (MessageKind.RESPONSE, "text", "", "text: must not be empty"),
    (MessageKind.RESPONSE, "text", "x" * 2001, "text: at most 2,000"),
    (MessageKind.UPDATE, "reason", "x" * 2001, "reason: at most 2,000"),
    (MessageKind.RECALL, "reason", " ", "reason: must not be empty"),
    (MessageKind.RECALL, "reason", "x" * 501, "reason: at most 500"),
    (MessageKind.RECALL, "reason", "a\nb", "reason: character 2"),
    (MessageKind.DESTRUCTION, "at", LOCAL, "at: expected a time in UTC"),
    (MessageKind.DESTRUCTION, "backups_expire", OLD, "backups_expire: expected a time from 1970"),
    (MessageKind.DESTRUCTION, "hold", "", "hold: HELD and what forbids it"),
    (MessageKind.DESTRUCTION, "hold", "x" * 501, "hold: at most 500"),
    (MessageKind.DESTRUCTION, "outcome", DestructionOutcome.DESTROYED, "hold: HELD and what"),
    (MessageKind.DESTRUCTION, "outcome", DestructionOutcome.NEVER_KEPT, "hold: HELD and what"),
    (MessageKind.DESTRUCTION, "passed_on", ("gh.epa", "be.police"), "passed_on: must be ascending"),
    (MessageKind.DESTRUCTION, "passed_on", ("gh.epa", "gh.epa"), "passed_on: must be ascending"),
    (MessageKind.DESTRUCTION, "passed_on", ("gh.epa", "Nobody"), "passed_on[1]: "),
    (
        MessageKind.DESTRUCTION,
        "passed_on",
        tuple(f"nl.a{number:03}" for number in range(501)),
        "passed_on: expected 0 to 500 elements, got 501",
    ),
    (MessageKind.CONSENT, "onward", (), "onward: expected 1 to 100 elements, got 0"),
    (MessageKind.CONSENT, "onward", ("gh.epa", "be.*"), "onward: must be ascending"),
    (MessageKind.CONSENT, "onward", ("everybody",), "onward[0]: expected an agency id"),
    (MessageKind.CONSENT, "until", LOCAL, "until: expected a time in UTC"),
    (MessageKind.REQUEST, "subject", "", "subject: must not be empty"),
    (MessageKind.REQUEST, "subject", "x" * 201, "subject: at most 200"),
    (MessageKind.REQUEST, "subject", "two\nlines", "subject: character 4"),
    (MessageKind.REQUEST, "text", "\n", "text: must not be empty"),
    (MessageKind.REQUEST, "text", "x" * 20_001, "text: at most 20,000"),
    (MessageKind.REQUEST, "respond_by", LOCAL, "respond_by: expected a time in UTC"),
    (MessageKind.ANSWER, "text", "", "text: must not be empty"),
    (MessageKind.ANSWER, "text", "x" * 20_001, "text: at most 20,000"),
    (MessageKind.NOTE, "text", "", "text: must not be empty"),
    (MessageKind.NOTE, "text", "x" * 20_001, "text: at most 20,000"),
    (MessageKind.NOTE, "text", "\u202e", "text: character 1 is U+202E"),
    (MessageKind.SIGHTING, "container", "x" * 41, "container: at most 40"),
    (MessageKind.SIGHTING, "imo", "x" * 41, "imo: at most 40"),
    (MessageKind.SIGHTING, "seal", "x" * 16, "seal: at most 15"),
    (MessageKind.SIGHTING, "place", "", "place: must not be empty"),
    (MessageKind.SIGHTING, "place", "x" * 41, "place: at most 40"),
    (MessageKind.SIGHTING, "at", LOCAL, "at: expected a time in UTC"),
    (MessageKind.SIGHTING, "text", "x" * 2001, "text: at most 2,000"),
]


@pytest.mark.parametrize(("kind", "field", "value", "start"), WRONG)
def test_field_out_of_its_bounds(kind: MessageKind, field: str, value: object, start: str) -> None:
    """It is refused by its path."""
    with pytest.raises(MalformedError) as refused:
        changed(BODIES[kind], **{field: value})
    assert refused.value.message.startswith(start)


# Kind, and values at the edge that are allowed.
EDGES = [
    (MessageKind.RESPONSE, {"text": "x" * 2000}),
    (MessageKind.RESPONSE, {"decision": Decision.ACCEPTED, "text": ""}),
    (MessageKind.UPDATE, {"reason": ""}),
    (MessageKind.RECALL, {"reason": "x" * 500}),
    (MessageKind.DESTRUCTION, {"outcome": DestructionOutcome.DESTROYED, "hold": ""}),
    (MessageKind.DESTRUCTION, {"backups_expire": None, "passed_on": ()}),
    (
        MessageKind.DESTRUCTION,
        {"passed_on": tuple(f"nl.a{number:03}" for number in range(500))},
    ),
    (MessageKind.CONSENT, {"until": None, "onward": ("*",)}),
    (MessageKind.REQUEST, {"respond_by": None, "text": "x" * 20_000}),
    (MessageKind.ANSWER, {"text": "x" * 20_000}),
    (MessageKind.NOTE, {"text": "x" * 20_000}),
    (MessageKind.SIGHTING, {"container": "", "imo": ""}),
    (MessageKind.SIGHTING, {"container": "x" * 40, "imo": "x" * 40, "seal": "x" * 15, "text": ""}),
]


@pytest.mark.parametrize(("kind", "values"), EDGES)
def test_edge_that_is_allowed(kind: MessageKind, values: dict[str, object]) -> None:
    """The longest, the shortest, and what may be left out."""
    made = changed(BODIES[kind], **values)
    assert {name: getattr(made, name) for name in values} == values


def test_a_sighting_is_of_something() -> None:
    """A container, a vessel or a seal: one is enough, none is nothing."""
    seen = BODIES[MessageKind.SIGHTING]
    for name in ("container", "imo", "seal"):
        left = {other: "" for other in ("container", "imo", "seal") if other != name}
        assert getattr(changed(seen, **left), name)
    with pytest.raises(MalformedError, match=r"^container: a sighting needs"):
        changed(seen, container=" ", imo="", seal="")


def test_every_kind_has_a_body_and_every_body_a_kind() -> None:
    """The kinds are those of the wire, in their order."""
    assert set(BODIES) == set(MessageKind) == set(KINDS.values())
    assert {type(body): kind for kind, body in BODIES.items()} == KINDS


def test_words_have_one_meaning_each() -> None:
    """Names of enums on the wire share one name space: none may be used twice."""
    words = [*Decision, *DestructionOutcome, *SightingBasis, *Confidence]
    assert len({word.value for word in words}) == len(words)
    assert replace(Note("a"), text="b") == Note("b")
