"""Losses: entries that came back from an export, and whose messages the agency does not have.

A node that was put back from an old copy gets its newer entries out of its own export, which holds
no messages. Such an entry is evidence without content: what happened, when and with whom, under
digests. Nothing more can be verified here, and nobody may hide a message by merely saying so:

- The manifest says which entries it claims. Behind the last of them the ledger must say the same
  (RECOVERED), where it is hashed, signed and cosigned: nobody can claim older entries later on.
- A message that the agency sent comes back from nowhere: one that is here refutes the claim.
- What is lost is named, entry by entry, and leaves this check as one that could not be made.
  Partners have the same messages; `matching_pairs` holds their bundles against these entries.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.checks_tree import leaf_chunks
from sesn_node.audit.codes import Code
from sesn_node.audit.own import MessageEntries, Own
from sesn_node.audit.tally import Tally
from sesn_node.audit.tree import roots_at
from sesn_node.domain.counting import many, numbered
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import AgencyId, Origin
from sesn_node.domain.times import utc_second

if TYPE_CHECKING:
    from sesn_node.audit.account import LedgerExtent, RecoveredRange
    from sesn_node.audit.docket import Docket

_MAX_NAMED: Final = 8
"""Partners that are named as those who have what is lost."""


class Losses:
    """What the agency says that it has lost, as the ledger is walked.

    Memory grows by some bytes for each entry that is claimed and lacks its message.
    """

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self._tally = docket.tally(subjects.LOSSES)
        self._ledgers = docket.bundle.manifest.ledgers
        self._starts = {
            ledger.origin: [one.start for one in ledger.recovered] for ledger in self._ledgers
        }
        self._ends = {
            ledger.origin: [one.end for one in ledger.recovered] for ledger in self._ledgers
        }
        self._recorded: dict[tuple[Origin, int], Own] = {}
        self._lost = {ledger.origin: MessageEntries() for ledger in self._ledgers}
        self._sent: set[bytes] = set()
        self._partners: set[AgencyId] = set()
        self._messages = 0
        self._receipts = 0

    def claims(self, origin: Origin, index: int) -> bool:
        """Tell whether an entry is said to have come back without what it refers to."""
        at = bisect_right(self._starts.get(origin, ()), index) - 1
        return at >= 0 and index < self._ends[origin][at]

    def has_lost(self, origin: Origin, index: int) -> bool:
        """Tell whether the message of a SHARED or RECEIVED entry is lost; it was met before."""
        held = self._lost.get(origin)
        return held is not None and held.message_at(index) is not None

    def has_lost_sent(self, message_id: bytes) -> bool:
        """Tell whether a message that the agency sent is lost; its entry was met before."""
        return message_id in self._sent

    def message(self, own: Own, tally: Tally, member: str) -> None:
        """Note a SHARED or RECEIVED entry in a claimed place, whose message is not here."""
        entry = own.entry
        self._messages += 1
        self._docket.lost[own.origin] += 1
        self._lost[own.origin].add(own.index, entry.message_id or b"")
        who = "its recipients" if entry.agency is None else entry.agency
        if entry.kind is EntryKind.SHARED:
            self._sent.add(entry.message_id or b"")
            self._docket.facts.lost(own)
        self._ask(entry.agency)
        tally.remark(
            Code.CONTENT_LOST,
            f"{entry.kind.value} entry without its message, which {self._docket.agency} says it "
            f"has lost: what it was, the bundle of {who} shows",
            member,
            own.index,
            entry.message_id,
        )

    def receipt(self, own: Own, tally: Tally, member: str) -> None:
        """Note an ACKNOWLEDGED entry whose receipt is lost, or with it the whole message."""
        self._receipts += 1
        self._docket.lost[own.origin] += 1
        self._ask(own.entry.agency)
        self._docket.facts.acknowledged(own)
        tally.remark(
            Code.CONTENT_LOST,
            f"ACKNOWLEDGED entry without the receipt of {own.entry.agency}, which "
            f"{self._docket.agency} says it has lost: the bundle of {own.entry.agency} shows the "
            "entry that it answers",
            member,
            own.index,
            own.entry.message_id,
        )

    def is_there(self, own: Own, member: str) -> None:
        """Take note of a SHARED entry whose message is here."""
        if self.claims(own.origin, own.index):
            self._tally.fail(
                Code.CONTRADICTION,
                f"entry {own.index} is said to have come back from an export, which holds no "
                "messages, and here is the message that was sent",
                member,
                own.index,
                own.entry.message_id,
            )

    def meet(self, own: Own) -> None:
        """Take a RECOVERED entry."""
        self._recorded[own.origin, own.index] = own

    def finish(self) -> None:
        """Hold what the manifest claims against what the ledger says."""
        if self._docket.blind:
            if any(ledger.recovered for ledger in self._ledgers):
                self._tally.cannot("the entries are left out of the bundle")
            return
        for ledger in self._ledgers:
            self._check(ledger)
        if self._messages or self._receipts:
            self._tally.cannot(self._what_is_lost())

    def _ask(self, agency: AgencyId | None) -> None:
        if agency is not None and len(self._partners) < _MAX_NAMED:
            self._partners.add(agency)

    def _what_is_lost(self) -> str:
        parts = [many(self._messages, "message")] if self._messages else []
        parts += [many(self._receipts, "receipt")] if self._receipts else []
        whose = ", ".join(sorted(self._partners)) or "its recipients"
        return (
            f"{self._docket.agency} has lost what some entries refer to, and says so: "
            f"{' and '.join(parts)} cannot be verified here. Ask for the bundles of {whose}, and "
            "verify them together with this one"
        )

    def _check(self, ledger: LedgerExtent) -> None:
        recorded = {
            index: own for (origin, index), own in self._recorded.items() if origin == ledger.origin
        }
        if not recorded and not ledger.recovered:
            return
        member = names.entries_name(ledger.epoch)
        starts = [
            own.entry.answers.index + 1
            for own in recorded.values()
            if own.entry.answers is not None
        ]
        roots = roots_at(leaf_chunks(self._docket.bundle, ledger.origin), starts)
        held: set[tuple[int, int]] = set()
        for index, own in sorted(recorded.items()):
            self._tally.saw()
            start = self._start_of(own, roots)
            if start is None:
                self._tally.fail(
                    Code.CONTRADICTION,
                    "RECOVERED entry: it names another state of this ledger than its leaves have",
                    member,
                    index,
                )
                continue
            held.add((start, index))
            self._tally.remark(
                Code.RECOVERED,
                f"{numbered(start, index - 1, 'entry', 'entries')} came back from an export by "
                f"{utc_second(own.entry.time_ms)} UTC, without messages and receipts",
                member,
                index,
            )
        for one in ledger.recovered:
            self._check_recorded(one, held, member)

    def _check_recorded(self, one: RecoveredRange, held: set[tuple[int, int]], member: str) -> None:
        if (one.start, one.end) not in held:
            what = numbered(one.start, one.end - 1, "entry", "entries")
            self._tally.fail(
                Code.NOT_RECORDED,
                f"the manifest says that what these refer to was lost: {what}; behind them the "
                "ledger has no RECOVERED entry that says so",
                member,
                one.end,
            )

    def _start_of(self, own: Own, roots: dict[int, bytes]) -> int | None:
        """Return the first entry that a RECOVERED entry speaks of; None if it names none."""
        ref = own.entry.answers
        if ref is None or ref.origin != own.origin or not ref.index + 1 < own.index:
            return None
        if self._docket.bundle.leaf(ref.origin, ref.index) != ref.leaf_hash:
            return None
        start = ref.index + 1
        return start if roots.get(start) == own.entry.object_sha256 else None
