"""`openssl ts` accepts the tokens that a node saves, and refuses what is wrong, as we do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from sesn_node.bootstrap import open_home
from sesn_node.errors import VerificationError
from sesn_node.trust.timestamp_signers import read_roots
from sesn_node.trust.timestamps import new_query, open_answer
from tests.support.commands import sesn
from tests.support.homes import NL, PASSPHRASE
from tests.support.stamping import stamp
from tests.support.tsa import Tsa, certify, granted
from tests.system.test_auditing import BLOCKS, DOCS, needs_go

if TYPE_CHECKING:
    from tests.support.homes import Homes

pytestmark = pytest.mark.system

_TEXT: Final = b"nl.customs.sesn/ledger/1\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def tsa() -> Tsa:
    """An authority."""
    return Tsa.new()


@pytest.fixture
def audited(homes: Homes, tmp_path: Path, tsa: Tsa) -> Path:
    """A folder with what an agency hands over."""
    home = homes.copy((NL,), tmp_path / "homes", pinned=False)[NL]
    with open_home(home, PASSPHRASE) as desk:
        stamp(desk.office, tsa)
    folder = tmp_path / "audited"
    folder.mkdir()
    assert sesn("ledger", "timestamps", "--save", folder / "tokens", home=home).code == 0
    assert sesn("ledger", "export", "--tiles", folder / "export", home=home).code == 0
    (folder / "keys.txt").write_text(sesn("ledger", "vkey", home=home).out)
    (folder / "roots.pem").write_bytes(tsa.root.pem)
    return folder


def test_the_commands_of_the_page(audited: Path, tsa: Tsa) -> None:
    """Each token verifies over the lines of its checkpoint."""
    ran = _run(audited, "/bin/bash", "-euc", BLOCKS[3])
    assert ran.returncode == 0, ran.stderr
    assert "Verification: OK" in ran.stdout
    assert f"{tsa.at:%H:%M:%S %Y} GMT" in ran.stdout


def test_another_root_is_refused(audited: Path) -> None:
    """As our verifier does."""
    (audited / "roots.pem").write_bytes(Tsa.new().root.pem)
    ran = _run(audited, "/bin/bash", "-euc", BLOCKS[3])
    assert ran.returncode != 0
    assert "Verification: OK" not in ran.stdout


@needs_go
def test_the_checkpoint_is_of_the_exported_ledger(audited: Path) -> None:
    """By the program of the page, as the page says."""
    shutil.copy(DOCS / "auditing/verify.go", audited)
    script = "\n".join(
        (
            f"export HOME={audited} GOCACHE={audited}/go-cache",
            *BLOCKS[0].splitlines()[:2],
            './verify grown "$VKEY" tokens/*.checkpoint export',
        )
    )
    ran = _run(audited, "/bin/bash", "-euc", script)
    assert ran.returncode == 0, ran.stderr


def _verdicts(folder: Path, tsa: Tsa, roots: Path, answer: bytes) -> tuple[bool, bool]:
    """Say whether openssl and we accept an answer to a query of ours."""
    (folder / "answer").write_bytes(answer)
    verify = ("openssl", "ts", "-verify", "-in", "answer", "-queryfile", "query")
    theirs = _run(folder, *verify, "-CAfile", str(roots)).returncode == 0
    try:
        open_answer(answer, _QUERY, read_roots(tsa.root.pem))
    except VerificationError:
        return theirs, False
    return theirs, True


_QUERY: Final = new_query(_TEXT)


def test_openssl_and_we_agree(tmp_path: Path, tsa: Tsa) -> None:
    """On a good answer, and on answers with one thing wrong."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(tsa.root.pem)
    (tmp_path / "query").write_bytes(_QUERY.der)
    answers = {
        "good": tsa.answer(_QUERY.der),
        "nonce": granted(tsa.token(_TEXT, _QUERY.nonce + 1)),
        "imprint": granted(tsa.token(_TEXT + b"x", _QUERY.nonce)),
        "root": Tsa.new().answer(_QUERY.der),
        "purpose": tsa.but(signer=certify("x", tsa.root, purposes=None)).answer(_QUERY.der),
        "critical": tsa.but(signer=certify("x", tsa.root, critical=False)).answer(_QUERY.der),
        "named": tsa.but(named=bytes(32)).answer(_QUERY.der),
        "unnamed": tsa.but(named=b"").answer(_QUERY.der),
    }
    verdicts = {name: _verdicts(tmp_path, tsa, roots, answer) for name, answer in answers.items()}
    assert verdicts == {name: (name == "good",) * 2 for name in answers}
