"""Epochs: how each ledger begins, and that it names the end of the one it goes on from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.audit import names, subjects
from sesn_node.audit.checks_tree import leaf_chunks
from sesn_node.audit.codes import Code
from sesn_node.audit.tally import Problem, require
from sesn_node.audit.tree import roots_at
from sesn_node.domain.entries import EntryKind, KeyCode
from sesn_node.domain.ids import Origin

if TYPE_CHECKING:
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.own import Own
    from sesn_node.audit.records import LedgerExtent


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
        """End the last ledger."""
        self._end()

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
        require(
            closed == list(self._closed.values())[-1] and closed.size == ref.index + 1,
            Code.EPOCH_BROKEN,
            f"it closes {ref.origin} at {ref.index + 1} entries, and the bundle has {closed.size}",
        )
        bundle = self._docket.bundle
        roots = roots_at(leaf_chunks(bundle, ref.origin), [closed.size])
        require(
            bundle.leaf(ref.origin, ref.index) == ref.leaf_hash
            and roots.get(closed.size) == own.entry.object_sha256,
            Code.EPOCH_BROKEN,
            f"it names another end of {ref.origin} than its leaves have",
        )
        self._docket.heads.continued.add(ref.origin)
