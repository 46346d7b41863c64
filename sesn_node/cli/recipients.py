"""Recipients, as people name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from sesn_node.bootstrap import Desk
from sesn_node.cli.show import error_console
from sesn_node.domain.ids import AgencyId, agency_id
from sesn_node.errors import PolicyError
from sesn_node.exchange.groups import MARK, group_name, resolve
from sesn_node.exchange.naming import not_a_partner
from sesn_node.trust.card import TrustedCard
from sesn_node.trust.directory import NOT_TRUSTED

To = Annotated[
    list[str],
    typer.Option(metavar="AGENCY|@GROUP", help="A recipient; repeat it for several."),
]


def check_names(names: Sequence[str]) -> None:
    """Refuse what can be neither an agency nor a group, before anybody types a passphrase.

    Raises:
        MalformedError: One is neither.
    """
    for one in names:
        if one.startswith(MARK):
            group_name(one)
        else:
            agency_id(one)


def recipients_of(desk: Desk, names: Sequence[str], *, quiet: bool = False) -> tuple[AgencyId, ...]:
    """Return whom agencies and groups stand for; say who the members of groups are.

    Raises:
        MalformedError: One is neither an agency nor a group.
        PolicyError: No such group, or one of its members is not trusted.
    """
    found = resolve(desk.office, names)
    if not quiet:
        for one in names:
            if one.startswith(MARK):
                members = ", ".join(resolve(desk.office, [one]))
                error_console().print(f"{one}: {members}", style="dim", soft_wrap=True)
    return found


def cards_of(desk: Desk, recipients: Sequence[AgencyId]) -> list[TrustedCard]:
    """Return the cards of recipients.

    Raises:
        PolicyError: One is not trusted; found out before anybody is asked.
    """
    directory, now_ms = desk.office.directory(), desk.office.clock()
    for agency in recipients:
        if agency == directory.own.agency:
            raise PolicyError(f"{agency} is our own agency", code=NOT_TRUSTED)
        if agency not in directory.peers:
            raise not_a_partner(agency)
    return [directory.trusted(agency, now_ms).card for agency in recipients]
