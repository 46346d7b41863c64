"""Audit bundles taken apart and put together again, so that a test can forge any part of one."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

from sesn_node.audit import names
from sesn_node.audit.account import LedgerExtent, Manifest, Selection
from sesn_node.audit.archive import Spool, read_archive, write_archive
from sesn_node.audit.codec import LENGTH_BYTES, framed
from sesn_node.audit.manifest import decode_manifest, encode_manifest
from sesn_node.domain.ids import AgencyId, ledger_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

Parts = dict[str, bytes]
"""The members of a bundle by name; the manifest among them."""

AGENCY = AgencyId("nl.customs")
HASH = bytes(range(32))


def unpack(data: bytes) -> Parts:
    """Take a bundle apart."""
    archive = read_archive(BytesIO(data))
    return {name: archive.whole(name) for name in archive.parts}


def pack(parts: Mapping[str, bytes], **changes: object) -> bytes:
    """Put a bundle together; lengths and digests in its manifest become right.

    Args:
        parts: Its members.
        changes: Fields of the manifest to replace.
    """
    spools = []
    for name, data in parts.items():
        if name != names.MANIFEST:
            spool = Spool(name, BytesIO())
            spool.write(data)
            spools.append(spool)
    manifest = replace(
        decode_manifest(parts[names.MANIFEST]), members=tuple(one.digest() for one in spools)
    )
    # `replace` takes whatever fields the test names; the constructor checks them.
    manifest = replace(manifest, **changes)  # type: ignore[arg-type]
    out = BytesIO()
    write_archive(out, (names.MANIFEST, encode_manifest(manifest)), spools)
    return out.getvalue()


def records(data: bytes) -> list[bytes]:
    """Split a member into its records."""
    found = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + LENGTH_BYTES], "big")
        at += LENGTH_BYTES
        found.append(data[at : at + length])
        at += length
    return found


def member(*found: bytes) -> bytes:
    """Join records to a member."""
    return b"".join(map(framed, found))


def changed(
    data: bytes,
    decode: Callable[[bytes], T],
    encode: Callable[[T], bytes],
    at: int,
    **changes: object,
) -> bytes:
    """Return a member, one of whose records has other fields."""
    found = records(data)
    # `replace` takes whatever fields the test names; the constructor checks them.
    found[at] = encode(replace(decode(found[at]), **changes))  # type: ignore[type-var]
    return member(*found)


def small(**members: bytes) -> Parts:
    """Return the parts of a bundle that says nothing: one ledger of two leaves.

    Args:
        members: Data by the name of the member, without what follows a dot or a slash.
    """
    origin = ledger_origin(AGENCY, 1)
    manifest = Manifest(
        agency=AGENCY,
        created_ms=1_800_000_000_000,
        selection=Selection(),
        ledgers=(LedgerExtent(origin, 2),),
        members=(),
    )
    parts = dict.fromkeys(names.member_names([1]), b"")
    parts[names.MANIFEST] = encode_manifest(manifest)
    parts[names.leaves_name(1)] = HASH * 2
    for name, data in members.items():
        parts[next(one for one in parts if one.rpartition("/")[2].startswith(f"{name}."))] = data
    return parts
