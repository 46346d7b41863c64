"""The one pass over the entries of all ledgers, and over the messages beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.checks_acts import OF_CONTENTS, Acts
from sesn_node.audit.checks_cases import Cases
from sesn_node.audit.checks_copies import OF_COPIES, Copies
from sesn_node.audit.checks_epochs import Epochs
from sesn_node.audit.checks_heads import check_keys_in_force
from sesn_node.audit.checks_losses import Losses
from sesn_node.audit.checks_messages import Messages, missing
from sesn_node.audit.checks_selection import Asked
from sesn_node.audit.codes import Code
from sesn_node.audit.own import Own
from sesn_node.audit.restated import Restated
from sesn_node.audit.subjects import CLOCK_TOLERANCE_MS
from sesn_node.domain.counting import many, numbered
from sesn_node.domain.entries import EntryKind, KeyCode, OperatorCode, PeerCode
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.times import utc_second
from sesn_node.errors import MalformedError
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from sesn_node.audit.account import LedgerExtent
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.records import BundleEntry, BundleMessage

_AT_ONCE: Final = 1024
_OF_MESSAGES: Final = frozenset({EntryKind.SHARED, EntryKind.RECEIVED})

_OF_ENTRIES: Final = (
    subjects.ENTRIES,
    subjects.EPOCHS,
    subjects.SENT,
    subjects.ENDINGS,
    subjects.RECEIVED,
    subjects.CASES,
)
"""Checks that cannot be made without entries."""


class Walk:
    """Reads entries and messages side by side: both stand in the order of the ledger.

    Memory grows with what is not settled yet, and by some bytes for each message; the records
    themselves are met once and forgotten.
    """

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self._tally = docket.tally(subjects.ENTRIES)
        self._losses = Losses(docket)
        self._acts = Acts(docket, self._losses)
        self._copies = Copies(docket, self._acts.entries, self._losses)
        self._again = Restated(docket)
        self._cases = Cases(docket, self._acts, self._losses)
        self._messages = Messages(docket, self._copies, self._again, self._cases)
        self._epochs = Epochs(docket)
        self._asked = Asked(docket)
        stopped = (subjects.SENT, subjects.RECEIVED, subjects.RECEIPTS, subjects.ENDINGS)
        records = docket.records(names.MESSAGES, docket.bundle.messages(), *stopped)
        self._waiting = _Peekable(enumerate(records))
        self._key_changes: list[tuple[int, int]] = []
        self._revoked: set[AgencyId] = set()

    def run(self) -> None:
        """Make checks 5, 6, 10 to 14 and 24, and the parts of 2 and 3 that need entries."""
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
        self._asked.check_named(self._messages.ids)
        self._losses.finish()
        self._copies.finish()
        self._acts.finish()
        self._cases.finish()
        self._epochs.finish()
        self._again.finish()
        # Nobody revokes its trust in itself: that would excuse a second root of its own.
        revoked = frozenset(self._revoked - {self._docket.agency})
        self._docket.book.judge_identities(revoked, self._docket.tally(subjects.CARDS))
        if self._docket.blind:
            # Of a message that is not in the ledger, seal and record look the same.
            for subject in _OF_ENTRIES:
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
        expected = latest_ms = left_out = 0
        before_ms: int | None = None
        for record in docket.records(member, docket.bundle.entries(origin), subjects.ENTRIES):
            leaf = next(leaf for index, leaf in leaves if index == record.index)
            first, expected = expected, record.index + 1
            left_out += record.index - first
            self._meet_before(ledger, record.index)
            if record.index % _AT_ONCE == 0:
                docket.advance(_AT_ONCE)
            own = self._read(record, leaf, ledger, member)
            if record.index != first:
                later_ms = None if own is None else own.entry.time_ms
                self._gap(member, first, record.index, before_ms, later_ms)
            if own is None:
                continue
            before_ms = own.entry.time_ms
            docket.dates.meet(own)
            latest_ms = self._dated(own, latest_ms, member)
            self._meet(own, member)
        self._meet_before(ledger, ledger.size)
        if expected < ledger.size:
            made_ms = docket.bundle.manifest.created_ms
            self._gap(member, expected, ledger.size, before_ms, made_ms)
        left_out += ledger.size - expected
        if left_out and not self._asked.everything and not docket.blind:
            what = many(left_out, "entry", "entries")
            text = f"left out of {origin}: {what}; the tree has every leaf"
            self._tally.remark(Code.NOT_VISIBLE, text, member)

    def _dated(self, own: Own, latest_ms: int, member: str) -> int:
        """Remark on a date that steps back; return the date that the next one is held against.

        A date is its owner's word, and a clock that is set right steps back: neither order nor
        signatures are contradicted. Whoever dates anew what is there breaks the leaf.
        """
        back_ms = latest_ms - own.entry.time_ms
        if back_ms <= CLOCK_TOLERANCE_MS:
            return max(latest_ms, own.entry.time_ms)
        self._tally.remark(
            Code.TIME_BACKWARDS,
            f"dated {utc_second(own.entry.time_ms)} UTC, {_span(back_ms)} before an earlier entry: "
            "a clock was set back, or an entry was dated back when it was made; nothing here "
            "tells which",
            member,
            own.index,
            own.entry.message_id,
        )
        # Once for each step: what follows goes by the clock as it was set.
        return own.entry.time_ms

    def _gap(
        self, member: str, first: int, end: int, before_ms: int | None, later_ms: int | None
    ) -> None:
        """Judge entries that are not there; dates are of those around them, if known."""
        what = numbered(first, end - 1, "entry", "entries")
        if self._asked.everything:
            why = "and the manifest leaves out none"
        elif self._asked.skips(before_ms, later_ms):
            why = (
                "though the dates around fit what was asked for: left out, or dated by a clock "
                "that was wrong. Ask for a bundle of everything"
            )
        else:
            return
        self._tally.fail(Code.ENTRY_MISSING, f"missing: {what}, {why}", member, first)

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
            self._cases.is_message(own)
            self._docket.facts.met(own)
            self._meet_message(own, member)
        elif entry.kind in OF_COPIES:
            self._copies.meet(own, member)
            if entry.code == OperatorCode.RESEALED.value:
                self._acts.meet(own, member)
        elif entry.kind in OF_CONTENTS:
            self._acts.meet(own, member)
        elif entry.kind is EntryKind.CASE:
            self._cases.meet(own, member)
        elif entry.kind in {EntryKind.KEY, EntryKind.PEER}:
            self._meet_card(own, member)
        elif entry.kind is EntryKind.REFUSED:
            self._docket.facts.met(own)
        elif entry.kind is EntryKind.RECOVERED:
            self._losses.meet(own)

    def _meet_message(self, own: Own, member: str) -> None:
        said_before = self._again.meet(own)
        found = self._waiting.peek()
        if found is not None:
            place, message = found
            if (message.origin, message.entry_index) == (own.origin, own.index):
                self._waiting.skip()
                self._message(place, message, own)
                if own.entry.kind is EntryKind.SHARED:
                    self._losses.is_there(own, member)
                return
        if said_before:
            return
        if self._asked.needs_message(own):
            shared = own.entry.kind is EntryKind.SHARED
            tally = self._docket.tally(subjects.SENT if shared else subjects.RECEIVED)
            if self._losses.claims(own.origin, own.index):
                self._losses.message(own, tally, member)
            else:
                missing(tally, own, member)

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
            if entry.kind is EntryKind.PEER and self._losses.claims(own.origin, own.index):
                tally.remark(Code.CONTENT_LOST, f"{text}, which came back", member, own.index)
            else:
                tally.fail(Code.CARD_MISSING, text, member, own.index)
        if entry.code == PeerCode.REVOKED and entry.agency is not None:
            self._revoked.add(entry.agency)
        if card is not None and entry.kind is EntryKind.KEY:
            self._docket.issued.add(card.sha256)
            key_sets = len(card.log_key_sets(own.origin))
            if key_sets:
                self._key_changes.append((own.index, key_sets - 1))


def _span(time_ms: int) -> str:
    """Write a span of time."""
    minutes, seconds = divmod(time_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min {seconds} s"


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
