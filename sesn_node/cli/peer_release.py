"""`sesn peer release`: trust an agency again after a fork."""

from __future__ import annotations

from typing import Annotated

import typer

from sesn_node.bootstrap import EVIDENCE
from sesn_node.cli.alarm_text import alarms_json, print_alarms
from sesn_node.cli.ask import confirm, require_terminal
from sesn_node.cli.options import command_of, home_of, open_desk, open_store, wake_node
from sesn_node.cli.show import AsJson, print_json, say
from sesn_node.domain.counting import many
from sesn_node.domain.ids import agency_id
from sesn_node.domain.people import Right
from sesn_node.exchange.alarmviews import alarm_views
from sesn_node.exchange.evidencefiles import write_missing
from sesn_node.exchange.release import release_peer


def release(
    context: typer.Context,
    agency: Annotated[str, typer.Argument(metavar="AGENCY", help="Id, such as gh.epa.")],
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Trust an agency again that was quarantined for a fork; shows the evidence and asks.

    The evidence is kept. The same fork does not quarantine it again, another one does.
    """
    wanted = agency_id(agency)
    home = home_of(context)
    if not yes:
        require_terminal("add --yes to trust the agency again")
    with open_store(context) as store, store.read() as transaction:
        views = alarm_views(transaction, home / EVIDENCE, command_of(context))
        queued = len(transaction.outbox.queued_for(wanted))
    alarms = [one for one in views if one.row.agency == wanted]
    if not as_json:
        print_alarms(alarms)
    if not yes and alarms:
        confirm(f"Trust {wanted} again?")
    with open_desk(context, Right.TRUST) as desk:
        # Before the alarm is put down: this home may not have the file yet.
        write_missing(desk.office)
        released = release_peer(desk.office, wanted)
    wake_node(home)
    if as_json:
        print_json(
            {
                "agency": wanted,
                "state": "trusted",
                "released": released,
                "queued": queued,
                "alarms": alarms_json(alarms),
            }
        )
        return
    if not released:
        say(f"The alarms about {wanted} are put down; it was trusted all the time.")
        return
    say(f"{wanted} is trusted again.")
    if queued:
        say(f"{many(queued, 'queued copy', 'queued copies')} for it will go now.")
