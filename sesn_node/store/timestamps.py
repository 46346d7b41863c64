"""Time-stamp tokens over our checkpoints, and how asking for them goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from sesn_node.store.schema import timestamp_state, timestamp_token
from sesn_node.store.sql import upsert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

_ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token that was verified when it was stored.

    Args:
        origin: Ledger of the checkpoint that it covers.
        size: Size of that checkpoint.
        root: Its root hash.
        authority: Address of the authority that gave it.
        time_ms: The authority's time in it (genTime), Unix milliseconds.
        stored_ms: Ours, when it was stored.
        token: RFC 3161 TimeStampToken, DER, verbatim.
    """

    origin: str
    size: int
    root: bytes
    authority: str
    time_ms: int
    stored_ms: int
    token: bytes


@dataclass(frozen=True, slots=True)
class AskingRow:
    """How asking the authorities goes; the same for all processes of an agency.

    Args:
        asked_ms: When they were last asked.
        next_ms: When they are to be asked next.
        failures: Rounds in a row in which none of them answered.
        failing_ms: When the first of those rounds was: the grace period began then; None while
            one answers.
        error: What the last of those rounds came to; None likewise.
    """

    asked_ms: int
    next_ms: int
    failures: int = 0
    failing_ms: int | None = None
    error: str | None = None


_SELECT_TOKENS = select(timestamp_token).where(timestamp_token.c.origin == bindparam("origin"))
_IN_ORDER = (timestamp_token.c.size, timestamp_token.c.root, timestamp_token.c.authority)
_SELECT_ALL = _SELECT_TOKENS.order_by(*_IN_ORDER)
_SELECT_NEWEST = _SELECT_TOKENS.order_by(*(one.desc() for one in _IN_ORDER)).limit(1)
_SELECT_EVERY = select(timestamp_token).order_by(timestamp_token.c.origin, *_IN_ORDER)
_SELECT_LATEST = (
    select(timestamp_token)
    .order_by(
        timestamp_token.c.time_ms.desc(),
        timestamp_token.c.origin,
        *(one.desc() for one in _IN_ORDER),
    )
    .limit(bindparam("limit"))
)
_SELECT_SIZES = (
    select(timestamp_token.c.size)
    .where(timestamp_token.c.origin == bindparam("origin"))
    .distinct()
    .order_by(timestamp_token.c.size)
)
_SELECT_STATE = select(
    timestamp_state.c.asked_ms,
    timestamp_state.c.next_ms,
    timestamp_state.c.failures,
    timestamp_state.c.failing_ms,
    timestamp_state.c.error,
)


class TimestampTable:
    """Tokens as one transaction sees them."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, row: TokenRow) -> None:
        """Keep a token; a second one of an authority over the same checkpoint tells no more."""
        statement = upsert(self._connection.dialect.name, timestamp_token)
        self._connection.execute(
            statement.on_conflict_do_nothing(),
            {name: getattr(row, name) for name in row.__slots__},
        )

    def newest(self, origin: str) -> TokenRow | None:
        """Return the token over the largest checkpoint of a ledger."""
        row = self._connection.execute(_SELECT_NEWEST, {"origin": origin}).one_or_none()
        return None if row is None else TokenRow(*row)

    def of(self, origin: str) -> Iterator[TokenRow]:
        """Yield the tokens over a ledger's checkpoints, by size, root and authority."""
        statement = _SELECT_ALL.execution_options(yield_per=_ROWS_AT_ONCE)
        for row in self._connection.execute(statement, {"origin": origin}):
            yield TokenRow(*row)

    def every(self) -> Iterator[TokenRow]:
        """Yield all tokens, by ledger, size, root and authority."""
        statement = _SELECT_EVERY.execution_options(yield_per=_ROWS_AT_ONCE)
        for row in self._connection.execute(statement):
            yield TokenRow(*row)

    def latest(self, limit: int) -> list[TokenRow]:
        """Return the tokens of all our ledgers with the latest times, the latest first."""
        rows = self._connection.execute(_SELECT_LATEST, {"limit": limit})
        return [TokenRow(*row) for row in rows]

    def sizes(self, origin: str) -> list[int]:
        """Return the sizes of the checkpoints of a ledger that have a token, ascending."""
        return list(self._connection.execute(_SELECT_SIZES, {"origin": origin}).scalars())

    def asking(self) -> AskingRow | None:
        """Return how asking goes; None before the authorities were asked for the first time."""
        row = self._connection.execute(_SELECT_STATE).one_or_none()
        return None if row is None else AskingRow(*row)

    def note(self, row: AskingRow) -> None:
        """Replace how asking goes."""
        values = {name: getattr(row, name) for name in row.__slots__}
        statement = upsert(self._connection.dialect.name, timestamp_state)
        self._connection.execute(
            statement.values(id=1, **values).on_conflict_do_update(
                index_elements=["id"], set_=values
            )
        )
