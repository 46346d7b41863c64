"""Three returns to origin, as the second act plays them. All of it is invented.

The three authorities exist, but have no part in this: their names make the story easier to follow.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from sesn_node.crypto.primitives import sha256
from sesn_node.demo.cast import Member
from sesn_node.domain.alert import Consignment, Container, Goods
from sesn_node.domain.cards import Role
from sesn_node.domain.case_messages import Details, Evidence
from sesn_node.domain.case_terms import Action, DisputeReason, Ground, Responsibility, State
from sesn_node.domain.entries import CaseCode
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.exchange.casework import TakeBack

NG: Final = AgencyId("ng.nesrea")
NL: Final = AgencyId("nl.ilt")
BE: Final = AgencyId("be.ovam")

AUTHORITIES: Final = (
    Member(NG, "National Environmental Standards Agency of Nigeria", "NG", Role.ENVIRONMENT),
    Member(NL, "Netherlands Environment and Transport Inspectorate", "NL", Role.ENVIRONMENT),
    Member(BE, "Public Waste Agency of Flanders", "BE", Role.ENVIRONMENT),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A step of a case, after the request.

    Args:
        day: Of the story.
        agency: Who takes it.
        action: What it does.
        after: The state of the case then; the act fails on any other.
        code: Its reason, where the action has a list of those.
        details: What it says; the act adds when it happened.
        until: EXTEND: last day of the story on which the waste may be back.
        remark: What the audience reads of it; empty: the next line tells enough.
    """

    day: int
    agency: AgencyId
    action: Action
    after: State
    _: KW_ONLY
    code: str = ""
    details: Details = field(default_factory=Details)
    until: int = 0
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A day on which the ledgers note by themselves how the case stands to its due date."""

    day: int
    code: CaseCode
    remark: str


@dataclass(frozen=True, slots=True)
class Return:
    """A case.

    Args:
        name: What it is about, in one word.
        title: The same, in a line.
        day: Of the story, on which it is requested.
        detector: Who requests it.
        wanted: The request.
        turns: What follows.
        ends_late: Whether it comes home after the first due date, within an extended one.
    """

    name: str
    title: str
    day: int
    detector: AgencyId
    wanted: TakeBack
    turns: tuple[Turn | Notice, ...]
    ends_late: bool = False


def _wanted(  # noqa: PLR0913 - the parts of a request
    subject: str,
    container: str,
    *,
    exporter: AgencyId,
    transit: AgencyId,
    facility: tuple[AgencyId, ...] = (),
    declared: str,
    basel_code: str,
    tonnes: str,
) -> TakeBack:
    return TakeBack(
        exporter=exporter,
        transit=(transit,),
        facility=facility,
        ground=Ground.NOT_AS_DOCUMENTED,
        details=Details(
            subject=subject,
            text="Found when the container was opened. Report and photographs are held here.",
            responsibility=Responsibility.EXPORTER,
            consignment=Consignment(
                containers=(Container(container),),
                declared=Goods(description=declared),
                suspected=Goods(
                    description=subject, basel_codes=(basel_code,), quantity=tonnes, unit="t"
                ),
            ),
            evidence=(Evidence("Inspection report", sha256(subject.encode())),),
        ),
        markings=Markings(Tlp.AMBER),
    )


def _shipped(container: str, seal: str, imo: str) -> Details:
    return Details(
        movement_document=f"{container}/1",
        container=container,
        seal=seal,
        imo=imo,
        bill_of_lading=f"BL{container}",
        place="NGAPP",
    )


_TUBES: Final = "QXNU4011883"
_COOLERS: Final = "QXLU7302648"

TUBES: Final = Return(
    "tubes",
    "cathode ray tubes declared as metal scrap",
    0,
    NG,
    _wanted(
        "Cathode ray tubes with leaded glass",
        _TUBES,
        exporter=NL,
        transit=BE,
        facility=(BE,),
        declared="Metal scrap",
        basel_code="A1180",
        tonnes="24.3",
    ),
    (
        Turn(
            2,
            NL,
            Action.ACKNOWLEDGE,
            State.ACKNOWLEDGED,
            details=Details(reference="ILT 2026/417"),
            remark="file ILT 2026/417",
        ),
        Turn(
            7,
            NL,
            Action.ACCEPT,
            State.ACCEPTED,
            details=Details(taker="Maas Metals, Rotterdam", payer="Maas Metals, Rotterdam"),
            remark="the exporter pays",
        ),
        Turn(
            10,
            NL,
            Action.DOCUMENT,
            State.DOCUMENTED,
            details=Details(reference="NL 700417"),
            remark="for works in Belgium",
        ),
        Turn(
            12,
            NG,
            Action.SHIP,
            State.SHIPPED,
            details=_shipped(_TUBES, "NG4711", "3001225"),
            remark="24.3 t under seal NG4711",
        ),
        Turn(
            22,
            NL,
            Action.ARRIVE,
            State.ARRIVED,
            details=Details(seal="NG4711", place="NLRTM"),
            remark="seal NG4711 {seal}; in time",
        ),
        Turn(24, BE, Action.RECEIVE, State.RECEIVED, details=Details(place="BEANR")),
        Turn(
            36,
            BE,
            Action.TREAT,
            State.TREATED,
            details=Details(certificate="OVAM-118", operation="R5"),
            remark="certificate OVAM-118",
        ),
        Turn(40, NG, Action.CLOSE, State.CLOSED, remark="alike on all three nodes"),
    ),
)

BATTERIES: Final = Return(
    "batteries",
    "lead batteries declared as plastic scrap, disputed",
    50,
    BE,
    _wanted(
        "Used lead-acid batteries, not drained",
        "QXBU2204715",
        exporter=NG,
        transit=NL,
        declared="Plastic scrap",
        basel_code="A1160",
        tonnes="19.8",
    ),
    (
        Turn(52, NG, Action.ACKNOWLEDGE, State.ACKNOWLEDGED, details=Details(reference="NES/88")),
        Turn(
            57,
            NG,
            Action.DISPUTE,
            State.DISPUTED,
            code=DisputeReason.CONSIGNEE_AT_FAULT,
            details=Details(text="The buyer in Antwerp wrote the papers himself: see the order."),
            remark="CONSIGNEE_AT_FAULT",
        ),
        Turn(61, BE, Action.AGREE, State.CONSIGNEE_TREATMENT, remark="agrees: the buyer pays"),
        Turn(
            70,
            BE,
            Action.TREAT,
            State.TREATED,
            details=Details(certificate="OVAM-131", operation="R4", place="BEANR"),
            remark="where it was found, in time",
        ),
        Turn(74, BE, Action.CLOSE, State.CLOSED, remark="no ship sailed"),
    ),
)

COOLERS: Final = Return(
    "refrigerators",
    "refrigerators inside used vans, overdue",
    84,
    NG,
    _wanted(
        "Waste refrigerators, not drained of their coolants",
        _COOLERS,
        exporter=BE,
        transit=NL,
        declared="Used vans",
        basel_code="A1181",
        tonnes="11.5",
    ),
    (
        Turn(
            87, BE, Action.ACKNOWLEDGE, State.ACKNOWLEDGED, details=Details(reference="OVAM 26-9")
        ),
        Turn(
            95,
            BE,
            Action.ACCEPT,
            State.ACCEPTED,
            details=Details(taker="Scheldt Vans, Antwerp", payer="Scheldt Vans, Antwerp"),
            remark="no ship has room",
        ),
        Notice(108, CaseCode.DUE_SOON, "all three ledgers note it"),
        Notice(115, CaseCode.OVERDUE, "all three: {missed} missed it"),
        Turn(
            116,
            BE,
            Action.EXTEND,
            State.ACCEPTED,
            until=140,
            details=Details(text="The next ship with room for it sails in two weeks."),
            remark="asks for {asked}",
        ),
        Turn(117, NG, Action.AGREE, State.ACCEPTED, remark="agrees; due {due}"),
        Turn(121, BE, Action.DOCUMENT, State.DOCUMENTED, details=Details(reference="BE 300926")),
        Turn(
            124,
            NG,
            Action.SHIP,
            State.SHIPPED,
            details=_shipped(_COOLERS, "NG5202", "3001902"),
            remark="under seal NG5202",
        ),
        Turn(
            131,
            BE,
            Action.ARRIVE,
            State.ARRIVED,
            details=Details(seal="ES0093", place="BEANR"),
            remark="home late; seal ES0093 {seal}",
        ),
        Turn(
            133,
            NG,
            Action.RESOLVE,
            State.ARRIVED,
            details=Details(text="Opened and sealed anew at Algeciras; we have their report."),
            remark="resealed at Algeciras: resolved",
        ),
        Turn(day=137, agency=BE, action=Action.RECEIVE, after=State.RECEIVED),
        Turn(
            146,
            BE,
            Action.TREAT,
            State.TREATED,
            details=Details(certificate="OVAM-155", operation="R4"),
        ),
        Turn(148, NG, Action.CLOSE, State.CLOSED, remark="treated: certificate OVAM-155"),
    ),
    ends_late=True,
)

RETURNS: Final = (TUBES, BATTERIES, COOLERS)
LAST_DAY: Final = 149
"""A day after the last step."""
