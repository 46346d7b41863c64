"""The templates of MISP objects that an alert is written with: two standard ones, and ours.

What MISP must know of ours stands in `docs/misp-objects/`, in its own format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TEXT: Final = "text"
TIME: Final = "datetime"
COUNTER: Final = "counter"


@dataclass(frozen=True, slots=True)
class Relation:
    """An attribute of a template.

    Args:
        name: Its relation to the object.
        description: What it is.
        type: MISP attribute type.
        correlates: Whether MISP links events that have the same value. Not what many alerts say.
        multiple: Whether an object may have several.
    """

    name: str
    description: str
    type: str = TEXT
    correlates: bool = False
    multiple: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A template.

    Args:
        name: Its name.
        uuid: Its id.
        version: Its version.
        category: Its meta-category.
        description: What such an object is.
        relations: Those of its attributes that are written here.
        one_of: Relations of which an object has one at least.
    """

    name: str
    uuid: str
    version: int
    category: str
    description: str
    relations: tuple[Relation, ...]
    one_of: tuple[str, ...]

    def relation(self, name: str) -> Relation:
        """Return an attribute by its relation."""
        return next(one for one in self.relations if one.name == name)


_FTM: Final = "followthemoney"

REPORT: Final = Template(
    "report",
    "70a68471-df22-4e3f-aa1a-5a3be19f82df",
    8,
    "misc",
    "Report object to describe a report along with its metadata.",
    (Relation("summary", "Free text"), Relation("type", "Type of report")),
    ("summary",),
)
LEGAL_ENTITY: Final = Template(
    "ftm-LegalEntity",
    "53ff8f46-3cd7-4968-86d2-1faaea02f3a3",
    1,
    _FTM,
    "Legal entity",
    (
        Relation("name", "Name", correlates=True),
        Relation("address", "Address"),
        Relation("country", "Country"),
        Relation("vatCode", "VAT number", correlates=True),
        Relation("idNumber", "Legal Entity Identifier", correlates=True),
    ),
    ("name",),
)
SHIP: Final = Template(
    "ftm-Vessel",
    "2ee3df38-7756-4179-abea-ba8d2fbb7c6c",
    1,
    _FTM,
    "Vessel",
    (
        Relation("name", "Name", correlates=True),
        Relation("imoNumber", "IMO ship number", correlates=True),
    ),
    ("name",),
)
"""`MISP/misp-objects`; the ids are those of its definitions."""

ALERT: Final = Template(
    "sesn-alert",
    "287f1dc4-896b-46de-8451-df68d8a6a96e",
    1,
    "misc",
    "Alert on a suspect consignment: what is asked for, how it may be handled, and its papers.",
    (
        Relation("urgency", "ROUTINE, URGENT or SHIP_SAILS"),
        Relation("requested-action", "NONE, INFORM, HOLD or INSPECT"),
        Relation("respond-by", "When the sender needs an answer", TIME),
        Relation("message-id", "Id of the message in the network", correlates=True),
        Relation("bill-of-lading", "Bill of lading number", correlates=True),
        Relation("voyage", "Voyage number of the carrier"),
        Relation("vessel-imo", "IMO number of a ship without a known name", correlates=True),
        Relation("regime", "Rules on shipments of waste: BASEL, OECD or EU"),
        Relation("handling", "Europol handling code H1, H2 or H3", multiple=True),
        Relation("handling-text", "What H3 restricts"),
        Relation("evaluation-scheme", "4x4, 3x5x2 or 5x5x5"),
        Relation("evaluation-source", "Grade of the source"),
        Relation("evaluation-information", "Grade of the information"),
        Relation("evaluation-handling", "Handling condition of the scheme"),
        Relation("purpose", "What the content may be used for"),
        Relation("legal-basis", "Law that it is shared under"),
        Relation("retain-until", "From then on it must not be kept", TIME),
        Relation("onward", "Whom it may be passed on to without asking", multiple=True),
    ),
    ("urgency",),
)
CONTAINER: Final = Template(
    "sesn-container",
    "7e9a6692-8b4b-4d4f-9484-f2d8d0786d17",
    1,
    "transport",
    "Shipping container.",
    (
        Relation("number", "Number as observed; ISO 6346 expected", correlates=True),
        Relation("seal", "Seal number as observed", correlates=True),
    ),
    ("number",),
)
CALL: Final = Template(
    "sesn-port-call",
    "553fd5e3-228b-4126-bae1-7a05556bf9f0",
    1,
    "transport",
    "Call of a voyage.",
    (
        Relation("position", "Place in the order of the voyage, from 1 on", COUNTER),
        Relation("port", "UN/LOCODE as observed"),
        Relation("kind", "LOADING, TRANSHIPMENT, DISCHARGE or SIGHTED"),
        Relation("time", "Expected or actual time of the call", TIME),
    ),
    ("port",),
)
GOODS: Final = Template(
    "sesn-goods",
    "873a20e1-62ea-4338-89d7-00bb7adc4379",
    1,
    "transport",
    "What goods are declared, suspected or found to be.",
    (
        Relation("stage", "declared, suspected or found"),
        Relation("description", "Free text"),
        Relation("hs-code", "Harmonised System code as observed"),
        Relation("hs-edition", "Edition of the Harmonised System, such as HS2022"),
        Relation("basel-codes", "Basel Convention code: Y, A, B or H", multiple=True),
        Relation("quantity", "Decimal number"),
        Relation("unit", "Unit of the quantity"),
        Relation("oecd-codes", "Code of OECD Decision C(2001)107/FINAL", multiple=True),
        Relation("eu-waste-codes", "Code of the European list of waste", multiple=True),
        Relation("un-numbers", "UN number of dangerous goods", multiple=True),
    ),
    (
        "description",
        "hs-code",
        "basel-codes",
        "quantity",
        "oecd-codes",
        "eu-waste-codes",
        "un-numbers",
    ),
)
OURS: Final = (ALERT, CONTAINER, CALL, GOODS)


def definition(template: Template) -> dict[str, object]:
    """Write a template in the format of MISP (`definition.json`)."""
    return {
        "attributes": {
            one.name: {
                "categories": ["Other"],
                "description": one.description,
                "disable_correlation": not one.correlates,
                "misp-attribute": one.type,
                **({"multiple": True} if one.multiple else {}),
                "ui-priority": 1,
            }
            for one in template.relations
        },
        "description": template.description,
        "meta-category": template.category,
        "name": template.name,
        "requiredOneOf": list(template.one_of),
        "uuid": template.uuid,
        "version": template.version,
    }
