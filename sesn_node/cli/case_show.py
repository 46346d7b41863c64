"""`sesn case show`, `export` and `file`: one case, for people, for auditors, for a member."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sesn_node.audit.account import Selection
from sesn_node.cli import case_options as options
from sesn_node.cli.audit_export import exported_json, tell_exported
from sesn_node.cli.case_html import page
from sesn_node.cli.case_json import draft_json, view_json
from sesn_node.cli.case_open import draft_text
from sesn_node.cli.case_text import show_text
from sesn_node.cli.files import check_new, write_output
from sesn_node.cli.options import command_of, home_of, open_desk, wake_node
from sesn_node.cli.progress import progress_bar
from sesn_node.cli.saying import tell_unserved
from sesn_node.cli.show import AsJson, console, print_json, say
from sesn_node.domain.counting import many
from sesn_node.domain.ids import agency_id, show_message_id
from sesn_node.domain.people import Right
from sesn_node.errors import MalformedError, PolicyError
from sesn_node.exchange.auditexport import export_bundle
from sesn_node.exchange.casedrafts import find_draft
from sesn_node.exchange.casefiles import hand_case
from sesn_node.exchange.casesteps import find_history
from sesn_node.exchange.caseviews import view_case
from sesn_node.exchange.naming import find_case, find_case_draft
from sesn_node.exchange.viewing import viewed

Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace a file that is there.")]


def show_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    case: Annotated[
        str,
        typer.Argument(metavar="CASE", help="A case or a draft: its id, or its first 8 digits."),
    ],
    founder: options.Founder = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one page to print, instead of showing it."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Show a case: who did what and when, what is next, by whom, until when, and why.

    Our ledger records which messages were shown, each at most once an hour.
    """
    whose = None if founder is None else agency_id(founder)
    if html is not None:
        check_new(html, force=force)
    with open_desk(context) as desk:
        office = desk.office
        try:
            case_id = find_case(office.store, case)
            with office.store.read() as transaction:
                find_history(transaction, case_id, whose)
        except PolicyError as error:
            try:
                draft = find_draft(office, find_case_draft(office.store, case))
            except PolicyError:
                raise error from None
            if html is not None:
                raise MalformedError("--html: a draft has no page; request the return") from None
            if as_json:
                print_json(draft_json(draft))
            else:
                console().print(draft_text(draft))
            return
        view, unrecorded = viewed(
            office, lambda: view_case(office, case_id, whose), lambda one: set(one.shown)
        )
        now_ms = office.clock()
    if html is not None:
        written = page(view, office.agency, now_ms).encode()
        write_output(html, written, force=force, private=True)
    if as_json:
        file = None if html is None else str(html)
        print_json({**view_json(view), "html": file, "view_recorded": unrecorded is None})
    elif html is not None:
        say(f"{html} is written; it says what messages say, and only you can read it.")
    else:
        console().print(show_text(view, office.agency, now_ms, command_of(context)))


def export_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    case: options.CaseId,
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="The bundle: NAME.sesnaudit.")
    ],
    blind: Annotated[
        bool, typer.Option("--blind", metavar="", help="Without the entries: hashes only.")
    ] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write the audit bundle of a case: its steps and deadlines, without what messages say.

    The same as 'sesn audit export --conversation'. Our ledger records it.
    """
    with open_desk(context, Right.EXPORT) as desk:
        case_id = find_case(desk.office.store, case)
        with desk.office.store.read() as transaction:
            known = transaction.cases.steps(case_id)
        if not known:
            raise PolicyError(
                f"there is no case {show_message_id(case_id)}; 'sesn case list' shows them",
                code="UNKNOWN_CASE",
            )
        selection = Selection(conversation=case_id, blind=blind)
        with progress_bar("reading") as told:
            done = export_bundle(desk.office, output, selection, force=force, progress=told)
    if as_json:
        print_json({"case_id": show_message_id(case_id), **exported_json(done, output)})
    else:
        tell_exported(done, output, blind=blind)


def file_(
    context: typer.Context,
    case: options.CaseId,
    to: Annotated[str, typer.Option("--to", metavar="AGENCY", help="The member that needs it.")],
    founder: options.Founder = None,
    as_json: AsJson = False,
) -> None:
    """Hand a member the whole case again, as evidence: each step as its sender sealed it.

    Nodes hand over by themselves what a member did not get; this is for what it has lost.
    """
    agency = agency_id(to)
    whose = None if founder is None else agency_id(founder)
    with open_desk(context, Right.WRITE) as desk:
        case_id = find_case(desk.office.store, case)
        done = hand_case(desk.office, case_id, agency, whose)
    serving = wake_node(home_of(context))
    if as_json:
        print_json(
            {
                "case_id": show_message_id(case_id),
                "to": agency,
                "message_ids": [show_message_id(one) for one in done.message_ids],
                "steps": done.steps,
                "left_out": done.left_out,
            }
        )
        return
    say(
        f"{many(done.steps, 'step')} in {many(len(done.message_ids), 'message')} for {agency}, "
        "sealed and recorded.",
        "bold",
    )
    if done.left_out:
        say(f"Left out, since their content is gone here: {many(done.left_out, 'step')}.", "yellow")
    tell_unserved(context, serving=serving)
