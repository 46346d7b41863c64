"""Audit export: what is in a bundle, what our ledger says of it, and what an error leaves."""

from __future__ import annotations

import errno
import os
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.account import MAX_LISTED, Selection
from sesn_node.audit.archive import write_archive
from sesn_node.audit.bundle import open_bundle
from sesn_node.audit.records import Received, Sent
from sesn_node.audit.verify import verify
from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.seal import commit
from sesn_node.domain.conversation import Decision, Response
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import MessageId, new_message_id, parse_origin
from sesn_node.errors import MalformedError, PolicyError, SesnError, StorageError
from sesn_node.exchange import auditexport, disclose
from sesn_node.exchange.auditexport import ExportedBundle, export_bundle
from sesn_node.exchange.erase import erase
from sesn_node.exchange.open import reveal_sent
from sesn_node.ledger.checkpoint import parse_checkpoint
from sesn_node.ledger.merkle import leaf_hash, verify_inclusion
from sesn_node.ledger.note import Note, format_note
from sesn_node.store.audit import Wanted
from sesn_node.store.files import locked
from sesn_node.store.newfile import FILE_EXISTS
from sesn_node.trust.card import open_card
from sesn_node.wire.entries import decode_entry
from sesn_node.wire.envelopes import decode_header
from sesn_node.wire.payloads import decode_payload, encode_payload
from tests.support.engines import current
from tests.support.homes import BE, GH, NL
from tests.support.network import HOUR_MS, alert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.audit.bundle import Bundle
    from sesn_node.audit.records import BundleCheckpoint, BundleMessage, ProvenElsewhere
    from sesn_node.domain.entries import Entry
    from sesn_node.exchange.office import Office
    from sesn_node.store.sealed import SentRow
    from tests.support.network import Member, Network


class Story:
    """An alert to two partners, one of which accepts it; later another one, which is on its way."""

    def __init__(self, net: Network, folder: Path) -> None:
        self.net = net
        self.path = folder / "nl.sesnaudit"
        self.first = net.share(NL, GH, BE)
        net.deliver(NL, GH)
        net.deliver(NL, BE)
        self.answer = net.respond(GH, self.first, Decision.ACCEPTED)
        net.deliver(GH, NL)
        net.pass_time(HOUR_MS)
        self.later_ms = net.clock.now_ms
        self.last = net.share(NL, BE)

    @property
    def ours(self) -> Member:
        """Who exports."""
        return self.net[NL]

    def export(self, selection: Selection | None = None) -> tuple[ExportedBundle, Bundle]:
        """Export, and open what was written."""
        done = export_bundle(self.ours.office, self.path, selection or Selection(), force=True)
        self.net.check()
        return done, open_bundle(BytesIO(self.path.read_bytes()))

    def ledger(self) -> list[bytes]:
        """Return all entries of our ledger."""
        with self.ours.office.store.read() as transaction:
            return [row.entry for row in transaction.ledger.entries(0, 2**62)]

    def refused(self, code: str, selection: Selection | None = None) -> str:
        """Check that an export fails and leaves nothing; return why it does."""
        with pytest.raises(SesnError) as error:
            export_bundle(self.ours.office, self.path, selection or Selection())
        assert error.value.code == code, error.value
        assert list(self.path.parent.glob("*sesnaudit*")) == []
        return error.value.message


@pytest.fixture
def story(connect: Callable[..., Network], tmp_path: Path) -> Story:
    """What there is to export."""
    return Story(connect(NL, GH, BE), tmp_path)


def _entries(bundle: Bundle) -> dict[int, Entry]:
    (ledger,) = bundle.manifest.ledgers
    return {one.index: decode_entry(one.entry) for one in bundle.entries(ledger.origin)}


def _messages(bundle: Bundle) -> dict[bytes, BundleMessage]:
    return {decode_header(one.header).message_id: one for one in bundle.messages()}


def _checkpoints(bundle: Bundle) -> dict[tuple[str, int], BundleCheckpoint]:
    return {(one.origin, one.size): one for one in bundle.checkpoints()}


def _agencies(bundle: Bundle) -> set[str]:
    return {open_card(one.sealed, one.taken_ms).agency for one in bundle.cards()}


def _assert_proven(bundle: Bundle, proven: ProvenElsewhere) -> None:
    """The checkpoint that a proof needs is in the bundle, and we cosigned it."""
    checkpoint = _checkpoints(bundle)[proven.origin, proven.size]
    head = parse_checkpoint(checkpoint.note).claimed
    leaf = leaf_hash(proven.entry)
    verify_inclusion(leaf, proven.index, head.size, proven.proof, head.root)
    assert NL in {one.agency for one in checkpoint.cosignatures}
    assert parse_origin(proven.origin)[0] in _agencies(bundle)


def test_everything(story: Story) -> None:
    """All leaves and entries, all messages with their receipts, and what these refer to."""
    before = story.ledger()
    done, bundle = story.export()
    (ledger,) = bundle.manifest.ledgers
    assert (ledger.size, done.head.size) == (len(before), len(before))
    assert list(bundle.leaves(ledger.origin)) == [leaf_hash(entry) for entry in before]
    assert [one.entry for one in bundle.entries(ledger.origin)] == before
    assert bundle.manifest.selection == Selection()
    assert bundle.manifest.created_ms == story.ours.now_ms()
    head = parse_checkpoint(_checkpoints(bundle)[ledger.origin, ledger.size].note).claimed
    assert head == done.head
    found = _messages(bundle)
    assert list(found) == [story.first, story.answer, story.last]
    assert _agencies(bundle) == {NL, GH, BE}
    assert list(bundle.disclosures()) == []
    assert list(bundle.timestamps()) == []
    counts = done.entries, done.messages, done.disclosed, done.cards
    assert counts == (len(before), 3, 0, len(list(bundle.cards())))
    assert done.checkpoints == len(list(bundle.checkpoints()))


def test_messages_carry_what_proves_them(story: Story) -> None:
    """Receipts of what was sent, the sender's entry of what arrived, and the checkpoints."""
    _, bundle = story.export()
    entries, found = _entries(bundle), _messages(bundle)
    sent = found[story.first]
    assert isinstance(sent.way, Sent)
    assert entries[sent.entry_index].kind is EntryKind.SHARED
    for copy in sent.way.copies:
        assert copy.state is DeliveryState.ACKNOWLEDGED
        assert copy.receipt is not None
        _assert_proven(bundle, copy.receipt.received)
        answers = decode_entry(copy.receipt.received.entry).answers
        assert answers is not None
        assert answers.leaf_hash == bundle.leaf(sent.origin, sent.entry_index)
        cosigned = _checkpoints(bundle)[sent.origin, copy.receipt.shared_size]
        assert copy.agency in {one.agency for one in cosigned.cosignatures}
    received = found[story.answer]
    assert isinstance(received.way, Received)
    assert entries[received.entry_index].kind is EntryKind.RECEIVED
    _assert_proven(bundle, received.way.shared)
    waiting = found[story.last].way
    assert isinstance(waiting, Sent)
    (copy,) = waiting.copies
    assert (copy.state, copy.settled_ms, copy.receipt) == (DeliveryState.QUEUED, None, None)


def test_export_is_recorded(story: Story) -> None:
    """With the hash of the file, behind what the file shows; the next bundle shows it."""
    done, _ = story.export()
    assert done.sha256 == sha256(story.path.read_bytes())
    assert done.file_bytes == story.path.stat().st_size
    assert story.path.stat().st_mode & 0o777 == 0o600
    assert done.recorded_at == done.head.size
    entry = decode_entry(story.ledger()[done.recorded_at])
    assert (entry.kind, entry.object_sha256) == (EntryKind.EXPORTED, done.sha256)
    _, bundle = story.export(Selection(messages=(story.last,)))
    assert _entries(bundle)[done.recorded_at] == entry
    assert [path.name for path in story.path.parent.glob("*sesnaudit*")] == [story.path.name]


def test_one_message(story: Story) -> None:
    """What is about it, and about the ledger itself; of the rest, hashes."""
    _, bundle = story.export(Selection(messages=(story.first,)))
    assert set(_messages(bundle)) == {story.first}
    entries = _entries(bundle)
    about = {entry.message_id for entry in entries.values()}
    assert about == {None, story.first}
    kinds = [entry.kind for entry in entries.values() if entry.message_id is not None]
    assert kinds == [EntryKind.SHARED, EntryKind.ACKNOWLEDGED, EntryKind.ACKNOWLEDGED]
    assert {EntryKind.KEY, EntryKind.PEER} <= {entry.kind for entry in entries.values()}
    (ledger,) = bundle.manifest.ledgers
    leaves = list(bundle.leaves(ledger.origin))
    assert len(leaves) == ledger.size > len(entries)
    for index, one in zip(entries, bundle.entries(ledger.origin), strict=True):
        assert leaves[index] == leaf_hash(one.entry)
    copies = _messages(bundle)[story.first].way
    assert isinstance(copies, Sent)
    for copy in copies.copies:
        assert copy.receipt is not None
        _assert_proven(bundle, copy.receipt.received)


def test_one_conversation(story: Story) -> None:
    """The alert and the answer, and not what was shared besides."""
    _, bundle = story.export(Selection(conversation=story.first))
    assert set(_messages(bundle)) == {story.first, story.answer}
    received = _messages(bundle)[story.answer].way
    assert isinstance(received, Received)
    _assert_proven(bundle, received.shared)


def test_a_span_of_time(story: Story) -> None:
    """From an instant on, before an instant; entries about no message by their own time."""
    later_ms = story.later_ms
    _, after = story.export(Selection(from_ms=later_ms))
    assert set(_messages(after)) == {story.last}
    _, before = story.export(Selection(to_ms=later_ms))
    assert set(_messages(before)) == {story.first, story.answer}
    for bundle, of in ((after, {story.last}), (before, {story.first, story.answer})):
        about = {one.message_id for one in _entries(bundle).values()}
        assert about == {None, *of}
    _, nothing = story.export(Selection(from_ms=later_ms - 2, to_ms=later_ms - 1))
    assert set(_messages(nothing)) == set()


def test_span_of_time_shows_what_was_done_in_it(story: Story) -> None:
    """An old message's receipt of today is an entry of today."""
    story.net.pass_time(HOUR_MS)
    now_ms = story.net.clock.now_ms
    story.net.deliver(NL, BE)
    _, bundle = story.export(Selection(from_ms=now_ms))
    assert _messages(bundle) == {}
    (acknowledged,) = [one for one in _entries(bundle).values() if one.message_id == story.last]
    assert acknowledged.kind is EntryKind.ACKNOWLEDGED


def test_every_selection_verifies(story: Story) -> None:
    """An auditor who has nothing but the file finds nothing wrong with it."""
    first, later_ms = story.first, story.later_ms
    for selection in (
        Selection(),
        Selection(blind=True),
        Selection(messages=(first,)),
        Selection(messages=(first,), blind=True),
        Selection(messages=(story.last,), disclosed=(first,)),
        Selection(disclosed=(first,)),
        Selection(disclosed=(first,), blind=True),
        Selection(conversation=first),
        Selection(from_ms=later_ms),
        Selection(to_ms=later_ms),
    ):
        story.export(selection)
        with story.path.open("rb") as file:
            verdict = verify([file])
        assert verdict.readable
        assert [check for check in verdict.checks if check.failed or check.findings] == []


def test_as_many_ids_as_may_be_named(story: Story) -> None:
    """Both databases bind them all, in one statement."""
    ids = tuple(new_message_id(story.later_ms + one, bytes(10)) for one in range(2 * MAX_LISTED))
    besides = (story.first, *ids[MAX_LISTED + 1 :])
    wanted = Wanted(message_ids=ids[:MAX_LISTED], besides=besides)
    with story.ours.office.store.read() as transaction:
        audit, (origin, size) = transaction.audit, _extent(story)
        assert audit.count(wanted) == 1
        assert sum(is_wanted for _, is_wanted in audit.entries(wanted, 0, size)) > 0
        assert len(list(audit.checkpoints(wanted, [origin]))) > 0


def _extent(story: Story) -> tuple[str, int]:
    with story.ours.office.store.read() as transaction:
        head = transaction.ledger.require_head()
    return head.origin, head.size


def test_all_rules_count(story: Story) -> None:
    """A message that was asked for, at another time, is not in it."""
    asked = (story.first, story.last)
    _, bundle = story.export(Selection(messages=asked, from_ms=story.later_ms))
    assert set(_messages(bundle)) == {story.last}


def test_blind(story: Story) -> None:
    """Leaves, our checkpoints and who cosigned them; neither entries nor messages."""
    done, bundle = story.export(Selection(blind=True))
    assert (_entries(bundle), _messages(bundle)) == ({}, {})
    (ledger,) = bundle.manifest.ledgers
    assert len(list(bundle.leaves(ledger.origin))) == done.head.size
    assert {origin for origin, _ in _checkpoints(bundle)} == {ledger.origin}
    assert {one.agency for each in bundle.checkpoints() for one in each.cosignatures} == {GH, BE}
    assert _agencies(bundle) == {NL, GH, BE}


def test_blind_shows_a_message_that_was_asked_for(story: Story) -> None:
    """With its receipts, and still without entries."""
    _, bundle = story.export(Selection(blind=True, messages=(story.first,)))
    assert _entries(bundle) == {}
    assert set(_messages(bundle)) == {story.first}


def test_bundle_names_no_other_partners(connect: Callable[..., Network], tmp_path: Path) -> None:
    """Blind, about one partner, before another one was sent anything: that one is not named."""
    net = connect(NL, GH, BE)
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    path = tmp_path / "x.sesnaudit"
    export_bundle(net[NL].office, path, Selection(blind=True, messages=(message_id,)))
    with path.open("rb") as file:
        assert _agencies(open_bundle(file)) == {NL, GH}


def test_disclosed_messages(story: Story) -> None:
    """What they say opens the commitment; the ledger knew of it before, and shows it."""
    both = tuple(sorted((story.first, story.answer)))
    done, bundle = story.export(Selection(messages=(story.last,), disclosed=both))
    assert done.disclosed == 2
    found = {one.message_id: one for one in bundle.disclosures()}
    assert set(found) == set(both)
    messages, entries = _messages(bundle), _entries(bundle)
    assert set(messages) == {*both, story.last}
    for message_id, one in found.items():
        header = decode_header(messages[message_id].header)
        assert commit(one.salt, one.payload) == header.commitment
        assert one.sender == header.sender
        (entry,) = [
            entry
            for entry in entries.values()
            if (entry.kind, entry.message_id) == (EntryKind.DISCLOSED, message_id)
        ]
        own = messages[message_id]
        assert entry.answers is not None
        assert (entry.answers.index, entry.answers.leaf_hash) == (
            own.entry_index,
            bundle.leaf(own.origin, own.entry_index),
        )
        assert entry.commitment == header.commitment
    assert found[story.first].payload == encode_payload(alert())
    assert isinstance(decode_payload(found[story.answer].payload).body, Response)


def test_unknown_ids(story: Story) -> None:
    """A bundle without what was asked for would look as if there were nothing."""
    size = story.ours.size()
    other = new_message_id(story.later_ms, bytes(10))
    both = tuple(sorted((story.first, other)))
    story.refused("UNKNOWN_MESSAGE", Selection(messages=both))
    story.refused("UNKNOWN_MESSAGE", Selection(disclosed=both))
    story.refused("UNKNOWN_CONVERSATION", Selection(conversation=other))
    assert story.ours.size() == size


def test_erased_message(story: Story) -> None:
    """It is there with all its proofs, and says that its content is gone, and since when."""
    erase(story.ours.office, story.first, "Sent by mistake")
    erase(story.ours.office, story.answer, "As well", sender=GH)
    _, bundle = story.export()
    found = _messages(bundle)
    assert [one.erased for one in found.values()] == [True, True, False]
    erased = [one for one in _entries(bundle).values() if one.kind is EntryKind.ERASED]
    assert [one.message_id for one in erased] == [story.first, story.answer]
    way = found[story.first].way
    assert isinstance(way, Sent)
    assert {copy.state for copy in way.copies} == {DeliveryState.ACKNOWLEDGED}
    _, bundle = story.export(Selection(messages=(story.first,)))
    assert [one.erased for one in bundle.messages()] == [True]
    assert EntryKind.ERASED in {one.kind for one in _entries(bundle).values()}
    with story.path.open("rb") as file:
        assert verify([file]).holds
    assert b"Sent by mistake" not in story.path.read_bytes()


def test_erased_message_cannot_be_disclosed(story: Story) -> None:
    """Neither when it is gone, nor when it goes while others are looked at."""
    erase(story.ours.office, story.first, "Sent by mistake")
    size = story.ours.size()
    both = tuple(sorted((story.first, story.last)))
    story.refused("ERASED", Selection(disclosed=both))
    assert story.ours.size() == size


def test_message_that_is_erased_while_it_is_looked_at(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be disclosed any more is not recorded as disclosed."""

    def slow(office: Office, row: SentRow) -> tuple[bytes, bytes]:
        revealed = reveal_sent(office, row)
        erase(office, story.first, "Sent by mistake")
        return revealed

    monkeypatch.setattr(disclose, "reveal_sent", slow)
    message = story.refused("ERASED", Selection(disclosed=(story.first,)))
    assert "meanwhile" in message
    kinds = {decode_entry(entry).kind for entry in story.ledger()}
    assert EntryKind.ERASED in kinds
    assert EntryKind.DISCLOSED not in kinds


def test_partner_with_two_histories(story: Story) -> None:
    """Both checkpoints are in the bundle, and the cosignature stands below the one it is over."""
    story.net.checking = False
    _, bundle = story.export()
    (origin, size), real = next(
        (place, one) for place, one in _checkpoints(bundle).items() if place[0].startswith(GH)
    )
    note = parse_checkpoint(real.note).note
    lines = note.text.split("\n")
    forged = format_note(Note("\n".join([*lines[:2], "A" * 43 + "=", ""]), note.signatures))
    with story.ours.office.store.write() as transaction:
        transaction.witness.keep_checkpoint(origin=origin, size=size, root=bytes(32), note=forged)
    _, bundle = story.export()
    found = [one for one in bundle.checkpoints() if (one.origin, one.size) == (origin, size)]
    assert {one.note: len(one.cosignatures) for one in found} == {real.note: 1, forged: 0}


def test_node_goes_on_meanwhile(story: Story) -> None:
    """The bundle is of one moment, whatever is shared while it is written."""
    size = story.ours.size()
    shared: list[MessageId] = []

    def share_more(_done: int, _total: int) -> None:
        if not shared:
            shared.append(story.net.share(NL, GH))

    done = export_bundle(story.ours.office, story.path, Selection(), progress=share_more)
    with story.path.open("rb") as file:
        bundle = open_bundle(file)
        assert set(_messages(bundle)) == {story.first, story.answer, story.last}
    assert done.head.size == size
    assert done.recorded_at == size + 1


def test_progress_is_told(story: Story) -> None:
    """Entries and messages, up to all of them."""
    told: list[tuple[int, int]] = []
    size = story.ours.size()
    export_bundle(
        story.ours.office,
        story.path,
        Selection(),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (size + 3, size + 3)


def test_head_that_is_not_covered(story: Story) -> None:
    """What the head file does not hold could be denied: nothing leaves."""
    story.net.faults.broken_head_files.add(story.ours.home.name)
    story.net.share(NL, GH)
    message = story.refused("STORAGE")
    assert "head file" in message
    story.net.faults.broken_head_files.clear()
    story.export()


def test_file_that_is_there(story: Story) -> None:
    """It stays, unless it may be replaced; and if the export fails, it stays anyway."""
    story.path.write_bytes(b"precious")
    with pytest.raises(StorageError) as error:
        export_bundle(story.ours.office, story.path, Selection())
    assert error.value.code == FILE_EXISTS
    with pytest.raises(PolicyError):
        export_bundle(
            story.ours.office,
            story.path,
            Selection(messages=(new_message_id(story.later_ms, bytes(10)),)),
            force=True,
        )
    assert story.path.read_bytes() == b"precious"
    story.export()
    assert story.path.read_bytes() != b"precious"


def test_file_that_appears_meanwhile(story: Story) -> None:
    """Somebody else's file is not taken away."""

    def appear(_done: int, _total: int) -> None:
        story.path.write_bytes(b"precious")

    with pytest.raises(StorageError) as error:
        export_bundle(story.ours.office, story.path, Selection(), progress=appear)
    assert error.value.code == FILE_EXISTS
    assert story.path.read_bytes() == b"precious"


def test_two_exports_at_once(story: Story) -> None:
    """Of one name, the second one waits for nobody."""
    with (
        locked(story.path.with_name(f"{story.path.name}.part")),
        pytest.raises(StorageError, match="another bundle is being written"),
    ):
        export_bundle(story.ours.office, story.path, Selection())


def test_folder_that_is_not_there(story: Story) -> None:
    """It is not made: a slip of the pen, mostly."""
    with pytest.raises(StorageError, match="there is no folder"):
        export_bundle(story.ours.office, story.path.parent / "no" / "x.sesnaudit", Selection())


def test_full_disk(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half done is left, and the ledger does not say that something was exported."""
    size = story.ours.size()

    def full(*_: object) -> bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(auditexport, "write_archive", full)
    assert "No space left" in story.refused("STORAGE")
    assert story.ours.size() == size


def test_disk_that_writes_something_else(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is read back before it counts."""
    write = write_archive

    def lie(file: object, *rest: object) -> bytes:
        hashed = write(file, *rest)  # type: ignore[arg-type]
        file.seek(2000)  # type: ignore[attr-defined]
        file.write(b"\xff\xfe\xfd")  # type: ignore[attr-defined]
        return hashed

    size = story.ours.size()
    monkeypatch.setattr(auditexport, "write_archive", lie)
    with pytest.raises(MalformedError):
        export_bundle(story.ours.office, story.path, Selection())
    assert not story.path.exists()
    assert story.ours.size() == size


def test_record_that_fails(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that our ledger does not know of gets no name."""

    def refuse(*_: object, **__: object) -> None:
        raise StorageError("the database is gone")

    monkeypatch.setattr(type(story.ours.office.sequencer), "run", refuse)
    story.refused("STORAGE")


def test_damaged_ledger(story: Story) -> None:
    """An entry that was changed or removed past the node is not handed to an auditor as ours."""
    story.net.checking = False
    with current().raw(story.ours.home) as raw:
        raw.lift_guards()
        raw.change("UPDATE ledger_entry SET entry = x'0801' WHERE entry_index = 1")
    story.refused("LEDGER_DIFFERS")
    with current().raw(story.ours.home) as raw:
        raw.change("DELETE FROM ledger_entry WHERE entry_index = 1")
    story.refused("LEDGER_INCOMPLETE")
