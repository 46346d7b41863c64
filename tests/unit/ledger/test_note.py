"""Signed notes: the examples of others, strict parsing, keys and their ids."""

from __future__ import annotations

import hashlib

import pytest

from sesn_node.crypto.keys import KeyKind, KeyRecord, public_of
from sesn_node.crypto.signers import signer_for
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.ledger.encoding import decode_base64, encode_base64
from sesn_node.ledger.note import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Note,
    NoteSignature,
    SignatureType,
    VerifierKey,
    format_note,
    note_key_id,
    parse_note,
    parse_signature_lines,
    parse_vkey,
)
from tests.vectors.ledger.material import DUTCH

# C2SP signed-note, "Verifier keys", "Example".
C2SP_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1\
Yu72IneyaQM=
"""

# Documentation of Go's golang.org/x/mod/sumdb/note, with the private key that made it.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_PRIVATE = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6Ry\
yBwJnAM=
"""

LINE = "— example.com/foo Uw2QOkn8srU=\n"


def test_the_example_of_c2sp_verifies() -> None:
    """The verifier key of the specification verifies the note of the specification."""
    key = parse_vkey(C2SP_VKEY)
    assert key.kind is SignatureType.ED25519
    note = parse_note(C2SP_NOTE.encode())
    assert note.text == "This is an example message.\n"
    (signature,) = key.payloads(note.signatures)
    key.verify(note.text.encode(), signature)
    for other in (b"This is an example message.", b"This is an example message.\n\n", b""):
        with pytest.raises(VerificationError) as caught:
            key.verify(other, signature)
        assert caught.value.code == "BAD_SIGNATURE"


def test_a_note_of_go_is_made_byte_for_byte() -> None:
    """Signing with the key of Go's documentation gives the note of Go's documentation."""
    seed = decode_base64(GO_PRIVATE, "Go's key")[1:]
    kind = KeyKind.LOG_ED25519
    signer = signer_for(KeyRecord(kind, public_of(kind, seed), seed, 0, 0, 1))
    key = parse_vkey(GO_VKEY)
    assert key == VerifierKey("PeterNeumann", SignatureType.ED25519, signer.public)
    text = GO_NOTE[: GO_NOTE.rindex("\n\n") + 1]
    line = NoteSignature(key.name, key.key_id, signer.sign(text.encode()))
    assert format_note(Note(text, (line,))) == GO_NOTE.encode()


@pytest.mark.parametrize("data", [C2SP_NOTE, GO_NOTE, f"a\n\n\nb\n\n\n{LINE}{LINE}"])
def test_a_note_is_written_as_it_was_read(data: str) -> None:
    """Formatting a parsed note gives its bytes back, empty lines in the text included."""
    assert format_note(parse_note(data.encode())) == data.encode()


def test_the_last_blank_line_ends_the_text() -> None:
    """What looks like an earlier note inside the text stays text."""
    note = parse_note(f"first\n\n{LINE}\nsecond\n\n{LINE}".encode())
    assert note.text == f"first\n\n{LINE}\nsecond\n"
    assert len(note.signatures) == 1


MALFORMED = {
    "empty": "",
    "no signature": "text\n",
    "no signature after the blank line": "text\n\n",
    "no blank line": f"text\n{LINE}",
    "no text": f"\n{LINE}",
    "no final newline": f"text\n\n{LINE}"[:-1],
    "carriage returns": f"text\n\n{LINE}".replace("\n", "\r\n"),
    "carriage return in text": f"te\rxt\n\n{LINE}",
    "tab": f"te\txt\n\n{LINE}",
    "nul": f"te\0xt\n\n{LINE}",
    "escape": f"te\x1bxt\n\n{LINE}",
    "unit separator": f"te\x1fxt\n\n{LINE}",
    "blank line after the signatures": f"text\n\n{LINE}\n",
    "text after the signatures": f"text\n\n{LINE}text\n",
    "hyphen for the dash": f"text\n\n{LINE}".replace("—", "-"),
    "en dash": f"text\n\n{LINE}".replace("—", "\N{EN DASH}"),
    "no space after the dash": f"text\n\n{LINE}".replace("— ", "—"),
    "two spaces after the dash": f"text\n\n{LINE}".replace("— ", "—  "),
    "line without dash": f"text\n\n{LINE[2:]}",
    "no name": "text\n\n— Uw2QOkn8srU=\n",
    "empty name": "text\n\n—  Uw2QOkn8srU=\n",
    "name with plus": "text\n\n— example.com+foo Uw2QOkn8srU=\n",
    "name with space": "text\n\n— example.com foo Uw2QOkn8srU=\n",
    "name with no-break space": "text\n\n— example.com\u00a0foo Uw2QOkn8srU=\n",
    "name with ideographic space": "text\n\n— example.com\u3000foo Uw2QOkn8srU=\n",
    "name with line separator": "text\n\n— example.com\u2028foo Uw2QOkn8srU=\n",
    "lines ended by a line separator": f"text\n\n{LINE[:-1]}\u2028{LINE}",
    "name with next line": "text\n\n— example.com\u0085foo Uw2QOkn8srU=\n",
    "two spaces before the signature": "text\n\n— example.com/foo  Uw2QOkn8srU=\n",
    "space after the signature": "text\n\n— example.com/foo Uw2QOkn8srU= \n",
    "no base64": "text\n\n— example.com/foo \n",
    "nothing after the name": "text\n\n— example.com/foo\n",
    "base64 without padding": "text\n\n— example.com/foo Uw2QOkn8srU\n",
    "base64 with stray bits": "text\n\n— example.com/foo Uw2QOkn8srV=\n",
    "base64 of URLs": "text\n\n— example.com/foo Uw2QOkn8sr_-\n",
    "base64 with more after the padding": "text\n\n— example.com/foo Uw2QOkn8srU=AAAA\n",
    "key id only": "text\n\n— example.com/foo Uw2QOg==\n",
    "less than a key id": "text\n\n— example.com/foo Uw2Q\n",
    "too many signatures": f"text\n\n{LINE * (MAX_SIGNATURES + 1)}",
    "oversized": f"{'x' * MAX_NOTE_BYTES}\n\n{LINE}",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_note_is_refused(data: str) -> None:
    """Each way to break the format is malformed, never half read."""
    with pytest.raises(MalformedError):
        parse_note(data.encode())


@pytest.mark.parametrize("bad", [b"\xff", b"\xe2\x80", b"\xc0\x8a", b"\xed\xa0\x80"], ids=repr)
def test_a_note_that_is_not_utf8_is_refused(bad: bytes) -> None:
    """Invalid, cut, overlong and surrogate encodings are malformed."""
    with pytest.raises(MalformedError):
        parse_note(b"te" + bad + f"xt\n\n{LINE}".encode())


def test_many_and_large_signatures_are_taken() -> None:
    """100 lines are read, and within the default size 16 of the largest post-quantum kind."""
    assert len(parse_note(f"text\n\n{LINE * MAX_SIGNATURES}".encode()).signatures) == 100
    large = NoteSignature("x" * 255, b"\1\2\3\4", bytes(8 + 4627)).line()
    assert len(parse_note(f"text\n\n{large * 16}".encode()).signatures) == 16


def test_the_limit_is_on_bytes() -> None:
    """A note of exactly the limit is read, one byte more is not."""
    data = f"{'—' * 20}\n\n{LINE}".encode()
    assert parse_note(data, limit=len(data)).text == f"{'—' * 20}\n"
    with pytest.raises(MalformedError):
        parse_note(data, limit=len(data) - 1)


def test_repeated_signatures_stay_in_the_note() -> None:
    """Repeats are kept as they came, and given once to the key that checks them."""
    key = parse_vkey(C2SP_VKEY)
    line = parse_note(C2SP_NOTE.encode()).signatures[0]
    note = parse_note(C2SP_NOTE.encode() + line.line().encode())
    assert note.signatures == (line, line)
    assert key.payloads(note.signatures) == (line.payload,)


def test_a_key_matches_by_name_and_id_together() -> None:
    """A line with only the name, or only the id, of a key is not that key's."""
    key = parse_vkey(C2SP_VKEY)
    other_id = NoteSignature(key.name, b"\0\0\0\0", b"payload")
    other_name = NoteSignature("example.com/bar", key.key_id, b"payload")
    assert key.payloads([other_id, other_name]) == ()
    own = NoteSignature(key.name, key.key_id, b"payload")
    assert key.payloads([other_id, own, other_name]) == (b"payload",)


def test_bare_signature_lines() -> None:
    """A witness's answer is lines without a note; nothing else may stand in it."""
    assert len(parse_signature_lines(f"{LINE}{LINE}".encode())) == 2
    for bad in ("", "\n", LINE[:-1], f"\n{LINE}", f"{LINE}\n", f"text\n\n{LINE}"):
        with pytest.raises(MalformedError):
            parse_signature_lines(bad.encode())
    with pytest.raises(MalformedError):
        parse_signature_lines(LINE.encode(), limit=len(LINE))


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "\ud800\n"], ids=ascii)
def test_a_note_cannot_be_made_of_bad_text(text: str) -> None:
    """What could not be parsed again cannot be built either."""
    with pytest.raises(MalformedError):
        Note(text, (NoteSignature("name", b"1234", b"payload"),))


@pytest.mark.parametrize(
    ("name", "key_id", "payload"),
    [
        ("", b"1234", b"payload"),
        ("a b", b"1234", b"payload"),
        ("a+b", b"1234", b"payload"),
        ("a\nb", b"1234", b"payload"),
        ("a\x01b", b"1234", b"payload"),
        ("a\ud800", b"1234", b"payload"),
        ("name", b"123", b"payload"),
        ("name", b"12345", b"payload"),
        ("name", b"1234", b""),
    ],
    ids=ascii,
)
def test_a_signature_cannot_be_made_of_bad_parts(name: str, key_id: bytes, payload: bytes) -> None:
    """Bad names, other key id lengths and empty payloads do not become lines."""
    with pytest.raises(MalformedError):
        NoteSignature(name, key_id, payload)


def test_a_note_has_at_least_one_signature() -> None:
    """Text without signatures is no note."""
    with pytest.raises(MalformedError):
        Note("text\n", ())


def test_key_ids_differ_by_type_and_name() -> None:
    """One public key has another id under another name or signature type."""
    public = parse_vkey(C2SP_VKEY).public
    ids = {
        note_key_id(name, kind, public)
        for name in ("example.com/foo", "example.com/bar")
        for kind in (SignatureType.ED25519, SignatureType.ED25519_COSIGNATURE)
    }
    assert len(ids) == 4
    assert bytes.fromhex("530d903a") in ids


def test_verifier_keys_are_written_as_they_were_read() -> None:
    """Keys of both kinds survive being written and read, and equal what was read."""
    for key in (DUTCH.keys.ed25519_key, DUTCH.keys.mldsa44_key):
        assert parse_vkey(key.vkey()) == key
    assert parse_vkey(C2SP_VKEY).vkey() == C2SP_VKEY


def test_every_cut_of_a_verifier_key_is_refused() -> None:
    """No part of a verifier key passes for one, nor one with a character changed."""
    for start in range(len(C2SP_VKEY)):
        for end in range(start, len(C2SP_VKEY) + 1):
            if end - start < len(C2SP_VKEY):
                with pytest.raises(MalformedError):
                    parse_vkey(C2SP_VKEY[start:end])
    for at, char in enumerate(C2SP_VKEY):
        with pytest.raises(MalformedError):
            parse_vkey(f"{C2SP_VKEY[:at]}{chr(ord(char) + 1)}{C2SP_VKEY[at + 1 :]}")


def test_verifier_keys_are_strict() -> None:
    """Upper-case ids, unknown types, other lengths and unusable keys are refused."""
    name, public = "example.com/foo", parse_vkey(C2SP_VKEY).public

    def vkey(kind: int, material: bytes) -> str:
        # With the id that such a key would have, so that nothing but the key itself is wrong.
        data = bytes([kind]) + material
        key_id = hashlib.sha256(f"{name}\n".encode() + data).digest()[:4]
        return f"{name}+{key_id.hex()}+{encode_base64(data)}"

    assert parse_vkey(vkey(1, public)).vkey() == C2SP_VKEY
    for bad in (
        C2SP_VKEY.replace("530d903a", "530D903A"),
        C2SP_VKEY.replace("530d903a", "0530d903a"),
        vkey(2, public),
        vkey(5, public),
        vkey(255, public),
        vkey(1, public[:-1]),
        vkey(4, public + b"\0"),
        vkey(6, public),
        vkey(1, b"\1" + bytes(31)),
        f"{name}+00000000+",
        "\ud800+00000000+AQ==",
    ):
        with pytest.raises(MalformedError):
            parse_vkey(bad)


def test_a_key_does_not_print_its_material() -> None:
    """1,312 bytes of public key do not flood a log or a traceback."""
    assert len(repr(DUTCH.keys)) < 100
    assert len(repr(DUTCH.keys.mldsa44_key)) < 150
