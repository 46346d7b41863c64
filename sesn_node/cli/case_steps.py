"""`sesn case acknowledge` and every other step: one command a row, and one way to take it.

Which options a step has follows from what the table of `sesn_node.domain.case` says that it needs;
the table itself is asked when the step is written.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import typer
from rich.text import Text

from sesn_node.bootstrap import Desk
from sesn_node.cli import case_options as options
from sesn_node.cli.alert_json import copies_json
from sesn_node.cli.ask import require_terminal
from sesn_node.cli.case_text import asked_line, incident_line, next_line
from sesn_node.cli.moments import parse_day, parse_moment
from sesn_node.cli.options import command_of, home_of, open_desk, wake_node
from sesn_node.cli.saying import Yes, ask_first, tell_unserved
from sesn_node.cli.show import AsJson, error_console, iso, print_json, say
from sesn_node.domain.case_clock import due_of, end_of_day
from sesn_node.domain.case_messages import CaseStep, Details
from sesn_node.domain.case_terms import Action, Member, Role
from sesn_node.domain.ids import AgencyId, MessageId, agency_id, show_message_id
from sesn_node.domain.markings import Markings
from sesn_node.domain.payload import Payload
from sesn_node.domain.people import Right
from sesn_node.domain.times import instant, utc_minute
from sesn_node.errors import MalformedError
from sesn_node.exchange.casenext import asked_in
from sesn_node.exchange.casesteps import find_history
from sesn_node.exchange.caseviews import CaseView, view_case
from sesn_node.exchange.casework import Move, step_draft
from sesn_node.exchange.copyviews import copies_of
from sesn_node.exchange.naming import find_case, find_case_step
from sesn_node.exchange.share import share

_REQUIRED: Final = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Command:
    """A command that takes a step.

    Args:
        action: The step.
        help: What the command does, for `--help`.
        own: Its options beside those that every step has: kind, and default.
    """

    action: Action
    help: str
    own: Mapping[str, tuple[Any, Any]]


def _needed(**found: object) -> dict[str, tuple[Any, Any]]:
    return {name: (kind, _REQUIRED) for name, kind in found.items()}


def _may(**found: object) -> dict[str, tuple[Any, Any]]:
    return {name: (kind, "") for name, kind in found.items()}


_GOODS: Final = _may(place=options.Place, quantity=options.Quantity, unit=options.Unit)

COMMANDS: Final = (
    Command(
        Action.ACKNOWLEDGE,
        "Acknowledge a request, with our file number. The clock does not wait for it.",
        _needed(reference=options.Reference),
    ),
    Command(Action.ASK, "Ask the requester for what is missing. The clock runs on.", {}),
    Command(Action.ANSWER, "Answer what the authority of export asked.", {}),
    Command(
        Action.ACCEPT,
        "Accept to take the waste back. A second person has to approve it.",
        {**_needed(taker=options.Taker, payer=options.Payer), **_may(reference=options.Reference)},
    ),
    Command(
        Action.DISPUTE,
        "Dispute a request, for one of the reasons. The clock runs on.",
        _needed(code=options.WhyDispute),
    ),
    Command(Action.SETTLE, "Propose how a dispute ends.", _needed(code=options.WayOut)),
    Command(
        Action.PROPOSE,
        "Propose to treat the waste elsewhere. Every authority has to agree.",
        {
            **_needed(site=options.Site, operation=options.Operation),
            **_may(facility=options.FacilityOf),
        },
    ),
    Command(Action.AGREE, "Agree to what was proposed to us.", _may(about=options.About)),
    Command(
        Action.DECLINE,
        "Decline what was proposed to us, or take back what we proposed.",
        _may(about=options.About),
    ),
    Command(
        Action.DOCUMENT,
        "Tell the notification of the return (--reference), or a reasoned request (--text).",
        _may(reference=options.Reference, facility=options.FacilityOf),
    ),
    Command(
        Action.SHIP,
        "Tell that the waste has left: its papers, container and seal, and by what it goes.",
        {
            **_needed(
                movement_document=options.MovementDocument,
                container=options.ContainerNumber,
                seal=options.Seal,
            ),
            **_may(
                imo=options.Imo,
                vehicle=options.Vehicle,
                bill_of_lading=options.BillOfLading,
                at=options.At,
            ),
            **_GOODS,
        },
    ),
    Command(
        Action.ARRIVE,
        "Tell that it has arrived, and check the seal. Any other seal opens an incident.",
        {
            **_needed(at=options.At),
            **_may(seal=options.Seal),
            "code": (options.FoundSeal, None),
            **_GOODS,
        },
    ),
    Command(
        Action.RECEIVE,
        "Tell that the facility has received it.",
        {**_needed(at=options.At), **_GOODS},
    ),
    Command(
        Action.REJECT,
        "Tell that the facility does not take what arrived.",
        _needed(code=options.WhyReject),
    ),
    Command(
        Action.TREAT,
        "Tell that it was treated, with the certificate.",
        {
            **_needed(certificate=options.Certificate, operation=options.Operation, at=options.At),
            **_GOODS,
        },
    ),
    Command(Action.CLOSE, "Close the case: the waste was treated.", {}),
    Command(
        Action.EXTEND,
        "Propose a later due date. It holds once the other side agrees.",
        _needed(until=options.Until),
    ),
    Command(
        Action.WITHDRAW,
        "Withdraw our request. The case ends.",
        _needed(code=options.WhyWithdraw),
    ),
    Command(
        Action.INVITE,
        "Bring an authority in; our node hands it the case so far.",
        {"transit": (options.JoinsTransit, None), "joining": (options.JoinsFacility, None)},
    ),
    Command(
        Action.INCIDENT,
        "Tell that something went wrong on the way.",
        _needed(code=options.WhatHappened),
    ),
    Command(
        Action.RESOLVE,
        "Tell that an incident is resolved.",
        _may(about=options.About),
    ),
)
"""Every step that officers take once a case runs, in the order of `--help`."""


def add_steps(app: typer.Typer) -> None:
    """Add a command for each step."""
    for command in COMMANDS:
        app.command(command.action.value.lower(), help=command.help)(_function(command))


def _function(command: Command) -> Callable[..., None]:
    """Make the function of a command; its options stand in its signature, where typer looks."""

    def take(context: typer.Context, **given: Any) -> None:  # noqa: ANN401 - by the signature
        _take(context, command.action, given)

    own = [(name, kind, default) for name, (kind, default) in command.own.items()]
    shared = [
        ("text", options.Said, ""),
        ("text_file", options.SaidInFile, None),
        ("evidence", options.EvidenceFiles, None),
        ("founder", options.Founder, None),
        ("tlp", options.TlpOption, None),
        ("yes", Yes, False),
        ("as_json", AsJson, False),
    ]
    parameters = [("context", typer.Context, _REQUIRED), ("case", options.CaseId, _REQUIRED)]
    parameters += [one for one in own if one[2] is _REQUIRED]
    parameters += [one for one in own if one[2] is not _REQUIRED] + shared
    signature = inspect.Signature(
        [
            inspect.Parameter(
                name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind
            )
            for name, kind, default in parameters
        ]
    )
    take.__annotations__ = {}
    take.__signature__ = signature  # type: ignore[attr-defined] # where `inspect` looks
    return take


def _take(context: typer.Context, action: Action, given: Mapping[str, Any]) -> None:
    """Take a step, after showing what it says and who will see it.

    Raises:
        SesnError: It cannot be written or sent; nothing was sent.
    """
    as_json, yes = given["as_json"], given["yes"]
    founder = None if given["founder"] is None else agency_id(given["founder"])
    move = _move(action, given)
    if not yes:
        require_terminal("add --yes to send without being asked")
    with open_desk(context, Right.WRITE) as desk:
        case_id = find_case(desk.office.store, given["case"])
        move = _completed(desk, case_id, founder, move, given)
        with options.naming_options():
            draft = step_draft(desk.office, case_id, move, founder)
        if not yes:
            _show_about(desk, case_id, founder, draft.payload)
        ask_first(desk, draft.payload, draft.to, yes=yes)
        message_id = share(desk.office, draft)
        copies = copies_of(desk.office.store, message_id)
        view = view_case(desk.office, case_id, founder)
    serving = wake_node(home_of(context))
    if as_json:
        print_json(
            {
                "case_id": show_message_id(case_id),
                "message_id": show_message_id(message_id),
                "step": action.value,
                "state": view.line.case.state.value,
                "due": iso(view.line.clock.due_ms),
                "awaited": list(view.line.awaited),
                "recipients": copies_json(copies),
            }
        )
        return
    _tell(context, action, view, [copy.agency for copy in copies], serving=serving)


def _show_about(desk: Desk, case_id: MessageId, founder: AgencyId | None, payload: Payload) -> None:
    """Show what a vote, or the end of an incident, is about: a hash tells nobody anything."""
    body = payload.body
    with desk.office.store.read() as transaction:
        history = find_history(transaction, case_id, founder)
    if history.case is None or not isinstance(body, CaseStep):
        return
    about = body.mark.about
    found = [asked_line(one) for one in asked_in(history, history.case) if one.step_id == about]
    found += [incident_line(one) for one in history.case.open_incidents if one.step_id == about]
    for line in found:
        error_console().print(Text(line, "bold"))


def _tell(
    context: typer.Context, action: Action, view: CaseView, to: list[AgencyId], *, serving: bool
) -> None:
    say(f"{action} is sealed and recorded, for {', '.join(to)}.", "bold")
    say(next_line(view))
    shown = show_message_id(view.line.case.case_id)
    say(f"'{command_of(context)} case show {shown}' shows the case.")
    tell_unserved(context, serving=serving)


def _move(action: Action, given: Mapping[str, Any]) -> Move:
    """Write what an officer typed as a step; what depends on the case is added later."""
    code, facility = given.get("code"), given.get("facility")
    at = given.get("at")
    known = {one.name for one in fields(Details)} - {"text", "evidence", "at"}
    with options.naming_options():
        details = Details(
            **{name: given[name] for name in known & given.keys()},
            text=options.said(given["text"], given["text_file"]),
            evidence=options.evidence_of(given["evidence"]),
            at=instant(parse_moment("--at", at)) if at else None,
        )
    return Move(
        action=action,
        code="" if code is None else code.value,
        members=_joining(given) if action is Action.INVITE else (),
        facility=agency_id(facility) if facility else None,
        due_ms=end_of_day(parse_day("--until", given["until"])) if "until" in given else 0,
        details=details,
        markings=None if given["tlp"] is None else Markings(given["tlp"]),
    )


def _completed(
    desk: Desk, case_id: MessageId, founder: AgencyId | None, move: Move, given: Mapping[str, Any]
) -> Move:
    """Add to a step what only the case tells.

    Raises:
        MalformedError: The new due date is no later one.
        PolicyError: No step begins with the digits of `--about`.
    """
    with desk.office.store.read() as transaction:
        history = find_history(transaction, case_id, founder)
    case = history.case
    if move.due_ms and case is not None:
        due_ms = due_of(case)
        after_ms = desk.office.clock() if due_ms is None else due_ms
        if move.due_ms <= after_ms:
            what = "today" if due_ms is None else f"the due date, {utc_minute(due_ms)[:10]}"
            raise MalformedError(f"--until: {given['until']} is not later than {what}")
    about = given.get("about")
    if not about:
        return move
    return _about(move, find_case_step(history, about))


def _about(move: Move, step_id: bytes) -> Move:
    return Move(action=move.action, about=step_id, details=move.details, markings=move.markings)


def _joining(given: Mapping[str, Any]) -> tuple[Member, ...]:
    roles: dict[AgencyId, set[Role]] = {}
    for name, role in (("transit", Role.TRN), ("joining", Role.FAC)):
        for one in given[name] or ():
            roles.setdefault(agency_id(one), set()).add(role)
    if not roles:
        raise MalformedError("--transit: name who joins, with --transit or --facility")
    return tuple(
        Member(agency, tuple(role for role in Role if role in found))
        for agency, found in sorted(roles.items())
    )
