"""Records of a bundle: what is written comes back, and everything else is refused by name."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit import codec, names
from sesn_node.audit.account import MAX_LISTED, LedgerExtent, Manifest, MemberDigest, Selection
from sesn_node.audit.bundle import open_bundle
from sesn_node.audit.manifest import decode_manifest, encode_manifest
from sesn_node.audit.problems import BundleCode
from sesn_node.audit.records import (
    BundleCard,
    BundleCaseStep,
    BundleCheckpoint,
    BundleCosignature,
    BundleEntry,
    BundleMessage,
    Copy,
    Disclosure,
    ProvenElsewhere,
    Receipt,
    Received,
    Sent,
    TimestampToken,
)
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import AgencyId, MessageId, Origin, new_message_id
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import audit_pb2 as pb
from tests.support.bundles import AGENCY, HASH, member, pack, small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sesn_node.audit.bundle import Bundle

_OURS = Origin("nl.customs.sesn/ledger/1")
_THEIRS = Origin("gh.epa.sesn/ledger/1")
_GH = AgencyId("gh.epa")
_BE = AgencyId("be.police")
_MS = 1_800_000_000_000


def _id(number: int) -> MessageId:
    return new_message_id(_MS + number, bytes(10))


_PROVEN = ProvenElsewhere(b"entry", 3, (HASH, HASH[::-1]), _THEIRS, 7)
_RECEIPT = Receipt(_PROVEN, 2)
_COPIES = (
    Copy(_BE, DeliveryState.REFUSED, "BAD_SEAL", _MS, _id(9)),
    Copy(_GH, DeliveryState.ACKNOWLEDGED, "", _MS, None, _RECEIPT),
)
_SEAL = bytes(70)


def _message(
    index: int = 0, way: Sent | Received | None = None, **changes: object
) -> BundleMessage:
    fields = {"origin": _OURS, "header": b"header", "seal": _SEAL, "erased": True} | changes
    # The constructor checks whatever fields the test names.
    return BundleMessage(entry_index=index, way=way or Sent(_COPIES), **fields)  # type: ignore[arg-type]


_RECORDS = [
    (BundleCard(b"card", _MS), codec.encode_card, codec.decode_card),
    (
        BundleCheckpoint(_THEIRS, 5, b"note", (BundleCosignature(_GH, b"lines"),)),
        codec.encode_checkpoint,
        codec.decode_checkpoint,
    ),
    (BundleCheckpoint(_OURS, 0, b"note"), codec.encode_checkpoint, codec.decode_checkpoint),
    (BundleEntry(2, b"entry"), codec.encode_entry, codec.decode_entry),
    (_message(), codec.encode_message, codec.decode_message),
    (_message(4, Received(_MS, _PROVEN)), codec.encode_message, codec.decode_message),
    (
        _message(5, Sent((Copy(_GH, DeliveryState.QUEUED),))),
        codec.encode_message,
        codec.decode_message,
    ),
    (
        BundleCaseStep(_OURS, 6, b"header", _SEAL, HASH, b"mark"),
        codec.encode_case_step,
        codec.decode_case_step,
    ),
    (Disclosure(_GH, _id(1), HASH, b"payload"), codec.encode_disclosure, codec.decode_disclosure),
    (Disclosure(_GH, _id(1), HASH, b""), codec.encode_disclosure, codec.decode_disclosure),
    (TimestampToken(_OURS, 2, HASH, b"token"), codec.encode_timestamp, codec.decode_timestamp),
]


@pytest.mark.parametrize(("record", "encode", "decode"), _RECORDS)
def test_record_comes_back(
    record: object, encode: Callable[[object], bytes], decode: Callable[[bytes], object]
) -> None:
    """In one encoding; an unknown field, or another order, makes it something else."""
    data = encode(record)
    assert decode(data) == record
    for other in (data + b"\xf8\x07\x01", data + data, data[:-1]):
        with pytest.raises(MalformedError):
            decode(other)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: BundleCard(b"", _MS), "sealed"),
        (lambda: BundleCard(b"card", 0), "taken_ms"),
        (lambda: BundleCheckpoint(Origin("x"), 5, b"note"), "origin"),
        (lambda: BundleCheckpoint(_OURS, 2**63, b"note"), "size"),
        (lambda: BundleCheckpoint(_OURS, 1, b""), "note"),
        (
            lambda: BundleCheckpoint(_OURS, 1, b"n", (BundleCosignature(_GH, b"l"),) * 2),
            r"cosignatures\[1\]",
        ),
        (lambda: BundleCosignature(AgencyId("GH"), b"lines"), "agency"),
        (lambda: BundleEntry(-1, b"entry"), "index"),
        (lambda: BundleEntry(0, bytes(65_536)), "entry"),
        (lambda: ProvenElsewhere(b"e", 0, (HASH,) * 64, _OURS, 1), "proof"),
        (lambda: ProvenElsewhere(b"e", 0, (HASH[1:],), _OURS, 1), r"proof\[0\]"),
        (lambda: BundleCaseStep(Origin("x"), 0, b"h", _SEAL, HASH, b"m"), "origin"),
        (lambda: BundleCaseStep(_OURS, -1, b"h", _SEAL, HASH, b"m"), "entry_index"),
        (lambda: BundleCaseStep(_OURS, 0, b"", _SEAL, HASH, b"m"), "header"),
        (lambda: BundleCaseStep(_OURS, 0, b"h", b"", HASH, b"m"), "seal"),
        (lambda: BundleCaseStep(_OURS, 0, b"h", _SEAL, HASH[1:], b"m"), "salt"),
        (lambda: BundleCaseStep(_OURS, 0, b"h", _SEAL, HASH, b""), "mark"),
        (lambda: BundleCaseStep(_OURS, 0, b"h", _SEAL, HASH, bytes(65_537)), "mark"),
        (lambda: Copy(_GH, DeliveryState.ACKNOWLEDGED), "receipt"),
        (lambda: Copy(_GH, DeliveryState.QUEUED, receipt=_RECEIPT), "receipt"),
        (lambda: Copy(_GH, DeliveryState.QUEUED, "a\nb"), "code"),
        (lambda: Copy(_GH, DeliveryState.QUEUED, resealed_as=MessageId(b"x")), "resealed_as"),
        (lambda: Sent(()), "copies"),
        (lambda: Sent(_COPIES[::-1]), r"copies\[1\]"),
        (lambda: Received(0, _PROVEN), "received_ms"),
        (lambda: _message(header=b""), "header"),
        (lambda: _message(seal=b""), "seal"),
        (lambda: _message(origin="nl.customs"), "origin"),
        (lambda: Disclosure(_GH, _id(1), HASH[1:], b""), "salt"),
        (lambda: TimestampToken(_OURS, 2, HASH, b""), "token"),
        (lambda: Selection(from_ms=-1), "from_ms"),
        (lambda: Selection(conversation=MessageId(b"")), "conversation"),
        (lambda: Selection(messages=(_id(2), _id(1))), r"messages\[1\]"),
        (lambda: Selection(disclosed=(_id(1),) * 2), r"disclosed\[1\]"),
        (
            lambda: Selection(messages=tuple(_id(one) for one in range(MAX_LISTED + 1))),
            "messages",
        ),
        (lambda: LedgerExtent(_OURS, -1), "size"),
        (lambda: MemberDigest("x", 1, b""), "sha256"),
    ],
)
def test_field_out_of_its_bounds(build: Callable[[], object], words: str) -> None:
    """Each is named by the error."""
    with pytest.raises(MalformedError, match=f"^{words}"):
        build()


def test_message_that_was_neither_sent_nor_received() -> None:
    """A record has one of two forms."""
    data = pb.BundleMessage(origin=_OURS, header=b"h", seal=_SEAL).SerializeToString()
    with pytest.raises(MalformedError, match="neither"):
        codec.decode_message(data)


def test_copy_in_an_unknown_state() -> None:
    """Its place is in the error."""
    message = pb.BundleMessage.FromString(codec.encode_message(_message()))
    message.sent.copies[1].state = 77  # type: ignore[assignment]
    with pytest.raises(MalformedError, match=r"sent\.copies\[1\]\.state: 77"):
        codec.decode_message(message.SerializeToString(deterministic=True))


@pytest.mark.parametrize(
    "swollen",
    [
        pb.BundleMessage(sent=pb.BundleSent(copies=[pb.BundleCopy()] * 1000)),
        pb.BundleMessage(received=pb.BundleReceived(shared=pb.BundleProven(proof=[b""] * 1000))),
    ],
)
def test_message_of_many_empty_elements(swollen: pb.BundleMessage) -> None:
    """They are counted before they are built: a record of some bytes could hold millions."""
    with pytest.raises(MalformedError, match="more than"):
        codec.decode_message(swollen.SerializeToString())


def test_checkpoint_of_many_empty_elements() -> None:
    """Likewise."""
    swollen = pb.BundleCheckpoint(cosignatures=[pb.BundleCosignature()] * 5000)
    with pytest.raises(MalformedError, match="more than"):
        codec.decode_checkpoint(swollen.SerializeToString())


def _opened(name: str, *found: bytes) -> Bundle:
    return open_bundle(BytesIO(pack(small(**{name: member(*found)}))))


_STREAMS: list[tuple[str, Callable[[Bundle], Iterator[object]], bytes, bytes]] = [
    (
        "checkpoints",
        lambda one: one.checkpoints(),
        codec.encode_checkpoint(BundleCheckpoint(_THEIRS, 9, b"b")),
        codec.encode_checkpoint(BundleCheckpoint(_OURS, 1, b"a")),
    ),
    (
        "entries",
        lambda one: one.entries(_OURS),
        codec.encode_entry(BundleEntry(0, b"b")),
        codec.encode_entry(BundleEntry(1, b"a")),
    ),
    (
        "messages",
        lambda one: one.messages(),
        codec.encode_message(_message(9)),
        codec.encode_message(_message(10)),
    ),
    (
        "cases",
        lambda one: one.case_steps(),
        codec.encode_case_step(BundleCaseStep(_OURS, 9, b"b", _SEAL, HASH, b"m")),
        codec.encode_case_step(BundleCaseStep(_OURS, 10, b"a", _SEAL, HASH, b"m")),
    ),
    (
        "disclosed",
        lambda one: one.disclosures(),
        codec.encode_disclosure(Disclosure(_BE, _id(2), HASH, b"")),
        codec.encode_disclosure(Disclosure(_GH, _id(1), HASH, b"")),
    ),
    (
        "timestamps",
        lambda one: one.timestamps(),
        codec.encode_timestamp(TimestampToken(_OURS, 1, HASH, b"t")),
        codec.encode_timestamp(TimestampToken(_OURS, 2, HASH, b"a")),
    ),
]


@pytest.mark.parametrize(("name", "read", "first", "second"), _STREAMS)
def test_records_are_in_order(
    name: str, read: Callable[[Bundle], Iterator[object]], first: bytes, second: bytes
) -> None:
    """Strictly: a record that stands twice, or before its place, is refused, and named."""
    assert len(list(read(_opened(name, first, second)))) == 2
    for order in ((second, first), (first, first), (first, b"\xff")):
        stream = read(_opened(name, *order))
        next(stream)
        with pytest.raises(MalformedError, match=f"{name}.*record 2") as error:
            next(stream)
        assert error.value.code == BundleCode.RECORD.value
    cut = member(first, second)[:-1]
    stream = read(open_bundle(BytesIO(pack(small(**{name: cut})))))
    next(stream)
    with pytest.raises(MalformedError, match=r"record 2.*ends within"):
        next(stream)


def test_cards_have_no_order() -> None:
    """What their order is depends on what is in them."""
    card = codec.encode_card(BundleCard(b"card", _MS))
    assert len(list(_opened("cards", card, card).cards())) == 2


def test_entry_behind_the_end_of_its_ledger() -> None:
    """A bundle's ledger has as many leaves as the manifest says."""
    bundle = _opened("entries", codec.encode_entry(BundleEntry(2, b"x")))
    with pytest.raises(MalformedError, match="entry 2 of a ledger of 2") as error:
        list(bundle.entries(_OURS))
    assert error.value.code == BundleCode.RECORD.value


def test_leaves_are_read_by_turns() -> None:
    """Each iterator keeps its own place in the file."""
    leaves = b"".join(bytes([number]) * 32 for number in range(200))
    data = pack(small(leaves=leaves), ledgers=(LedgerExtent(_OURS, 200),))
    bundle = open_bundle(BytesIO(data))
    assert bundle.size == len(data)
    pairs = zip(bundle.leaves(_OURS), bundle.leaves(_OURS), strict=True)
    for number, (one, other) in enumerate(pairs):
        assert one == other == bytes([number]) * 32
        assert bundle.leaf(_OURS, 199 - number) == bytes([199 - number]) * 32


def test_progress_is_told() -> None:
    """In bytes, up to all of them."""
    told: list[tuple[int, int]] = []
    open_bundle(BytesIO(pack(small())), lambda done, total: told.append((done, total)))
    assert told[-1] == (64, 64)


def test_manifest_comes_back() -> None:
    """With everything in it that can be."""
    selection = Selection(
        from_ms=_MS,
        to_ms=_MS + 1,
        conversation=_id(0),
        messages=(_id(1), _id(2)),
        disclosed=(_id(1),),
        blind=True,
    )
    manifest = Manifest(
        agency=AGENCY,
        created_ms=_MS,
        selection=selection,
        ledgers=(LedgerExtent(_OURS, 2), LedgerExtent(Origin("nl.customs.sesn/ledger/2"), 0)),
        members=(MemberDigest(names.CARDS, 3, HASH),),
    )
    data = encode_manifest(manifest)
    assert decode_manifest(data) == manifest
    assert data.isascii()
    assert b" " not in data
    assert not selection.everything
    assert Selection(blind=True).everything
