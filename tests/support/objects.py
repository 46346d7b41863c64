"""Small valid domain objects, to be changed with `dataclasses.replace`.

Keys and hashes are patterns, not key material: the codec does not look inside them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from sesn_node.domain.alert import (
    Alert,
    CallKind,
    Consignment,
    Container,
    Goods,
    Party,
    PartyRole,
    PortCall,
    Regime,
    RequestedAction,
    Urgency,
    Vessel,
)
from sesn_node.domain.cards import (
    ED25519_BYTES,
    ENCRYPTION_KEY_BYTES,
    MLDSA44_BYTES,
    P256_SPKI_BYTES,
    Card,
    Contact,
    EncryptionKey,
    LedgerKeySet,
    Limits,
    Role,
    SealKey,
    WitnessKeySet,
)
from sesn_node.domain.conversation import Decision, Response
from sesn_node.domain.entries import Entry, EntryKind, EntryRef
from sesn_node.domain.ids import (
    AgencyId,
    agency_id,
    ledger_origin,
    new_message_id,
    witness_name,
)
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.messages import WRAPPED_KEY_BYTES, Envelope, Header, Priority, Recipient
from sesn_node.domain.payload import Payload

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")

NOW_MS = 1_796_000_000_000
DAY_MS = 86_400_000
SENDER = agency_id("nl.customs")
RECEIVER = agency_id("gh.epa")
MESSAGE_ID = new_message_id(NOW_MS, b"0123456789")
OTHER_ID = new_message_id(NOW_MS + 1, b"9876543210")


def changed(original: D, **changes: object) -> D:
    """Copy an object with fields that a type checker would refuse: tests pass wrong values."""
    return replace(original, **changes)


def recipient(agency: str = RECEIVER) -> Recipient:
    """An addressee."""
    return Recipient(AgencyId(agency), b"k" * 32, b"w" * 32)


def header() -> Header:
    """A header with two recipients that answers another message."""
    return Header(
        message_id=MESSAGE_ID,
        sender=SENDER,
        recipients=(recipient("be.police"), recipient()),
        created_ms=NOW_MS,
        expires_ms=NOW_MS + 30 * DAY_MS,
        conversation_id=OTHER_ID,
        in_reply_to=OTHER_ID,
        priority=Priority.URGENT,
        seal_key_id=b"s" * 32,
        ciphertext_sha256=b"c" * 32,
        commitment=b"m" * 32,
    )


def envelope() -> Envelope:
    """An envelope of the smallest lengths."""
    return Envelope(b"h", b"s" * 8, b"w" * WRAPPED_KEY_BYTES, b"c" * 48)


def entry_ref() -> EntryRef:
    """An entry of the sender's ledger."""
    return EntryRef(ledger_origin(SENDER, 1), 41, b"l" * 32)


def entry() -> Entry:
    """A RECEIVED entry, the kind with the most fields."""
    return Entry(
        kind=EntryKind.RECEIVED,
        time_ms=NOW_MS,
        salt=b"t" * 32,
        message_id=MESSAGE_ID,
        object_sha256=b"o" * 32,
        commitment=b"m" * 32,
        answers=entry_ref(),
        agency=SENDER,
    )


def seal_key(number: int = 0) -> SealKey:
    """The n-th seal key, in force for two days from day n on."""
    start = NOW_MS + number * DAY_MS
    return SealKey(bytes([number]) * P256_SPKI_BYTES, start, start + 2 * DAY_MS)


def encryption_key(number: int = 0) -> EncryptionKey:
    """The n-th encryption key, in force for two days from day n on."""
    start = NOW_MS + number * DAY_MS
    public = bytes([number]) * ENCRYPTION_KEY_BYTES
    return EncryptionKey(public, start, start + 2 * DAY_MS, start + 40 * DAY_MS)


def ledger_keys(epoch: int = 1, agency: AgencyId = SENDER) -> LedgerKeySet:
    """Keys of one ledger."""
    return LedgerKeySet(ledger_origin(agency, epoch), b"e" * ED25519_BYTES, b"d" * MLDSA44_BYTES)


def card() -> Card:
    """A first card with two keys of each sort."""
    return Card(
        agency=SENDER,
        name="Customs Administration, Environmental Desk",
        country="NL",
        role=Role.CUSTOMS,
        contact=Contact(
            focal_point="Duty desk",
            email="desk@example.org",
            phone="+31 10 000 0000",
            duty_hours="daily 06:00 to 22:00 CET",
            languages=("nl", "en"),
        ),
        endpoints=("node.example.org:7443", "[2001:db8::1]:7443"),
        root_certificate=b"r" * 400,
        seal_keys=(seal_key(0), seal_key(1)),
        ledgers=(ledger_keys(1), ledger_keys(2)),
        witness=WitnessKeySet(witness_name(SENDER), b"e" * ED25519_BYTES, b"d" * MLDSA44_BYTES),
        encryption_keys=(encryption_key(0), encryption_key(1)),
        limits=Limits(),
        sequence=1,
        previous_sha256=b"",
        issued_ms=NOW_MS,
        expires_ms=NOW_MS + 366 * DAY_MS,
    )


def goods() -> Goods:
    """Declared goods with every field set."""
    return Goods(
        description="Used television sets",
        hs_code="852872",
        hs_edition="HS2022",
        basel_codes=("A1181", "Y31"),
        quantity="24.5",
        unit="t",
        oecd_codes=("GC020",),
        eu_waste_codes=("20 01 35*",),
        un_numbers=("UN 3480",),
    )


def consignment() -> Consignment:
    """A consignment with every field set and no finding."""
    return Consignment(
        containers=(Container("CSQU3054383", "NL0001"),),
        vessel=Vessel("IMO 9319466", "Harbour Lark", "648S"),
        bill_of_lading="BL-1",
        route=(
            PortCall("NLRTM", CallKind.LOADING, datetime(2026, 12, 3, 21, 30, tzinfo=UTC)),
            PortCall("GHTEM", CallKind.DISCHARGE),
        ),
        declared=goods(),
        suspected=Goods(description="Waste television sets"),
        parties=(
            Party(
                "A dealer",
                PartyRole.EXPORTER,
                "Quay 1\nRotterdam",
                "NL",
                lei="213800KUD8LAJWSQ9D15",
                vat="NL004495445B01",
            ),
        ),
        found=Goods(description="Waste television sets, tubes broken"),
        regime=Regime.EU,
    )


def alert() -> Alert:
    """An alert with every field set."""
    return Alert(
        subject="Untested televisions, Rotterdam to Tema",
        urgency=Urgency.SHIP_SAILS,
        requested_action=RequestedAction.INSPECT,
        respond_by=datetime(2026, 12, 9, 8, 0, 0, 250_000, tzinfo=UTC),
        narrative="Stacked loose.\n\tCords cut.",
        consignment=consignment(),
    )


def response() -> Response:
    """A refusal with its reason."""
    return Response(MESSAGE_ID, b"h" * 32, Decision.DECLINED, "Discharged before we read it.")


def payload() -> Payload:
    """An alert and its markings."""
    return Payload(Markings(Tlp.AMBER_STRICT), alert())
