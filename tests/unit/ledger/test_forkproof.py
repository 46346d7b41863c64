"""The file that proves a fork: written, read strictly, verified; anything else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.crypto.signers import Signer, signer_for
from sesn_node.domain.ids import AgencyId, ledger_origin
from sesn_node.errors import MalformedError, SesnError, VerificationError
from sesn_node.ledger.checkpoint import LogKeys, sign_checkpoint
from sesn_node.ledger.forkproof import (
    MAX_FORK_BYTES,
    NO_FORK,
    ForkProof,
    foreign_keys,
    format_fork,
    parse_fork,
    verify_fork,
)
from sesn_node.ledger.head import TreeHead

_ORIGIN = ledger_origin(AgencyId("nl.customs"), 1)


def _signer(kind: KeyKind) -> Signer:
    return signer_for(generate(kind, created_ms=1, not_before_ms=1, not_after_ms=2))


_FIRST = (_signer(KeyKind.LOG_ED25519), _signer(KeyKind.LOG_MLDSA44))
_SECOND = (_signer(KeyKind.LOG_ED25519), _signer(KeyKind.LOG_MLDSA44))
_KEYS, _KEYS2 = (LogKeys(_ORIGIN, one.public, two.public) for one, two in (_FIRST, _SECOND))


def _note(root: bytes, size: int = 6, *, second: bool = False) -> bytes:
    return sign_checkpoint(TreeHead(_ORIGIN, size, root), *(_SECOND if second else _FIRST), 1)


_ONE, _TWO = _note(b"1" * 32), _note(b"2" * 32)
_FILE = format_fork(ForkProof(_ORIGIN, 6, (_KEYS,), (_ONE, _TWO)))


def test_round_trip() -> None:
    """What is written is read, byte by byte, and proves the fork."""
    proof = parse_fork(_FILE)
    assert format_fork(proof) == _FILE
    assert {head.root for head in verify_fork(proof)} == {b"1" * 32, b"2" * 32}
    assert not foreign_keys(proof, (_KEYS,))
    assert _FILE.startswith(b"sesn-fork-v1\norigin nl.customs.sesn/ledger/1\nsize 6\nkeys ")


def test_two_key_sets() -> None:
    """Each checkpoint may be signed by another set of the ledger."""
    proof = ForkProof(_ORIGIN, 6, (_KEYS, _KEYS2), (_ONE, _note(b"2" * 32, second=True)))
    assert verify_fork(parse_fork(format_fork(proof)))
    assert foreign_keys(proof, (_KEYS,))


def test_keys_that_signed_nothing() -> None:
    """Somebody's keys beside those that signed would make it look like that agency's fork."""
    with pytest.raises(VerificationError, match="signed neither"):
        verify_fork(ForkProof(_ORIGIN, 6, (_KEYS, _KEYS2), (_ONE, _TWO)))


@pytest.mark.parametrize(
    ("size", "notes"),
    [(6, (_ONE, _ONE)), (7, (_ONE, _TWO)), (6, (_ONE, _note(b"2" * 32, 7)))],
)
def test_no_fork(size: int, notes: tuple[bytes, bytes]) -> None:
    """Equal roots, or other sizes, contradict nothing."""
    with pytest.raises(VerificationError) as caught:
        verify_fork(ForkProof(_ORIGIN, size, (_KEYS,), notes))
    assert caught.value.code == NO_FORK


def test_other_keys() -> None:
    """Signatures by keys that the file does not name prove nothing."""
    with pytest.raises(VerificationError):
        verify_fork(ForkProof(_ORIGIN, 6, (_KEYS2,), (_ONE, _TWO)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"sesn-fork-v1", b"sesn-fork-v2"),
        (b"origin nl.customs", b"origin nl..customs"),
        (b"size 6", b"size 06"),
        (b"size 6", b"size 6\nsize 6"),
        (b"keys ", b"keys x "),
        (b"\nkeys ", b"\nlocks "),
        (b"nl.customs.sesn/ledger/1+", b"gh.epa.sesn/ledger/1+"),
        (b"note ", b"note 1"),
        (b"note ", b"note -"),
        (b"size 6\n", b"size 6\r\n"),
    ],
)
def test_malformed(old: bytes, new: bytes) -> None:
    """Whatever is not exactly the format is refused."""
    with pytest.raises(SesnError):
        verify_fork(parse_fork(_FILE.replace(old, new, 1)))


def test_without_keys() -> None:
    """Nobody can verify a file without keys."""
    with pytest.raises(MalformedError):
        format_fork(ForkProof(_ORIGIN, 6, (), (_ONE, _TWO)))


def test_too_long() -> None:
    """A file that is too long is not read."""
    with pytest.raises(MalformedError, match="limit"):
        parse_fork(_FILE + bytes(MAX_FORK_BYTES))


@given(st.integers(0, len(_FILE) - 1))
def test_cut_off(length: int) -> None:
    """A file that is cut off anywhere is malformed."""
    with pytest.raises(MalformedError):
        parse_fork(_FILE[:length])


@given(st.integers(0, len(_FILE) - 1), st.integers(1, 255))
def test_changed_byte(at: int, by: int) -> None:
    """No changed byte makes it prove anything else."""
    changed = bytearray(_FILE)
    changed[at] ^= by
    try:
        proof = parse_fork(bytes(changed))
        heads = verify_fork(proof)
    except SesnError:
        return
    # A line that a verifier ignores: one of another key.
    assert (proof.origin, proof.size) == (_ORIGIN, 6)
    assert {head.root for head in heads} == {b"1" * 32, b"2" * 32}


@given(st.binary(max_size=400))
def test_garbage(data: bytes) -> None:
    """Bytes that mean nothing are malformed."""
    with pytest.raises(MalformedError):
        parse_fork(data)
