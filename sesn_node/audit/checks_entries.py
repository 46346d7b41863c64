"""The one pass over the entries of all ledgers, and over the messages beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.checks_acts import OF_CONTENTS, Acts
from sesn_node.audit.checks_copies import OF_COPIES, Copies
from sesn_node.audit.checks_epochs import Epochs
from sesn_node.audit.checks_heads import check_keys_in_force
from sesn_node.audit.checks_messages import Messages, missing
from sesn_node.audit.codes import Code
from sesn_node.audit.own import Own
from sesn_node.audit.subjects import CLOCK_TOLERANCE_MS
from sesn_node.domain.entries import EntryKind, KeyCode, OperatorCode, PeerCode
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import MalformedError
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.records import BundleEntry, BundleMessage, LedgerExtent

_AT_ONCE: Final = 1024
_OF_MESSAGES: Final = frozenset({EntryKind.SHARED, EntryKind.RECEIVED})


class Walk:
    """Reads entries and messages side by side: both stand in the order of the ledger.

    Memory grows with what is not settled yet, and by some bytes for each message; the records
    themselves are met once and forgotten.
    """

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self._tally = docket.tally(subjects.ENTRIES)
        self._acts = Acts(docket)
        self._copies = Copies(docket, self._acts.entries)
        self._messages = Messages(docket, self._copies)
        self._epochs = Epochs(docket)
        stopped = (subjects.SENT, subjects.RECEIVED, subjects.RECEIPTS, subjects.ENDINGS)
        records = docket.records(names.MESSAGES, docket.bundle.messages(), *stopped)
        self._waiting = _Peekable(enumerate(records))
        self._key_changes: list[tuple[int, int]] = []
        self._revoked: set[AgencyId] = set()

    def run(self) -> None:
        """Make checks 5, 6 and 10 to 14, and the parts of 2 and 3 that need entries."""
        for ledger in self._docket.bundle.manifest.ledgers:
            self._key_changes = []
            self._ledger(ledger)
            if not self._docket.blind:
                check_keys_in_force(self._docket, ledger.origin, self._key_changes)
        for place, _ in self._waiting.rest():
            self._docket.tally(subjects.CONTAINER).fail(
                Code.CONTRADICTION,
                "it names an entry behind the end of its ledger, or a ledger that is not here",
                names.MESSAGES,
                place,
            )
        self._copies.finish()
        self._acts.finish()
        self._epochs.finish()
        self._docket.book.judge_identities(
            frozenset(self._revoked), self._docket.tally(subjects.CARDS)
        )
        if self._docket.blind:
            for subject in (subjects.ENTRIES, subjects.EPOCHS):
                self._docket.tally(subject).cannot("the entries are left out of the bundle")

    @property
    def acts(self) -> Acts:
        """What people did with messages, as the ledger tells it."""
        return self._acts

    @property
    def commitments(self) -> dict[tuple[str, bytes], bytes]:
        """Commitments of the messages of which a content is disclosed, by sender and id."""
        return self._messages.commitments

    def _ledger(self, ledger: LedgerExtent) -> None:
        docket, origin = self._docket, ledger.origin
        member = names.entries_name(ledger.epoch)
        self._epochs.begin(ledger)
        leaves = enumerate(docket.bundle.leaves(origin))
        whole = docket.bundle.manifest.selection.everything and not docket.blind
        expected = latest_ms = left_out = 0
        for record in docket.records(member, docket.bundle.entries(origin), subjects.ENTRIES):
            leaf = next(leaf for index, leaf in leaves if index == record.index)
            if record.index != expected:
                left_out += record.index - expected
                if whole:
                    self._gap(member, expected, record.index)
            expected = record.index + 1
            self._meet_before(ledger, record.index)
            if record.index % _AT_ONCE == 0:
                docket.advance(_AT_ONCE)
            own = self._read(record, leaf, ledger, member)
            if own is None:
                continue
            if own.entry.time_ms < latest_ms - CLOCK_TOLERANCE_MS:
                self._tally.fail(
                    Code.TIME_BACKWARDS,
                    f"dated {own.entry.time_ms}, an earlier entry {latest_ms} (Unix milliseconds)",
                    member,
                    record.index,
                    own.entry.message_id,
                )
            latest_ms = max(latest_ms, own.entry.time_ms)
            self._meet(own, member)
        self._meet_before(ledger, ledger.size)
        if whole and expected < ledger.size:
            self._gap(member, expected, ledger.size)
        left_out += ledger.size - expected
        if left_out and not whole and not docket.blind:
            text = f"{left_out} entries of {origin} are left out; their leaves are in the tree"
            self._tally.remark(Code.NOT_VISIBLE, text, member)

    def _gap(self, member: str, first: int, end: int) -> None:
        text = f"entries {first} to {end - 1} are not there, and the manifest leaves out none"
        self._tally.fail(Code.ENTRY_MISSING, text, member, first)

    def _read(
        self, record: BundleEntry, leaf: bytes, ledger: LedgerExtent, member: str
    ) -> Own | None:
        """Read an entry that hashes to its leaf; None for one that does not, or does not read."""
        self._tally.saw()
        if self._docket.blind:
            text = "the manifest says that entries are left out, and here is one"
            self._tally.fail(Code.CONTRADICTION, text, member, record.index)
        if leaf_hash(record.entry) != leaf:
            text = "it does not hash to the leaf that the tree has in its place"
            self._tally.fail(Code.LEAF_MISMATCH, text, member, record.index)
            return None
        try:
            entry = decode_entry(record.entry)
        except MalformedError as error:
            self._tally.fail(Code.ENTRY_MALFORMED, str(error), member, record.index)
            return None
        return Own(ledger.origin, record.index, leaf, entry)

    def _meet_before(self, ledger: LedgerExtent, index: int) -> None:
        """Meet the messages whose own entry is not among the entries that verify."""
        while (found := self._waiting.peek()) is not None:
            place, message = found
            if message.origin != ledger.origin or message.entry_index >= index:
                return
            self._waiting.skip()
            self._message(place, message, None)

    def _message(self, place: int, message: BundleMessage, own: Own | None) -> None:
        leaf = own.leaf if own is not None else self._leaf(message)
        self._acts.message(place, message)
        self._messages.meet(place, message, own, leaf)

    def _leaf(self, message: BundleMessage) -> bytes:
        return self._docket.bundle.leaf(message.origin, message.entry_index)

    def _meet(self, own: Own, member: str) -> None:
        """Hand an entry to whoever checks its kind."""
        entry = own.entry
        self._epochs.meet(own, member)
        if entry.kind in _OF_MESSAGES:
            self._acts.is_message(own)
            self._docket.facts.met(own)
            self._meet_message(own, member)
        elif entry.kind in OF_COPIES:
            self._copies.meet(own, member)
            if entry.code == OperatorCode.RESEALED.value:
                self._acts.meet(own, member)
        elif entry.kind in OF_CONTENTS:
            self._acts.meet(own, member)
        elif entry.kind in {EntryKind.KEY, EntryKind.PEER}:
            self._meet_card(own, member)
        elif entry.kind is EntryKind.REFUSED:
            self._docket.facts.met(own)

    def _meet_message(self, own: Own, member: str) -> None:
        found = self._waiting.peek()
        if found is not None:
            place, message = found
            if (message.origin, message.entry_index) == (own.origin, own.index):
                self._waiting.skip()
                self._message(place, message, own)
                return
        if self._docket.whole:
            shared = own.entry.kind is EntryKind.SHARED
            missing(self._docket.tally(subjects.SENT if shared else subjects.RECEIVED), own, member)

    def _meet_card(self, own: Own, member: str) -> None:
        """A card that the ledger names must be in the bundle; ours say which keys sign from now."""
        entry = own.entry
        if entry.kind is EntryKind.KEY and entry.code != KeyCode.CARD_ISSUED:
            return
        tally = self._docket.tally(subjects.CARDS)
        card = self._docket.book.card(entry.object_sha256)
        owner = entry.agency if entry.kind is EntryKind.PEER else self._docket.agency
        tally.saw()
        if card is None or card.agency != owner:
            what = f"{entry.kind.value} {entry.code}: no card {entry.object_sha256.hex()[:16]}"
            text = f"{what} of {owner} is in the bundle"
            tally.fail(Code.CARD_MISSING, text, member, own.index)
        if entry.code == PeerCode.REVOKED and entry.agency is not None:
            self._revoked.add(entry.agency)
        if card is not None and entry.kind is EntryKind.KEY:
            key_sets = len(card.log_key_sets(own.origin))
            if key_sets:
                self._key_changes.append((own.index, key_sets - 1))


class _Peekable:
    """A stream whose next element can be looked at."""

    __slots__ = ("_next", "_source")

    def __init__(self, source: Iterator[tuple[int, BundleMessage]]) -> None:
        self._source = source
        self._next = next(source, None)

    def peek(self) -> tuple[int, BundleMessage] | None:
        """Return the next element without taking it; None at the end."""
        return self._next

    def skip(self) -> None:
        """Take the next element."""
        self._next = next(self._source, None)

    def rest(self) -> Iterator[tuple[int, BundleMessage]]:
        """Take everything that is left."""
        while self._next is not None:
            yield self._next
            self.skip()
