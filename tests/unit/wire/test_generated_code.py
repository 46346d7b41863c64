"""The committed generated code is what proto/ generates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sesn_node.wire import _pb

ROOT = Path(__file__).resolve().parents[3]
COMMITTED = Path(_pb.__file__).parent


def _modules(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_generated_code_is_up_to_date(tmp_path: Path) -> None:
    """Generating again gives the committed bytes; `make proto` brings them up to date."""
    subprocess.run([sys.executable, str(ROOT / "proto/generate.py"), str(tmp_path)], check=True)
    assert _modules(tmp_path) == _modules(COMMITTED)


def test_generator_removes_stale_modules(tmp_path: Path) -> None:
    """A module whose .proto file is gone does not stay behind."""
    stale = tmp_path / "gone_pb2.py"
    stale.write_text("")
    subprocess.run([sys.executable, str(ROOT / "proto/generate.py"), str(tmp_path)], check=True)
    assert not stale.exists()
