"""One small valid body of every kind, each with every field set, and markings with every field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sesn_node.domain.alert import Urgency
from sesn_node.domain.case_messages import CaseFile, CaseStep, Details, Evidence, Informed
from sesn_node.domain.case_terms import Action, Mark, Responsibility, Role
from sesn_node.domain.conversation import (
    Answer,
    Confidence,
    Consent,
    Destruction,
    DestructionOutcome,
    Note,
    Recall,
    Request,
    Sighting,
    SightingBasis,
    Update,
)
from sesn_node.domain.forward import Forward, Original
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.markings import Evaluation, EvaluationScheme, HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Body, MessageKind
from tests.support.objects import MESSAGE_ID, alert, response

AT: Final = datetime(2026, 12, 9, 8, 0, 0, 250_000, tzinfo=UTC)
HEADER_SHA256: Final = b"h" * 32

MARKED: Final = Markings(
    tlp=Tlp.AMBER,
    handling=(HandlingCode.H1, HandlingCode.H3),
    handling_text="Not to the exporter's country.",
    evaluation=Evaluation(EvaluationScheme.BRITISH_5X5X5, "B", "2", "1"),
    purpose="Criminal investigation",
    legal_basis="Naples II Convention,\nArticle 9",
    retain_until=AT,
    onward=("be.*", "gh.epa"),
)


def original(fill: bytes = b"o") -> Original:
    """An original of patterns: only its bounds are right."""
    return Original(fill * 40, fill * 70, fill * 32, fill * 60, fill * 50)


BODIES: Final[dict[MessageKind, Body]] = {
    MessageKind.ALERT: alert(),
    MessageKind.RESPONSE: response(),
    MessageKind.UPDATE: Update(MESSAGE_ID, HEADER_SHA256, alert(), "The seal was changed."),
    MessageKind.RECALL: Recall(MESSAGE_ID, HEADER_SHA256, "Sent by mistake."),
    MessageKind.DESTRUCTION: Destruction(
        message_id=MESSAGE_ID,
        header_sha256=HEADER_SHA256,
        outcome=DestructionOutcome.HELD,
        at=AT,
        backups_expire=AT,
        hold="Seized as evidence.",
        passed_on=(AgencyId("be.police"), AgencyId("gh.epa")),
    ),
    MessageKind.FORWARD: Forward(original(), original(b"c"), "You inspect at Tema."),
    MessageKind.CONSENT: Consent(
        message_id=MESSAGE_ID, header_sha256=HEADER_SHA256, onward=("be.*", "gh.epa"), until=AT
    ),
    MessageKind.REQUEST: Request(
        subject="Who is the consignee?",
        urgency=Urgency.URGENT,
        text="Name\nand address.",
        respond_by=AT,
    ),
    MessageKind.ANSWER: Answer(MESSAGE_ID, HEADER_SHA256, "A dealer in Accra."),
    MessageKind.NOTE: Note("We look at it tomorrow."),
    MessageKind.SIGHTING: Sighting(
        container="CSQU3054383",
        imo="IMO 9319466",
        seal="NL0001",
        place="MAPTM",
        at=AT,
        basis=SightingBasis.RECORDED,
        confidence=Confidence.MEDIUM,
        text="By the gate camera.",
    ),
    MessageKind.CASE_STEP: CaseStep(
        mark=Mark(
            action=Action.SHIP,
            role=Role.DET,
            after=(b"a" * 32, b"b" * 32),
        ),
        salt=b"s" * 32,
        details=Details(
            subject="Back to Tema",
            text="Loaded under supervision.",
            responsibility=Responsibility.EXPORTER,
            consignment=alert().consignment,
            evidence=(Evidence("Inspection report", b"e" * 32, MESSAGE_ID),),
            reference="NL-2026-17",
            taker="Exporter Ltd, Tema",
            payer="Exporter Ltd, Accra",
            site="Works at Tema",
            operation="R4",
            movement_document="GH 000123/1",
            container="CSQU3054383",
            seal="NL4711",
            imo="IMO 9319466",
            vehicle="22-BTZ-1",
            bill_of_lading="MEDU1234567",
            place="NLRTM",
            at=AT,
            quantity="24.5",
            unit="t",
            certificate="T-9",
            informed=Informed(b"entry", 3, (b"p" * 32,), b"note"),
        ),
    ),
    MessageKind.CASE_FILE: CaseFile((original(), original(b"f"))),
}
