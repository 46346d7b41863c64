"""Ledger entries to bytes and back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sesn_node.domain.entries import MAX_ENTRY_BYTES, Entry, EntryKind, KeyCode, PeerCode
from sesn_node.errors import MalformedError
from sesn_node.wire._pb import ledger_pb2 as pb
from sesn_node.wire.entries import decode_entry, encode_entry
from tests.support.objects import NOW_MS, RECEIVER, entry


@pytest.mark.parametrize(
    "original",
    [
        entry(),
        Entry(
            kind=EntryKind.PEER,
            time_ms=NOW_MS,
            salt=b"t" * 32,
            object_sha256=b"o" * 32,
            agency=RECEIVER,
            code=PeerCode.TRUSTED,
        ),
        Entry(
            kind=EntryKind.KEY,
            time_ms=NOW_MS,
            salt=b"t" * 32,
            object_sha256=b"o" * 32,
            code=KeyCode.CARD_ISSUED,
        ),
    ],
)
def test_entry_survives_the_trip(original: Entry) -> None:
    """With every field, and with as few as its kind allows."""
    data = encode_entry(original)
    assert decode_entry(data) == original
    assert encode_entry(decode_entry(data)) == data
    assert len(data) < 400


def test_every_kind_has_the_name_of_the_wire() -> None:
    """No kind of the .proto file is missing here, and none is invented."""
    assert {kind.value for kind in EntryKind} == set(pb.EntryKind.keys()) - {
        "ENTRY_KIND_UNSPECIFIED"
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m.ClearField("kind"), r"^entry\.kind: 0 "),
        (lambda m: setattr(m, "kind", 99), r"^entry\.kind: 99 "),
        (lambda m: setattr(m, "time_ms", 2**63), r"^entry\.time_ms: "),
        (lambda m: m.ClearField("salt"), r"^entry\.salt: "),
        (lambda m: m.ClearField("message_id"), r"^entry\.message_id: "),
        (lambda m: m.ClearField("object_sha256"), r"^entry\.object_sha256: "),
        (lambda m: m.ClearField("commitment"), r"^entry\.commitment: "),
        (lambda m: m.ClearField("answers"), r"^entry\.answers: "),
        (lambda m: setattr(m.answers, "index", 2**64 - 1), r"^entry\.answers\.index: "),
        (lambda m: setattr(m.answers, "leaf_hash", b""), r"^entry\.answers\.leaf_hash: "),
        (lambda m: setattr(m.answers, "origin", "x\n1"), r"^entry\.answers\.origin: "),
        (lambda m: m.ClearField("agency"), r"^entry\.agency: "),
        (lambda m: setattr(m, "agency", "../x"), r"^entry\.agency: "),
        (lambda m: setattr(m, "code", "POLICY"), r"^entry\.code: "),
    ],
)
def test_bad_field_is_named(change: Callable[[pb.LedgerEntry], object], problem: str) -> None:
    """Hostile entries are refused with the path of what is wrong."""
    message = pb.LedgerEntry.FromString(encode_entry(entry()))
    change(message)
    with pytest.raises(MalformedError, match=problem):
        decode_entry(message.SerializeToString(deterministic=True))


def test_oversized_entry_is_refused() -> None:
    """A C2SP entry bundle has no room for more than 65,535 bytes."""
    with pytest.raises(MalformedError, match=r"^entry: at most 65,535 bytes"):
        decode_entry(bytes(MAX_ENTRY_BYTES + 1))
