"""Whole tables of a node, read past its own statements: what the checker looks at."""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

from sesn_node.store import schema
from sesn_node.store.sql import POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Table

    from sesn_node.store.engine import Transaction

_TABLES = (
    schema.ledger_entry,
    schema.ledger_node,
    schema.sent,
    schema.outbox,
    schema.inbox,
    schema.search_term,
    schema.erasure,
    schema.withdrawn,
    schema.recall,
    schema.legal_hold,
    schema.refusal,
    schema.case_step,
    schema.case_notice,
    schema.checkpoint,
    schema.cosignature,
    schema.timestamp_token,
    schema.witness_head,
    schema.peer,
    schema.card,
    schema.directory,
)


def _kind(table: Table) -> Any:  # noqa: ANN401 - made from the schema
    """Make the class of a table's rows, which looks like SQLAlchemy's."""
    plain = namedtuple(table.name, table.columns.keys())  # type: ignore[misc]  # noqa: PYI024 - of the schema
    return type(table.name, (plain,), {"__slots__": (), "_mapping": property(plain._asdict)})


_KINDS = {table.name: _kind(table) for table in _TABLES}
# Plain text: checks are so frequent that building the statements would take most of the time.
_QUESTIONS = {
    table.name: f"SELECT {', '.join(table.columns.keys())} FROM {table.name}"  # noqa: S608 - our names
    for table in _TABLES
}


def read_tables(transaction: Transaction) -> Mapping[str, Sequence[Any]]:
    """Read whole tables: rows by the name of the table, each a named tuple of its columns."""
    connection = transaction._connection  # noqa: SLF001 - the checker looks at all
    if connection.dialect.name == POSTGRESQL:
        # One trip to the server for all of them.
        asked = connection.exec_driver_sql(
            "; ".join(_QUESTIONS.values()), execution_options={"no_parameters": True}
        )
        cursor: Any = asked.cursor
        found = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
    else:
        found = [connection.exec_driver_sql(text).all() for text in _QUESTIONS.values()]
    named = zip(_KINDS.items(), found, strict=True)
    return {name: [kind._make(row) for row in rows] for (name, kind), rows in named}
