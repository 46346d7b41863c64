"""All tables as one stream of records, whatever the database: what a backup holds.

    record    type (1) || length (u32 big-endian) || body

    S         settings: the bytes of node.toml
    T         a table begins: {"table": name, "columns": [names]}, as JSON
    R         a row: its values in the order of the columns
    E         the table ends: number of its rows (u64 big-endian)
    Z         the end

    value     0 (null), 1 || signed integer (8), 2 || length (u32) || bytes,
              3 || length (u32) || UTF-8

S comes first, once; then every table of the schema, once, in an order in which no row refers to a
later table; then Z. Rows come in the order of their keys.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from sqlalchemy import Column, LargeBinary, String, insert, select

from sesn_node.errors import MalformedError
from sesn_node.store.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Table

Value: TypeAlias = int | bytes | str | None

MAX_RECORD_BYTES: Final = 8 * 1024 * 1024
"""No row is longer: the largest holds a ciphertext of 1 MiB."""

_HEAD: Final = struct.Struct(">cI")
_INTEGER: Final = struct.Struct(">Bq")
_SIZED: Final = struct.Struct(">BI")
_COUNT: Final = struct.Struct(">Q")
_NULL, _INT, _BYTES, _TEXT = range(4)
_ROWS_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 4 * 1024 * 1024


class Sink(Protocol):
    """Where a stream is written to: a file, sealed or not."""

    def write(self, data: bytes) -> None:
        """Write some of it."""


class Source(Protocol):
    """Where a stream is read from: a file, sealed or not."""

    def read(self, size: int) -> bytes:
        """Read exactly so many bytes.

        Raises:
            MalformedError: It ends before.
        """


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table: values by the names of the columns."""

    table: str
    values: dict[str, Value]


def write_dump(connection: Connection, sink: Sink, settings: bytes) -> int:
    """Write all tables as one transaction sees them; returns the number of rows.

    Raises:
        MalformedError: A row is longer than a record may be.
    """
    _write(sink, b"S", settings)
    total = 0
    for table in metadata.sorted_tables:
        names = [column.name for column in table.columns]
        _write(sink, b"T", json.dumps({"table": table.name, "columns": names}).encode())
        statement = select(table).order_by(*table.primary_key.columns)
        rows = connection.execute(statement.execution_options(yield_per=_ROWS_AT_ONCE))
        count = 0
        for row in rows:
            _write(sink, b"R", encode_row(row))
            count += 1
        _write(sink, b"E", _COUNT.pack(count))
        total += count
    _write(sink, b"Z", b"")
    return total


def encode_row(values: Sequence[Value]) -> bytes:
    """Write the values of a row."""
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(bytes([_NULL]))
        elif isinstance(value, int):
            parts.append(_INTEGER.pack(_INT, value))
        else:
            kind, data = (_BYTES, value) if isinstance(value, bytes) else (_TEXT, value.encode())
            parts += (_SIZED.pack(kind, len(data)), data)
    return b"".join(parts)


def decode_row(data: bytes) -> list[Value]:
    """Read the values of a row.

    Raises:
        MalformedError: Not what `encode_row` writes.
    """
    values: list[Value] = []
    at, end = 0, len(data)
    try:
        while at < end:
            kind = data[at]
            if kind == _NULL:
                values.append(None)
                at += 1
            elif kind == _INT:
                values.append(_INTEGER.unpack_from(data, at)[1])
                at += _INTEGER.size
            else:
                size = _SIZED.unpack_from(data, at)[1]
                at += _SIZED.size
                value = data[at : at + size]
                at += size
                values.append(value if kind == _BYTES else value.decode())
                if at > end or kind not in {_BYTES, _TEXT}:
                    raise MalformedError("backup: a row cannot be read")
    except (struct.error, UnicodeDecodeError) as error:
        raise MalformedError("backup: a row cannot be read") from error
    return values


class DumpReader:
    """Reads a stream of `write_dump` record by record, strictly.

    Args:
        source: Where from.

    Raises:
        MalformedError: It does not begin as a dump does.
    """

    __slots__ = ("_source", "rows", "settings")

    def __init__(self, source: Source) -> None:
        self._source = source
        self.settings = self._expect(b"S")
        """The bytes of node.toml."""
        self.rows = 0
        """Rows that were read so far."""

    def tables(self) -> Iterator[TableRow]:
        """Yield the rows of all tables, once; then the stream has ended.

        Raises:
            MalformedError: Not a dump of this schema.
        """
        for table in metadata.sorted_tables:
            names = [column.name for column in table.columns]
            begins = json.dumps({"table": table.name, "columns": names}).encode()
            if self._expect(b"T") != begins:
                raise MalformedError(f"backup: the table {table.name} does not begin where it must")
            before = self.rows
            while (record := self._read())[0] == b"R":
                yield TableRow(table.name, _check_row(table, decode_row(record[1])))
                self.rows += 1
            if record != (b"E", _COUNT.pack(self.rows - before)):
                raise MalformedError(f"backup: the table {table.name} does not end as it must")
        if self._expect(b"Z"):
            raise MalformedError("backup: its end is not empty")

    def _expect(self, kind: bytes) -> bytes:
        found, body = self._read()
        if found != kind:
            raise MalformedError(
                f"backup: expected a record {kind.decode()}, found {found!r}: it is not a backup "
                "of this version"
            )
        return body

    def _read(self) -> tuple[bytes, bytes]:
        kind, size = _HEAD.unpack(self._source.read(_HEAD.size))
        if size > MAX_RECORD_BYTES:
            raise MalformedError(f"backup: a record is longer than {MAX_RECORD_BYTES:,} bytes")
        return kind, self._source.read(size)


class Loader:
    """Writes rows into the tables of an empty database, many at a time."""

    __slots__ = ("_bytes", "_connection", "_table", "_waiting")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._table = ""
        self._waiting: list[dict[str, Value]] = []
        self._bytes = 0

    def add(self, row: TableRow) -> None:
        """Take a row; it may be written later."""
        if row.table != self._table:
            self.flush()
            self._table = row.table
        self._waiting.append(row.values)
        self._bytes += sum(len(one) for one in row.values.values() if isinstance(one, bytes))
        if len(self._waiting) >= _ROWS_AT_ONCE or self._bytes >= _BYTES_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if self._waiting:
            self._connection.execute(insert(metadata.tables[self._table]), self._waiting)
        self._waiting = []
        self._bytes = 0


def _write(sink: Sink, kind: bytes, body: bytes) -> None:
    if len(body) > MAX_RECORD_BYTES:
        raise MalformedError(f"backup: a record is longer than {MAX_RECORD_BYTES:,} bytes")
    sink.write(_HEAD.pack(kind, len(body)) + body)


def _check_row(table: Table, values: list[Value]) -> dict[str, Value]:
    """Give the values their columns, if they fit them."""
    columns = list(table.columns)
    if len(values) != len(columns):
        raise MalformedError(f"backup: a row of {table.name} has {len(values)} values")
    for column, value in zip(columns, values, strict=True):
        if not (column.nullable if value is None else isinstance(value, _python_type(column))):
            raise MalformedError(f"backup: a row of {table.name} does not fit {column.name}")
    return dict(zip((column.name for column in columns), values, strict=True))


def _python_type(column: Column[object]) -> type[int | bytes | str]:
    """Say what a column holds; a test makes sure that there is no other type."""
    if isinstance(column.type, LargeBinary):
        return bytes
    return str if isinstance(column.type, String) else int
