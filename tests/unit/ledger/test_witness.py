"""The witness: every status of tlog-witness, in the order of tlog-witness, and forks."""

from __future__ import annotations

import pytest

from sesn_node.domain.ids import Origin
from sesn_node.errors import ConflictError, MalformedError
from sesn_node.ledger.checkpoint import LogKeys
from sesn_node.ledger.encoding import encode_base64
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import EMPTY_ROOT, MAX_SIZE
from sesn_node.ledger.note import Note, NoteSignature, format_note, parse_note
from sesn_node.ledger.witness import (
    MAX_BODY_BYTES,
    MAX_PROOF_LINES,
    Status,
    Verdict,
    format_add_checkpoint,
    judge,
    parse_add_checkpoint,
)
from tests.vectors.ledger.material import BELGIAN, DUTCH, FORKED, flip_payload

HASH = b"\x11" * 32
KEYS = DUTCH.keys
NOTE = DUTCH.checkpoint(7)


def body(old: int, size: int) -> bytes:
    """Return an honest body of the Dutch ledger."""
    return format_add_checkpoint(old, DUTCH.proof(old, size), DUTCH.checkpoint(size))


def judged(data: bytes, recorded: int | None = None) -> Verdict:
    """Judge a body for a witness that recorded the Dutch head of a size."""
    return judge(data, KEYS, None if recorded is None else DUTCH.head(recorded))


def stripped(note: bytes, scheme: int) -> bytes:
    """Return a checkpoint with one of its two signature lines only."""
    parsed = parse_note(note)
    return format_note(Note(parsed.text, (parsed.signatures[scheme],)))


def damaged(note: bytes, scheme: int) -> bytes:
    """Return a checkpoint with a flipped bit in one of its two signatures."""
    parsed = parse_note(note)
    lines = list(parsed.signatures)
    lines[scheme] = flip_payload(lines[scheme], 20)
    return format_note(Note(parsed.text, tuple(lines)))


def test_the_example_of_c2sp_is_read() -> None:
    """The request of tlog-witness parses, and is written again byte for byte."""
    example = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzG\
ku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw\
6QUXTS5Rovnzv++qbSzm9Q=
""".encode()
    request = parse_add_checkpoint(example)
    assert request.old_size == 20852014
    assert len(request.proof) == 4
    assert request.origin == "example.com/behind-the-sofa"
    assert len(request.checkpoint.note.signatures) == 2
    assert format_add_checkpoint(request.old_size, request.proof, request.note) == example


@pytest.mark.parametrize(
    ("old", "size"), [(0, 0), (0, 1), (0, 7), (1, 1), (1, 2), (4, 64), (7, 7), (7, 8), (33, 64)]
)
def test_200_an_honest_ledger_is_accepted(old: int, size: int) -> None:
    """Growth from the recorded head, or none at all, is accepted with the head to record."""
    data = body(old, size)
    verdict = judged(data, old or None)
    assert verdict.status == 200
    assert verdict.head == DUTCH.head(size)
    assert verdict.note == data[data.index(b"\n\n") + 2 :]
    assert verdict.size == old
    assert verdict.reason == ""
    assert not verdict.fork


def test_200_a_recorded_empty_tree_is_like_none() -> None:
    """A head of size 0 may be recorded; growth from it needs no proof."""
    verdict = judge(body(0, 7), KEYS, DUTCH.head(0))
    assert verdict.status is Status.COSIGNED


def test_a_parsed_body_is_judged_like_its_bytes() -> None:
    """Who has parsed the body, to find the origin, need not have it parsed again."""
    data = body(4, 7)
    assert judge(parse_add_checkpoint(data), KEYS, DUTCH.head(4)) == judged(data, 4)


MALFORMED = {
    "empty": b"",
    "note only": NOTE,
    "no old line": b"\n" + NOTE,
    "no size": b"old \n\n" + NOTE,
    "no word": b"0\n\n" + NOTE,
    "no space": b"old0\n\n" + NOTE,
    "capital": b"Old 0\n\n" + NOTE,
    "two spaces": b"old  0\n\n" + NOTE,
    "space after the size": b"old 0 \n\n" + NOTE,
    "leading zero": b"old 01\n\n" + NOTE,
    "only zeroes": b"old 00\n\n" + NOTE,
    "sign": b"old +1\n\n" + NOTE,
    "negative": b"old -1\n\n" + NOTE,
    "underscore": b"old 1_0\n\n" + NOTE,
    "other digits": "old \u0661\n\n".encode() + NOTE,
    "not UTF-8": b"old \xff\n\n" + NOTE,
    "over 63 bits": b"old 9223372036854775808\n\n" + NOTE,
    "carriage return": b"old 0\r\n\r\n" + NOTE,
    "no blank line": b"old 0\n" + NOTE,
    "two blank lines": b"old 0\n\n\n" + NOTE,
    "blank line in the proof": b"old 4\n"
    + b"\n".join([encode_base64(HASH).encode()] * 2)
    + b"\n\n\n"
    + NOTE,
    "short hash": b"old 4\n" + encode_base64(HASH[:31]).encode() + b"\n\n" + NOTE,
    "long hash": b"old 4\n" + encode_base64(HASH + b"\0").encode() + b"\n\n" + NOTE,
    "hash in hexadecimal": b"old 4\n" + HASH.hex().encode() + b"\n\n" + NOTE,
    "hash without padding": b"old 4\n" + encode_base64(HASH)[:-1].encode() + b"\n\n" + NOTE,
    "hash with stray bits": b"old 4\n" + encode_base64(HASH)[:-2].encode() + b"F=\n\n" + NOTE,
    "64 proof lines": b"old 4\n" + (encode_base64(HASH).encode() + b"\n") * 64 + b"\n" + NOTE,
    "no note": b"old 0\n\n",
    "note without signatures": b"old 0\n\n" + NOTE[: NOTE.index(b"\n\n") + 1],
    "note without final newline": b"old 0\n\n" + NOTE[:-1],
    "text after the note": b"old 0\n\n" + NOTE + b"text\n",
    "extension line": b"old 0\n\n" + NOTE.replace(b"\n\n", b"\nextension\n\n"),
    "oversized": b"old 0\n\n" + NOTE + b"x" * MAX_BODY_BYTES,
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_400_a_malformed_body(data: bytes) -> None:
    """Each way to break the format is a bad request, and tells nothing about a head."""
    with pytest.raises(MalformedError):
        parse_add_checkpoint(data)
    verdict = judged(data, 4)
    assert verdict.status == 400
    assert verdict.reason
    assert verdict.head is None
    assert verdict.note == b""
    assert verdict.size == 4


def test_the_limit_is_on_the_whole_body() -> None:
    """A body of exactly the limit is read, one byte more is not."""
    data = body(4, 7)
    assert parse_add_checkpoint(data, limit=len(data)).old_size == 4
    with pytest.raises(MalformedError):
        parse_add_checkpoint(data, limit=len(data) - 1)


def test_63_proof_lines_are_read() -> None:
    """The most lines that the specification allows are well-formed; they just prove nothing."""
    data = format_add_checkpoint(4, [HASH] * MAX_PROOF_LINES, NOTE)
    assert len(parse_add_checkpoint(data).proof) == 63
    assert judged(data, 4).status == 422


def test_404_an_unknown_origin() -> None:
    """Without keys of its origin, or with those of another, a checkpoint is unknown."""
    assert judge(body(0, 7), None, None).status == 404
    assert judge(body(0, 7), BELGIAN.keys, None).status == 404
    old_epoch = LogKeys(Origin("nl.customs.sesn/ledger/2"), KEYS.ed25519, KEYS.mldsa44)
    assert judge(body(0, 7), old_epoch, None).status == 404


@pytest.mark.parametrize("scheme", [0, 1])
def test_403_a_stripped_signature(scheme: int) -> None:
    """One of the two schemes alone is no trusted signature."""
    data = format_add_checkpoint(0, (), stripped(NOTE, scheme))
    verdict = judged(data)
    assert verdict.status == 403
    assert verdict.head is None
    assert verdict.note == b""


@pytest.mark.parametrize("scheme", [0, 1])
def test_403_a_bad_signature_by_a_known_key(scheme: int) -> None:
    """A known key's line that fails is refused, also beside one that verifies."""
    assert judged(format_add_checkpoint(0, (), damaged(NOTE, scheme))).status == 403
    line = flip_payload(parse_note(NOTE).signatures[scheme], 20).line()
    assert judged(format_add_checkpoint(0, (), NOTE + line.encode())).status == 403


def test_403_signatures_of_strangers_only() -> None:
    """A checkpoint of a known origin that only others signed is refused."""
    line = NoteSignature(KEYS.origin, b"\0\0\0\0", b"stranger")
    note = format_note(Note(parse_note(NOTE).text, (line,)))
    assert judged(format_add_checkpoint(0, (), note)).status == 403


def test_400_an_old_size_above_the_size() -> None:
    """A ledger does not shrink, not even to what the witness has seen before."""
    verdict = judged(format_add_checkpoint(8, (), NOTE), 8)
    assert verdict.status == 400
    assert verdict.head == DUTCH.head(7)


@pytest.mark.parametrize(("old", "recorded"), [(0, 4), (4, None), (3, 4), (5, 4), (7, 6), (0, 7)])
def test_409_an_old_size_that_is_not_recorded(old: int, recorded: int | None) -> None:
    """The answer names the recorded size, so that the ledger can prove from there."""
    verdict = judged(body(old, 7), recorded)
    assert verdict.status == 409
    assert verdict.size == (recorded or 0)
    assert not verdict.fork


def test_422_an_empty_tree_with_another_root() -> None:
    """A validly signed size 0 has the root of the empty tree, or is refused."""
    lie = DUTCH.sign(TreeHead(KEYS.origin, 0, HASH))
    verdict = judged(format_add_checkpoint(0, (), lie))
    assert verdict.status == 422
    assert verdict.head is not None
    assert not verdict.fork


def test_422_a_proof_from_nothing() -> None:
    """From size 0 there is nothing to prove, so there must be no proof."""
    assert judged(format_add_checkpoint(0, (HASH,), NOTE)).status == 422
    assert judged(format_add_checkpoint(0, (HASH,), DUTCH.checkpoint(0))).status == 422


def test_422_a_proof_between_equal_sizes() -> None:
    """From a head to itself there must be no proof either."""
    assert judged(format_add_checkpoint(7, (HASH,), NOTE), 7).status == 422


def test_422_a_proof_that_does_not_hold() -> None:
    """Missing, cut, or of other sizes: refused, but no evidence of anything."""
    for proof in ((), DUTCH.proof(4, 7)[:-1], DUTCH.proof(3, 7), (HASH,)):
        verdict = judged(format_add_checkpoint(4, proof, NOTE), 4)
        assert verdict.status == 422
        assert verdict.head == DUTCH.head(7)
        assert not verdict.fork


def test_422_a_rewritten_history() -> None:
    """An honest proof of a forged tree does not connect to the recorded head."""
    forged = format_add_checkpoint(4, FORKED.proof(4, 7), FORKED.checkpoint(7))
    verdict = judged(forged, 4)
    assert verdict.status == 422
    assert not verdict.fork


def test_422_a_fork_at_the_recorded_size() -> None:
    """Two validly signed heads of one size with two roots prove themselves."""
    note = FORKED.checkpoint(7)
    verdict = judged(format_add_checkpoint(7, (), note), 7)
    assert verdict.status == 422
    assert verdict.fork
    assert verdict.head == FORKED.head(7)
    assert verdict.head != DUTCH.head(7)
    assert verdict.note == note


@pytest.mark.parametrize(("old", "status"), [(0, 409), (6, 409), (8, 400)])
def test_a_fork_is_seen_whatever_old_size_comes_with_it(old: int, status: int) -> None:
    """A forker cannot hide the fork behind another refusal."""
    verdict = judged(format_add_checkpoint(old, (), FORKED.checkpoint(7)), 7)
    assert verdict.status == status
    assert verdict.fork


@pytest.mark.parametrize("scheme", [0, 1])
def test_an_unproven_fork_is_no_fork(scheme: int) -> None:
    """With one signature stripped or broken, nobody can be framed for a fork."""
    for note in (stripped(FORKED.checkpoint(7), scheme), damaged(FORKED.checkpoint(7), scheme)):
        verdict = judged(format_add_checkpoint(7, (), note), 7)
        assert verdict.status == 403
        assert not verdict.fork


def test_the_same_checkpoint_again_is_no_fork() -> None:
    """Submitting the recorded head once more is accepted and changes nothing."""
    verdict = judged(body(7, 7), 7)
    assert verdict.status is Status.COSIGNED
    assert not verdict.fork


def test_an_older_checkpoint_is_no_fork() -> None:
    """A head below the recorded size is a conflict; it cannot roll the witness back."""
    verdict = judged(body(4, 6), 7)
    assert verdict.status == 409
    assert verdict.size == 7
    assert not verdict.fork


def test_checks_come_in_the_order_of_the_specification() -> None:
    """With several things wrong, the answer is to the first that tlog-witness names."""
    empty_lie = DUTCH.sign(TreeHead(KEYS.origin, 0, HASH))
    malformed_and_unknown = judge(b"old 00\n\n" + NOTE, None, None)
    assert malformed_and_unknown.status == 400
    bad = damaged(NOTE, 0)
    assert judge(format_add_checkpoint(9, (HASH,), bad), None, None).status == 404
    assert judged(format_add_checkpoint(9, (HASH,), bad), 4).status == 403
    assert judged(format_add_checkpoint(9, (HASH,), NOTE), 4).status == 400
    assert judged(format_add_checkpoint(5, (HASH,), NOTE), 4).status == 409
    assert judged(format_add_checkpoint(0, (HASH,), empty_lie), 4).status == 409
    assert judged(format_add_checkpoint(0, (HASH,), empty_lie)).status == 422


def test_a_recorded_head_of_another_ledger_is_a_mistake_of_the_caller() -> None:
    """Comparing two ledgers with each other would make forks out of nothing."""
    with pytest.raises(ConflictError) as caught:
        judge(body(0, 7), KEYS, BELGIAN.head(7))
    assert caught.value.code == "WRONG_ORIGIN"


@pytest.mark.parametrize(
    ("old", "proof"),
    [(-1, []), (MAX_SIZE + 1, []), (1, [HASH] * 64), (1, [HASH[:31]]), (1, [b""])],
)
def test_a_body_out_of_bounds_cannot_be_written(old: int, proof: list[bytes]) -> None:
    """What a witness would answer 400 to is not sent."""
    with pytest.raises(MalformedError):
        format_add_checkpoint(old, proof, NOTE)


def test_the_empty_tree_has_the_empty_root() -> None:
    """The test material's own head of size 0 is the one that RFC 6962 defines."""
    assert DUTCH.head(0) == TreeHead(KEYS.origin, 0, EMPTY_ROOT)
