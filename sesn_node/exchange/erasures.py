"""Erasures: content that the ledger says is gone is gone, and no other is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import parse_origin, show_message_id
from sesn_node.errors import VerificationError
from sesn_node.exchange.recovered import missing
from sesn_node.exchange.tally import Tally, groups, require
from sesn_node.store.numbers import index_of
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sesn_node.domain.entries import Entry
    from sesn_node.exchange.tally import Check
    from sesn_node.store.engine import Transaction
    from sesn_node.store.erasures import ErasureRow, Outline
    from sesn_node.store.ledger import HeadRow

_AT_ONCE = 200


def check_erasures(
    transaction: Transaction, head: HeadRow, kinds: Mapping[EntryKind, int]
) -> Check:
    """Check `erased`: every erasure in our ledger was carried out, and nothing else is missing.

    Args:
        transaction: Where everything is read.
        head: The stored head.
        kinds: How many entries of each kind the ledger has.
    """
    tally = Tally("erased", "content is gone where our ledger says so, and only there")
    rows = transaction.erasures.every()
    for some in groups(rows, _AT_ONCE):
        left = _Left(transaction, parse_origin(head.origin)[0], some)
        for row in some:
            with tally.case(f"{show_message_id(row.message_id)} from {row.sender}"):
                left.check(row)
    with tally.case("ERASED entries"):
        # Of entries that came back from an export, the message may be missing.
        count = kinds.get(EntryKind.ERASED, 0) - missing(transaction).of(EntryKind.ERASED)
        require(count == len(rows), f"{count} of them, for {len(rows)} messages")
    with tally.case("messages without content"):
        without = transaction.erasures.without_content()
        require(without == len(rows), f"{without} of them, of which {len(rows)} were erased")
    return tally.result()


class _Left:
    """What is left of some messages that were erased."""

    def __init__(self, transaction: Transaction, own: str, rows: Sequence[ErasureRow]) -> None:
        erasures = transaction.erasures
        ids = {row.message_id for row in rows}
        self._numbering = transaction.ledger.numbering()
        about = transaction.browse.entries_about(list(ids))
        self._entries = {row.number: row for row in about}
        self._outlines = {
            (one.sender or own, one.message_id): one for one in erasures.outlines(ids)
        }
        self._keys = {(own, message_id) for message_id in erasures.keys_left(ids)}
        self._terms = erasures.terms_left({(row.sender, row.message_id) for row in rows})

    def check(self, row: ErasureRow) -> None:
        """Make sure that an erasure is in the ledger, and that nothing is left.

        Raises:
            VerificationError: It is not, or something is.
        """
        key = row.sender, row.message_id
        outline, found = self._outlines.get(key), self._entries.get(row.entry_index)
        if outline is None:
            raise VerificationError("there is no such message")
        if found is None or not self._says_so(decode_entry(found.entry), outline):
            index = index_of(row.entry_index)
            raise VerificationError(f"entry {index} does not say that it was erased")
        there = outline.has_content or key in self._keys
        require(not there, "its content, or a key to it, is there")
        require(key not in self._terms, "it can be found by what it names")

    def _says_so(self, entry: Entry, outline: Outline) -> bool:
        answers = entry.answers
        return (
            entry.kind is EntryKind.ERASED
            and entry.message_id == outline.message_id
            and answers is not None
            and answers.origin in self._numbering
            and self._numbering[answers.origin] + answers.index == outline.entry_index
        )
