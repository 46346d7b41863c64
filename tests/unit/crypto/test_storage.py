"""Content keys at rest. The bad ones, one by one, are in the vectors."""

from __future__ import annotations

import pytest

from sesn_node.crypto.storage import WRAPPED_BYTES, StorageCipher
from sesn_node.errors import MalformedError, VerificationError

KEY = bytes(range(32))
CONTENT_KEY = bytes(range(32, 64))


def test_wrap_and_unwrap() -> None:
    """A wrapped key has 60 bytes, differs each time, and opens in its own row."""
    cipher = StorageCipher(KEY)
    first, second = (cipher.wrap(CONTENT_KEY, table="inbox", row=b"row") for _ in range(2))
    assert first != second
    assert len(first) == WRAPPED_BYTES == 60
    assert StorageCipher(KEY).unwrap(first, table="inbox", row=b"row") == CONTENT_KEY


def test_the_error_tells_the_way_out() -> None:
    """A key file of another node is the likely reason, and the message says so."""
    wrapped = StorageCipher(KEY).wrap(CONTENT_KEY, table="inbox", row=b"row")
    with pytest.raises(VerificationError, match="key file is not the one") as caught:
        StorageCipher(bytes(32)).unwrap(wrapped, table="inbox", row=b"row")
    assert caught.value.code == "UNDECRYPTABLE"


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_other_lengths_are_refused(length: int) -> None:
    """Storage and content keys have 32 bytes."""
    with pytest.raises(MalformedError, match="storage key"):
        StorageCipher(bytes(length))
    with pytest.raises(MalformedError, match="content key"):
        StorageCipher(KEY).wrap(bytes(length), table="inbox", row=b"row")


def test_a_name_that_cannot_be_authenticated_is_refused() -> None:
    """Tables have ASCII names, and row ids at most 65,535 bytes."""
    with pytest.raises(MalformedError, match="ASCII"):
        StorageCipher(KEY).wrap(CONTENT_KEY, table="entrée", row=b"row")
    with pytest.raises(MalformedError, match="65535"):
        StorageCipher(KEY).wrap(CONTENT_KEY, table="inbox", row=bytes(65_536))


def test_no_secret_is_shown() -> None:
    """The repr has no key in it."""
    assert repr(StorageCipher(KEY)) == "StorageCipher()"
