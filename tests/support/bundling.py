"""Bundles of scribes: whole and well-formed, whatever their histories say."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from sesn_node.audit import names
from sesn_node.audit.account import LedgerExtent, Manifest, RecoveredRange, Selection
from sesn_node.audit.archive import Spool, write_archive
from sesn_node.audit.codec import (
    encode_card,
    encode_case_step,
    encode_checkpoint,
    encode_disclosure,
    encode_entry,
    encode_message,
    encode_timestamp,
    framed,
)
from sesn_node.audit.manifest import encode_manifest
from sesn_node.audit.records import (
    BundleCard,
    BundleCaseStep,
    BundleCheckpoint,
    BundleEntry,
    BundleMessage,
    Disclosure,
    TimestampToken,
)
from sesn_node.ledger.merkle import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.domain.ids import AgencyId, Origin
    from tests.support.scribes import Scribe


@dataclass
class Ledger:
    """A ledger as a bundle holds it; a test may change any part."""

    origin: Origin
    leaves: list[bytes]
    entries: list[BundleEntry]
    recovered: tuple[RecoveredRange, ...] = ()

    @property
    def epoch(self) -> int:
        """Its number."""
        return int(self.origin.rpartition("/")[2])


@dataclass
class Draft:
    """A bundle before it is written; a test may change any part."""

    agency: AgencyId
    created_ms: int
    cards: list[BundleCard]
    checkpoints: list[BundleCheckpoint]
    ledgers: list[Ledger]
    messages: list[BundleMessage]
    cases: list[BundleCaseStep] = field(default_factory=list)
    disclosed: list[Disclosure] = field(default_factory=list)
    timestamps: list[TimestampToken] = field(default_factory=list)
    selection: Selection = field(default_factory=Selection)

    @classmethod
    def of(cls, scribe: Scribe, **changes: object) -> Draft:
        """Take everything that a scribe has."""
        draft = cls(
            agency=scribe.agency,
            created_ms=scribe.now_ms + 1000,
            cards=[card for agency in sorted(scribe.cards) for card in scribe.cards[agency]],
            checkpoints=scribe.bundle_checkpoints(),
            ledgers=[
                Ledger(
                    book.origin,
                    [leaf_hash(entry) for entry in book.entries],
                    [BundleEntry(index, entry) for index, entry in enumerate(book.entries)],
                )
                for book in scribe.books
            ],
            messages=scribe.bundle_messages(),
            cases=scribe.bundle_cases(),
        )
        for name, value in changes.items():
            setattr(draft, name, value)
        return draft

    def members(self) -> dict[str, bytes]:
        """Write every member but the manifest."""
        epochs = [ledger.epoch for ledger in self.ledgers]
        found = dict.fromkeys(names.member_names(epochs), b"")
        del found[names.MANIFEST]
        found[names.CARDS] = _joined(map(encode_card, self.cards))
        found[names.CHECKPOINTS] = _joined(map(encode_checkpoint, self.checkpoints))
        for ledger in self.ledgers:
            found[names.leaves_name(ledger.epoch)] = b"".join(ledger.leaves)
            found[names.entries_name(ledger.epoch)] = _joined(map(encode_entry, ledger.entries))
        found[names.MESSAGES] = _joined(map(encode_message, self.messages))
        found[names.CASES] = _joined(map(encode_case_step, self.cases))
        found[names.DISCLOSED] = _joined(map(encode_disclosure, self.disclosed))
        found[names.TIMESTAMPS] = _joined(map(encode_timestamp, self.timestamps))
        return found

    def write(self) -> bytes:
        """Write the bundle."""
        spools = []
        for name, data in self.members().items():
            spool = Spool(name, BytesIO())
            spool.write(data)
            spools.append(spool)
        manifest = Manifest(
            agency=self.agency,
            created_ms=self.created_ms,
            selection=self.selection,
            ledgers=tuple(
                LedgerExtent(one.origin, len(one.leaves), one.recovered) for one in self.ledgers
            ),
            members=tuple(spool.digest() for spool in spools),
        )
        out = BytesIO()
        write_archive(out, (names.MANIFEST, encode_manifest(manifest)), spools)
        return out.getvalue()


def _joined(records: Iterable[bytes]) -> bytes:
    return b"".join(map(framed, records))
