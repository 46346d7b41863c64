"""Cases of signed things: keys, notes, checkpoints, cosignatures and add-checkpoint bodies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from sesn_node.ledger.encoding import encode_base64
from sesn_node.ledger.head import TreeHead, checkpoint_text
from sesn_node.ledger.merkle import EMPTY_ROOT
from sesn_node.ledger.note import Note, NoteSignature, format_note, parse_note
from sesn_node.ledger.witness import format_add_checkpoint
from tests.vectors.ledger.material import (
    BELGIAN,
    DUTCH,
    FORKED,
    FRENCH_WITNESS,
    GERMAN_WITNESS,
    TIME_S,
    flip_payload,
)

Vector: TypeAlias = dict[str, str]

LIE: Final = b"\x11" * 32


def keys() -> list[Vector]:
    """Return the keys of the ledgers and witnesses, as verifier keys."""
    return [
        {
            "name": who,
            "comment": "the two keys of a ledger or a witness",
            "ed25519": ed25519.vkey(),
            "mldsa44": mldsa44.vkey(),
            "outcome": "ok",
        }
        for who, ed25519, mldsa44 in (
            (DUTCH.keys.origin, DUTCH.keys.ed25519_key, DUTCH.keys.mldsa44_key),
            (BELGIAN.keys.origin, BELGIAN.keys.ed25519_key, BELGIAN.keys.mldsa44_key),
            *(
                (witness.keys.name, witness.keys.ed25519_key, witness.keys.mldsa44_key)
                for witness in (GERMAN_WITNESS, FRENCH_WITNESS)
            ),
        )
    ]


def notes() -> list[Vector]:
    """Return notes with made-up signatures, well-formed and not."""
    line = "— example.com/foo Uw2QOkn8srU=\n"
    good = f"text\n\n{line}"
    cases = [
        ("plain", "text, blank line, one line", good, "ok"),
        ("two lines", "a note may have many signatures", good + line, "ok"),
        ("blank lines in text", "the last blank line ends the text", f"a\n\nb\n\n{line}", "ok"),
        ("line separator in text", "U+2028 ends no line", f"a\u2028b\n\n{line}", "ok"),
        ("carriage returns", "a control character", good.replace("\n", "\r\n"), "MALFORMED"),
        ("tab", "a control character", good.replace("t\n", "\t\n"), "MALFORMED"),
        ("no final newline", "each line ends in a newline", good[:-1], "MALFORMED"),
        ("no blank line", "nothing separates the text", f"text\n{line}", "MALFORMED"),
        ("no signature", "a note is signed", "text\n\n", "MALFORMED"),
        ("hyphen", "not an em dash", good.replace("—", "-"), "MALFORMED"),
        ("plus in name", "no key has this name", good.replace("/", "+"), "MALFORMED"),
        ("space in name", "no key has this name", good.replace("/", "\u2003"), "MALFORMED"),
        ("no padding", "base64 is padded", good.replace("=", ""), "MALFORMED"),
        ("stray bits", "base64 has one spelling", good.replace("rU=", "rV="), "MALFORMED"),
        ("key id only", "there is no signature", f"text\n\n{line[:18]} Uw2QOg==\n", "MALFORMED"),
        ("101 lines", "more than anybody needs", f"text\n\n{line * 101}", "MALFORMED"),
    ]
    made = [
        {"name": name, "comment": comment, "note": note.encode().hex(), "outcome": outcome}
        for name, comment, note, outcome in cases
    ]
    made.append(
        {
            "name": "not UTF-8",
            "comment": "an overlong newline",
            "note": (b"text\xc0\x8a\n\n" + line.encode()).hex(),
            "outcome": "MALFORMED",
        }
    )
    return made


def checkpoints() -> list[Vector]:
    """Return checkpoints that the Dutch ledger's keys are to verify."""
    note = parse_note(DUTCH.checkpoint(7))
    ed25519, mldsa44 = note.signatures
    later = parse_note(DUTCH.checkpoint(8)).signatures
    cosigned = parse_note(DUTCH.checkpoint(7) + GERMAN_WITNESS.cosign(DUTCH.head(7))).signatures
    unknown = NoteSignature(ed25519.name, bytes(4), b"a key that nobody knows")

    def case(
        name: str, comment: str, lines: Iterable[NoteSignature], outcome: str, text: str = note.text
    ) -> Vector:
        return {
            "name": name,
            "comment": comment,
            "ledger": DUTCH.keys.origin,
            "note": format_note(Note(text, tuple(lines))).decode(),
            "outcome": outcome,
        }

    good = (ed25519, mldsa44)
    empty = parse_note(DUTCH.checkpoint(0))
    foreign = parse_note(BELGIAN.checkpoint(7))
    extended = f"{note.text}extension\n"
    signed = NoteSignature(ed25519.name, ed25519.key_id, DUTCH.ed25519.sign(extended.encode()))
    return [
        case("both schemes", "as a ledger signs", good, "ok"),
        case("empty ledger", "size 0 has the empty root", empty.signatures, "ok", empty.text),
        case("cosigned", "other lines are ignored", cosigned, "ok"),
        case("unknown key first", "the name alone is not the key", (unknown, *good), "ok"),
        case("repeated line", "the same line twice is one", (*good, ed25519), "ok"),
        case("Ed25519 only", "ML-DSA-44 stripped", good[:1], "MISSING_SIGNATURE"),
        case("ML-DSA-44 only", "Ed25519 stripped", good[1:], "MISSING_SIGNATURE"),
        case("strangers only", "nobody known signed", [unknown], "MISSING_SIGNATURE"),
        case(
            "Ed25519 flipped",
            "one bit of the signature",
            (flip_payload(ed25519, 9), mldsa44),
            "BAD_SIGNATURE",
        ),
        case(
            "ML-DSA-44 flipped",
            "one bit of the signature",
            (ed25519, flip_payload(mldsa44, 99)),
            "BAD_SIGNATURE",
        ),
        case(
            "time flipped",
            "one bit of the time",
            (ed25519, flip_payload(mldsa44, 7)),
            "BAD_SIGNATURE",
        ),
        case(
            "bad beside good",
            "a failing line of a known key spoils the note",
            (*good, flip_payload(ed25519, 9)),
            "BAD_SIGNATURE",
        ),
        case(
            "mixed checkpoints",
            "the ML-DSA-44 line is of another size",
            (ed25519, later[1]),
            "BAD_SIGNATURE",
        ),
        case("other size", "the text was changed", good, "BAD_SIGNATURE", _resized(note.text)),
        case("other ledger", "another origin", foreign.signatures, "WRONG_ORIGIN", foreign.text),
        case(
            "extension line",
            "ML-DSA-44 does not sign it, so it is no checkpoint",
            (signed, mldsa44),
            "MALFORMED",
            extended,
        ),
        case(
            "leading zero",
            "a size has one spelling",
            good,
            "MALFORMED",
            note.text.replace("\n7\n", "\n07\n"),
        ),
    ]


def _resized(text: str) -> str:
    return text.replace("\n7\n", "\n8\n")


def cosignatures() -> list[Vector]:
    """Return cosignatures of the Dutch head of size 7 by the German witness."""
    head = DUTCH.head(7)
    both = parse_note(DUTCH.checkpoint(7) + GERMAN_WITNESS.cosign(head)).signatures[2:]
    again = parse_note(DUTCH.checkpoint(7) + GERMAN_WITNESS.cosign(head, TIME_S + 60)).signatures
    french = parse_note(DUTCH.checkpoint(7) + FRENCH_WITNESS.cosign(head)).signatures[2:]
    ed25519, mldsa44 = both

    def case(
        name: str,
        comment: str,
        lines: Iterable[NoteSignature],
        outcome: str,
        *,
        at: TreeHead = head,
        time_s: int = TIME_S,
    ) -> Vector:
        return {
            "name": name,
            "comment": comment,
            "witness": GERMAN_WITNESS.keys.name,
            "text": checkpoint_text(at),
            "lines": "".join(line.line() for line in lines),
            "time_s": str(time_s) if outcome == "ok" else "",
            "outcome": outcome,
        }

    return [
        case("both schemes", "as a witness signs", both, "ok"),
        case("with another witness", "others are ignored", (*french, *both), "ok"),
        case(
            "cosigned again",
            "the later time counts",
            (*again[2:], *both),
            "ok",
            time_s=TIME_S + 60,
        ),
        case("Ed25519 only", "ML-DSA-44 stripped", [ed25519], "MISSING_SIGNATURE"),
        case("ML-DSA-44 only", "Ed25519 stripped", [mldsa44], "MISSING_SIGNATURE"),
        case("two times", "each scheme another", (ed25519, again[3]), "MISSING_SIGNATURE"),
        case("another witness", "it did not sign", french, "MISSING_SIGNATURE"),
        case("another size", "another head", both, "BAD_SIGNATURE", at=DUTCH.head(8)),
        case("another ledger", "another head", both, "BAD_SIGNATURE", at=BELGIAN.head(7)),
        case(
            "time flipped",
            "one bit of the time, in both lines",
            (flip_payload(ed25519, 7), flip_payload(mldsa44, 7)),
            "BAD_SIGNATURE",
        ),
        case("no lines", "a witness that answers says something", [], "MALFORMED"),
    ]


def add_checkpoints() -> list[Vector]:
    """Return bodies that a witness of the Dutch ledger is to judge."""
    note = DUTCH.checkpoint(7)
    proof = DUTCH.proof(3, 7)
    four = DUTCH.proof(4, 7)
    forged = FORKED.checkpoint(7)
    ed25519, mldsa44 = parse_note(note).signatures
    stripped = format_note(Note(parse_note(note).text, (ed25519,)))
    damaged = format_note(Note(parse_note(note).text, (ed25519, flip_payload(mldsa44, 99))))
    empty_lie = DUTCH.sign(TreeHead(DUTCH.keys.origin, 0, LIE))
    empty = DUTCH.checkpoint(0)
    unknown = BELGIAN.checkpoint(7)
    body = format_add_checkpoint
    lines = (encode_base64(LIE) + "\n") * 64
    cases = [
        ("first contact", "nothing recorded, nothing to prove", body(0, (), note), 0, "200"),
        ("growth", "from the recorded size", body(3, proof, note), 3, "200"),
        ("growth from a power of two", "no own hash", body(4, four, note), 4, "200"),
        ("no growth", "the recorded head again", body(7, (), note), 7, "200"),
        ("empty ledger", "the first head of all", body(0, (), empty), 0, "200"),
        ("leading zero", "a size has one spelling", b"old 03" + body(3, proof, note)[5:], 3, "400"),
        ("64 proof lines", "63 is the most", f"old 3\n{lines}\n".encode() + note, 3, "400"),
        ("unknown origin", "no key of it is known", body(0, (), unknown), 0, "404"),
        ("stripped", "only one scheme signed", body(0, (), stripped), 0, "403"),
        ("damaged", "a known key's line fails", body(0, (), damaged), 0, "403"),
        ("shrinking", "old is above the size", body(8, (), note), 8, "400"),
        ("stale", "another size is recorded", body(3, proof, note), 4, "409"),
        ("asking", "old 0 asks for the recorded size", body(0, (), note), 4, "409"),
        ("empty with a root", "size 0 has the empty root", body(0, (), empty_lie), 0, "422"),
        ("proof from nothing", "none is due", body(0, proof, note), 0, "422"),
        ("no proof", "one is due", body(3, (), note), 3, "422"),
        ("proof of another size", "it does not hold", body(3, four, note), 3, "422"),
        (
            "rewritten",
            "a forged tree does not extend the recorded one",
            body(3, FORKED.proof(3, 7), forged),
            3,
            "422",
        ),
        ("fork", "the recorded size, another root", body(7, (), forged), 7, "422 fork"),
        ("hidden fork", "behind a wrong old size", body(3, proof, forged), 7, "409 fork"),
    ]
    return [
        {
            "name": name,
            "comment": comment,
            "ledger": DUTCH.keys.origin,
            "recorded_size": str(recorded),
            "recorded_root": (DUTCH.head(recorded).root if recorded else EMPTY_ROOT).hex(),
            "body": data.decode(),
            "outcome": outcome,
        }
        for name, comment, data, recorded, outcome in cases
    ]
