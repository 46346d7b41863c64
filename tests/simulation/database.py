"""SQLite in memory under the node's own statements, with less between them than SQLAlchemy has.

SQLAlchemy writes the SQL, as ever. What runs it here knows one driver, one connection and no
events, which leaves a tenth of the cost, and that is most of what a history costs. The store's own
tests, and all others, run on SQLAlchemy's engine.
"""

from __future__ import annotations

import sqlite3
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import LargeBinary
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
    from types import TracebackType

    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.elements import ClauseElement

_DIALECT = sqlite_dialect(paramstyle="qmark")
_DIALECT.dbapi = sqlite3  # type: ignore[assignment]  # what SQLAlchemy itself puts there

_MOST_ROW_KINDS = 4096

# Shared by all databases: what SQLAlchemy compiled, and how its rows look.
_compiled: dict[Any, Any] = {}
_constant: dict[tuple[int, tuple[str, ...], bool], tuple[object, _Statement]] = {}
_rows: dict[tuple[str, ...], type[tuple[Any, ...]]] = {}
_seen: dict[int, object] = {}


class Database:
    """Stands in for an engine: one connection that nobody else uses."""

    dialect = _DIALECT
    url = "sqlite://"

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw

    def connect(self) -> Connection:
        """Hand out the connection."""
        return Connection(self.raw)

    def dispose(self) -> None:
        """Nothing is pooled."""


class Connection:
    """Stands in for SQLAlchemy's connection, as far as the store uses it."""

    dialect = _DIALECT

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self.info: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def begin(self) -> None:
        """Begin the transaction that `info` says."""
        self._run(self.info["begin"], ())

    def commit(self) -> None:
        """Commit it."""
        self._run("COMMIT", ())

    def rollback(self) -> None:
        """Undo it."""
        self.close()

    def close(self) -> None:
        """Undo what was not committed."""
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")

    def execute(
        self,
        statement: ClauseElement,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> Result:
        """Run a statement with one set of parameters, or with many."""
        many = not hasattr(parameters, "keys") and bool(parameters)
        if many:
            assert parameters is not None
            sets = list(parameters)
            if len(sets) == 1:
                return self._execute(statement, sets[0])  # type: ignore[arg-type]  # it is a list
            found, extracted = _find(statement, tuple(sets[0]), many=True)
            try:
                cursor = self._raw.executemany(
                    found.sql,
                    [found.values(one, extracted)[1] for one in sets],  # type: ignore[arg-type]  # same
                )
            except sqlite3.Error as error:
                raise _wrapped(found.sql, error) from error
            return Result(cursor, None)
        return self._execute(statement, parameters or {})  # type: ignore[arg-type]  # it is a mapping

    def exec_driver_sql(
        self, sql: str, parameters: Sequence[Any] = (), execution_options: object = None
    ) -> Result:
        """Run plain SQL."""
        del execution_options
        cursor = self._run(sql, parameters)
        return Result(cursor, None)

    def _execute(self, statement: ClauseElement, parameters: Mapping[str, Any]) -> Result:
        found, extracted = _find(statement, tuple(parameters), many=False)
        sql, values = found.values(parameters, extracted)
        return Result(self._run(sql, values), found)

    def _run(self, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        try:
            return self._raw.execute(sql, values)
        except sqlite3.Error as error:
            raise _wrapped(sql, error) from error


def _wrapped(sql: str, error: sqlite3.Error) -> Exception:
    wrapped: Exception = DBAPIError.instance(sql, None, error, sqlite3.Error, dialect=_DIALECT)
    return wrapped


def _find(statement: ClauseElement, keys: tuple[str, ...], *, many: bool) -> tuple[_Statement, Any]:
    """Find what a statement was compiled to; a module's constants are found by identity."""
    key = id(statement), keys, many
    constant = _constant.get(key)
    if constant is not None and constant[0] is statement:
        return constant[1], None
    compiled, extracted, collected, _ = statement._compile_w_cache(  # noqa: SLF001 - as SQLAlchemy's connection does
        _DIALECT, compiled_cache=_compiled, column_keys=list(keys), for_executemany=many
    )
    found = getattr(compiled, "simulated", None)
    if found is None:
        found = _Statement(compiled)  # type: ignore[arg-type]  # it compiles to SQL
        compiled.simulated = found  # type: ignore[attr-defined]  # our own note
    if _seen.get(id(statement)) is statement:
        # Met before, so it is one that stays. Its own values are those it was compiled with now.
        _constant[key] = statement, found.bound(extracted, collected)
        return _constant[key][1], None
    if len(_seen) > _MOST_ROW_KINDS:
        _seen.clear()
    _seen[id(statement)] = statement
    return found, (extracted, collected)


class _Statement:
    """Compiled SQL, and how to fill in its parameters.

    Args:
        compiled: What SQLAlchemy made of the statement.
        base: The values that the statement brings along, once they are known.
    """

    __slots__ = ("_base", "_compiled", "_expanding", "_names", "processors", "sql")

    def __init__(self, compiled: SQLCompiler, base: Mapping[str, Any] | None = None) -> None:
        self._compiled = compiled
        self._base = base
        self._expanding = bool(compiled.literal_execute_params or compiled.post_compile_params)
        self._names = tuple(compiled.positiontup or ())
        self.sql = compiled.string
        self.processors = self._read_processors()

    def bound(self, extracted: Any, collected: Any) -> _Statement:  # noqa: ANN401 - handed through
        """Return the same with the statement's own values filled in."""
        base = self._compiled.construct_params(
            {}, extracted_parameters=extracted, _collected_params=collected, _check=False
        )
        return _Statement(self._compiled, base)

    def values(self, given: Mapping[str, Any], extracted: Any) -> tuple[str, list[Any]]:  # noqa: ANN401 - same
        """Return the SQL and its positional values."""
        if self._base is not None:
            named: MutableMapping[str, Any] = {**self._base, **given}
        else:
            own, collected = extracted if extracted is not None else (None, None)
            named = self._compiled.construct_params(
                dict(given), extracted_parameters=own, _collected_params=collected, _check=False
            )
        if not self._expanding:
            return self.sql, [named[name] for name in self._names]
        state = self._compiled._process_parameters_for_postcompile(named)  # noqa: SLF001 - as SQLAlchemy's connection does
        named = {**named, **state.additional_parameters}
        names = state.positiontup or ()
        return state.statement, [named[name] for name in names]

    def _read_processors(self) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
        """What turns a column's value into Python's, where they differ."""
        found = []
        for at, column in enumerate(self._compiled._result_columns or ()):  # noqa: SLF001 - as SQLAlchemy's cursor does
            kind = column.type
            if isinstance(kind, LargeBinary):
                continue
            process = kind._cached_result_processor(_DIALECT, None)  # noqa: SLF001 - same
            if process is not None:
                found.append((at, process))
        return tuple(found)


class Result:
    """Stands in for SQLAlchemy's result."""

    __slots__ = ("_cursor", "_kind", "_processors")

    def __init__(self, cursor: sqlite3.Cursor, statement: _Statement | None) -> None:
        self._cursor = cursor
        self._processors = () if statement is None else statement.processors
        description = cursor.description
        self._kind = (
            None if description is None else _row_kind(tuple(one[0] for one in description))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.close()

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        return self._cursor.rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self.all())

    def all(self) -> list[Any]:
        """Return all rows."""
        kind = self._kind
        assert kind is not None
        rows = self._cursor.fetchall()
        if self._processors:
            return [kind(self._processed(row)) for row in rows]
        return list(map(kind, rows))

    def _processed(self, row: tuple[Any, ...]) -> list[Any]:
        values = list(row)
        for at, process in self._processors:
            values[at] = process(values[at])
        return values

    def first(self) -> Any:  # noqa: ANN401 - as in the library
        """Return the first row, if there is one."""
        rows = self.all()
        return rows[0] if rows else None

    def one_or_none(self) -> Any:  # noqa: ANN401 - as in the library
        """Return the only row, if there is one."""
        rows = self.all()
        if len(rows) > 1:
            raise MultipleResultsFound
        return rows[0] if rows else None

    def one(self) -> Any:  # noqa: ANN401 - as in the library
        """Return the only row."""
        row = self.one_or_none()
        if row is None:
            raise NoResultFound
        return row

    def scalar(self) -> Any:  # noqa: ANN401 - as in the library
        """Return the first value of the first row, if there is one."""
        row = self.first()
        return None if row is None else row[0]

    def scalar_one(self) -> Any:  # noqa: ANN401 - as in the library
        """Return the only value."""
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:  # noqa: ANN401 - as in the library
        """Return the only value, if there is one."""
        row = self.one_or_none()
        return None if row is None else row[0]

    def scalars(self) -> Iterator[Any]:
        """Yield the first value of each row."""
        return iter([row[0] for row in self.all()])


def _row_kind(names: tuple[str, ...]) -> type[tuple[Any, ...]]:
    """Make the class of rows with these columns: tuples whose fields have names."""
    kind = _rows.get(names)
    if kind is None:
        fields: dict[str, Any] = {"__slots__": ()}
        for at, name in enumerate(names):
            if name.isidentifier() and not hasattr(tuple, name):
                fields[name] = property(itemgetter(at))
        fields["_mapping"] = property(lambda self: dict(zip(names, self, strict=True)))
        kind = _rows[names] = type("Row", (tuple,), fields)
    return kind
