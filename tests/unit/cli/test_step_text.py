"""Steps of cases and case files on the screen: readable, whole, and never markup."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sesn_node.cli.alert_text import draft_text
from sesn_node.cli.body_text import body_text, subject_of
from sesn_node.cli.show import console
from sesn_node.domain.case_messages import CaseFile, CaseStep, Details
from sesn_node.domain.case_terms import Action, Ground, IncidentKind, Mark, Member, Role, SealCheck
from sesn_node.domain.forward import Original
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.wire.envelopes import encode_header
from sesn_node.wire.payloads import encode_payload
from tests.support.bodies import AT, BODIES, MARKED
from tests.support.objects import header

NL, GH, DE = AgencyId("nl.customs"), AgencyId("gh.epa"), AgencyId("de.police")


def _step() -> CaseStep:
    body = BODIES[MessageKind.CASE_STEP]
    assert isinstance(body, CaseStep)
    return body


def _printed(body: CaseStep | CaseFile) -> str:
    console.cache_clear()
    shown = console()
    with shown.capture() as captured:
        shown.print(body_text(Payload(MARKED, body)))
    # Lines are folded where the screen ends.
    return " ".join(captured.get().split())


def _said(mark: Mark, **changes: object) -> str:
    details = replace(_step().details, **changes)  # type: ignore[arg-type] # by name
    return _printed(CaseStep(mark, b"s" * 32, details))


def _mark(action: Action, role: Role = Role.DET, **parts: object) -> Mark:
    return Mark(action=action, role=role, after=(b"a" * 32,), **parts)  # type: ignore[arg-type]


def test_everything_that_a_step_says() -> None:
    """Each field of the details, by a name that people know."""
    text = _said(_mark(Action.SHIP))
    for words in (
        "ship, as DET",
        "authority of the country of detection",
        "Back to Tema",
        "Loaded under supervision.",
        "the exporter or generator",
        "Inspection report, message",
        "NL-2026-17",
        "Exporter Ltd, Tema",
        "Exporter Ltd, Accra",
        "Works at Tema",
        "R4",
        "GH 000123/1",
        "CSQU3054383",
        "NL4711",
        "IMO 9319466",
        "22-BTZ-1",
        "MEDU1234567",
        "NLRTM",
        "24.5 t",
        "T-9",
        "2026-12-09 08:00 UTC",
        "entry 3 of its ledger",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (
            Mark(
                action=Action.REQUEST,
                role=Role.DET,
                code=Ground.NOT_AS_DOCUMENTED,
                members=(Member(GH, (Role.EXP, Role.FAC)), Member(NL, (Role.DET,))),
                regime="basel",
                days=30,
            ),
            (
                "ground not as documented",
                "members gh.epa, EXP, FAC",
                "nl.customs, DET",
                "30 days, by the rules 'basel'",
            ),
        ),
        (
            _mark(Action.INVITE, Role.EXP, members=(Member(DE, (Role.TRN,)),)),
            ("joins de.police, TRN", "authority of the country of export"),
        ),
        (
            _mark(
                Action.INFORM,
                about=b"\x0f" * 32,
                members=(Member(GH, (Role.EXP,)),),
                at_ms=1_765_267_200_000,
            ),
            ("informed gh.epa, EXP", "informed at 2025-12-09 08:00 UTC", "about step 0f0f0f0f"),
        ),
        (_mark(Action.EXTEND, at_ms=1_765_267_200_000), ("new due date 2025-12-09 08:00 UTC",)),
        (_mark(Action.ARRIVE, Role.EXP, code=SealCheck.MISMATCH), ("seal check mismatch",)),
        (
            _mark(Action.INCIDENT, Role.TRN, code=IncidentKind.GOODS_MISSING),
            ("what happened goods missing",),
        ),
        (_mark(Action.DOCUMENT, Role.EXP, facility=DE), ("facility of de.police",)),
    ],
)
def test_what_a_step_does(mark: Mark, words: tuple[str, ...]) -> None:
    """What the state of the case depends on, in words."""
    text = _said(mark)
    for one in words:
        assert one in text, one


@pytest.mark.parametrize("action", Action)
def test_every_step_has_a_line(action: Action) -> None:
    """The subject of each step names what it does."""
    root = action is Action.REQUEST
    mark = Mark(action=action, role=Role.DET, regime="basel", days=30) if root else _mark(action)
    body = replace(_step(), mark=mark)
    word = action.value.lower()
    assert subject_of(Payload(MARKED, body)) == f"case, {word}: Back to Tema"


def test_a_step_without_a_subject() -> None:
    """What it moves is as good as a subject; else what it does must do."""
    step = _step()
    shipped = replace(step, details=replace(step.details, subject=""))
    assert subject_of(Payload(MARKED, shipped)) == "case, ship: CSQU3054383"
    closed = CaseStep(_mark(Action.CLOSE), b"s" * 32, Details())
    assert subject_of(Payload(MARKED, closed)) == "case, close"


def test_doubts_stand_beside_the_numbers() -> None:
    """A wrong check digit is said where the number stands."""
    text = _said(_mark(Action.SHIP), container="CSQU3054384", place="off Tema")
    assert "CSQU3054384 warn: " in text
    assert "place off Tema certificate" in text


def test_markup_is_text() -> None:
    """Whatever a partner writes is shown as it is."""
    text = _said(_mark(Action.ARRIVE), text="[red]no[/red]", site="[bold]x", reference="[/]")
    for words in ("[red]no[/red]", "[bold]x", "[/]"):
        assert words in text


def test_a_draft_is_shown_before_it_is_approved() -> None:
    """Whoever approves sees the step, its consignment's findings, and the rules of handling."""
    console.cache_clear()
    shown = console()
    with shown.capture() as captured:
        shown.print(draft_text(Payload(MARKED, _step()), (), AT, whole=True))
    text = captured.get()
    for words in ("ship, as DET", "Loaded under supervision.", "What they may do with it"):
        assert words in text, words
    assert draft_text(Payload(MARKED, BODIES[MessageKind.NOTE]), (), AT, whole=False) is None


def test_a_case_file() -> None:
    """How many steps, what each does, whose it is, and when it was written; or why not."""
    payload = encode_payload(Payload(MARKED, _step()))
    good = Original(encode_header(header()), b"s" * 70, b"t" * 32, payload, b"c" * 50)
    bad = Original(b"h" * 40, b"s" * 70, b"t" * 32, payload, b"c" * 50)
    body = CaseFile((good, bad))
    text = _printed(body)
    assert "holds 2 steps" in text
    assert f"ship {header().sender}" in text
    assert "cannot be read: MALFORMED" in text
    assert subject_of(Payload(MARKED, body)) == "case file"
