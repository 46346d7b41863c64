"""Proof files: C2SP tlog-proof, byte for byte, and nothing else."""

from __future__ import annotations

import pytest

from sesn_node.errors import MalformedError, VerificationError
from sesn_node.ledger.encoding import encode_base64
from sesn_node.ledger.merkle import inclusion_proof, leaf_hash
from sesn_node.ledger.tlogproof import (
    MAX_EXTRA_BYTES,
    MAX_TLOG_PROOF_BYTES,
    TlogProof,
    format_tlog_proof,
    parse_tlog_proof,
    verify_tlog_proof,
)
from tests.support.trees import entries
from tests.vectors.ledger.material import BELGIAN, DUTCH, FORKED, GERMAN_WITNESS

SIZE = 7
INDEX = 4
ENTRY = entries(SIZE)[INDEX]
HASHES = inclusion_proof(INDEX, SIZE, DUTCH.tree.read)
NOTE = DUTCH.checkpoint(SIZE)
FILE = format_tlog_proof(TlogProof(INDEX, HASHES, NOTE))
HEADER = b"c2sp.org/tlog-proof@v1\n"


def lines(*of: str, note: bytes = NOTE) -> bytes:
    """Write a file by hand."""
    return "\n".join((*of, "", "")).encode() + note


PATH = [encode_base64(value) for value in HASHES]


def test_a_file_is_header_index_hashes_and_checkpoint() -> None:
    """As the text shows it; the checkpoint is verbatim."""
    assert lines("c2sp.org/tlog-proof@v1", "index 4", *PATH) == FILE
    read = parse_tlog_proof(FILE)
    assert (read.index, read.hashes, read.note, read.extra) == (INDEX, HASHES, NOTE, None)
    assert read.checkpoint.claimed == DUTCH.head(SIZE)


def test_extra_data_comes_second() -> None:
    """It is read and written again, and proves nothing."""
    made = format_tlog_proof(TlogProof(INDEX, HASHES, NOTE, b"whatever"))
    assert made.startswith(HEADER + b"extra d2hhdGV2ZXI=\nindex 4\n")
    assert parse_tlog_proof(made).extra == b"whatever"
    assert verify_tlog_proof(made, ENTRY, [DUTCH.keys]) == verify_tlog_proof(
        FILE, ENTRY, [DUTCH.keys]
    )


def test_a_proof_holds() -> None:
    """It says which head, which place, which leaf; cosignature lines do not disturb it."""
    cosigned = NOTE + GERMAN_WITNESS.cosign(DUTCH.head(SIZE))
    for note in (NOTE, cosigned):
        made = format_tlog_proof(TlogProof(INDEX, HASHES, note))
        proven = verify_tlog_proof(made, ENTRY, [BELGIAN.keys, DUTCH.keys])
        assert (proven.head, proven.index, proven.leaf) == (
            DUTCH.head(SIZE),
            INDEX,
            leaf_hash(ENTRY),
        )


def test_the_only_entry_needs_no_hashes() -> None:
    """A file without a single line between index and empty line."""
    made = format_tlog_proof(TlogProof(0, (), DUTCH.checkpoint(1)))
    assert made.startswith(HEADER + b"index 0\n\n")
    assert verify_tlog_proof(made, entries(1)[0], [DUTCH.keys]).index == 0


@pytest.mark.parametrize(
    ("proof", "entry", "code"),
    [
        (FILE, ENTRY + b"x", "BAD_PROOF"),
        (FILE, b"", "BAD_PROOF"),
        (lines("c2sp.org/tlog-proof@v1", "index 5", *PATH), ENTRY, "BAD_PROOF"),
        (lines("c2sp.org/tlog-proof@v1", "index 9", *PATH), ENTRY, "BAD_PROOF"),
        (lines("c2sp.org/tlog-proof@v1", "index 4", *PATH[::-1]), ENTRY, "BAD_PROOF"),
        (lines("c2sp.org/tlog-proof@v1", "index 4", *PATH[1:]), ENTRY, "BAD_PROOF"),
        (lines("c2sp.org/tlog-proof@v1", "index 4", *PATH, PATH[0]), ENTRY, "BAD_PROOF"),
        (format_tlog_proof(TlogProof(4, HASHES, FORKED.checkpoint(SIZE))), ENTRY, "BAD_PROOF"),
        (format_tlog_proof(TlogProof(4, HASHES, BELGIAN.checkpoint(7))), ENTRY, "WRONG_ORIGIN"),
    ],
)
def test_a_proof_of_something_else_fails(proof: bytes, entry: bytes, code: str) -> None:
    """Another entry, place, path, history or ledger."""
    with pytest.raises(VerificationError) as caught:
        verify_tlog_proof(proof, entry, [DUTCH.keys])
    assert caught.value.code == code


def test_one_signature_is_not_enough() -> None:
    """A checkpoint without its ML-DSA-44 line proves nothing."""
    stripped = b"".join(NOTE.splitlines(keepends=True)[:-1])
    with pytest.raises(VerificationError) as caught:
        verify_tlog_proof(format_tlog_proof(TlogProof(4, HASHES, stripped)), ENTRY, [DUTCH.keys])
    assert caught.value.code == "MISSING_SIGNATURE"


V1 = "c2sp.org/tlog-proof@v1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEADER,
        FILE[:-1],
        b" " + FILE,
        FILE.replace(b"\n", b"\r\n", 3),
        lines("c2sp.org/tlog-proof@v2", "index 4", *PATH),
        lines(V1, *PATH),
        lines(V1, "index", *PATH),
        lines(V1, "index 04", *PATH),
        lines(V1, "index +4", *PATH),
        lines(V1, "index 4 ", *PATH),
        lines(V1, "index -1", *PATH),
        lines(V1, "index 9223372036854775808", *PATH),
        lines(V1, "extra ", "index 4", *PATH),
        lines(V1, "extra YQ", "index 4", *PATH),
        lines(V1, "extra YR==", "index 4", *PATH),
        lines(V1, "extra YQ==", "extra YQ==", "index 4", *PATH),
        lines(V1, "index 4", "extra YQ==", *PATH),
        lines(V1, "index 4", "index 4", *PATH),
        lines(V1, "index 4", PATH[0][:-1]),
        lines(V1, "index 4", PATH[0] + " "),
        lines(V1, "index 4", encode_base64(HASHES[0][:31])),
        lines(V1, "index 4", "\u00e9", *PATH),
        lines(V1, "index 4", *PATH, note=b""),
        lines(V1, "index 4", *PATH, note=b"\n" + NOTE),
        lines(V1, "index 4", *PATH, note=NOTE.split(b"\n\n")[0] + b"\n"),
        lines(V1, "index 4", *([PATH[0]] * 64)),
        FILE + b"\n",
        lines(V1, "extra " + encode_base64(bytes(MAX_EXTRA_BYTES + 1)), "index 4", *PATH),
        FILE + b"x" * MAX_TLOG_PROOF_BYTES,
    ],
)
def test_no_other_spelling_is_a_proof(data: bytes) -> None:
    """Strictly what the text says."""
    with pytest.raises(MalformedError):
        parse_tlog_proof(data)


def test_what_cannot_be_read_is_not_written() -> None:
    """Values out of bounds are refused when they are put together."""
    for index, hashes, extra in (
        (-1, (), None),
        (2**63, (), None),
        (0, (b"x",), None),
        (0, (bytes(32),) * 64, None),
        (0, (), b""),
    ):
        with pytest.raises(MalformedError):
            TlogProof(index, hashes, NOTE, extra)
