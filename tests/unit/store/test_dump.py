"""The stream of records that a backup holds: strict, bounded, and the same for every database."""

from __future__ import annotations

import io
import json
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Integer, LargeBinary, String

from sesn_node.errors import MalformedError
from sesn_node.store.dump import (
    MAX_RECORD_BYTES,
    DumpReader,
    TableRow,
    decode_row,
    encode_row,
)
from sesn_node.store.engine import Store
from sesn_node.store.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.store.dump import Value

SETTINGS = b'[agency]\nid = "nl.customs"\n'
ROWS = [
    TableRow("ledger_entry", {"entry_index": n, "kind": "x", "message_id": None, "entry": b"e"})
    for n in range(3)
]

_VALUES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=50) | st.text()
_HEAD = struct.Struct(">cI")


class Stream:
    """A stream in memory, read as a backup's reader reads."""

    def __init__(self, data: bytes = b"") -> None:
        self.file = io.BytesIO(data)

    def write(self, data: bytes) -> None:
        """Keep what is written."""
        self.file.write(data)

    def read(self, size: int) -> bytes:
        """Read exactly so many bytes."""
        data = self.file.read(size)
        if len(data) < size:
            raise MalformedError("it ends too early")
        return data


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database."""
    made = Store(f"sqlite:///{tmp_path}/node.db")
    yield made
    made.close()


@pytest.fixture
def dumped(store: Store) -> bytes:
    """The dump of a database with three rows."""
    stream = Stream()
    with store.write() as transaction:
        loader = transaction.upkeep.loader()
        for row in ROWS:
            loader.add(row)
        loader.flush()
        assert transaction.upkeep.rows() == {"ledger_entry": 3}
        assert transaction.upkeep.write_dump(stream, SETTINGS) == 3
    return stream.file.getvalue()


def _records(dumped: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(dumped):
        kind, size = _HEAD.unpack_from(dumped, at)
        at += _HEAD.size
        found.append((kind, dumped[at : at + size]))
        at += size
    return found


def _stream(records: list[tuple[bytes, bytes]]) -> Stream:
    return Stream(b"".join(_HEAD.pack(kind, len(body)) + body for kind, body in records))


def _read(stream: Stream) -> list[TableRow]:
    return list(DumpReader(stream).tables())


@given(st.lists(_VALUES, max_size=6))
@settings(max_examples=100)
def test_row_round_trip(values: list[Value]) -> None:
    """Whatever a column can hold comes back as it was."""
    assert decode_row(encode_row(values)) == values


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_any_bytes_as_a_row(data: bytes) -> None:
    """Bytes are a row, and then the only spelling of it, or they are refused."""
    try:
        values = decode_row(data)
    except MalformedError:
        return
    assert encode_row(values) == data


def test_dump_is_read_back(dumped: bytes) -> None:
    """Settings and rows come back, and every table is named, empty or not."""
    reader = DumpReader(Stream(dumped))
    assert reader.settings == SETTINGS
    assert list(reader.tables()) == ROWS
    assert reader.rows == 3
    named = [json.loads(body)["table"] for kind, body in _records(dumped) if kind == b"T"]
    assert named == [table.name for table in metadata.sorted_tables]


def test_rows_come_in_the_order_of_their_keys(dumped: bytes, tmp_path: Path) -> None:
    """Two databases that hold the same give the same dump, however they came to it."""
    other = Store(f"sqlite:///{tmp_path}/other.db")
    again = Stream()
    with other.write() as transaction:
        for row in reversed(ROWS):
            loader = transaction.upkeep.loader()
            loader.add(row)
            loader.flush()
        transaction.upkeep.write_dump(again, SETTINGS)
    other.close()
    assert again.file.getvalue() == dumped


def test_every_column_is_of_a_type_that_a_dump_knows() -> None:
    """A column of another type would come back as something else on another database."""
    for table in metadata.sorted_tables:
        assert table.primary_key.columns, table.name
        for column in table.columns:
            assert isinstance(column.type, BigInteger | Integer | LargeBinary | String), column


def _without_end(records: list[tuple[bytes, bytes]]) -> None:
    del records[-1]


def _without_settings(records: list[tuple[bytes, bytes]]) -> None:
    del records[0]


def _without_a_row(records: list[tuple[bytes, bytes]]) -> None:
    del records[[kind for kind, _ in records].index(b"R")]


def _without_a_table(records: list[tuple[bytes, bytes]]) -> None:
    at = [kind for kind, _ in records].index(b"T")
    del records[at : at + 2]


def _tables_in_another_order(records: list[tuple[bytes, bytes]]) -> None:
    starts = [at for at, (kind, _) in enumerate(records) if kind == b"T"]
    records[starts[0]], records[starts[1]] = records[starts[1]], records[starts[0]]


def _another_column(records: list[tuple[bytes, bytes]]) -> None:
    at = [kind for kind, _ in records].index(b"T")
    records[at] = (b"T", records[at][1].replace(b'"columns": ["', b'"columns": ["x'))


def _unknown_record(records: list[tuple[bytes, bytes]]) -> None:
    records.insert(1, (b"?", b""))


def _end_with_content(records: list[tuple[bytes, bytes]]) -> None:
    records[-1] = (b"Z", b"more")


def _row(values: list[Value]) -> Callable[[list[tuple[bytes, bytes]]], None]:
    def change(records: list[tuple[bytes, bytes]]) -> None:
        at = [kind for kind, _ in records].index(b"R")
        records[at] = (b"R", encode_row(values))

    return change


@pytest.mark.parametrize(
    "change",
    [
        _without_end,
        _without_settings,
        _without_a_row,
        _without_a_table,
        _tables_in_another_order,
        _another_column,
        _unknown_record,
        _end_with_content,
        _row([]),
        _row([0, "x", None]),
        _row([0, "x", None, b"e", 1]),
        _row([None, "x", None, b"e"]),
        _row([0, "x", None, None]),
        _row([0, b"x", None, b"e"]),
        _row([0, "x", None, "e"]),
        _row([b"0", "x", None, b"e"]),
    ],
)
def test_not_a_dump(dumped: bytes, change: Callable[[list[tuple[bytes, bytes]]], None]) -> None:
    """Whatever does not fit the tables of this schema is refused before a database sees it."""
    records = _records(dumped)
    change(records)
    with pytest.raises(MalformedError):
        _read(_stream(records))


@pytest.mark.parametrize("size", [MAX_RECORD_BYTES + 1, 2**32 - 1])
def test_record_longer_than_any(size: int) -> None:
    """A record that claims to be huge is refused before memory is taken for it."""
    with pytest.raises(MalformedError, match="longer"):
        DumpReader(Stream(_HEAD.pack(b"S", size)))


def test_row_longer_than_any(store: Store) -> None:
    """A row that no reader would take is not written into a backup."""
    row = TableRow(
        "ledger_entry",
        {"entry_index": 0, "kind": "x", "message_id": None, "entry": bytes(MAX_RECORD_BYTES)},
    )
    with store.write() as transaction:
        loader = transaction.upkeep.loader()
        loader.add(row)
        loader.flush()
        with pytest.raises(MalformedError, match="longer"):
            transaction.upkeep.write_dump(Stream(), SETTINGS)
