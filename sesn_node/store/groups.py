"""Named groups of recipients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from sesn_node.store.schema import agency_group

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection


class GroupTable:
    """Groups as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def every(self) -> dict[str, list[str]]:
        """Return the members of each group, both in order."""
        rows = self._connection.execute(
            select(agency_group).order_by(agency_group.c.name, agency_group.c.agency)
        )
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row.name, []).append(row.agency)
        return found

    def members(self, name: str) -> list[str]:
        """Return the members of a group, in order; nobody if there is no such group."""
        rows = self._connection.execute(
            select(agency_group.c.agency)
            .where(agency_group.c.name == name)
            .order_by(agency_group.c.agency)
        )
        return [row.agency for row in rows]

    def count(self) -> int:
        """Count the groups."""
        counted = select(func.count(agency_group.c.name.distinct()))
        return self._connection.execute(counted).scalar_one()

    def add(self, name: str, agencies: Iterable[str]) -> None:
        """Put agencies that are not in a group into it; the group begins with its first."""
        values = [{"name": name, "agency": agency} for agency in agencies]
        if values:
            self._connection.execute(insert(agency_group), values)

    def remove(self, name: str, agencies: Iterable[str]) -> None:
        """Take agencies out of a group; without its last the group is gone."""
        self._connection.execute(
            delete(agency_group).where(
                agency_group.c.name == name, agency_group.c.agency.in_(list(agencies))
            )
        )
