"""Settings of who an agency is, and how it is reached: what goes into its card."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from zoneinfo import ZoneInfo

from sesn_node.config.endpoints import check_endpoint, check_listen
from sesn_node.domain import cards
from sesn_node.domain.checks import check_agency, check_pattern
from sesn_node.domain.ids import MAX_EPOCH, AgencyId
from sesn_node.errors import MalformedError
from sesn_node.settings import Section, Setting

_COUNTRY = re.compile(r"[A-Z]{2}|int")


def _check_name(key: str, text: str) -> None:
    if not text.strip():
        raise MalformedError(f"{key}: must not be empty")


def _check_country(key: str, text: str) -> None:
    check_pattern(key, text, _COUNTRY, "two capitals such as NL (ISO 3166-1), or int")


def _check_zone(key: str, text: str) -> None:
    if not text:
        return
    cards.check_time_zone(key, text)
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise MalformedError(
            f"{key}: there is no time zone {text!a} in the IANA database; Europe/Amsterdam is one"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency(Section):
    """Who runs this node; goes into its card."""

    id: Annotated[
        AgencyId,
        Setting("Id of the agency: country code or int, then dotted labels.", check=check_agency),
    ]
    name: Annotated[str, Setting("Official name, as partners know it.", check=_check_name)]
    country: Annotated[
        str,
        Setting(
            "Country that the id begins with, in capitals (ISO 3166-1 alpha-2), or int for an "
            "international body.",
            check=_check_country,
        ),
    ]
    role: Annotated[cards.Role, Setting("What kind of authority the agency is.")]
    ledger_epoch: Annotated[
        int,
        Setting(
            "Number of this node's first ledger. Stays as it was founded, whatever later ones "
            "'ledger recover --new-epoch' opens; an agency that founds its node anew takes a "
            "higher one, since partners remember the old ledgers.",
            low=1,
            high=MAX_EPOCH,
        ),
    ] = 1

    def verify(self) -> None:
        """Check that id and country agree, as on the card."""
        if self.id.split(".", 1)[0] != self.country.lower():
            raise MalformedError(f"country: {self.country} does not fit the agency id {self.id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(Section):
    """Where this node is on the network."""

    listen: Annotated[
        str,
        Setting(
            "Address that partners' nodes connect to, host:port; port 0 takes a free one. "
            "Empty: this node only dials out.",
            high=262,
            check=check_listen,
        ),
    ] = ""
    advertise: Annotated[
        tuple[str, ...],
        Setting(
            "The same service as partners reach it from outside, host:port; goes into the card.",
            high=cards.MAX_ENDPOINTS,
            check=check_endpoint,
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Section):
    """How partners reach a person; goes into the card."""

    focal_point: Annotated[str, Setting("Desk or function that answers.")] = ""
    email: Annotated[str, Setting("E-mail address of the focal point.", high=254)] = ""
    phone: Annotated[str, Setting("Telephone number with country code.", high=40)] = ""
    duty_hours: Annotated[str, Setting("When somebody answers.")] = ""
    time_zone: Annotated[
        str,
        Setting(
            "Time zone that people work in, as the IANA database names it, such as "
            "Europe/Amsterdam; partners and this node show times in it, beside UTC.",
            high=64,
            check=_check_zone,
        ),
    ] = ""
    languages: Annotated[
        tuple[str, ...],
        Setting("Languages spoken there (ISO 639-1, such as en).", high=cards.MAX_LANGUAGES),
    ] = ()

    def verify(self) -> None:
        """Check that a card takes these fields."""
        self.on_card()

    def on_card(self) -> cards.Contact:
        """Give the contact as the card has it."""
        return cards.Contact(
            focal_point=self.focal_point,
            email=self.email,
            phone=self.phone,
            duty_hours=self.duty_hours,
            languages=self.languages,
            time_zone=self.time_zone,
        )
