"""Terms of the search index: the same value the same term, and nothing to learn from it."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from sesn_node.crypto.index import TERM_BYTES, BlindIndex
from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.errors import MalformedError

KEY = bytes(range(32))


def test_term_is_what_the_specification_says() -> None:
    """Computed anew with the standard library: HKDF-Expand of one block, then HMAC."""
    field_key = hmac.digest(KEY, b"sesn/v1/index\0container\x01", "sha256")
    message = b"sesn/v1/term\0\x00\x09container\x00\x0btghu1234567"
    expected = hmac.new(field_key, message, hashlib.sha256).digest()[:16]
    assert BlindIndex(KEY).term("container", "tghu1234567") == expected


def test_terms_differ_by_key_field_and_value() -> None:
    """Equal terms mean the same value of the same field under the same key, and only that."""
    index, other = BlindIndex(KEY), BlindIndex(bytes(32))
    terms = {
        index.term("container", "x"),
        index.term("seal", "x"),
        index.term("container", "y"),
        index.term("container", ""),
        other.term("container", "x"),
    }
    assert len(terms) == 5
    assert {len(term) for term in terms} == {TERM_BYTES}
    assert index.term("container", "x") in terms


def test_bad_input_is_refused() -> None:
    """A key of another length, a name that is not ASCII, a value without end."""
    with pytest.raises(MalformedError, match="32 bytes"):
        BlindIndex(KEY[:31])
    with pytest.raises(MalformedError, match="ASCII"):
        BlindIndex(KEY).term("contäiner", "x")
    with pytest.raises(MalformedError, match="65535"):
        BlindIndex(KEY).term("container", "x" * 65_536)


def test_the_key_is_not_shown() -> None:
    """Neither the index nor its key record show the key."""
    record = generate(KeyKind.INDEX, created_ms=1, not_before_ms=1, not_after_ms=2)
    assert record.public != record.private
    assert record.private.hex() not in repr(record) + repr(BlindIndex(record.private))
    storage = generate(KeyKind.STORAGE, created_ms=1, not_before_ms=1, not_after_ms=2)
    assert len(record.public) == len(storage.public) == 32
