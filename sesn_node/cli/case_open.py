"""`sesn case open` and `request`: a request for a return, written by one, sent by two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sesn_node.cli import case_options as options
from sesn_node.cli.approve import DraftId
from sesn_node.cli.case_json import draft_json
from sesn_node.cli.consignment_text import add_consignment
from sesn_node.cli.files import input_file
from sesn_node.cli.handling_text import marks_text
from sesn_node.cli.options import command_of, open_desk
from sesn_node.cli.show import AsJson, console, facts, print_json, say
from sesn_node.codes.steps import check_step
from sesn_node.domain.alert import Consignment
from sesn_node.domain.case_form import CaseForm
from sesn_node.domain.case_messages import Evidence
from sesn_node.domain.findings import Result
from sesn_node.domain.ids import AgencyId, agency_id, show_message_id
from sesn_node.domain.markings import Markings
from sesn_node.domain.people import Right
from sesn_node.domain.times import instant, utc_minute
from sesn_node.errors import MalformedError
from sesn_node.exchange.casedrafts import (
    CaseDraft,
    alert_evidence,
    delete_draft,
    find_draft,
    open_case,
    replace_draft,
    request_return,
)
from sesn_node.exchange.naming import find_alert, find_case_draft
from sesn_node.wire.case_forms import form_from_json
from sesn_node.wire.payloads import MAX_JSON_BYTES

_STYLES = {Result.WARN: "yellow", Result.FAIL: "red"}


def open_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE.json", exists=True, dir_okay=False, help="The request; see docs/cases.md."
        ),
    ] = None,
    exporter: Annotated[
        str | None, typer.Option(metavar="AGENCY", help="Authority of the country of export.")
    ] = None,
    transit: options.JoinsTransit = None,
    facility: options.JoinsFacility = None,
    ground: options.GroundOption = None,
    regime: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The rules of the clock, by their name in the settings."),
    ] = None,
    responsibility: options.ResponsibilityOption = None,
    subject: options.Subject = "",
    text: options.Said = "",
    text_file: options.SaidInFile = None,
    alert: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Take the consignment of this alert, and the alert as evidence."
        ),
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="AGENCY", help="Whose alert, when two senders used the same id."
        ),
    ] = None,
    evidence: options.EvidenceFiles = None,
    tlp: options.TlpOption = None,
    replaced: Annotated[
        str | None,
        typer.Option(
            "--replace",
            metavar="DRAFT",
            help="Change this draft: FILE takes its place, each option one of its parts.",
        ),
    ] = None,
    deleted: Annotated[
        str | None, typer.Option("--delete", metavar="DRAFT", help="Delete this draft.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the request of a case as a draft, which nobody else sees, from a file or options.

    It may be incomplete: '--replace' adds to it. 'case request' signs it for a second person.
    Evidence is added to what is there; every other option takes the place of what was written.
    """
    given = {
        "exporter": None if exporter is None else agency_id(exporter),
        "transit": _agencies(transit),
        "facility": _agencies(facility),
        "ground": ground,
        "regime": regime,
        "markings": None if tlp is None else Markings(tlp),
    }
    said = {
        "subject": subject,
        "text": options.said(text, text_file),
        "responsibility": responsibility,
    }
    whose = None if sender is None else agency_id(sender)
    hashed = options.evidence_of(evidence)
    written = None if file is None else _read(file)
    anything = file is not None or alert is not None or any((*given.values(), *said.values()))
    if deleted is not None:
        if anything or hashed or replaced is not None:
            raise MalformedError("--delete: takes a draft away; leave everything else out")
        _delete(context, deleted, as_json=as_json)
        return
    if not anything and not hashed:
        raise MalformedError("FILE.json: name a file, or write the request with options")
    with open_desk(context, Right.WRITE) as desk:
        office = desk.office
        before = None
        if replaced is not None:
            before = find_draft(office, find_case_draft(office.store, replaced))
        form = written or (CaseForm() if before is None else before.form)
        seen: tuple[Consignment | None, tuple[Evidence, ...]] = (None, hashed)
        if alert is not None:
            found = find_alert(office.store, alert)
            consignment, shown = alert_evidence(office, found, whose)
            seen = consignment, (shown, *hashed)
        form = _filled(form, given, said, seen)
        draft = open_case(office, form) if before is None else replace_draft(office, before, form)
        now_ms = office.clock()
    if as_json:
        print_json(draft_json(draft))
        return
    console().print(draft_text(draft))
    for finding in check_step(form.details, instant(now_ms)):
        if finding.reason:
            console().print(
                Text(f"{finding.field}: {finding.reason}", _STYLES.get(finding.result, ""))
            )
    say()
    _tell_next(context, draft)


def request_(context: typer.Context, draft: DraftId, as_json: AsJson = False) -> None:
    """Sign the request of a draft, and keep it until a second person approves and sends it.

    The draft stays until then. Its case begins, under the id of the message, when that is sent.
    """
    with open_desk(context, Right.WRITE) as desk:
        draft_id = find_case_draft(desk.office.store, draft)
        proposal = request_return(desk.office, draft_id)
    shown = show_message_id(proposal.draft_id)
    if as_json:
        print_json({"draft_id": shown, "reason": proposal.reason, "to": list(proposal.draft.to)})
        return
    say(f"A second person has to approve this, for {', '.join(proposal.draft.to)}.", "bold")
    say(f"Draft {shown} waits: '{command_of(context)} approve give {shown} --as OPERATOR'.")


def draft_text(draft: CaseDraft) -> Table:
    """Show what is written in a draft, and what is still to be written."""
    form, details = draft.form, draft.form.details
    listing = facts()
    listing.add_row("draft", show_message_id(draft.line.draft_id))
    listing.add_row("written", f"{utc_minute(draft.line.written_ms)} UTC")
    stands = "requested; waits for a second person" if draft.line.waits else "not requested yet"
    listing.add_row("stands", stands)
    for label, value in (
        ("exporter", form.exporter or ""),
        ("transit", ", ".join(form.transit)),
        ("facility", ", ".join(form.facility)),
        ("ground", form.ground or ""),
        ("regime", form.regime or ""),
        ("subject", details.subject),
        ("responsible", details.responsibility or ""),
    ):
        if value:
            listing.add_row(label, Text(value))
    if details.consignment is not None:
        add_consignment(listing, details.consignment)
    for one in details.evidence:
        listing.add_row("evidence", Text(f"{one.description}, SHA-256 {one.sha256.hex()[:16]}..."))
    if form.markings is not None:
        listing.add_row("handling", marks_text(form.markings))
    if details.text:
        listing.add_row("text", Text(details.text))
    lacking = form.lacking()
    if lacking:
        listing.add_row("lacks", Text(", ".join(lacking), "yellow"))
    return listing


def _filled(
    form: CaseForm,
    given: Mapping[str, Any],
    said: Mapping[str, Any],
    seen: tuple[Consignment | None, tuple[Evidence, ...]],
) -> CaseForm:
    """Put what options say into a form."""
    consignment, evidence = seen
    with options.naming_options():
        details = replace(form.details, **{name: one for name, one in said.items() if one})
        if consignment is not None:
            details = replace(details, consignment=consignment)
        known = {(one.sha256, one.message_id) for one in details.evidence}
        fresh = [one for one in evidence if (one.sha256, one.message_id) not in known]
        details = replace(details, evidence=(*details.evidence, *fresh))
    parts = {name: one for name, one in given.items() if one}
    return replace(form, details=details, **parts)


def _delete(context: typer.Context, text: str, *, as_json: bool) -> None:
    with open_desk(context, Right.WRITE) as desk:
        draft_id = find_case_draft(desk.office.store, text)
        delete_draft(desk.office, draft_id)
    if as_json:
        print_json({"deleted": show_message_id(draft_id)})
    else:
        say(f"Draft {show_message_id(draft_id)} is deleted; nobody else knew of it.")


def _tell_next(context: typer.Context, draft: CaseDraft) -> None:
    command, shown = command_of(context), show_message_id(draft.line.draft_id)
    if draft.form.lacking():
        say(f"'{command} case open --replace {shown}' adds what it lacks.")
    else:
        say(f"'{command} case request {shown} --as OPERATOR' requests the return.")


def _agencies(names: list[str] | None) -> tuple[AgencyId, ...]:
    return tuple(sorted({agency_id(one) for one in names or ()}))


def _read(file: Path) -> CaseForm:
    """Read a request from a file.

    Raises:
        MalformedError: It is none; the message names the file.
        StorageError: The file cannot be read.
    """
    data = input_file(file, limit=MAX_JSON_BYTES, what="request")
    try:
        return form_from_json(data)
    except MalformedError as error:
        raise MalformedError(f"{file}: {error.message}", code=error.code) from error
