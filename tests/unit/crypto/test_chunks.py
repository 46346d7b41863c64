"""Chunks: every byte where it was written; no file passes for another, or for a shorter one."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from sesn_node.crypto.chunks import (
    ALTERED,
    CHUNK_BYTES,
    PREFIX_BYTES,
    SEALED_CHUNK_BYTES,
    ChunkOpener,
    ChunkSealer,
)
from sesn_node.errors import MalformedError, VerificationError

KEY = bytes(range(32))
PREFIX = b"prefix7"


def _sealed(count: int, *, key: bytes = KEY, prefix: bytes = PREFIX) -> list[bytes]:
    """Chunks of a file: full ones, and a short last one."""
    sealer = ChunkSealer(key, prefix)
    chunks = [sealer.seal(bytes([n]) * CHUNK_BYTES, last=False) for n in range(count - 1)]
    return [*chunks, sealer.seal(b"the end", last=True)]


def _open_all(chunks: list[bytes], *, key: bytes = KEY, prefix: bytes = PREFIX) -> list[bytes]:
    """Open chunks as a reader does who takes the end of the file for the last one."""
    opener = ChunkOpener(key, prefix)
    return [opener.open(one, last=at == len(chunks) - 1) for at, one in enumerate(chunks)]


def _altered(chunks: list[bytes], *, key: bytes = KEY, prefix: bytes = PREFIX) -> None:
    with pytest.raises(VerificationError) as error:
        _open_all(chunks, key=key, prefix=prefix)
    assert error.value.code == ALTERED


def test_the_nonce_is_prefix_counter_and_flag() -> None:
    """The format is the documented one, by an independent computation."""
    full, last = _sealed(2)
    assert len(full) == SEALED_CHUNK_BYTES
    aes, aad = AESGCM(KEY), b"sesn/v1/chunk\0"
    assert full == aes.encrypt(PREFIX + b"\0\0\0\0\0", bytes(CHUNK_BYTES), aad)
    assert last == aes.encrypt(PREFIX + b"\0\0\0\1\1", b"the end", aad)


@given(sizes=st.lists(st.just(CHUNK_BYTES), max_size=2), last=st.integers(0, CHUNK_BYTES))
@settings(max_examples=20)
def test_round_trip(sizes: list[int], last: int) -> None:
    """What was sealed is opened again, whatever the length of the last chunk."""
    sealer = ChunkSealer(KEY, PREFIX)
    plain = [bytes([n]) * size for n, size in enumerate([*sizes, last])]
    chunks = [sealer.seal(one, last=n == len(sizes)) for n, one in enumerate(plain)]
    assert _open_all(chunks) == plain


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_truncated_at_a_chunk(kept: int) -> None:
    """A file that ends with a whole chunk, but not with the last, does not open."""
    _altered(_sealed(4)[:kept])


def test_truncated_within_a_chunk() -> None:
    """A file that was cut anywhere does not open."""
    chunks = _sealed(2)
    for end in (0, 1, 15, 16, len(chunks[1]) - 1):
        _altered([chunks[0], chunks[1][:end]])


def test_chunks_in_another_order() -> None:
    """Chunks that changed places do not open."""
    one, two, three, last = _sealed(4)
    _altered([two, one, three, last])
    _altered([one, two, last, three])


def test_chunk_left_out_or_doubled() -> None:
    """Neither may a chunk be missing, nor stand there twice."""
    one, two, three, last = _sealed(4)
    _altered([one, three, last])
    _altered([one, two, two, three, last])
    _altered([one, two, three, last, last])


def test_two_files_joined() -> None:
    """The beginning of one file and the end of another do not make a third."""
    mine, other = _sealed(3), _sealed(3, key=bytes(32))
    _altered([mine[0], *other[1:]])
    _altered([*mine, *other])
    # Even under one key, which no two files have.
    same_key = _sealed(3, prefix=b"another")
    _altered([mine[0], *same_key[1:]])


@pytest.mark.parametrize("at", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, SEALED_CHUNK_BYTES - 1])
def test_flipped_bit(at: int) -> None:
    """No bit of a chunk can be changed."""
    first, last = _sealed(2)
    flipped = bytearray(first)
    flipped[at] ^= 1
    _altered([bytes(flipped), last])


def test_other_key_or_prefix() -> None:
    """A file opens under its own key and prefix only."""
    _altered(_sealed(2), key=bytes(32))
    _altered(_sealed(2), prefix=bytes(PREFIX_BYTES))


def test_nothing_after_the_last() -> None:
    """Whoever seals or opens beyond the last chunk has lost count."""
    sealer, opener = ChunkSealer(KEY, PREFIX), ChunkOpener(KEY, PREFIX)
    last = sealer.seal(b"", last=True)
    assert opener.open(last, last=True) == b""
    with pytest.raises(MalformedError, match="after the last"):
        sealer.seal(b"", last=True)
    with pytest.raises(MalformedError, match="after the last"):
        opener.open(last, last=True)


@pytest.mark.parametrize("size", [0, CHUNK_BYTES - 1, CHUNK_BYTES + 1])
def test_short_chunk_in_the_middle(size: int) -> None:
    """Every chunk but the last is full, or a reader could not tell them apart."""
    with pytest.raises(MalformedError, match="expected 65536 bytes"):
        ChunkSealer(KEY, PREFIX).seal(bytes(size), last=False)


@pytest.mark.parametrize("prefix", [b"", bytes(6), bytes(8)])
def test_prefix_of_another_length(prefix: bytes) -> None:
    """A prefix of another length would shift counter and flag."""
    with pytest.raises(MalformedError, match="prefix"):
        ChunkSealer(KEY, prefix)


def test_too_many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter never goes round: a nonce would meet its key twice."""
    monkeypatch.setattr("sesn_node.crypto.chunks._MAX_CHUNKS", 1)
    sealer = ChunkSealer(KEY, PREFIX)
    sealer.seal(bytes(CHUNK_BYTES), last=False)
    with pytest.raises(MalformedError, match="at most"):
        sealer.seal(b"", last=True)


def test_repr_shows_no_key() -> None:
    """Keys do not get into logs by accident."""
    assert repr(ChunkSealer(KEY, PREFIX)) == "ChunkSealer(0 chunks)"
