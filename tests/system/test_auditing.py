"""The commands of docs/auditing.md, run as they stand, on a real export: Go and `openssl`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from sesn_node.crypto.keys import load_mldsa44_public
from sesn_node.crypto.primitives import mldsa44_verify
from tests.support.commands import sesn
from tests.support.exports import make_ledgers

if TYPE_CHECKING:
    from tests.support.homes import Homes

pytestmark = pytest.mark.system

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
GO_PACKAGES: Final = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")
PAGE: Final = (DOCS / "auditing.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
needs_go = pytest.mark.skipif(
    shutil.which("go") is None or not GO_PACKAGES.exists(),
    reason="needs the Debian packages golang-go and golang-golang-x-mod-dev",
)


@pytest.fixture(scope="module")
def audited(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what an agency hands over, by the commands of the page."""
    folder = tmp_path_factory.mktemp("audited")
    ledgers = make_ledgers(homes, folder / "ledgers")
    message = ledgers.message.hex()
    for home in (ledgers.small, ledgers.large):
        if (folder / "export/checkpoint").exists():
            shutil.copy(folder / "export/checkpoint", folder / "old-checkpoint")
        assert sesn("ledger", "export", "--tiles", folder / "export", home=home).code == 0
    proof: tuple[object, ...] = ("-o", folder / "ack.tlog-proof", "--leaf", folder / "ack.leaf")
    which = ("--kind", "acknowledged", "--agency", "gh.epa")
    assert sesn("ledger", "prove", message, *which, *proof, home=ledgers.large).code == 0
    (folder / "keys.txt").write_text(sesn("ledger", "vkey", home=ledgers.large).out)
    shutil.copy(DOCS / "auditing/verify.go", folder)
    return folder


def _run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run commands in a shell that stops at the first error; `go` keeps its cache in the folder."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GOCACHE": str(folder / "go-cache"),
    }
    return subprocess.run(
        ["/bin/bash", "-euc", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@needs_go
def test_go_verifies_an_export(audited: Path) -> None:
    """Signature, proof, consistency with the older checkpoint, and all entries and tiles."""
    ran = _run(audited, BLOCKS[0])
    assert ran.returncode == 0, ran.stderr
    said = [line.split(",")[0] for line in ran.stdout.splitlines()]
    assert len(said) == 8
    assert all(line.startswith("ok: ") for line in said)
    assert re.search(
        r"^ok: \d+ entries continue those \d+, by a proof of", ran.stdout, re.MULTILINE
    )
    assert re.search(r"^ok: \d+ entries hash to 4 tiles and to the root", ran.stdout, re.MULTILINE)


@needs_go
@pytest.mark.parametrize(
    ("damage", "command"),
    [
        ("printf x >> ack.leaf", 'proof "$VKEY" ack.tlog-proof ack.leaf'),
        ("printf x >> export/tile/entries/000", 'tiles "$VKEY" export'),
        ("truncate -s -1 export/tile/entries/001", 'tiles "$VKEY" export'),
        ("cp export/tile/0/001 export/tile/0/000", 'tiles "$VKEY" export'),
        ("sed -i 2s/./9/ export/checkpoint", 'checkpoint "$VKEY" export/checkpoint'),
        ("sed -i 2s/./9/ old-checkpoint", 'grown "$VKEY" old-checkpoint export'),
    ],
)
def test_go_finds_what_was_changed(
    audited: Path, tmp_path: Path, damage: str, command: str
) -> None:
    """Every command fails on what it is there to find."""
    folder = shutil.copytree(audited, tmp_path / "damaged", ignore=lambda *_: ["ledgers"])
    build = "\n".join(BLOCKS[0].splitlines()[:2])
    ran = _run(folder, f"{build}\n{damage}\n./verify {command}")
    assert ran.returncode == 1
    assert "FAILED: " in ran.stderr


def test_openssl_verifies_a_checkpoint(audited: Path) -> None:
    """Ed25519 by the command; of ML-DSA-44 the files that the page makes, by our library."""
    ran = _run(audited, BLOCKS[1])
    assert ran.returncode == 0, ran.stderr
    assert "Signature Verified Successfully" in ran.stdout
    assert _run(audited, BLOCKS[1] + BLOCKS[2]).returncode == 0
    key = (audited / "mldsa44.der").read_bytes()
    public = load_mldsa44_public(key[-1312:])
    message, signature = (audited / "message").read_bytes(), (audited / "mldsa44.sig").read_bytes()
    mldsa44_verify(public, message, signature)
    # The prefix is that of RFC 9881: what OpenSSL 3.5 expects before the key.
    assert key[:-1312].hex() == "30820532300b06096086480165030403110382052100"
