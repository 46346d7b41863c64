"""Everything in a node's database, to show that something left it unchanged."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import select

from sesn_node.store.schema import metadata, pulse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sesn_node.exchange.office import Office

Snapshot = dict[str, list[tuple[object, ...]]]
"""The rows of every table, in order of their keys."""

WITNESSED = ("witness_head", "checkpoint", "cosignature")
"""What a valid checkpoint may move, whatever becomes of the messages that came with it."""

PROOF_OF_FORK = (
    "checkpoint",
    "ledger_alarm",
    "peer",
    "directory",
    "ledger_entry",
    "ledger_node",
    "ledger_head",
)
"""What a checkpoint that proves a fork changes: it is kept beside the one that it contradicts, and
its ledger's owner is quarantined, which is an entry."""

PROOF_BY_REPLACED_KEYS = ("checkpoint", "ledger_alarm")
"""The same under keys that the owner has replaced: nobody is quarantined."""


def snapshot(office: Office) -> Snapshot:
    """Read every table but the pulse, which a serving node writes without a reason."""
    rows: Snapshot = {}
    with office.store.read() as transaction:
        connection = transaction._connection  # noqa: SLF001 - the checker looks at all
        for table in metadata.sorted_tables:
            if table is pulse:
                continue
            found = connection.execute(select(table).order_by(*table.primary_key.columns))
            rows[table.name] = [tuple(row) for row in found]
    return rows


def counts(office: Office) -> Mapping[str, int]:
    """Count the rows of every table."""
    return {table: len(rows) for table, rows in snapshot(office).items()}


@contextmanager
def unchanged(office: Office, *, but: tuple[str, ...] = ()) -> Iterator[None]:
    """Fail if the body changes any row of any table but these."""
    before = snapshot(office)
    yield
    after = snapshot(office)
    changed = {table for table in before if before[table] != after[table]} - set(but)
    assert not changed, f"{office.agency}: changed {sorted(changed)}"
