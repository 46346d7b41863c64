"""A step of a return-to-origin case, and a case file, for people. All is text, never markup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.table import Table
from rich.text import Text

from sesn_node.cli.consignment_text import add_consignment
from sesn_node.codes.steps import check_numbers
from sesn_node.domain.case_messages import CaseFile, CaseStep, Details
from sesn_node.domain.case_terms import Action, Mark, Responsibility, Role
from sesn_node.domain.counting import many
from sesn_node.domain.findings import Finding, Result
from sesn_node.domain.forward import Original
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import minute_of, utc_minute
from sesn_node.errors import MalformedError
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import decode_payload

ROLE_WORDS: Final = {
    Role.DET: "authority of the country of detection",
    Role.EXP: "authority of the country of export",
    Role.TRN: "authority of a country of transit",
    Role.FAC: "authority of the country of the facility",
}
_RESPONSIBLE: Final = {
    Responsibility.EXPORTER: "the exporter or generator",
    Responsibility.IMPORTER: "the importer or disposer",
    Responsibility.UNASSIGNED: "nobody can be held responsible",
}
_CODE: Final = {
    Action.REQUEST: "ground",
    Action.SETTLE: "proposes",
    Action.ARRIVE: "seal check",
    Action.INCIDENT: "what happened",
}
"""What the word of its closed list is, by action; else a reason."""
_LABELS: Final = {
    "reference": "reference",
    "taker": "taken back by",
    "payer": "paid by",
    "site": "facility",
    "operation": "operation",
    "movement_document": "movement document",
    "container": "container",
    "seal": "seal",
    "imo": "vessel",
    "vehicle": "vehicle",
    "bill_of_lading": "bill of lading",
    "place": "place",
    "certificate": "certificate",
}
_STYLES: Final = {Result.OK: "", Result.WARN: "yellow", Result.FAIL: "red"}
_SHORT: Final = 16
"""Digits of a hash that are shown."""


def case_words(word: str) -> str:
    """Write a word of a closed list as people do."""
    return word.lower().replace("_", " ")


def add_step(body: CaseStep, listing: Table) -> list[str]:
    """Add what a step says to a list of facts; what is doubtful of a number stands beside it.

    Returns:
        Its words.
    """
    mark = body.mark
    listing.add_row("step", Text.assemble((case_words(mark.action), "bold"), f", as {mark.role}"))
    listing.add_row("role", Text(ROLE_WORDS[mark.role]))
    return add_said(body, listing)


def add_said(body: CaseStep, listing: Table) -> list[str]:
    """Add what a step says beside what it is, as `add_step` does."""
    details = body.details
    for label, value in mark_facts(body.mark):
        listing.add_row(label, value)
    if details.subject:
        listing.add_row("subject", Text(details.subject, "bold"))
    if details.responsibility is not None:
        listing.add_row("responsible", _RESPONSIBLE[details.responsibility])
    if details.consignment is not None:
        add_consignment(listing, details.consignment)
    if details.evidence:
        lines = [
            f"{one.description}, "
            + ("file" if one.message_id is None else f"message {show_message_id(one.message_id)}")
            + f", SHA-256 {one.sha256.hex()[:_SHORT]}..."
            for one in details.evidence
        ]
        listing.add_row("evidence", Text("\n".join(lines)))
    for label, value in _of_details(details):
        listing.add_row(label, value)
    return [details.text]


def add_case_file(body: CaseFile, listing: Table) -> list[str]:
    """Add what a case file holds to a list of facts: how many steps, and whose."""
    listing.add_row("holds", many(len(body.originals), "step"))
    listing.add_row("steps", Text("\n".join(_step_line(one) for one in body.originals)))
    return []


def step_subject(body: CaseStep) -> str:
    """Say in one line what a step is about."""
    about = body.details.subject or body.details.container
    action = case_words(body.mark.action)
    return f"case, {action}: {about}" if about.strip() else f"case, {action}"


def mark_facts(mark: Mark) -> Iterator[tuple[str, Text]]:
    """Yield what a mark says beside its action and its role, which needs no content."""
    if mark.code:
        yield _CODE.get(mark.action, "reason"), Text(case_words(mark.code))
    if mark.about:
        yield "about step", Text(f"{mark.about.hex()[:_SHORT]}...")
    if mark.members:
        label = {Action.INVITE: "joins", Action.INFORM: "informed"}.get(mark.action, "members")
        lines = [f"{one.agency}, {', '.join(one.roles)}" for one in mark.members]
        yield label, Text("\n".join(lines))
    if mark.facility is not None:
        yield "facility of", Text(mark.facility)
    if mark.regime:
        yield "clock", Text(f"{many(mark.days, 'day')}, by the rules '{mark.regime}'")
    if mark.at_ms:
        label = "informed at" if mark.action is Action.INFORM else "new due date"
        yield label, Text(f"{utc_minute(mark.at_ms)} UTC")


def _of_details(details: Details) -> Iterator[tuple[str, Text]]:
    found = {one.field: one for one in check_numbers(details)}
    for name, label in _LABELS.items():
        value: str = getattr(details, name)
        if value.strip():
            shown = f"IMO {value.strip().removeprefix('IMO').strip()}" if name == "imo" else value
            yield label, _checked(shown, found.get(name))
    if details.quantity:
        yield "quantity", _checked(f"{details.quantity} {details.unit}", found.get("unit"))
    if details.at is not None:
        yield "at", Text(f"{minute_of(details.at)} UTC")
    if details.informed is not None:
        yield "proof", Text(f"entry {details.informed.index:,} of its ledger")


def _checked(value: str, finding: Finding | None) -> Text:
    shown = Text(value)
    if finding is not None and finding.reason:
        shown.append(f"  {finding.result}: {finding.reason}", _STYLES[finding.result])
    return shown


def _step_line(original: Original) -> str:
    """Tell of one step in a case file what it does, whose it is, and when it was written."""
    try:
        header = decode_header(original.header)
        body = decode_payload(original.payload).body
    except MalformedError as error:
        return f"cannot be read: {error.code}"
    action = case_words(body.mark.action) if isinstance(body, CaseStep) else "no step"
    return f"{utc_minute(header.created_ms)}  {action}  {header.sender}"
