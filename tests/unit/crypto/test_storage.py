"""Content keys at rest. The bad ones, one by one, are in the vectors."""

from __future__ import annotations

import pytest

from sesn_node.crypto.keys import KeyKind, key_id, public_of
from sesn_node.crypto.storage import (
    STORED_BYTES,
    WRAPPED_BYTES,
    StorageCipher,
    StorageKeys,
    storage_tag,
)
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


OLDER = bytes(range(1, 33))


def test_a_stored_key_names_the_key_that_wrapped_it() -> None:
    """It begins with the tag of the key in use, and opens with any key that is given."""
    older, now = StorageKeys(OLDER), StorageKeys(KEY, [OLDER])
    assert now.tag == storage_tag(key_id(public_of(KeyKind.STORAGE, KEY)))
    assert older.tag != now.tag
    for keys in (older, now):
        stored = keys.wrap(CONTENT_KEY, table="inbox", row=b"row")
        assert len(stored) == STORED_BYTES == 68
        assert stored.startswith(keys.tag)
        assert now.knows(stored)
        assert now.unwrap(stored, table="inbox", row=b"row") == CONTENT_KEY
    assert repr(now) == "StorageKeys(2)"


def test_a_stored_key_under_a_key_that_is_not_there() -> None:
    """The error names the key, and says what may be wrong."""
    stored = StorageKeys(OLDER).wrap(CONTENT_KEY, table="inbox", row=b"row")
    keys = StorageKeys(KEY)
    assert not keys.knows(stored)
    with pytest.raises(VerificationError, match=r"not in the key file.*newest") as caught:
        keys.unwrap(stored, table="inbox", row=b"row")
    assert caught.value.code == "UNDECRYPTABLE"
    assert stored[:8].hex() in str(caught.value)


def test_a_stored_key_with_another_tag_does_not_open() -> None:
    """Whoever writes another tag before a wrapped key makes it unreadable, and no more."""
    keys = StorageKeys(KEY, [OLDER])
    stored = keys.wrap(CONTENT_KEY, table="inbox", row=b"row")
    swapped = StorageKeys(OLDER).tag + stored[8:]
    with pytest.raises(VerificationError):
        keys.unwrap(swapped, table="inbox", row=b"row")


@pytest.mark.parametrize("length", [0, 60, 67, 69])
def test_a_stored_key_of_another_length_is_refused(length: int) -> None:
    """A stored key has 68 bytes."""
    with pytest.raises(MalformedError, match="68 bytes"):
        StorageKeys(KEY).unwrap(bytes(length), table="inbox", row=b"row")
