"""The manifest of a bundle, to bytes and back: canonical JSON.

Sorted names, no blanks, ASCII, no member with the value null, hashes in lower-case hex, ids as
people write them. Whatever is written otherwise is refused: what is read must give the same bytes
when it is written.
"""

from __future__ import annotations

import json
from typing import Final, TypeAlias

from sesn_node.audit.account import LedgerExtent, Manifest, MemberDigest, RecoveredRange, Selection
from sesn_node.audit.problems import BundleCode
from sesn_node.crypto.documents import Document, read_document
from sesn_node.domain.checks import printable
from sesn_node.domain.ids import AgencyId, MessageId, Origin, parse_message_id, show_message_id
from sesn_node.errors import MalformedError

FORMAT: Final = "sesn-audit-v1"
MAX_MANIFEST_BYTES: Final = 1 << 20

_WHAT: Final = "manifest"

_Json: TypeAlias = "str | int | bool | list[_Json] | dict[str, _Json]"


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest."""
    members: _Json = {
        "format": FORMAT,
        "agency": manifest.agency,
        "created_ms": manifest.created_ms,
        "selection": _selection_to_json(manifest.selection),
        "ledgers": [_ledger_to_json(one) for one in manifest.ledgers],
        "members": [
            {"name": one.name, "length": one.length, "sha256": one.sha256.hex()}
            for one in manifest.members
        ],
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode("ascii")


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        MalformedError: BUNDLE_MANIFEST: not one, of another format, or written otherwise than
            `encode_manifest` does.
    """
    try:
        return _canonical(data)
    except MalformedError as error:
        raise MalformedError(
            f"audit bundle: {error.message}", code=BundleCode.MANIFEST.value
        ) from error


def _canonical(data: bytes) -> Manifest:
    manifest = _read(read_document(data, _WHAT, limit=MAX_MANIFEST_BYTES))
    if encode_manifest(manifest) != data:
        raise MalformedError(f"{_WHAT}: not canonical JSON")
    return manifest


def _ledger_to_json(ledger: LedgerExtent) -> _Json:
    found: dict[str, _Json] = {"origin": ledger.origin, "size": ledger.size}
    if ledger.recovered:
        found["recovered"] = [{"end": one.end, "start": one.start} for one in ledger.recovered]
    return found


def _selection_to_json(selection: Selection) -> _Json:
    found: dict[str, _Json] = {
        "blind": selection.blind,
        "disclosed": [show_message_id(one) for one in selection.disclosed],
        "messages": [show_message_id(one) for one in selection.messages],
    }
    if selection.from_ms is not None:
        found["from_ms"] = selection.from_ms
    if selection.to_ms is not None:
        found["to_ms"] = selection.to_ms
    if selection.conversation is not None:
        found["conversation"] = show_message_id(selection.conversation)
    return found


def _read(document: Document) -> Manifest:
    found = document.text("format")
    if found != FORMAT:
        raise MalformedError(
            f"{_WHAT}.format: {printable(found[:40])!a}, this program reads {FORMAT}"
        )
    manifest = Manifest(
        agency=AgencyId(document.text("agency")),
        created_ms=document.integer("created_ms"),
        selection=_read_selection(document.document("selection")),
        ledgers=tuple(_read_ledger(one) for one in document.documents("ledgers")),
        members=tuple(_read_member(one) for one in document.documents("members")),
    )
    document.end()
    return manifest


def _read_selection(document: Document) -> Selection:
    selection = Selection(
        from_ms=document.integer("from_ms") if document.has("from_ms") else None,
        to_ms=document.integer("to_ms") if document.has("to_ms") else None,
        conversation=parse_message_id(document.text("conversation"))
        if document.has("conversation")
        else None,
        messages=_read_ids(document, "messages"),
        disclosed=_read_ids(document, "disclosed"),
        blind=document.flag("blind"),
    )
    document.end()
    return selection


def _read_ids(document: Document, name: str) -> tuple[MessageId, ...]:
    return tuple(parse_message_id(text) for text in document.texts(name))


def _read_ledger(document: Document) -> LedgerExtent:
    recovered = document.documents("recovered") if document.has("recovered") else ()
    ledger = LedgerExtent(
        Origin(document.text("origin")),
        document.integer("size"),
        tuple(_read_recovered(one) for one in recovered),
    )
    document.end()
    return ledger


def _read_recovered(document: Document) -> RecoveredRange:
    recovered = RecoveredRange(document.integer("start"), document.integer("end"))
    document.end()
    return recovered


def _read_member(document: Document) -> MemberDigest:
    name, length, digest = (
        document.text("name"),
        document.integer("length"),
        document.text("sha256"),
    )
    document.end()
    try:
        return MemberDigest(name, length, bytes.fromhex(digest))
    except ValueError as error:
        raise MalformedError(f"{document.what}.sha256: expected hexadecimal digits") from error
