"""Opening a bundle: its container and digests are checked at once, its records as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, TypeVar

from sesn_node.audit import codec, names
from sesn_node.audit.account import Manifest
from sesn_node.audit.archive import Archive, MemberReader, Progress, read_archive
from sesn_node.audit.manifest import MAX_MANIFEST_BYTES, decode_manifest
from sesn_node.audit.problems import BundleCode, malformed
from sesn_node.audit.records import (
    BundleCard,
    BundleCaseStep,
    BundleCheckpoint,
    BundleEntry,
    BundleMessage,
    Disclosure,
    TimestampToken,
)
from sesn_node.domain.ids import Origin, parse_origin
from sesn_node.errors import MalformedError

R = TypeVar("R")

_HASH_BYTES: Final = 32


class Bundle:
    """An opened bundle.

    Each iterator keeps its own place, so several may be read by turns, in one thread. They raise
    `MalformedError` with the code BUNDLE_RECORD at a record that cannot be read or is out of
    order, and let errors of the file (`OSError`) through.

    Args:
        archive: Its container; every byte was compared with its digests.
        manifest: Its manifest, which agrees with the container.
    """

    __slots__ = ("_archive", "manifest")

    def __init__(self, archive: Archive, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    @property
    def size(self) -> int:
        """Length of the file, bytes."""
        return self._archive.size

    def cards(self) -> Iterator[BundleCard]:
        """Yield the cards."""
        return self._records(names.CARDS, codec.decode_card, None)

    def checkpoints(self) -> Iterator[BundleCheckpoint]:
        """Yield the checkpoints, strictly ascending by origin, size and note."""
        return self._records(
            names.CHECKPOINTS, codec.decode_checkpoint, lambda one: (one.origin, one.size, one.note)
        )

    def leaves(self, origin: Origin) -> Iterator[bytes]:
        """Yield the leaf hashes of a ledger of the manifest, from index 0 to its end."""
        reader = self._archive.member(names.leaves_name(_epoch(origin)))
        for chunk in reader.chunks():
            # Chunks are whole hashes, since their size is, and that of the member.
            for at in range(0, len(chunk), _HASH_BYTES):
                yield chunk[at : at + _HASH_BYTES]

    def leaf(self, origin: Origin, index: int) -> bytes:
        """Return one leaf hash of a ledger of the manifest; `index` is below its size."""
        reader = self._archive.member(names.leaves_name(_epoch(origin)))
        reader.skip_to(index * _HASH_BYTES)
        return reader.read(_HASH_BYTES)

    def entries(self, origin: Origin) -> Iterator[BundleEntry]:
        """Yield the entries of a ledger of the manifest, strictly ascending and below its size."""
        name = names.entries_name(_epoch(origin))
        size = next(one.size for one in self.manifest.ledgers if one.origin == origin)
        for entry in self._records(name, codec.decode_entry, lambda one: one.index):
            if entry.index >= size:
                raise MalformedError(
                    f"audit bundle: {name}: entry {entry.index:,} of a ledger of {size:,} entries",
                    code=BundleCode.RECORD.value,
                )
            yield entry

    def messages(self) -> Iterator[BundleMessage]:
        """Yield the messages, strictly ascending by ledger and index of their entry."""
        return self._records(
            names.MESSAGES,
            codec.decode_message,
            lambda one: (_epoch(one.origin), one.entry_index),
        )

    def case_steps(self) -> Iterator[BundleCaseStep]:
        """Yield the steps of cases, strictly ascending by ledger and index of their entry."""
        return self._records(
            names.CASES,
            codec.decode_case_step,
            lambda one: (_epoch(one.origin), one.entry_index),
        )

    def disclosures(self) -> Iterator[Disclosure]:
        """Yield what messages say, strictly ascending by sender and id."""
        return self._records(
            names.DISCLOSED, codec.decode_disclosure, lambda one: (one.sender, one.message_id)
        )

    def timestamps(self) -> Iterator[TimestampToken]:
        """Yield the timestamps, strictly ascending by origin, size, root and token."""
        return self._records(
            names.TIMESTAMPS,
            codec.decode_timestamp,
            lambda one: (one.origin, one.size, one.root, one.token),
        )

    def _records(
        self, name: str, decode: Callable[[bytes], R], key: Callable[[R], object] | None
    ) -> Iterator[R]:
        """Yield the records of a member; their keys, if any, must be strictly ascending."""
        reader = self._archive.member(name)
        before: object = None
        number = 0
        while reader.left:
            number += 1
            at = reader.offset
            try:
                record = decode(_next(reader))
                before = None if key is None else _ascending(before, key(record))
            except MalformedError as error:
                problem = f"record {number:,}: {error.message}"
                raise malformed(BundleCode.RECORD, name, at, problem) from error
            yield record


def open_bundle(file: BinaryIO, progress: Progress = lambda _done, _total: None) -> Bundle:
    """Open a bundle: read it once, to its end.

    1. The container is canonical (`archive`).
    2. The manifest reads, and names the members and ledgers that are there.
    3. Every member has the CRC-32 of its header and the SHA-256 of the manifest.

    Nothing of this is proof: whoever makes a bundle makes its manifest. What signatures and proofs
    say is the verifier's business.

    Args:
        file: Open for reading, and seekable. It stays the caller's, and must stay open.
        progress: Told how many bytes of how many were read.

    Raises:
        MalformedError: With a code of `BundleCode`.
        OSError: The file fails.
    """
    archive = read_archive(file)
    length = archive.parts[names.MANIFEST].length
    if length > MAX_MANIFEST_BYTES:
        raise malformed(
            BundleCode.TOO_LARGE,
            names.MANIFEST,
            0,
            f"{length:,} bytes; at most {MAX_MANIFEST_BYTES:,}",
        )
    manifest = decode_manifest(archive.whole(names.MANIFEST))
    _check_members(archive, manifest)
    archive.check(manifest.members, progress)
    return Bundle(archive, manifest)


def _check_members(archive: Archive, manifest: Manifest) -> None:
    """Make sure that the manifest speaks of the members that are there."""
    expected = names.member_names([ledger.epoch for ledger in manifest.ledgers])
    listed = (names.MANIFEST, *(one.name for one in manifest.members))
    if not expected == listed == tuple(archive.parts):
        raise _contradiction(0, "lists other members than the file or its ledgers have")
    for one in manifest.members:
        part = archive.parts[one.name]
        if one.length != part.length:
            raise _contradiction(part.offset, f"says {one.length:,} bytes of {one.name}")
    for ledger in manifest.ledgers:
        part = archive.parts[names.leaves_name(ledger.epoch)]
        if part.length != ledger.size * _HASH_BYTES:
            raise _contradiction(part.offset, f"says {ledger.size:,} entries of {ledger.origin}")


def _contradiction(offset: int, problem: str) -> MalformedError:
    return malformed(BundleCode.MANIFEST, names.MANIFEST, offset, problem)


def _next(reader: MemberReader) -> bytes:
    """Read a record: its length, then so many bytes."""
    length = int.from_bytes(reader.read(codec.LENGTH_BYTES), "big")
    if length > codec.MAX_RECORD_BYTES:
        raise MalformedError(f"{length:,} bytes; at most {codec.MAX_RECORD_BYTES:,}")
    return reader.read(length)


def _ascending(before: object, here: object) -> object:
    # Keys of one member are of one type.
    if before is not None and not before < here:  # type: ignore[operator]
        raise MalformedError("not strictly ascending")
    return here


def _epoch(origin: Origin) -> int:
    return parse_origin(origin)[1]
