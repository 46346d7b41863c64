"""Audits of cases that scribes wrote, and what they find."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

from sesn_node.audit.records import Disclosure
from sesn_node.audit.verify import verify
from sesn_node.domain.case_messages import CaseStep, Details
from sesn_node.domain.case_terms import Action, Mark, Role
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.wire.cases import encode_mark
from sesn_node.wire.payloads import encode_payload
from tests.support.bundling import Draft
from tests.support.case_scribes import Move, record
from tests.support.homes import BE, GH, NL
from tests.support.scribes import Scribe

if TYPE_CHECKING:
    from sesn_node.audit.case_account import CaseAccount
    from sesn_node.audit.codes import Code
    from sesn_node.audit.verdict import Check, Verdict
    from tests.support.case_scribes import CaseScribes


def three() -> list[Scribe]:
    """Return three agencies that trust each other."""
    scribes = [Scribe(NL), Scribe(GH), Scribe(BE)]
    for one in scribes:
        for other in scribes:
            if one is not other:
                one.trust(other)
    return scribes


def audit(*drafts: Draft) -> Verdict:
    """Audit bundles together."""
    return verify([BytesIO(one.write()) for one in drafts])


def check_of(verdict: Verdict, number: int = 24) -> Check:
    """Return a check: that of cases, unless another is asked for."""
    return next(one for one in verdict.checks if one.number == number)


def found_by(verdict: Verdict) -> list[tuple[int, Code]]:
    """Return number and code of every finding."""
    return [(check.number, one.code) for check in verdict.checks for one in check.findings]


def remarks_of(verdict: Verdict, number: int) -> list[Code]:
    """Return the codes of a check's remarks."""
    return [one.code for check in verdict.checks if check.number == number for one in check.remarks]


def only_case(verdict: Verdict) -> CaseAccount:
    """Return the one case."""
    (account,) = verdict.cases
    return account


def mark_of(case: CaseScribes, action: Action = Action.ACKNOWLEDGE, **parts: object) -> Mark:
    """Write a mark of the exporter's authority, which has seen all steps so far."""
    after = (case.moves[-1].step_id,)
    return Mark(action=action, role=Role.EXP, after=after, **parts)  # type: ignore[arg-type] # parts by name


def shared_step(case: CaseScribes, mark: Mark | None = None) -> Move:
    """Let the exporter's authority share a step; no ledger has its CASE entry yet."""
    exp, salt = case.exp, case.exp.draw(32)
    body = CaseStep(mark_of(case), salt, Details(reference="GH-2026-17"))
    payload = encode_payload(Payload(Markings(Tlp.AMBER), body))
    letter = exp.share(case.det, case.members[2], payload=payload, conversation=case.case_id)
    return Move(letter, salt, encode_mark(mark or body.mark))


def recorded(case: CaseScribes, move: Move) -> None:
    """Record a step of the exporter's authority, which it shared."""
    record(case.exp, move, move.letter.shared)
    case.exp.checkpoint()


def disclosing(scribe: Scribe, move: Move) -> Draft:
    """Return a bundle that discloses a step of its agency."""
    letter = move.letter
    scribe.about(EntryKind.DISCLOSED, letter, answers=letter.shared)
    scribe.checkpoint()
    draft = Draft.of(scribe)
    draft.selection = replace(draft.selection, disclosed=(letter.message_id,))
    sender = letter.header.sender
    draft.disclosed = [Disclosure(sender, letter.message_id, letter.salt, letter.payload)]
    return draft
