"""`sesn alert forward` and `sesn alert consent`: pass a message on; let somebody pass ours on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from sesn_node.cli.alert_json import copies_json
from sesn_node.cli.options import home_of, open_desk, wake_node
from sesn_node.cli.recipients import cards_of
from sesn_node.cli.saying import tell_unserved
from sesn_node.cli.show import AsJson, print_json, say
from sesn_node.domain.handling import granted
from sesn_node.domain.ids import agency_id, show_message_id
from sesn_node.domain.people import Right
from sesn_node.errors import MalformedError
from sesn_node.exchange.consent import consent
from sesn_node.exchange.copyviews import copies_of
from sesn_node.exchange.forwarding import forward
from sesn_node.exchange.groups import resolve
from sesn_node.exchange.naming import find_message, find_sent

_Id = Annotated[str, typer.Argument(metavar="ID", help="The id, or at least its first 8 digits.")]


def forward_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    message_id: _Id,
    to: Annotated[
        list[str], typer.Option(metavar="AGENCY|@GROUP", help="Who gets it; repeat it for several.")
    ],
    text: Annotated[str, typer.Option(help="Why it is passed on; whoever gets it reads it.")] = "",
    consent_id: Annotated[
        str | None,
        typer.Option(
            "--consent", metavar="ID", help="The consent to use; else the newest that fits."
        ),
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="AGENCY", help="Whose, when two senders used the same id."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pass an alert, or another message that came, on to further agencies.

    The original goes along as its originator sealed it. Its marks must let it go there, or its
    originator must have consented.
    """
    whose = None if sender is None else agency_id(sender)
    with open_desk(context, Right.WRITE) as desk:
        recipients = resolve(desk.office, to)
        cards_of(desk, recipients)
        store = desk.office.store
        done = forward(
            desk.office,
            find_message(store, message_id),
            recipients,
            text=text,
            consent_id=None if consent_id is None else find_message(store, consent_id),
            sender=whose,
        )
        copies = copies_of(store, done.message_id)
    serving = wake_node(home_of(context))
    if as_json:
        print_json(
            {
                "message_id": show_message_id(done.message_id),
                "original": show_message_id(done.original_id),
                "originator": done.originator,
                "consent": None if done.consent_id is None else show_message_id(done.consent_id),
                "recipients": copies_json(copies),
            }
        )
        return
    say(f"Forward {show_message_id(done.message_id)} is sealed and recorded.", "bold")
    say(
        f"It carries message {show_message_id(done.original_id)} of {done.originator} to "
        f"{', '.join(done.to)}."
    )
    tell_unserved(context, serving=serving)


def consent_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    message_id: _Id,
    to: Annotated[
        list[str],
        typer.Option(metavar="AGENCY|@GROUP", help="Who may pass it on; repeat it for several."),
    ],
    onward: Annotated[
        list[str],
        typer.Option(
            metavar="PATTERN", help='To whom: an agency, a country ("nl.*"), or "*" for any.'
        ),
    ],
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until then: a date, or RFC 3339 in UTC.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let a recipient pass a message of ours on.

    The consent is a message of its own; it goes along with the forward, as proof.
    """
    end = None if until is None else _moment(until)
    with open_desk(context, Right.WRITE) as desk:
        agencies = resolve(desk.office, to)
        cards_of(desk, agencies)
        store = desk.office.store
        about = find_sent(store, message_id)
        done = consent(desk.office, about, agencies, onward, until=end)
        copies = copies_of(store, done)
    serving = wake_node(home_of(context))
    if as_json:
        print_json(
            {
                "message_id": show_message_id(done),
                "about": show_message_id(about),
                "onward": sorted(set(onward)),
                "until": None if end is None else end.isoformat().replace("+00:00", "Z"),
                "recipients": copies_json(copies),
            }
        )
        return
    say(f"Consent {show_message_id(done)} is sealed and recorded.", "bold")
    ends = "" if end is None else f", until {end:%Y-%m-%d %H:%M} UTC"
    whom = granted(sorted(set(onward)))
    say(f"{', '.join(agencies)} may pass {show_message_id(about)} on to {whom}{ends}.")
    tell_unserved(context, serving=serving)


def _moment(text: str) -> datetime:
    """Read a date, or a time with its offset.

    Raises:
        MalformedError: Neither.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise _no_moment(text) from error
    if at.tzinfo is None:
        if "T" in text or ":" in text:
            raise _no_moment(text)
        at = at.replace(tzinfo=UTC)
    return at.astimezone(UTC)


def _no_moment(text: str) -> MalformedError:
    return MalformedError(
        f"until: expected a date such as 2026-12-31, or a time such as 2026-12-31T18:00:00Z, got "
        f"{text[:40]!a}"
    )
