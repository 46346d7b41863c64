"""The built wheel carries all that a node needs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUILD = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d"]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel and list its files."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([*BUILD, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_has_every_file_of_the_package(names: set[str]) -> None:
    """Code, type stubs, migrations and data: whatever the checkout has, the wheel has."""
    files = (path for path in (ROOT / "sesn_node").rglob("*") if path.is_file())
    expected = {
        path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts
    }
    assert "sesn_node/py.typed" in expected
    assert names >= expected


def test_wheel_has_nothing_beside_the_package(names: set[str]) -> None:
    """Tests, configurations and tools stay in the checkout."""
    folders = {name.split("/", 1)[0] for name in names}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"sesn_node"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_wheel_has_the_demo_alerts(names: set[str], tmp_path: Path) -> None:
    """They stand in configs/demo, and `sesn demo` needs them; by way of the source archive, too."""
    files = {path.name for path in (ROOT / "configs" / "demo").glob("*.json")}
    expected = {f"sesn_node/demo/alerts/{name}" for name in files}
    assert files
    assert expected <= names
    source = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(source, cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    unpacked = tmp_path / archive.name.removesuffix(".tar.gz")
    assert {path.name for path in (unpacked / "configs" / "demo").glob("*.json")} == files
    subprocess.run([*BUILD, str(tmp_path)], cwd=unpacked, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        assert expected <= set(built.namelist())
