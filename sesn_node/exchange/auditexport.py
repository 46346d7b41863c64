"""Audit export: evidence in one file, for somebody who trusts no node.

1. What is to be disclosed is recorded (DISCLOSED), so that the bundle shows it.
2. One snapshot is read, whose head the head file covers; every entry is hashed up to that head.
3. The file is written beside its place, synced, and read back.
4. It is recorded (EXPORTED, with its SHA-256).
5. It gets its name.

A node may serve meanwhile. Nothing is there under the name of a bundle that is not one; after an
error the ledger may say more than happened, never less.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.audit import names
from sesn_node.audit.account import LedgerExtent, Manifest
from sesn_node.audit.archive import Spool, write_archive
from sesn_node.audit.bundle import open_bundle
from sesn_node.audit.manifest import encode_manifest
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import Origin, parse_origin, show_message_id
from sesn_node.errors import PolicyError
from sesn_node.exchange.auditcases import write_cases
from sesn_node.exchange.auditledger import write_cards, write_checkpoints, write_ledger
from sesn_node.exchange.auditmessages import write_disclosed, write_messages
from sesn_node.exchange.auditscope import open_scope
from sesn_node.exchange.auditstamps import write_timestamps
from sesn_node.exchange.disclose import record_disclosures, unknown
from sesn_node.exchange.lostcontent import recovered_ranges
from sesn_node.exchange.office import new_entry
from sesn_node.store.newfile import new_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.audit.account import Selection
    from sesn_node.exchange.auditscope import Scope
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.newfile import NewFile

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedBundle:
    """A bundle that was written, and recorded in our ledger.

    Args:
        sha256: Of the file.
        file_bytes: Its length.
        head: Our ledger as it shows it.
        recorded_at: Index of the EXPORTED entry, which is behind that.
        entries: How many are in it.
        messages: Likewise.
        case_steps: Steps of cases, likewise.
        disclosed: Likewise.
        checkpoints: Likewise.
        timestamps: Likewise.
        cards: Likewise.
    """

    sha256: bytes
    file_bytes: int
    head: TreeHead
    recorded_at: int
    entries: int
    messages: int
    case_steps: int
    disclosed: int
    checkpoints: int
    timestamps: int
    cards: int


def export_bundle(
    office: Office,
    target: Path,
    selection: Selection,
    *,
    force: bool = False,
    progress: Progress = lambda _done, _all: None,
) -> ExportedBundle:
    """Write an audit bundle.

    Args:
        office: Ours.
        target: The file.
        selection: What is to be in it.
        force: Replace a file that is there.
        progress: Told how many entries and messages of how many were read.

    Raises:
        StorageError: FILE_EXISTS; the file fails; the head file does not cover our head; OLD_COPY,
            LEDGER_INCOMPLETE, LEDGER_DIFFERS: the database is not the newest, or damaged.
        PolicyError: UNKNOWN_MESSAGE, UNKNOWN_CONVERSATION: nothing is there under an id that was
            asked for; ERASED: what is to be disclosed is gone.
        VerificationError, MalformedError: What was stored was altered, or what was read back.
    """
    with new_file(target, force=force, what="bundle") as file:
        _require_known(office, selection)
        # What was recovered is recorded before anything is read.
        office.sequencer.check()
        record_disclosures(office, selection.disclosed)
        done = _write(office, file, selection, progress)
        with file.part.open("rb") as written:
            open_bundle(written)
        recorded = office.sequencer.run(lambda work: _record(work, done.sha256), writes=False).value
        file.put()
    return ExportedBundle(
        sha256=done.sha256,
        file_bytes=done.file_bytes,
        head=done.head,
        recorded_at=recorded,
        **done.counts,
    )


@dataclass(frozen=True, slots=True)
class _Written:
    sha256: bytes
    file_bytes: int
    head: TreeHead
    counts: dict[str, int]


def _require_known(office: Office, selection: Selection) -> None:
    """Refuse ids that name nothing: somebody mistyped them, and would get a bundle without."""
    with office.store.read() as transaction:
        for message_id in selection.messages:
            if transaction.outbox.message(message_id) is None and not transaction.inbox.find(
                message_id
            ):
                raise unknown(message_id)
        conversation = selection.conversation
        if conversation is not None and not transaction.audit.has_conversation(conversation):
            raise PolicyError(
                f"no message here belongs to the conversation {show_message_id(conversation)}: "
                "it is the id of the message that began it",
                code="UNKNOWN_CONVERSATION",
            )


def _write(office: Office, file: NewFile, selection: Selection, progress: Progress) -> _Written:
    with ExitStack() as stack:
        with office.store.read() as transaction:
            scope = open_scope(office, transaction, selection)
            # Of what is shown, and not of the file: what is signed later is not in it.
            made_ms = office.clock()
            extents = [
                LedgerExtent(
                    Origin(one.origin), one.size, recovered_ranges(transaction, one.ledger)
                )
                for one in scope.heads
            ]
            spools = {
                name: Spool(name, stack.enter_context(file.scratch()))
                for name in names.member_names([one.epoch for one in extents])
                if name != names.MANIFEST
            }
            counts = _fill(office, scope, spools, progress)
        manifest = Manifest(
            agency=office.agency,
            created_ms=made_ms,
            selection=selection,
            ledgers=tuple(extents),
            members=tuple(spool.digest() for spool in spools.values()),
        )
        with file.part.open("wb") as part:
            first = (names.MANIFEST, encode_manifest(manifest))
            sha256 = write_archive(part, first, list(spools.values()))
            file_bytes = part.tell()
            file.sync(part)
    return _Written(sha256, file_bytes, scope.head, counts)


def _fill(
    office: Office, scope: Scope, spools: dict[str, Spool], progress: Progress
) -> dict[str, int]:
    """Write all members; cards last, when it is known who is named."""
    entries = sum(one.size for one in scope.heads)
    done, total = 0, entries + scope.transaction.audit.count(scope.wanted)

    def more(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    taken = 0
    for head in scope.heads:
        _, epoch = parse_origin(head.origin)
        leaves, kept = spools[names.leaves_name(epoch)], spools[names.entries_name(epoch)]
        taken += write_ledger(scope, head, leaves, kept, more)
    return {
        "entries": taken,
        "messages": write_messages(scope, spools[names.MESSAGES], more),
        "case_steps": write_cases(scope, spools[names.CASES]),
        "disclosed": write_disclosed(office, scope, spools[names.DISCLOSED]),
        "checkpoints": write_checkpoints(scope, spools[names.CHECKPOINTS]),
        "timestamps": write_timestamps(scope, spools[names.TIMESTAMPS]),
        "cards": write_cards(scope, spools[names.CARDS]),
    }


def _record(work: Work, sha256: bytes) -> int:
    return work.append(new_entry(EntryKind.EXPORTED, work.now_ms, sha256)).index
