"""Checkpoints: strict text, and two signatures of which neither can be spared."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sesn_node.domain.ids import Origin
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.ledger.checkpoint import (
    LogKeys,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from sesn_node.ledger.head import TreeHead, checkpoint_text, parse_checkpoint_text
from sesn_node.ledger.merkle import EMPTY_ROOT, MAX_SIZE
from sesn_node.ledger.note import Note, NoteSignature, SignatureType, format_note, parse_note
from sesn_node.ledger.subtree import subtree_message, verify_subtree
from tests.vectors.ledger.material import (
    BELGIAN,
    DUTCH,
    GERMAN_WITNESS,
    TIME_S,
    flip_payload,
    ledger,
)

ORIGIN = "example.com/behind-the-sofa"
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
# C2SP tlog-checkpoint, the example.
C2SP_CHECKPOINT = f"""{ORIGIN}
20852163
{ROOT}

— {ORIGIN} Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTO\
AYQ8=
"""
HEAD = DUTCH.head(7)


def relined(change: Callable[[NoteSignature, NoteSignature], list[NoteSignature]]) -> bytes:
    """Return the Dutch checkpoint at size 7 with its two signature lines changed."""
    note = parse_note(DUTCH.checkpoint(7))
    ed25519, mldsa44 = note.signatures
    return format_note(Note(note.text, tuple(change(ed25519, mldsa44))))


def refusal(note: bytes, keys: LogKeys = DUTCH.keys) -> str:
    """Return the code with which a checkpoint is refused."""
    with pytest.raises(VerificationError) as caught:
        verify_checkpoint(note, keys)
    return caught.value.code


def test_the_example_of_c2sp_is_read() -> None:
    """The checkpoint of the specification parses to its three values, and back."""
    checkpoint = parse_checkpoint(C2SP_CHECKPOINT.encode())
    assert checkpoint.claimed.origin == ORIGIN
    assert checkpoint.claimed.size == 20852163
    assert checkpoint_text(checkpoint.claimed) == checkpoint.note.text


@pytest.mark.parametrize("size", [0, 1, 7, 64])
def test_a_signed_checkpoint_verifies(size: int) -> None:
    """What a ledger signs with both keys is a note of three lines that verifies to its head."""
    head = DUTCH.head(size)
    note = sign_checkpoint(head, DUTCH.ed25519, DUTCH.mldsa44, TIME_S)
    assert verify_checkpoint(note, DUTCH.keys) == head
    assert verify_checkpoint(parse_checkpoint(note), DUTCH.keys) == head
    assert note.startswith(f"{DUTCH.keys.origin}\n{size}\n".encode())
    kinds = [len(line.payload) for line in parse_note(note).signatures]
    assert kinds == [64, 8 + 2420]


def test_a_signature_carries_its_time() -> None:
    """The ML-DSA-44 line tells the time that was signed with it."""
    _, line = parse_note(DUTCH.checkpoint(7)).signatures
    assert verify_subtree(line.payload, HEAD, DUTCH.keys.mldsa44_key) == TIME_S


def test_the_subtree_message_byte_by_byte() -> None:
    """The bytes under an ML-DSA-44 signature are the struct of tlog-cosignature."""
    head = TreeHead(Origin("log"), 0x0102, b"\xaa" * 32)
    assert subtree_message(head, "me", 0x0304) == (
        b"subtree/v1\n\x00"
        b"\x02me"
        b"\x00\x00\x00\x00\x00\x00\x03\x04"
        b"\x03log"
        b"\x00\x00\x00\x00\x00\x00\x00\x00"
        b"\x00\x00\x00\x00\x00\x00\x01\x02" + b"\xaa" * 32
    )


MALFORMED_TEXT = {
    "empty": "",
    "two lines": f"{ORIGIN}\n1\n",
    "no final newline": f"{ORIGIN}\n1\n{ROOT}",
    "extension line": f"{ORIGIN}\n1\n{ROOT}\nextension\n",
    "empty extension line": f"{ORIGIN}\n1\n{ROOT}\n\n",
    "empty origin": f"\n1\n{ROOT}\n",
    "empty size": f"{ORIGIN}\n\n{ROOT}\n",
    "leading zero": f"{ORIGIN}\n01\n{ROOT}\n",
    "two zeroes": f"{ORIGIN}\n00\n{ROOT}\n",
    "sign": f"{ORIGIN}\n+1\n{ROOT}\n",
    "negative": f"{ORIGIN}\n-1\n{ROOT}\n",
    "space before the size": f"{ORIGIN}\n 1\n{ROOT}\n",
    "hexadecimal": f"{ORIGIN}\n0x1\n{ROOT}\n",
    "other digits": f"{ORIGIN}\n\u0661\n{ROOT}\n",
    "too large": f"{ORIGIN}\n9223372036854775808\n{ROOT}\n",
    "empty root": f"{ORIGIN}\n1\n\n",
    "root without padding": f"{ORIGIN}\n1\n{ROOT[:-1]}\n",
    "root with stray bits": f"{ORIGIN}\n1\n{ROOT[:-2]}J=\n",
    "root of 31 bytes": f"{ORIGIN}\n1\n{ROOT[:-4]}AA==\n",
    "root in hexadecimal": f"{ORIGIN}\n1\n{'aa' * 32}\n",
    "carriage return": f"{ORIGIN}\r\n1\n{ROOT}\n",
}


@pytest.mark.parametrize("text", MALFORMED_TEXT.values(), ids=MALFORMED_TEXT.keys())
def test_malformed_text_is_refused(text: str) -> None:
    """Each other spelling of a head is malformed, whoever signed it."""
    with pytest.raises(MalformedError):
        parse_checkpoint_text(text)


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, bytes(32)),
        ("a\nb", 1, bytes(32)),
        ("a\tb", 1, bytes(32)),
        ("\ud800", 1, bytes(32)),
        ("a", -1, bytes(32)),
        ("a", MAX_SIZE + 1, bytes(32)),
        ("a", 1, bytes(31)),
    ],
    ids=ascii,
)
def test_a_head_out_of_bounds_cannot_be_made(origin: str, size: int, root: bytes) -> None:
    """A head that could not be written as a checkpoint cannot exist."""
    with pytest.raises(MalformedError):
        TreeHead(Origin(origin), size, root)


def test_stripping_either_signature_is_refused() -> None:
    """One good signature is not enough: whoever breaks one scheme cannot drop the other."""
    assert refusal(relined(lambda ed25519, _: [ed25519])) == "MISSING_SIGNATURE"
    assert refusal(relined(lambda _, mldsa44: [mldsa44])) == "MISSING_SIGNATURE"


@pytest.mark.parametrize(("scheme", "at"), [(0, 0), (0, 63), (1, 0), (1, 7), (1, 8), (1, 2427)])
def test_a_bad_signature_beside_the_good_one_spoils_the_note(scheme: int, at: int) -> None:
    """A known key's line that fails is not excused by another line of it that verifies."""
    note = relined(lambda *lines: [*lines, flip_payload(lines[scheme], at)])
    assert refusal(note) == "BAD_SIGNATURE"


@pytest.mark.parametrize("at", [7, 10, 63])
def test_a_flipped_bit_in_either_signature_is_refused(at: int) -> None:
    """Neither scheme covers for the other, and the time is signed too."""
    assert refusal(relined(lambda e, m: [flip_payload(e, at), m])) == "BAD_SIGNATURE"
    assert refusal(relined(lambda e, m: [e, flip_payload(m, at)])) == "BAD_SIGNATURE"


@pytest.mark.parametrize(
    "payload", [b"x", bytes(8), bytes(63), bytes(65), bytes(2427), bytes(2429)]
)
def test_payloads_of_other_lengths_are_bad_signatures(payload: bytes) -> None:
    """A line that names a known key and carries something else is a bad signature."""
    code = refusal(relined(lambda e, m: [NoteSignature(e.name, e.key_id, payload), m]))
    assert code == "BAD_SIGNATURE"
    code = refusal(relined(lambda e, m: [e, NoteSignature(m.name, m.key_id, payload)]))
    assert code == "BAD_SIGNATURE"


def test_a_time_beyond_63_bits_is_a_bad_signature() -> None:
    """A timestamp above 2^63 - 1 is refused even if the ledger did sign it."""
    signature = DUTCH.mldsa44.sign(subtree_message(HEAD, HEAD.origin, 2**63))
    payload = (2**63).to_bytes(8, "big") + signature
    late = relined(lambda e, m: [e, NoteSignature(m.name, m.key_id, payload)])
    assert refusal(late) == "BAD_SIGNATURE"


def test_changed_text_is_refused() -> None:
    """Size and root are signed by both schemes."""
    note = DUTCH.checkpoint(7)
    assert refusal(note.replace(b"\n7\n", b"\n8\n")) == "BAD_SIGNATURE"
    other = DUTCH.checkpoint(8)
    mixed = parse_note(note).text.encode() + other[other.index(b"\n\n") + 1 :]
    assert refusal(mixed) == "BAD_SIGNATURE"


def test_signatures_of_two_checkpoints_do_not_combine() -> None:
    """One scheme's line from another checkpoint does not fill in for the missing one."""
    other = parse_note(DUTCH.checkpoint(8)).signatures
    assert refusal(relined(lambda e, _: [e, other[1]])) == "BAD_SIGNATURE"
    assert refusal(relined(lambda _, m: [other[0], m])) == "BAD_SIGNATURE"


def test_a_checkpoint_of_another_origin_is_refused() -> None:
    """A partner cannot pass its ledger off as another's, nor an old epoch as the new one."""
    assert refusal(BELGIAN.checkpoint(7)) == "WRONG_ORIGIN"
    second = ledger("nl.customs.sesn/ledger/2", keys=DUTCH.keys.origin)
    assert refusal(second.checkpoint(7)) == "WRONG_ORIGIN"
    assert refusal(DUTCH.checkpoint(7), second.keys) == "WRONG_ORIGIN"


def test_lines_of_other_keys_are_ignored() -> None:
    """Cosignatures and strangers' lines, in any place, do not matter."""
    witness = parse_note(DUTCH.checkpoint(7) + GERMAN_WITNESS.cosign(HEAD)).signatures[2:]
    stranger = NoteSignature(DUTCH.keys.origin, b"\0\0\0\0", b"nothing")
    note = relined(lambda e, m: [stranger, *witness, m, stranger, e, e])
    assert verify_checkpoint(note, DUTCH.keys) == HEAD


def test_keys_of_another_ledger_sign_nothing_here() -> None:
    """Our origin signed with somebody else's keys has no signature of ours."""
    impostor = sign_checkpoint(HEAD, BELGIAN.ed25519, BELGIAN.mldsa44, TIME_S)
    assert refusal(impostor) == "MISSING_SIGNATURE"
    half = sign_checkpoint(HEAD, DUTCH.ed25519, BELGIAN.mldsa44, TIME_S)
    assert refusal(half) == "MISSING_SIGNATURE"


def test_an_extension_line_is_malformed_even_if_signed() -> None:
    """Text that ML-DSA-44 does not sign never counts as a checkpoint of ours."""
    text = checkpoint_text(HEAD) + "extension\n"
    line = NoteSignature(
        DUTCH.keys.origin, DUTCH.keys.ed25519_key.key_id, DUTCH.ed25519.sign(text.encode())
    )
    mldsa44 = parse_note(DUTCH.checkpoint(7)).signatures[1]
    with pytest.raises(MalformedError):
        verify_checkpoint(format_note(Note(text, (line, mldsa44))), DUTCH.keys)


@pytest.mark.parametrize("time_s", [0, -1, 2**63])
def test_a_ledger_signs_with_a_time(time_s: int) -> None:
    """A checkpoint without a time, or with an impossible one, is not signed."""
    with pytest.raises(MalformedError):
        sign_checkpoint(HEAD, DUTCH.ed25519, DUTCH.mldsa44, time_s)


@pytest.mark.parametrize("origin", ["has space", "has+plus", "x" * 256, "\u00e9" * 128])
def test_an_origin_that_cannot_name_a_key_cannot_sign(origin: str) -> None:
    """The origin is also the key name, and 255 bytes long at most."""
    head = TreeHead(Origin(origin), 0, EMPTY_ROOT)
    with pytest.raises(MalformedError):
        sign_checkpoint(head, DUTCH.ed25519, DUTCH.mldsa44, TIME_S)
    with pytest.raises(MalformedError):
        LogKeys(Origin(origin), DUTCH.keys.ed25519, DUTCH.keys.mldsa44)


def test_the_longest_origin_signs_and_verifies() -> None:
    """An origin of 255 bytes fits its one-byte length."""
    longest = ledger("\u00e9" * 127 + "x")
    assert verify_checkpoint(longest.checkpoint(3), longest.keys) == longest.head(3)


def test_keys_in_each_others_place_are_malformed() -> None:
    """A card that swaps the two public keys is refused when it is taken."""
    with pytest.raises(MalformedError):
        LogKeys(DUTCH.keys.origin, DUTCH.keys.mldsa44, DUTCH.keys.ed25519)


def test_keys_are_equal_by_what_they_are() -> None:
    """Two decodings of the same keys compare equal; the derived parts agree with them."""
    again = LogKeys(DUTCH.keys.origin, DUTCH.keys.ed25519, DUTCH.keys.mldsa44)
    assert again == DUTCH.keys
    assert again != BELGIAN.keys
    assert again.ed25519_key.kind is SignatureType.ED25519
    assert again.mldsa44_key.kind is SignatureType.MLDSA44
