"""`sesn alert`: check, preview, send, list, read, accept, decline, pass on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from sesn_node.bootstrap import Desk
from sesn_node.cli.alert_check import check_
from sesn_node.cli.alert_csv import ALERT_COLUMNS, alert_row
from sesn_node.cli.alert_erase import erase_, erased_
from sesn_node.cli.alert_file import read_alert
from sesn_node.cli.alert_forward import consent_, forward_
from sesn_node.cli.alert_hold import hold_
from sesn_node.cli.alert_interop import export_, import_
from sesn_node.cli.alert_json import alert_json, alert_line_json, copies_json, findings_json
from sesn_node.cli.alert_preview import preview_
from sesn_node.cli.alert_reach import reach_
from sesn_node.cli.alert_recall import recall_
from sesn_node.cli.alert_related import related_
from sesn_node.cli.alert_text import copies_text, draft_text, list_text, show_text
from sesn_node.cli.alert_update import update_
from sesn_node.cli.ask import confirm, require_terminal
from sesn_node.cli.csv_text import AsCsv, print_csv
from sesn_node.cli.exits import ExitCode
from sesn_node.cli.options import command_of, home_of, open_desk, wake_node
from sesn_node.cli.recipients import To, cards_of, check_names, recipients_of
from sesn_node.cli.saying import tell_unserved
from sesn_node.cli.show import AsJson, Json, console, error_console, print_json, say
from sesn_node.cli.wait import end_by, wait_for
from sesn_node.domain.conversation import Decision
from sesn_node.domain.ids import AgencyId, agency_id, show_message_id
from sesn_node.domain.payload import Payload
from sesn_node.domain.people import Right
from sesn_node.domain.terms import Sought
from sesn_node.domain.times import instant
from sesn_node.exchange.copyviews import copies_of
from sesn_node.exchange.naming import find_alert
from sesn_node.exchange.respond import respond
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.viewing import view_alert
from sesn_node.exchange.views import alerts
from sesn_node.exchange.watchlist import marked_alerts
from sesn_node.trust.card import TrustedCard

app = typer.Typer(no_args_is_help=True, add_completion=False)

AlertId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The id, or at least its first 8 digits."),
]

Sender = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="AGENCY", help="Whose alert, when two senders used the same id."
    ),
]


@app.command("send")
def send(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.json", exists=True, dir_okay=False, help="The alert."),
    ],
    to: To,
    yes: Annotated[
        bool, typer.Option("--yes", metavar="", help="Do not ask who may see it; send.")
    ] = False,
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0, help="Wait until every recipient's node has answered."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Seal an alert to its recipients, record it in the ledger, and queue it.

    What has been queued is never lost: it leaves as soon as the recipient's node is reached. Where
    the settings ask for four eyes, it is kept as a draft until 'sesn approve' lets it go.
    """
    check_names(to)
    payload = read_alert(file)
    if not yes:
        require_terminal("add --yes to send without being asked")
    with open_desk(context, Right.WRITE) as desk:
        recipients = recipients_of(desk, to, quiet=as_json)
        cards = cards_of(desk, recipients)
        _show_draft(payload, cards, desk.office.clock(), ask=not yes, quiet=as_json)
        draft = Draft(payload, recipients)
        message_id = share(desk.office, draft)
        serving = wake_node(home_of(context))
        shown, command = show_message_id(message_id), command_of(context)
        store = desk.office.store
        if not as_json:
            # Before the wait: whoever ends that must know that the alert goes on.
            say(f"Alert {shown} is sealed and recorded.", "bold")
        gone = False
        if wait is not None:
            gone = wait_for(store, message_id, wait, quiet=as_json or not serving)
        copies = copies_of(store, message_id)
    if as_json:
        print_json({"message_id": shown, "recipients": copies_json(copies)})
    elif not gone:
        console().print(copies_text(copies, [card.agency for card in cards if _collects(card)]))
        if not serving:
            words = f"No node serves this home: the alert leaves once '{command} serve' runs."
            say(words, "yellow")
    if gone:
        error_console().print(
            f"No longer waiting. Alert {shown} is recorded and goes on by itself; '{command} "
            f"outbox show {shown}' tells where it stands.",
            soft_wrap=True,
        )
        raise typer.Exit(ExitCode.WAIT_RAN_OUT)
    if wait is not None:
        end_by(copies, command)


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    container: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Only alerts that name this container.")
    ] = None,
    vessel: Annotated[
        str | None,
        typer.Option(metavar="IMO|NAME", help="Only alerts that name this ship."),
    ] = None,
    party: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only alerts that name this party.")
    ] = None,
    seal: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Only alerts that name this seal.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most so many.")] = 20,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """List the newest alerts, sent and received, newest first.

    With several of the options, only those that name all of it. Case, spaces and separators do
    not matter; parts of a number or name are not found.
    """
    sought = Sought(container=container, vessel=vessel, party=party, seal=seal)
    doubts = sought.doubts()
    with open_desk(context) as desk:
        found = alerts(desk.office, limit, sought or None)
        marked, now_ms = marked_alerts(desk.office, found), desk.office.clock()
    if as_json:
        lines: dict[str, Json] = {"alerts": [alert_line_json(view, marked) for view in found]}
        print_json({**lines, "findings": findings_json(doubts)} if sought else lines)
        return
    for doubt in doubts:
        error_console().print(Text(f"{doubt.field} {doubt.observed}: {doubt.reason}", "yellow"))
    if as_csv:
        print_csv(ALERT_COLUMNS, (alert_row(view, marked) for view in found))
    elif found:
        console().print(list_text(found, marked, now_ms))
    elif sought:
        say("No alert here names all of that.")
    else:
        say("No alert was sent or received yet.")


@app.command("show")
def show(
    context: typer.Context,
    message_id: AlertId,
    sender: Sender = None,
    history: Annotated[
        bool, typer.Option("--history", metavar="", help="Show every version, not only the newest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show an alert as it stands now, who got it and when, with proof, and what they decided.

    Our ledger records that it was shown, at most once an hour.
    """
    whose = _sender(sender)
    with open_desk(context) as desk:
        viewing = view_alert(desk.office, find_alert(desk.office.store, message_id), whose)
        names = _names(desk)
        peers = desk.office.directory().peers
        collecting = [agency for agency, peer in peers.items() if _collects(peer.card)]
    if as_json:
        recorded = viewing.unrecorded is None
        shown = alert_json(viewing.file, history=history)
        print_json({**shown, "view_recorded": recorded})
    else:
        console().print(show_text(viewing.file, names, collecting, history=history))


@app.command("accept")
def accept(
    context: typer.Context,
    message_id: AlertId,
    note: Annotated[
        str, typer.Option("--note", "--reason", help="What the sender should know.")
    ] = "",
    sender: Sender = None,
    as_json: AsJson = False,
) -> None:
    """Tell the sender that a person here has taken the alert on."""
    _respond(context, message_id, Decision.ACCEPTED, note, sender=sender, as_json=as_json)


@app.command("decline")
def decline(
    context: typer.Context,
    message_id: AlertId,
    reason: Annotated[str, typer.Option("--reason", "--note", help="Why; the sender reads it.")],
    sender: Sender = None,
    as_json: AsJson = False,
) -> None:
    """Tell the sender that nobody here will act on the alert, and why."""
    _respond(context, message_id, Decision.DECLINED, reason, sender=sender, as_json=as_json)


app.command("check")(check_)
app.command("preview")(preview_)
app.command("related")(related_)
app.command("forward")(forward_)
app.command("consent")(consent_)
app.command("update")(update_)
app.command("recall")(recall_)
app.command("reach")(reach_)
app.command("hold")(hold_)
app.command("erase")(erase_)
app.command("erased")(erased_)
app.command("export")(export_)
app.command("import")(import_)


def _respond(  # noqa: PLR0913 - one argument an option
    context: typer.Context,
    message_id: str,
    decision: Decision,
    text: str,
    *,
    sender: str | None,
    as_json: bool,
) -> None:
    whose = _sender(sender)
    with open_desk(context, Right.WRITE) as desk:
        alert = find_alert(desk.office.store, message_id)
        answered = respond(desk.office, alert, decision, text, sender=whose)
        copies = copies_of(desk.office.store, answered.message_id)
    serving = wake_node(home_of(context))
    if as_json:
        print_json(
            {
                "alert": show_message_id(alert),
                "decision": decision.value,
                "message_id": show_message_id(answered.message_id),
                "recipients": copies_json(copies),
            }
        )
    else:
        say(f"Alert {show_message_id(alert)} is {decision.value.lower()}; {answered.to} will know.")
        tell_unserved(context, serving=serving)


def _sender(text: str | None) -> AgencyId | None:
    return None if text is None else agency_id(text)


def _collects(card: TrustedCard) -> bool:
    return not card.card.endpoints


def _show_draft(
    payload: Payload, cards: list[TrustedCard], now_ms: int, *, ask: bool, quiet: bool
) -> None:
    """Show what is about to leave and who will see it, and ask; else show only what is doubtful.

    Raises:
        Abort: The answer was no.
    """
    now = instant(now_ms)
    text = draft_text(payload, cards, now, whole=ask)
    if text is not None and (ask or not quiet):
        error_console().print(text)
    if ask:
        confirm("Send it?")


def _names(desk: Desk) -> dict[AgencyId, str]:
    directory = desk.office.directory()
    known = {agency: peer.card.card.name for agency, peer in directory.peers.items()}
    return {**known, directory.own.agency: directory.own.card.name}
