"""Selection: what a bundle must hold by its own account, as far as its entries can tell.

What was asked for is nobody's signed word, so it may excuse only what does not fit it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code
from sesn_node.audit.subjects import CLOCK_TOLERANCE_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.audit.docket import Docket
    from sesn_node.audit.own import Own

_TIME_BYTES: Final = 6


class Asked:
    """What was asked for.

    Args:
        docket: The audit.
    """

    __slots__ = ("_by_time", "_docket", "_selection")

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        selection = self._selection = docket.bundle.manifest.selection
        narrowed = selection.messages or selection.conversation is not None
        self._by_time = not (selection.everything or selection.blind or narrowed)

    def holds(self, time_ms: int) -> bool:
        """Tell whether only a time was asked for, and this instant is well within it.

        Then the bundle has every entry of that date, and every message that is recorded there.
        """
        after, before = self._selection.from_ms, self._selection.to_ms
        return (
            self._by_time
            and (after is None or after + CLOCK_TOLERANCE_MS <= time_ms)
            and (before is None or time_ms < before - CLOCK_TOLERANCE_MS)
        )

    def needs_message(self, own: Own) -> bool:
        """Tell whether the message of a SHARED or RECEIVED entry must be there.

        In a later ledger the entry may say again what a closed one said at a date that was not
        asked for. The id tells when the message was written (RFC 9562 section 5.7).
        """
        if self._docket.whole:
            return True
        written_ms = int.from_bytes((own.entry.message_id or b"")[:_TIME_BYTES], "big")
        again = own.origin != self._docket.origins[0]
        return self.holds(own.entry.time_ms) and not (again and not self.holds(written_ms))

    @property
    def everything(self) -> bool:
        """Whether every entry must be there."""
        return self._selection.everything and not self._selection.blind

    def skips(self, earlier_ms: int | None, later_ms: int | None) -> bool:
        """Tell whether entries that are not there must be, by the dates of those around them.

        Args:
            earlier_ms: Date of the last entry before them; None if it is not known.
            later_ms: Date of the first behind them; at the end, when the bundle was made.
        """
        return (
            earlier_ms is not None
            and later_ms is not None
            and self.holds(earlier_ms)
            and self.holds(later_ms)
        )

    def check_named(self, found: Iterable[bytes]) -> None:
        """Make sure that the messages are there that were asked for by their ids alone.

        Args:
            found: Ids of the messages in the bundle.
        """
        selection = self._selection
        wanted = set(selection.disclosed)
        if selection.conversation is None and selection.from_ms is None is selection.to_ms:
            wanted.update(selection.messages)
        for message_id in sorted(wanted.difference(found)):
            self._docket.tally(subjects.CONTAINER).fail(
                Code.INCOMPLETE,
                "the manifest says that it was asked for by its id, and it is not in the bundle",
                names.MESSAGES,
                None,
                message_id,
            )
