"""Epochs: how each ledger begins, and that it names the end of the one it goes on from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.audit import names, subjects
from sesn_node.audit.checks_tree import leaf_chunks
from sesn_node.audit.codes import Code
from sesn_node.audit.tally import Problem, require
from sesn_node.audit.tree import roots_at
from sesn_node.domain.counting import many
from sesn_node.domain.entries import LOST_LEAF, EntryKind, KeyCode
from sesn_node.domain.ids import Origin, parse_origin

if TYPE_CHECKING:
    from sesn_node.audit.account import LedgerExtent
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.own import Own
    from sesn_node.domain.entries import EntryRef


class Epochs:
    """Looks at the first entries of each ledger."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self._tally = docket.tally(subjects.EPOCHS)
        self._closed: dict[Origin, LedgerExtent] = {}
        self._ledger: LedgerExtent | None = None
        self._card_issued = False

    def begin(self, ledger: LedgerExtent) -> None:
        """Begin a ledger; they come by epoch."""
        self._end()
        self._ledger = ledger
        self._card_issued = False
        self._tally.saw()

    def meet(self, own: Own, member: str) -> None:
        """Look at an entry."""
        entry = own.entry
        issued = entry.kind is EntryKind.KEY and entry.code == KeyCode.CARD_ISSUED
        self._card_issued = self._card_issued or issued
        if own.index == 0 and not issued and entry.kind is not EntryKind.EPOCH:
            self._tally.fail(
                Code.FIRST_ENTRY,
                f"the first entry is {entry.kind.value} {entry.code}; a ledger begins with our "
                "card, or with the end of the ledger before",
                member,
                0,
            )
        if entry.kind is EntryKind.EPOCH:
            try:
                self._check_closed(own)
            except Problem as problem:
                self._tally.fail_with(problem, problem.kind, member, own.index)
        elif own.index == 0 and self._closed:
            self._tally.fail(
                Code.EPOCH_BROKEN,
                f"{own.origin} does not begin with the end of the ledger before it",
                member,
                0,
            )

    def finish(self) -> None:
        """End the last ledger, which must be the one that the newest card says is written."""
        self._end()
        cards = self._docket.book.cards(self._docket.agency)
        if cards and cards[-1].current_origin not in self._docket.origins:
            self._tally.fail(
                Code.INCOMPLETE,
                f"card {cards[-1].card.sequence} of {self._docket.agency} says that it writes "
                f"{cards[-1].current_origin}, which is not in the bundle",
                names.CARDS,
            )

    def _end(self) -> None:
        ledger = self._ledger
        if ledger is None:
            return
        self._closed[ledger.origin] = ledger
        if not self._card_issued and ledger.size and not self._docket.blind:
            self._tally.fail(
                Code.FIRST_ENTRY,
                f"no entry of {ledger.origin} says which card its keys are of",
                names.entries_name(ledger.epoch),
            )

    def _check_lost(self, own: Own, ref: EntryRef, held: int) -> None:
        """Look at a ledger whose end is lost, and known by a signed checkpoint alone."""
        size = ref.index + 1
        require(
            self._docket.blind
            or own.entry.object_sha256 in self._docket.heads.roots(ref.origin, size),
            Code.EPOCH_BROKEN,
            f"it closes {ref.origin} at {size} entries, and no checkpoint of it here says so",
        )
        text = (
            f"entries {held} to {size - 1} of {ref.origin} are lost: the ledger was closed with "
            "them, by a checkpoint that it had signed, and only what partners hold tells of them"
        )
        losses = self._docket.tally(subjects.LOSSES)
        losses.remark(Code.CONTENT_LOST, text, names.entries_name(parse_origin(own.origin)[1]), 0)
        losses.cannot(f"{size - held} entries of {ref.origin} are lost")
        self._docket.heads.continued.add(ref.origin)

    def _check_closed(self, own: Own) -> None:
        """Hold what the first entry says of the closed ledger against that; raises `Problem`."""
        ref = own.entry.answers
        require(
            own.index == 0 and ref is not None and ref.origin != own.origin,
            Code.EPOCH_BROKEN,
            "EPOCH stands first in a ledger and names another one, and nowhere else",
        )
        if ref is None:
            return
        closed = self._closed.get(ref.origin)
        if closed is None:
            self._tally.remark(
                Code.NOT_VISIBLE,
                f"{ref.origin}, which it goes on from, is not in the bundle",
                names.entries_name(self._ledger.epoch if self._ledger else 1),
                own.index,
            )
            return
        lost = ref.index + 1 - closed.size
        require(
            closed == list(self._closed.values())[-1]
            and (lost == 0 or (lost > 0 and ref.leaf_hash == LOST_LEAF)),
            Code.EPOCH_BROKEN,
            f"it closes {ref.origin} at {many(ref.index + 1, 'entry', 'entries')}, and the bundle "
            f"has {closed.size:,}",
        )
        if lost:
            self._check_lost(own, ref, closed.size)
            return
        bundle = self._docket.bundle
        roots = roots_at(leaf_chunks(bundle, ref.origin), [closed.size])
        require(
            bundle.leaf(ref.origin, ref.index) == ref.leaf_hash
            and roots.get(closed.size) == own.entry.object_sha256,
            Code.EPOCH_BROKEN,
            f"it names another end of {ref.origin} than its leaves have",
        )
        self._docket.heads.continued.add(ref.origin)
