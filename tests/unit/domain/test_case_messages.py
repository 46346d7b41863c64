"""Marks, members, steps and case files: every bound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sesn_node.domain.case import TABLE, rules_of
from sesn_node.domain.case_messages import (
    MAX_EVIDENCE,
    MAX_FILED,
    MAX_NOTE_BYTES,
    CaseFile,
    CaseStep,
    Details,
    Evidence,
    Informed,
)
from sesn_node.domain.case_terms import MAX_DAYS, MAX_PARENTS, Action, Mark, Member, Role
from sesn_node.domain.checks import MAX_TIME_MS
from sesn_node.domain.entries import MAX_ENTRY_BYTES
from sesn_node.domain.forward import MAX_FORWARD_BYTES
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.messages import MAX_RECIPIENTS
from sesn_node.domain.payload import MessageKind
from sesn_node.errors import MalformedError
from tests.support.bodies import AT, BODIES, original
from tests.support.objects import NOW_MS, changed

ONE = Member(AgencyId("gh.epa"), (Role.EXP,))
TWO = Member(AgencyId("nl.ilt"), (Role.DET, Role.FAC))
REQUEST = Mark(
    action=Action.REQUEST,
    role=Role.DET,
    code="DUMPING",
    members=(ONE, TWO),
    regime="basel",
    days=30,
)
STEP = Mark(action=Action.ASK, role=Role.EXP, after=(b"a" * 32,))
INFORMED = Informed(b"entry", 3, (b"p" * 32,), b"note")


def _hashes(count: int) -> tuple[bytes, ...]:
    return tuple(number.to_bytes(32, "big") for number in range(count))


def _members(count: int) -> tuple[Member, ...]:
    return tuple(Member(AgencyId(f"nl.a{number:03}"), (Role.TRN,)) for number in range(count))


@pytest.mark.parametrize(
    ("mark", "field", "value", "start"),
    [
        (REQUEST, "after", _hashes(1), "after: "),
        (STEP, "after", (), "after: "),
        (STEP, "after", _hashes(MAX_PARENTS + 1), "after: expected 1 to 16 elements"),
        (STEP, "after", (b"a" * 31,), "after[0]: expected 32 bytes, got 31"),
        (STEP, "after", (b"a" * 32, b"b" * 33), "after[1]: expected 32 bytes, got 33"),
        (STEP, "after", _hashes(2)[::-1], "after: must be ascending, each once"),
        (STEP, "after", _hashes(1) * 2, "after: must be ascending, each once"),
        (STEP, "about", b"a" * 31, "about: expected 32 bytes"),
        (STEP, "members", (TWO, ONE), "members: must be ascending by agency"),
        (STEP, "members", (ONE, ONE), "members: must be ascending by agency"),
        (STEP, "members", _members(MAX_RECIPIENTS + 1), "members: expected 0 to "),
        (STEP, "facility", "Ghana", "facility: "),
        (REQUEST, "regime", "", "regime: "),
        (REQUEST, "regime", "Basel", "regime: "),
        (REQUEST, "regime", "2024", "regime: "),
        (REQUEST, "regime", "b" * 33, "regime: "),
        (REQUEST, "days", 0, "days: expected 1 to 3660"),
        (REQUEST, "days", MAX_DAYS + 1, "days: expected 1 to 3660"),
        (STEP, "regime", "basel", "regime: only a request"),
        (STEP, "days", 30, "regime: only a request"),
        (STEP, "at_ms", -1, "at_ms: "),
        (STEP, "at_ms", MAX_TIME_MS + 1, "at_ms: "),
    ],
)
def test_mark_out_of_its_bounds(mark: Mark, field: str, value: object, start: str) -> None:
    """It is refused by its path."""
    with pytest.raises(MalformedError) as refused:
        changed(mark, **{field: value})
    assert refused.value.message.startswith(start)


@pytest.mark.parametrize(
    ("mark", "values"),
    [
        (STEP, {"after": _hashes(MAX_PARENTS)}),
        (STEP, {"about": b"a" * 32, "at_ms": 1, "facility": "gh.epa"}),
        (STEP, {"at_ms": MAX_TIME_MS, "members": _members(MAX_RECIPIENTS)}),
        (REQUEST, {"regime": "b", "days": 1}),
        (REQUEST, {"regime": "eu-2024-1157" + 20 * "x", "days": MAX_DAYS}),
    ],
)
def test_mark_at_its_edges(mark: Mark, values: dict[str, object]) -> None:
    """The most and the least that is allowed."""
    made = changed(mark, **values)
    assert {name: getattr(made, name) for name in values} == values


@pytest.mark.parametrize(
    ("agency", "roles", "start"),
    [
        ("Ghana", (Role.EXP,), "agency: "),
        ("gh.epa", (), "roles: "),
        ("gh.epa", (Role.FAC, Role.EXP), "roles: must be in the order"),
        ("gh.epa", (Role.EXP, Role.EXP), "roles: must be in the order"),
        ("gh.epa", (*Role, Role.FAC), "roles: expected 1 to 4"),
    ],
)
def test_member_out_of_its_bounds(agency: str, roles: tuple[Role, ...], start: str) -> None:
    """Roles have one order, so that a member is written in one way."""
    with pytest.raises(MalformedError) as refused:
        Member(AgencyId(agency), roles)
    assert refused.value.message.startswith(start)
    assert Member(AgencyId("gh.epa"), tuple(Role)).roles == tuple(Role)


LONGEST = {
    "subject": 200,
    "reference": 100,
    "taker": 300,
    "payer": 300,
    "site": 300,
    "movement_document": 100,
    "container": 40,
    "seal": 15,
    "imo": 40,
    "vehicle": 40,
    "bill_of_lading": 20,
    "place": 40,
    "certificate": 100,
}


@pytest.mark.parametrize(("name", "most"), LONGEST.items())
def test_lines(name: str, most: int) -> None:
    """Each has its longest, and is one line."""
    assert getattr(changed(Details(), **{name: "x" * most}), name) == "x" * most
    for value, start in (("x" * (most + 1), f"{name}: at most "), ("a\nb", f"{name}: character 2")):
        with pytest.raises(MalformedError) as refused:
            changed(Details(), **{name: value})
        assert refused.value.message.startswith(start)


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({"text": "x" * 20_001}, "text: at most 20,000"),
        ({"text": "\u202e"}, "text: character 1 is U+202E"),
        (
            {"evidence": (Evidence("a", b"e" * 32),) * (MAX_EVIDENCE + 1)},
            "evidence: expected 0 to",
        ),
        ({"operation": "D0"}, "operation: "),
        ({"operation": "D16"}, "operation: "),
        ({"operation": "R14"}, "operation: "),
        ({"operation": "r4"}, "operation: "),
        ({"operation": "D1 "}, "operation: "),
        ({"at": AT.astimezone(timezone(timedelta(hours=1)))}, "at: expected a time in UTC"),
        ({"at": datetime(1969, 12, 31, tzinfo=UTC)}, "at: expected a time from 1970"),
        ({"quantity": "1"}, "unit: missing"),
        ({"unit": "t"}, "quantity: missing"),
        ({"quantity": "1", "unit": " "}, "unit: missing"),
        ({"quantity": "1,5", "unit": "t"}, "quantity: "),
        ({"quantity": "-1", "unit": "t"}, "quantity: "),
        ({"quantity": "1" * 16, "unit": "t"}, "quantity: "),
        ({"quantity": "1.1234567", "unit": "t"}, "quantity: "),
        ({"quantity": "1", "unit": "x" * 21}, "unit: at most 20"),
    ],
)
def test_details_out_of_their_bounds(values: dict[str, object], start: str) -> None:
    """They are refused by their path."""
    with pytest.raises(MalformedError) as refused:
        changed(Details(), **values)
    assert refused.value.message.startswith(start)


@pytest.mark.parametrize(
    "values",
    [
        {"text": "x" * 20_000, "evidence": (Evidence("a", b"e" * 32),) * MAX_EVIDENCE},
        {"quantity": "1" * 15 + ".123456", "unit": "x" * 20},
        *({"operation": f"D{number}"} for number in range(1, 16)),
        *({"operation": f"R{number}"} for number in range(1, 14)),
    ],
)
def test_details_at_their_edges(values: dict[str, object]) -> None:
    """The most that is allowed, and every operation of Basel Annex IV."""
    made = changed(Details(), **values)
    assert made.given() == set(values)


def test_blank_is_not_given() -> None:
    """Nobody gets around a field that is needed with a space."""
    assert Details().given() == frozenset()
    assert Details(reference=" ", text="\n").given() == frozenset()


@pytest.mark.parametrize(
    ("part", "field", "value", "start"),
    [
        (Evidence("a", b"e" * 32), "description", "", "description: must not be empty"),
        (Evidence("a", b"e" * 32), "description", "x" * 201, "description: at most 200"),
        (Evidence("a", b"e" * 32), "sha256", b"e" * 31, "sha256: expected 32"),
        (Evidence("a", b"e" * 32), "message_id", bytes(16), "message_id: "),
        (INFORMED, "entry", b"", "entry: "),
        (INFORMED, "entry", bytes(MAX_ENTRY_BYTES + 1), "entry: "),
        (INFORMED, "index", -1, "index: "),
        (INFORMED, "index", 1 << 62, "index: "),
        (INFORMED, "proof", _hashes(64), "proof: expected 0 to 63"),
        (INFORMED, "proof", (b"p" * 32, b"q"), "proof[1]: expected 32"),
        (INFORMED, "checkpoint", b"", "checkpoint: "),
        (INFORMED, "checkpoint", bytes(MAX_NOTE_BYTES + 1), "checkpoint: "),
    ],
)
def test_part_out_of_its_bounds(
    part: Evidence | Informed, field: str, value: object, start: str
) -> None:
    """It is refused by its path."""
    with pytest.raises(MalformedError) as refused:
        changed(part, **{field: value})
    assert refused.value.message.startswith(start)


def _needed(action: Action) -> list[str]:
    """Return what all rows of an action need."""
    rows = rules_of(action)
    return [need for need in rows[0].needs if all(need in row.needs for row in rows)]


def _step_with(action: Action, given: set[str]) -> CaseStep:
    """Write a step of which these parts are given."""
    whole = BODIES[MessageKind.CASE_STEP]
    assert isinstance(whole, CaseStep)
    empty = Details()
    details = changed(
        whole.details,
        **{
            name: getattr(empty, name)
            for name in Details.__slots__
            if name not in given and not (name == "unit" and "quantity" in given)
        },
    )
    mark = REQUEST if action is Action.REQUEST else changed(STEP, action=action)
    return CaseStep(mark, b"s" * 32, details)


@pytest.mark.parametrize("action", Action)
def test_every_step_says_what_it_needs(action: Action) -> None:
    """With all of it, it can be written; without any one of it, it cannot."""
    needs = _needed(action)
    every = {name for need in needs for name in need.split("|")}
    assert _step_with(action, every).mark.action is action
    for need in needs:
        names = need.split("|")
        with pytest.raises(MalformedError) as refused:
            _step_with(action, every - set(names))
        assert refused.value.message.startswith(f"details.{names[0]}: {action} needs it")
    shortest = {need.split("|")[-1] for need in needs}
    assert _step_with(action, shortest).mark.action is action


def test_all_rows_of_a_step_need_the_same() -> None:
    """So a step can be judged complete before anybody knows in which state it was taken."""
    for rule in TABLE:
        assert list(rule.needs) == _needed(rule.action), rule.action


@pytest.mark.parametrize("size", [0, 31, 33])
def test_salt_has_its_length(size: int) -> None:
    """As for every commitment."""
    with pytest.raises(MalformedError, match=r"^salt: expected 32"):
        changed(BODIES[MessageKind.CASE_STEP], salt=bytes(size))


def test_case_file() -> None:
    """1 to 100 originals, and not more than fits into one message."""
    small = original()
    assert len(CaseFile((small,) * MAX_FILED).originals) == MAX_FILED
    for wrong in ((), (small,) * (MAX_FILED + 1)):
        with pytest.raises(MalformedError, match=r"^originals: "):
            CaseFile(wrong)
    room = MAX_FORWARD_BYTES - 2 * small.size + len(small.payload)
    full = (small, changed(small, payload=bytes(room)))
    assert sum(one.size for one in CaseFile(full).originals) == MAX_FORWARD_BYTES
    with pytest.raises(MalformedError, match=r"^originals: at most 1,032,192 bytes"):
        CaseFile((small, changed(small, payload=bytes(room + 1))))


def test_times_of_a_mark_are_milliseconds() -> None:
    """As everywhere else on the wire."""
    assert changed(STEP, at_ms=NOW_MS).at_ms == NOW_MS
