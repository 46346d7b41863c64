"""Strict JSON: what Python's reader would let through."""

from __future__ import annotations

import pytest

from sesn_node.crypto.documents import encode_bytes, read_document
from sesn_node.errors import MalformedError


def test_each_field_is_read_once_by_type() -> None:
    """Text, integer, bytes, an object and a list of objects; then nothing is left."""
    text = '{"t": "x", "i": -7, "b": "AAE=", "d": {"i": 1}, "l": [{}, {"t": "y"}]}'
    document = read_document(text.encode(), "test", limit=100)
    assert document.text("t") == "x"
    assert document.integer("i") == -7
    assert document.data("b") == b"\x00\x01"
    assert document.document("d").integer("i") == 1
    first, second = document.documents("l")
    first.end()
    assert second.text("t") == "y"
    document.end()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{} {}",
        "[]",
        "null",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1.0}',
        '{"a": 1e3}',
        '{"a": 1, "a": 1}',
        '{"x": {"a": 1, "a": 2}}',
        '{"a": 01}',
        "{'a': 1}",
        '{"a": 1,}',
        '{"a": "\n"}',
        '\ufeff{"a": 1}',
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": ' + "[" * 5_000 + "]" * 5_000 + "}",
    ],
)
def test_what_is_not_one_strict_object_is_refused(text: str) -> None:
    """Duplicates, fractions, constants, byte-order marks, and everything after the object."""
    with pytest.raises(MalformedError):
        read_document(text.encode(), "test", limit=20_000).integer("a")


@pytest.mark.parametrize("value", ["true", '"1"', "null", "[]", "{}"])
def test_an_integer_is_an_integer(value: str) -> None:
    """No other type passes for one, booleans least of all."""
    with pytest.raises(MalformedError, match=r"test\.a: expected an integer"):
        read_document(f'{{"a": {value}}}'.encode(), "test", limit=100).integer("a")


@pytest.mark.parametrize("value", ["AAE", "AAF=", "AAE=\\n", " AAE=", "AA-_", "A===", "\\u00e9"])
def test_base64_has_one_spelling(value: str) -> None:
    """No missing padding, stray bits, white space, or other alphabets."""
    with pytest.raises(MalformedError, match="base64"):
        read_document(f'{{"b": "{value}"}}'.encode(), "test", limit=100).data("b")


@pytest.mark.parametrize("value", ["7", "null", "{}", '[{"a": 1}, 2]'])
def test_a_list_holds_objects(value: str) -> None:
    """Neither a bare value nor a list of other things."""
    with pytest.raises(MalformedError):
        read_document(f'{{"l": {value}}}'.encode(), "test", limit=100).documents("l")


@pytest.mark.parametrize("value", ["0", "1", '"true"', "null", "[]"])
def test_a_flag_is_true_or_false(value: str) -> None:
    """No number passes for one."""
    assert read_document(b'{"f": true}', "test", limit=100).flag("f") is True
    with pytest.raises(MalformedError, match=r"test\.f: expected true or false"):
        read_document(f'{{"f": {value}}}'.encode(), "test", limit=100).flag("f")


@pytest.mark.parametrize("value", ["7", "null", '"a"', '["a", 2]', '[["a"]]'])
def test_a_list_of_strings_holds_nothing_else(value: str) -> None:
    """Neither a bare string nor a list of other things."""
    assert read_document(b'{"l": ["b", "a"]}', "test", limit=100).texts("l") == ["b", "a"]
    with pytest.raises(MalformedError, match=r"test\.l: expected a list of strings"):
        read_document(f'{{"l": {value}}}'.encode(), "test", limit=100).texts("l")


def test_the_error_names_the_path() -> None:
    """Where the problem is, down to the member of the list."""
    document = read_document(b'{"l": [{}, {"t": 1}]}', "key file", limit=100)
    with pytest.raises(MalformedError, match=r"key file\.l\[1\]\.t: expected a string"):
        document.documents("l")[1].text("t")


def test_missing_and_left_over() -> None:
    """A member must be there, once; a member that nobody asked for must not."""
    document = read_document(b'{"a": 1}', "test", limit=100)
    with pytest.raises(MalformedError, match="unknown member 'a'"):
        document.end()
    document.integer("a")
    with pytest.raises(MalformedError, match=r"test\.a: missing"):
        document.integer("a")


def test_the_limit_counts_bytes() -> None:
    """One byte too many is refused before it is parsed."""
    read_document(b'{"a": 1}', "test", limit=8)
    with pytest.raises(MalformedError, match="longer than 7 bytes"):
        read_document(b'{"a": 1}', "test", limit=7)


def test_encode_bytes_is_what_data_reads() -> None:
    """Bytes come back as they were."""
    text = encode_bytes(bytes(range(256)))
    document = read_document(f'{{"b": "{text}"}}'.encode(), "test", limit=1_000)
    assert document.data("b") == bytes(range(256))
