"""`sesn ledger check-proof`: anybody's proof, offline; 0 only if everything that is asked holds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tests.vectors.exports.generate
from sesn_node.errors import MalformedError, VerificationError
from sesn_node.ledger.note import VerifierKey
from sesn_node.ledger.policyfile import parse_policy
from sesn_node.ledger.proofcheck import check_proof
from tests.support.commands import sesn
from tests.support.trees import entries
from tests.vectors.exports.generate import INDEX, SIZE
from tests.vectors.ledger.material import DUTCH, GERMAN_WITNESS, witness

if TYPE_CHECKING:
    from tests.support.commands import Ran

pytestmark = pytest.mark.usefixtures("_wide", "_nothing")

FOLDER = Path(tests.vectors.exports.generate.__file__).parent
PROOF = FOLDER / f"{INDEX}.tlog-proof"
POLICY = FOLDER / "policy.txt"
LEAF = entries(SIZE)[INDEX]
_OTHER = "de.customs.sesn/ledger/1"


@pytest.fixture
def _nothing(_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An auditor's machine: no home, no passphrase, an empty folder."""
    monkeypatch.delenv("SESN_PASSPHRASE")
    monkeypatch.chdir(tmp_path)


def _check(
    tmp_path: Path,
    *options: object,
    proof: bytes | None = None,
    leaf: bytes = LEAF,
    policy: str = "",
) -> Ran:
    files = {"proof": proof or PROOF.read_bytes(), "leaf": leaf}
    files["policy"] = policy.encode() or POLICY.read_bytes()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return sesn(
        "ledger",
        "check-proof",
        tmp_path / "proof",
        "--leaf",
        tmp_path / "leaf",
        "--policy",
        tmp_path / "policy",
        *options,
    )


def _witness(name: str, keys: object) -> str:
    ed25519, mldsa44 = keys.ed25519_key.vkey(), keys.mldsa44_key.vkey()  # type: ignore[attr-defined]  # of either kind
    return (
        f"witness {name}-1 {ed25519}\nwitness {name}-2 {mldsa44}\n"
        f"group {name} all {name}-1 {name}-2\n"
    )


def _logs() -> str:
    return f"log {DUTCH.keys.ed25519_key.vkey()}\nlog {DUTCH.keys.mldsa44_key.vkey()}\n"


def test_a_proof_that_holds(tmp_path: Path) -> None:
    """Which entry of which ledger it is, by whose word, for people and for programs."""
    ran = _check(tmp_path)
    assert ran.code == 0, ran
    for words in (
        f"is entry {INDEX} of {DUTCH.keys.origin}",
        f"{SIZE} entries",
        "Ed25519 and ML-DSA-44",
        "de-ed25519, 20",
        "fr-mldsa44, 20",
        "either",
    ):
        assert words in ran.out, ran.out
    found = _check(tmp_path, "--json").json
    assert (found["holds"], found["index"], found["size"]) == (True, INDEX, SIZE)
    assert found["quorum"] is True
    assert found["entry"] is None
    assert len(found["cosigned"]) == 4  # type: ignore[arg-type]  # a list


def test_a_policy_without_logs_takes_their_keys(tmp_path: Path) -> None:
    """As `sesn ledger vkey` prints them; without any, no ledger is believed."""
    policy = _witness("de", GERMAN_WITNESS.keys) + "quorum de\n"
    keys = [f"--vkey={key.vkey()}" for key in (DUTCH.keys.ed25519_key, DUTCH.keys.mldsa44_key)]
    assert _check(tmp_path, *keys, policy=policy).code == 0
    assert _check(tmp_path, keys[0].replace("=", "=log "), policy=policy).code == 0
    _check(tmp_path, policy=policy).failed(5, "MISSING_SIGNATURE")


def test_one_scheme_is_said_to_be_one(tmp_path: Path) -> None:
    """Of another network's ledger an auditor may know one key; nobody is told that it was two."""
    key = DUTCH.keys.ed25519_key.vkey()
    ran = _check(tmp_path, f"--vkey={key}", policy="quorum none\n")
    assert ran.code == 0
    assert "ML-DSA-44" not in ran.out
    assert "none is asked for" in ran.out


def test_a_quorum_that_is_missing(tmp_path: Path) -> None:
    """It fails closed: a witness that did not sign, or one scheme of two."""
    nobody = _witness("nobody", witness("be.police.sesn/witness").keys)
    both = _logs() + _witness("de", GERMAN_WITNESS.keys) + nobody + "group all-of all de nobody\n"
    _check(tmp_path, policy=f"{both}quorum all-of\n").failed(5, "NO_QUORUM")
    _check(tmp_path, policy=f"{_logs()}{nobody}quorum nobody\n").failed(5, "NO_QUORUM")
    stripped = b"\n".join(
        line
        for line in PROOF.read_bytes().split(b"\n")
        if not line.startswith("— fr.".encode()) and not line.startswith("— de.".encode())
    )
    _check(tmp_path, proof=stripped).failed(5, "NO_QUORUM")
    _check(tmp_path, policy=_logs()).failed(4, "MALFORMED", "quorum")


def test_what_is_altered_is_found(tmp_path: Path) -> None:
    """Another entry, another place, another root, a broken signature, another ledger's key."""
    _check(tmp_path, leaf=LEAF + b"x").failed(5, "BAD_PROOF")
    data = PROOF.read_bytes()
    moved = data.replace(f"index {INDEX}\n".encode(), f"index {INDEX + 1}\n".encode())
    _check(tmp_path, proof=moved).failed(5, "BAD_PROOF")
    grown = data.replace(f"\n{SIZE}\n".encode(), f"\n{SIZE + 1}\n".encode())
    _check(tmp_path, proof=grown).failed(5, "BAD_SIGNATURE")
    known = DUTCH.keys.ed25519_key
    other = VerifierKey(_OTHER, known.kind, known.public)
    _check(tmp_path, f"--vkey={other.vkey()}").failed(5, "WRONG_ORIGIN")
    _check(tmp_path, policy=f"log {other.vkey()}\nquorum none\n").failed(5, "UNKNOWN_LOG")


@pytest.mark.parametrize(
    "proof",
    [b"", b"c2sp.org/tlog-proof@v1\n", b"\0" * 1000, b"x" * (1 << 20)],
    ids=["empty", "cut off", "zeroes", "too long"],
)
def test_what_is_no_proof(tmp_path: Path, proof: bytes) -> None:
    """Malformed, whatever it is."""
    _check(tmp_path, proof=proof or b"\n").failed(4, "MALFORMED")


def test_other_input_that_cannot_be_read(tmp_path: Path) -> None:
    """A leaf that is too long, keys that are none, files that are not there."""
    _check(tmp_path, leaf=bytes(70_000)).failed(4, "MALFORMED", "entry")
    _check(tmp_path, "--vkey=no key").failed(4, "MALFORMED", "--vkey")
    cosigner = GERMAN_WITNESS.keys.ed25519_key.vkey()
    _check(tmp_path, f"--vkey={cosigner}").failed(4, "MALFORMED", "witnesses sign with")
    sesn("ledger", "check-proof", tmp_path / "none").failed(2, "USAGE")


def test_every_bit_of_a_signed_part_counts() -> None:
    """One flipped bit anywhere in the proof: it is refused, or it holds of the same entry."""
    policy = parse_policy(POLICY.read_bytes())
    data = PROOF.read_bytes()
    held = 0
    places = range(0, len(data), 97)
    for at in places:
        broken = bytearray(data)
        broken[at] ^= 1
        with suppress(MalformedError, VerificationError):
            # Of a line that nobody asked for, if it is not one any more.
            assert check_proof(bytes(broken), LEAF, policy).proven.index == INDEX
            held += 1
    assert held <= 2
    assert len(places) > 80
