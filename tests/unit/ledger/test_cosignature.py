"""Cosignatures: both schemes, one time, one head, one witness."""

from __future__ import annotations

import pytest

from sesn_node.domain.ids import Origin
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.ledger.cosignature import (
    WitnessKeys,
    cosign,
    cosignature_message,
    cosigned_times,
    verify_cosignatures,
)
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import EMPTY_ROOT
from sesn_node.ledger.note import NoteSignature, parse_note, parse_signature_lines, parse_vkey
from sesn_node.ledger.subtree import sign_subtree, subtree_message
from tests.vectors.ledger.material import (
    BELGIAN,
    DUTCH,
    FRENCH_WITNESS,
    GERMAN_WITNESS,
    TIME_S,
    flip_payload,
)

HEAD = DUTCH.head(7)
KEYS = GERMAN_WITNESS.keys
LINES = GERMAN_WITNESS.cosign(HEAD)
ED25519, MLDSA44 = parse_signature_lines(LINES)


def written(*lines: NoteSignature) -> bytes:
    """Write signature lines as a witness returns them."""
    return "".join(line.line() for line in lines).encode()


def refusal(lines: bytes, head: TreeHead = HEAD, keys: WitnessKeys = KEYS) -> str:
    """Return the code with which cosignatures are refused."""
    with pytest.raises(VerificationError) as caught:
        verify_cosignatures(lines, head, keys)
    return caught.value.code


def test_the_ed25519_message_is_that_of_c2sp() -> None:
    """The example of tlog-cosignature comes out, byte for byte."""
    note = parse_note(
        b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        b"\n\xe2\x80\x94 example.com/foo Uw2QOkn8srU=\n"
    )
    root = bytes.fromhex("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62")
    head = TreeHead(Origin("example.com/behind-the-sofa"), 20852163, root)
    expected = f"cosignature/v1\ntime 1679315147\n{note.text}"
    assert cosignature_message(head, 1679315147) == expected.encode()


def test_a_witness_cosigns_under_both_schemes() -> None:
    """Two lines, of types 0x04 and 0x06, tell one time; they also verify inside the note."""
    assert verify_cosignatures(LINES, HEAD, KEYS) == TIME_S
    assert (ED25519.key_id, MLDSA44.key_id) == (KEYS.ed25519_key.key_id, KEYS.mldsa44_key.key_id)
    assert (len(ED25519.payload), len(MLDSA44.payload)) == (8 + 64, 8 + 2420)
    note = parse_note(DUTCH.checkpoint(7) + LINES)
    assert verify_cosignatures(note.signatures, HEAD, KEYS) == TIME_S


def test_the_vkeys_of_a_witness_have_their_own_types() -> None:
    """An auditor's tool gets keys of type 0x04 and 0x06."""
    assert [parse_vkey(key.vkey()).kind for key in (KEYS.ed25519_key, KEYS.mldsa44_key)] == [4, 6]


def test_stripping_either_cosignature_is_refused() -> None:
    """One scheme alone is no cosignature, and nothing at all is none either."""
    assert refusal(written(ED25519)) == "MISSING_SIGNATURE"
    assert refusal(written(MLDSA44)) == "MISSING_SIGNATURE"
    assert refusal(FRENCH_WITNESS.cosign(HEAD)) == "MISSING_SIGNATURE"


def test_a_flipped_bit_in_either_cosignature_is_refused() -> None:
    """Time and signature of both lines are bound; a good line beside a bad one does not help."""
    for line in (ED25519, MLDSA44):
        for at in (7, 8, len(line.payload) - 1):
            bad = flip_payload(line, at)
            assert refusal(written(ED25519, MLDSA44, bad)) == "BAD_SIGNATURE"


def test_a_cosignature_of_another_head_is_refused() -> None:
    """Origin, size and root are bound, under both schemes."""
    for head in (
        DUTCH.head(8),
        BELGIAN.head(7),
        TreeHead(HEAD.origin, HEAD.size, EMPTY_ROOT),
        TreeHead(Origin("nl.customs.sesn/ledger/2"), HEAD.size, HEAD.root),
    ):
        assert refusal(LINES, head) == "BAD_SIGNATURE"
        assert refusal(written(*parse_signature_lines(LINES)[::-1]), head) == "BAD_SIGNATURE"


def test_lines_of_other_witnesses_are_ignored() -> None:
    """Strangers' lines beside ours do not matter, even with our name or our id alone."""
    name_only = NoteSignature(KEYS.name, b"\0\0\0\0", b"nothing")
    id_only = NoteSignature("somebody", ED25519.key_id, b"nothing")
    lines = FRENCH_WITNESS.cosign(HEAD) + written(name_only, MLDSA44, id_only, ED25519)
    assert verify_cosignatures(lines, HEAD, KEYS) == TIME_S
    assert verify_cosignatures(lines, HEAD, FRENCH_WITNESS.keys) == TIME_S


def test_the_lines_of_one_witness_do_not_serve_under_another_name() -> None:
    """Relabelled to another witness, a line is a bad signature of that witness."""
    french = FRENCH_WITNESS.keys
    relabelled = written(
        NoteSignature(french.name, french.ed25519_key.key_id, ED25519.payload),
        NoteSignature(french.name, french.mldsa44_key.key_id, MLDSA44.payload),
    )
    assert refusal(relabelled, keys=french) == "BAD_SIGNATURE"


def test_mldsa_commits_to_the_name_of_the_witness() -> None:
    """The same ML-DSA-44 key under two names signs two different messages."""
    assert subtree_message(HEAD, "a", TIME_S) != subtree_message(HEAD, "b", TIME_S)
    renamed = WitnessKeys("other.sesn/witness", KEYS.ed25519, KEYS.mldsa44)
    lines = written(
        NoteSignature(renamed.name, renamed.ed25519_key.key_id, ED25519.payload),
        NoteSignature(renamed.name, renamed.mldsa44_key.key_id, MLDSA44.payload),
    )
    assert refusal(lines, keys=renamed) == "BAD_SIGNATURE"


def test_both_schemes_must_tell_the_same_time() -> None:
    """Whoever forges one scheme cannot give the other's cosignature a new date."""
    later = parse_signature_lines(GERMAN_WITNESS.cosign(HEAD, TIME_S + 100))
    assert refusal(written(ED25519, later[1])) == "MISSING_SIGNATURE"
    assert refusal(written(later[0], MLDSA44)) == "MISSING_SIGNATURE"


def test_cosigning_again_gives_the_later_time() -> None:
    """Of several cosignatures of one head by one witness the latest counts."""
    later = GERMAN_WITNESS.cosign(HEAD, TIME_S + 100)
    assert verify_cosignatures(LINES + later, HEAD, KEYS) == TIME_S + 100
    assert verify_cosignatures(later + LINES, HEAD, KEYS) == TIME_S + 100


def test_a_cosignature_without_time_is_refused() -> None:
    """A validly signed time of 0 says nothing about the largest tree, so it is no answer."""
    kept = cosigned_times([MLDSA44], HEAD, KEYS.mldsa44_key)
    assert kept == {TIME_S}
    signature = GERMAN_WITNESS.mldsa44.sign(subtree_message(HEAD, KEYS.name, 0))
    timeless = NoteSignature(KEYS.name, KEYS.mldsa44_key.key_id, bytes(8) + signature)
    assert refusal(written(ED25519, timeless)) == "BAD_SIGNATURE"
    signature = GERMAN_WITNESS.ed25519.sign(cosignature_message(HEAD, 0))
    timeless = NoteSignature(KEYS.name, KEYS.ed25519_key.key_id, bytes(8) + signature)
    assert refusal(written(timeless, MLDSA44)) == "BAD_SIGNATURE"


@pytest.mark.parametrize(
    "payload", [b"x", bytes(8), b"\x80" + bytes(71), b"\xff" * 72, bytes(2429)]
)
def test_payloads_of_other_forms_are_bad_signatures(payload: bytes) -> None:
    """Too short, too long or with an impossible time: a bad signature, not a crash."""
    for line, other in ((ED25519, MLDSA44), (MLDSA44, ED25519)):
        bad = NoteSignature(line.name, line.key_id, payload)
        assert refusal(written(bad, other)) == "BAD_SIGNATURE"


def test_a_ledgers_own_signature_is_no_cosignature() -> None:
    """The text as the ledger signs it, put into a witness's line, does not verify."""
    plain = parse_note(DUTCH.checkpoint(7)).signatures[0].payload
    keys = WitnessKeys("nl.customs.sesn/witness", DUTCH.keys.ed25519, DUTCH.keys.mldsa44)
    line = NoteSignature(keys.name, keys.ed25519_key.key_id, (1).to_bytes(8, "big") + plain)
    assert refusal(written(line), keys=keys) == "BAD_SIGNATURE"


def test_single_keys_of_foreign_witnesses_can_be_asked() -> None:
    """An auditor may count a witness that has one key only, and learns if it did not sign."""
    signatures = parse_signature_lines(LINES)
    assert cosigned_times(signatures, HEAD, KEYS.ed25519_key) == {TIME_S}
    assert cosigned_times(signatures, HEAD, FRENCH_WITNESS.keys.ed25519_key) == frozenset()


@pytest.mark.parametrize("lines", [b"", b"\n", LINES[:-1], LINES + b"\n", b"text\n\n" + LINES])
def test_what_is_not_signature_lines_is_malformed(lines: bytes) -> None:
    """A witness's answer is signature lines and nothing else."""
    with pytest.raises(MalformedError):
        verify_cosignatures(lines, HEAD, KEYS)


@pytest.mark.parametrize("time_s", [0, -1, 2**63])
def test_a_witness_cosigns_with_a_time(time_s: int) -> None:
    """No cosignature is made without a time, or with an impossible one."""
    with pytest.raises(MalformedError):
        GERMAN_WITNESS.cosign(HEAD, time_s)
    with pytest.raises(MalformedError):
        sign_subtree(HEAD, KEYS.name, GERMAN_WITNESS.mldsa44, time_s)


@pytest.mark.parametrize("name", ["", "has space", "has+plus", "x" * 256, "\ud800"], ids=ascii)
def test_a_name_that_cannot_name_a_key_cannot_cosign(name: str) -> None:
    """Witness names follow the rules of key names and fit a one-byte length."""
    with pytest.raises(MalformedError):
        cosign(HEAD, name, GERMAN_WITNESS.ed25519, GERMAN_WITNESS.mldsa44, TIME_S)
    with pytest.raises(MalformedError):
        WitnessKeys(name, KEYS.ed25519, KEYS.mldsa44)


def test_an_origin_too_long_for_mldsa_is_not_cosigned() -> None:
    """A head whose origin does not fit its one-byte length is malformed, not truncated."""
    head = TreeHead(Origin("x" * 256), 0, EMPTY_ROOT)
    with pytest.raises(MalformedError):
        GERMAN_WITNESS.cosign(head)
