"""Reads of an audit export: what fits a selection, as streams that hold a few rows at a time.

Ciphertexts and content keys are left out; whether there is one is said instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, false, func, literal, null, or_, select, true, union

from sesn_node.domain.delivery import DeliveryState
from sesn_node.store.browse import CheckpointRow
from sesn_node.store.cases import CaseStepRow
from sesn_node.store.inbox import InboxRow, inbox_row
from sesn_node.store.ledger import EntryRow, entry_row
from sesn_node.store.numbers import number_of
from sesn_node.store.schema import (
    case_step,
    checkpoint,
    cosignature,
    inbox,
    ledger_entry,
    outbox,
    sent,
)
from sesn_node.store.sealed import SentRow, sent_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Row, Select, Subquery, Table

_ROWS_AT_ONCE = 200
_ENTRIES_AT_ONCE = 1_000
_ABOUT_THE_LEDGER = ("KEY", "PEER", "OPERATOR", "EXPORTED", "EPOCH", "RECOVERED")
"""Kinds of entries that are in every selection: without them the others cannot be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages are asked for: those that fit everything, and those of some ids.

    Args:
        anything: Whether there is anything to fit; else only `besides` counts.
        from_ms: Sent or received from this instant on.
        to_ms: Sent or received before this instant.
        conversation: Of this conversation.
        message_ids: Of these ids; empty if not asked by id.
        besides: Ids of messages that are wanted whether they fit or not.
    """

    anything: bool = True
    from_ms: int | None = None
    to_ms: int | None = None
    conversation: bytes | None = None
    message_ids: tuple[bytes, ...] = ()
    besides: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditSent:
    """A message that we sealed, without its content; and whether that was erased."""

    row: SentRow
    erased: bool


@dataclass(frozen=True, slots=True)
class AuditReceived:
    """A message that arrived, without its content; and whether that was erased."""

    row: InboxRow
    erased: bool


class AuditTable:
    """What an audit export reads, as one transaction sees it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, wanted: Wanted) -> int:
        """Count the messages that are wanted."""
        return sum(
            self._connection.execute(
                select(func.count()).select_from(table).where(_fits(table, at, wanted))
            ).scalar_one()
            for table, at in ((sent, sent.c.created_ms), (inbox, inbox.c.received_ms))
        )

    def ids_between(self, low: bytes, high: bytes, limit: int) -> list[bytes]:
        """Return the ids of messages, sent or received, from `low` to `high`."""
        found: set[bytes] = set()
        for table in (sent, inbox):
            rows = self._connection.execute(
                select(table.c.message_id)
                .where(table.c.message_id.between(low, high))
                .order_by(table.c.message_id)
                .limit(limit)
            )
            found.update(row.message_id for row in rows)
        return sorted(found)[:limit]

    def has_conversation(self, conversation: bytes) -> bool:
        """Say whether any message belongs to a conversation."""
        return self.count(Wanted(conversation=conversation)) > 0

    def sent(self, wanted: Wanted) -> Iterator[AuditSent]:
        """Yield the messages that we sealed, in the order of our ledger."""
        fits = _fits(sent, sent.c.created_ms, wanted)
        statement = _without_content(sent).where(fits).order_by(sent.c.entry_index)
        for row in self._stream(statement, _ROWS_AT_ONCE):
            yield AuditSent(sent_row(row), bool(row.erased))

    def received(self, wanted: Wanted) -> Iterator[AuditReceived]:
        """Yield the messages that arrived, in the order of our ledger."""
        fits = _fits(inbox, inbox.c.received_ms, wanted)
        statement = _without_content(inbox).where(fits).order_by(inbox.c.entry_index)
        for row in self._stream(statement, _ROWS_AT_ONCE):
            yield AuditReceived(inbox_row(row), bool(row.erased))

    def case_steps(self) -> Iterator[CaseStepRow]:
        """Yield the steps of all cases, in the order of our ledger."""
        statement = select(case_step).order_by(case_step.c.entry_index)
        rows = self._connection.execute(statement.execution_options(yield_per=_ROWS_AT_ONCE))
        yield from (CaseStepRow(*row) for row in rows)

    def entries(
        self, wanted: Wanted | None, ledger: int, size: int
    ) -> Iterator[tuple[EntryRow, bool]]:
        """Yield all entries of a ledger up to a size, in order, and of each whether it is wanted.

        Args:
            wanted: Those about one of these messages, and those about our ledger itself; None for
                all.
            ledger: Which of our ledgers, from 0.
            size: Only entries before it.
        """
        columns = (
            ledger_entry.c.entry_index,
            ledger_entry.c.kind,
            ledger_entry.c.message_id,
            ledger_entry.c.entry,
        )
        is_wanted = true() if wanted is None else _is_about(wanted)
        statement = (
            select(*columns, is_wanted.label("is_wanted"))
            .where(
                ledger_entry.c.entry_index >= number_of(ledger, 0),
                ledger_entry.c.entry_index < number_of(ledger, size),
            )
            .order_by(ledger_entry.c.entry_index)
        )
        for row in self._stream(statement, _ENTRIES_AT_ONCE):
            found = entry_row(row.entry_index, row.kind, row.message_id, row.entry)
            yield found, bool(row.is_wanted)

    def checkpoints(self, wanted: Wanted | None, origins: Sequence[str]) -> Iterator[CheckpointRow]:
        """Yield kept checkpoints, by ledger and size.

        Args:
            wanted: Those that the evidence about these messages refers to, and the last of ours
                that each partner cosigned; None for all.
            origins: Our ledgers, in order; the last one is open.
        """
        statement = select(
            checkpoint.c.origin, checkpoint.c.size, checkpoint.c.root, checkpoint.c.note
        ).order_by(checkpoint.c.origin, checkpoint.c.size, checkpoint.c.root)
        if wanted is not None:
            place = _places(wanted, origins)
            statement = statement.join(
                place,
                and_(place.c.origin == checkpoint.c.origin, place.c.size == checkpoint.c.size),
            )
        for row in self._stream(statement, _ROWS_AT_ONCE):
            yield CheckpointRow(row.origin, row.size, row.root, row.note)

    def _stream(self, statement: Select[Any], at_once: int) -> Iterator[Row[tuple[object, ...]]]:
        yield from self._connection.execute(statement.execution_options(yield_per=at_once))


def _fits(table: Table, at: Column[int], wanted: Wanted) -> ColumnElement[bool]:
    """Say whether a message of `sent` or `inbox` is wanted."""
    rules: list[ColumnElement[bool]] = [true() if wanted.anything else false()]
    if wanted.from_ms is not None:
        rules.append(at >= wanted.from_ms)
    if wanted.to_ms is not None:
        rules.append(at < wanted.to_ms)
    if wanted.conversation is not None:
        rules.append(table.c.conversation_id == wanted.conversation)
    if wanted.message_ids:
        rules.append(table.c.message_id.in_(wanted.message_ids))
    return or_(and_(*rules), table.c.message_id.in_(wanted.besides))


def _is_about(wanted: Wanted) -> ColumnElement[bool]:
    """Say whether an entry is about a message that is wanted, or about our ledger itself."""
    # Asked for each entry, by an index: a list of all these messages may not fit into memory.
    return or_(
        ledger_entry.c.kind.in_(_ABOUT_THE_LEDGER),
        *(
            select(table.c.message_id)
            .where(table.c.message_id == ledger_entry.c.message_id, _fits(table, at, wanted))
            .exists()
            for table, at in ((sent, sent.c.created_ms), (inbox, inbox.c.received_ms))
        ),
        and_(ledger_entry.c.kind == "CASE", ledger_entry.c.message_id.in_(_filed(wanted))),
    )


def _filed(wanted: Wanted) -> Select[Any]:
    """Select the ids of steps that came in a case file that is wanted: their own did not come."""
    return select(case_step.c.message_id).join(
        inbox,
        and_(
            inbox.c.message_id == case_step.c.carrier_id,
            inbox.c.sender == case_step.c.carrier,
            _fits(inbox, inbox.c.received_ms, wanted),
        ),
    )


def _places(wanted: Wanted, origins: Sequence[str]) -> Subquery:
    """Select origin and size of the checkpoints that evidence refers to, each once."""
    is_receipt = and_(
        outbox.c.state == DeliveryState.ACKNOWLEDGED.value,
        _fits(sent, sent.c.created_ms, wanted),
    )
    of = sent.c.message_id == outbox.c.message_id
    last = func.max(cosignature.c.size)
    return union(
        select(cosignature.c.origin.label("origin"), last.label("size"))
        .where(cosignature.c.origin.in_(origins))
        .group_by(cosignature.c.origin, cosignature.c.agency),
        # Which of our ledgers a receipt's sender cosigned, its row does not say: any of this size.
        *(
            select(literal(origin), outbox.c.shared_size).join(sent, of).where(is_receipt)
            for origin in origins
        ),
        select(outbox.c.receipt_origin, outbox.c.receipt_size).join(sent, of).where(is_receipt),
        select(inbox.c.shared_origin, inbox.c.shared_size).where(
            _fits(inbox, inbox.c.received_ms, wanted)
        ),
    ).subquery("place")


def _without_content(table: Table) -> Select[Any]:
    """Select a sealed message, its content replaced by whether it is gone."""
    columns = [
        null().label(column.name) if column.name in {"ciphertext", "content_key"} else column
        for column in table.c
    ]
    return select(*columns, table.c.ciphertext.is_(None).label("erased"))
