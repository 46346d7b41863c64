"""Trust policies: C2SP tlog-policy, read strictly, and closed where in doubt."""

from __future__ import annotations

import pytest

from sesn_node.errors import MalformedError, VerificationError
from sesn_node.ledger.note import SignatureType, VerifierKey, parse_note
from sesn_node.ledger.policy import NONE, Outcome, evaluate
from sesn_node.ledger.policyfile import MAX_LINES, MAX_POLICY_BYTES, parse_policy
from tests.vectors.ledger.material import (
    BELGIAN,
    DUTCH,
    FRENCH_WITNESS,
    GERMAN_WITNESS,
    TIME_S,
    flip_payload,
    witness,
)

HEAD = DUTCH.head(7)
NOTE = DUTCH.checkpoint(7)
GERMAN = GERMAN_WITNESS.cosign(HEAD)
FRENCH = FRENCH_WITNESS.cosign(HEAD)

LOG = f"log {DUTCH.keys.ed25519_key.vkey()}\nlog {DUTCH.keys.mldsa44_key.vkey()}\n"
G4, G6 = GERMAN_WITNESS.keys.ed25519_key.vkey(), GERMAN_WITNESS.keys.mldsa44_key.vkey()
F4, F6 = FRENCH_WITNESS.keys.ed25519_key.vkey(), FRENCH_WITNESS.keys.mldsa44_key.vkey()
DE = f"witness de4 {G4}\nwitness de6 {G6}\ngroup de all de4 de6\n"
FR = f"witness fr4 {F4}\nwitness fr6 {F6}\ngroup fr 2 fr4 fr6\n"


def held(policy: str, note: bytes = NOTE) -> Outcome:
    """Evaluate a policy."""
    return evaluate(parse_policy(policy.encode()), note)


def lines(data: bytes, *which: int) -> bytes:
    """Choose lines of cosignatures."""
    found = data.splitlines(keepends=True)
    return b"".join(found[one] for one in which)


@pytest.mark.parametrize(
    ("rule", "cosigned", "quorum"),
    [
        ("quorum de\n", b"", False),
        ("quorum de\n", GERMAN, True),
        ("quorum de\n", FRENCH, False),
        ("quorum de\n", lines(GERMAN, 0), False),
        ("quorum de\n", lines(GERMAN, 1), False),
        ("quorum de4\n", lines(GERMAN, 0), True),
        ("group both all de fr\nquorum both\n", GERMAN, False),
        ("group both all de fr\nquorum both\n", GERMAN + FRENCH, True),
        ("group both all de fr\nquorum both\n", GERMAN + lines(FRENCH, 0), False),
        ("group some any de fr\nquorum some\n", FRENCH, True),
        ("group some 1 de fr\nquorum some\n", lines(GERMAN, 0) + lines(FRENCH, 1), False),
        ("group some 2 de fr\nquorum some\n", FRENCH + GERMAN, True),
        ("quorum none\n", b"", True),
    ],
)
def test_a_quorum(rule: str, cosigned: bytes, quorum: bool) -> None:
    """Both lines of an agency count together, or not at all."""
    outcome = held(LOG + DE + FR + rule, NOTE + cosigned)
    assert outcome.quorum is quorum
    assert outcome.asked is (rule != "quorum none\n")
    assert outcome.head == HEAD
    assert outcome.schemes == {SignatureType.ED25519, SignatureType.MLDSA44}
    if quorum:
        outcome.require_quorum()
    else:
        with pytest.raises(VerificationError) as caught:
            outcome.require_quorum()
        assert caught.value.code == "NO_QUORUM"


def test_who_cosigned_is_told() -> None:
    """By their names in the policy, with the time; strangers are not counted."""
    stranger = witness("xx.unknown.sesn/witness").cosign(HEAD)
    outcome = held(LOG + DE + FR + "quorum de\n", NOTE + GERMAN + stranger)
    assert outcome.cosigned == {b"de4": TIME_S, b"de6": TIME_S}
    assert outcome.groups == {b"de"}


def test_the_example_of_the_text_parses() -> None:
    """Two levels of groups, comments, tabs, spaces before and after, URLs, any byte in a name."""
    text = (
        b"# a comment\n \t\n  log\t" + DUTCH.keys.mldsa44_key.vkey().encode()
        + b"  https://log.example/ \n"
        + b"witness X\xff1 " + G4.encode() + b" https://w.example/\n"
        + b"witness X2 " + G6.encode() + b"\n"
        + b"group X-witnesses 1 X\xff1 X2\n"
        + b"  # another\n"
        + b"witness Y1 " + F4.encode() + b"\n"
        + b"group Y any Y1\n"
        + b"group X-and-Y all X-witnesses Y\nquorum X-and-Y\n"
    )  # fmt: skip
    policy = parse_policy(text)
    assert policy.logs[0].url == b"https://log.example/"
    assert policy.witnesses[b"X\xff1"].url == b"https://w.example/"
    assert [group.threshold for group in policy.groups.values()] == [1, 1, 2]
    assert policy.quorum == b"X-and-Y"
    assert evaluate(policy, NOTE + GERMAN + lines(FRENCH, 0)).quorum
    assert not evaluate(policy, NOTE + lines(FRENCH, 0)).quorum


SAME_KEY = VerifierKey("other", SignatureType.ED25519_COSIGNATURE, GERMAN_WITNESS.keys.ed25519)


@pytest.mark.parametrize(
    "text",
    [
        "",
        LOG,
        LOG + DE,
        LOG + DE + "quorum de",
        LOG + DE + "quorum de\nquorum de\n",
        LOG + DE + "quorum none\nquorum de\n",
        LOG + "quorum de\n" + DE,
        LOG + DE + "quorum\n",
        LOG + DE + "quorum de de\n",
        LOG + DE + "quorum fr\n",
        LOG + DE + "Quorum de\n",
        LOG + DE + "quorum DE\n",
        LOG + LOG + "quorum none\n",
        f"log {G4}\nquorum none\n",
        f"log {DUTCH.keys.ed25519_key.vkey()} a b\nquorum none\n",
        f"witness a {DUTCH.keys.ed25519_key.vkey()}\nquorum a\n",
        f"witness a {G4}\nwitness a {F4}\nquorum a\n",
        f"witness a {G4}\nwitness b {G4}\nquorum a\n",
        f"witness a {G4}\nwitness b {SAME_KEY.vkey()}\nquorum a\n",
        f"witness none {G4}\nquorum none\n",
        f"witness a {G4[:-4]}AAA=\nquorum a\n",
        "witness a\nquorum none\n",
        DE + "group none all de\nquorum none\n",
        DE + "group de all de4\nquorum de\n",
        DE + "group a all\nquorum de\n",
        DE + "group a 1 none\nquorum de\n",
        DE + "group a 1 missing\nquorum de\n",
        DE + "group a all a\nquorum a\n",
        DE + "group a all de4\nquorum a\n",
        DE + "group a all de de\nquorum a\n",
        DE + "group a all de\ngroup b all de\nquorum b\n",
        DE + "group a 0 de\nquorum a\n",
        DE + "group a 2 de\nquorum a\n",
        DE + "group a 01 de\nquorum a\n",
        DE + "group a +1 de\nquorum a\n",
        DE + "group a most de\nquorum a\n",
        "quorum none\r\n",
        "quorum\x0bnone\n",
        "quorum none\x00\n",
        "quorum none # not a comment\n",
        "quorum none\n" + "#" * MAX_POLICY_BYTES + "\n",
    ],
)
def test_a_policy_in_doubt_is_none(text: str) -> None:
    """No quorum line, two of them, a key or name twice, anything undefined or unknown."""
    with pytest.raises(MalformedError):
        parse_policy(text.encode())


def test_limits() -> None:
    """More groups than anybody needs are refused, with the number of the line."""
    groups = "".join(f"group g{n + 1} all g{n}\n" for n in range(MAX_LINES))
    text = f"witness g0 {G4}\n{groups}"
    assert parse_policy((text + "quorum g256\n").encode()).quorum == b"g256"
    with pytest.raises(MalformedError, match=r"^policy line 258: "):
        parse_policy((text + "group more all g256\nquorum more\n").encode())


def damaged(note: bytes, place: int) -> bytes:
    """Flip a bit in one signature of a note."""
    parsed = parse_note(note)
    bad = flip_payload(parsed.signatures[place], 40).line().encode()
    return note.replace(parsed.signatures[place].line().encode(), bad)


@pytest.mark.parametrize("place", range(4))
def test_a_bad_line_of_a_known_key_spoils_the_note(place: int) -> None:
    """Even beside a good one, even of a witness that is not needed (signed-note)."""
    note = damaged(NOTE + GERMAN, place)
    with pytest.raises(VerificationError) as caught:
        held(LOG + DE + "quorum none\n", note)
    assert caught.value.code == "BAD_SIGNATURE"


@pytest.mark.parametrize(
    ("policy", "note", "code"),
    [
        (LOG, BELGIAN.checkpoint(7), "UNKNOWN_LOG"),
        (LOG, b"".join(NOTE.splitlines(keepends=True)[:-1]), "MISSING_SIGNATURE"),
        ("", NOTE, "MISSING_SIGNATURE"),
    ],
)
def test_a_ledger_that_is_not_listed_or_not_signed(policy: str, note: bytes, code: str) -> None:
    """Unknown, or one of the two listed keys did not sign; no ledger listed, and none known."""
    with pytest.raises(VerificationError) as caught:
        held(policy + "quorum none\n", note)
    assert caught.value.code == code


def test_a_ledger_known_from_elsewhere() -> None:
    """A policy without log lines takes what the caller knows, under both schemes."""
    policy = parse_policy(b"quorum none\n")
    assert policy.quorum == NONE
    assert evaluate(policy, NOTE, [DUTCH.keys]).head == HEAD


def test_a_policy_that_lists_one_scheme_says_so() -> None:
    """What was verified is told, so that a caller may ask for more."""
    only = f"log {DUTCH.keys.ed25519_key.vkey()}\nquorum none\n"
    assert held(only).schemes == {SignatureType.ED25519}


def test_a_cosignature_of_another_head_does_not_count() -> None:
    """Lines that were copied from another checkpoint do not verify."""
    with pytest.raises(VerificationError) as caught:
        held(LOG + DE + "quorum de\n", NOTE + GERMAN_WITNESS.cosign(DUTCH.head(6)))
    assert caught.value.code == "BAD_SIGNATURE"
