"""Generate the Python code of the wire format: `make proto`.

Reads proto/sesn/v1/*.proto and writes flat modules, with typed stubs that carry the comments of
the .proto files, into the folder given on the command line. The code is committed, so that a node
needs no compiler; a test generates it again and compares.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
PACKAGE = "sesn/v1"
SERVICES = ("exchange.proto",)
INIT = '"""Generated from proto/ by `make proto`; never edited."""\n'


def main(arguments: list[str]) -> int:
    """Write the generated modules into the one folder named in `arguments`."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python proto/generate.py FOLDER\n")
        return 2
    generate(Path(arguments[0]))
    return 0


def generate(target: Path) -> None:
    """Compile every .proto file into `target`, which is created; stale modules are removed.

    Raises:
        SystemExit: The compiler refused a .proto file; it has said why on stderr.
    """
    sources = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"{PACKAGE}/*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        _compile(sources, folder, "python", "mypy")
        _compile([f"{PACKAGE}/{name}" for name in SERVICES], folder, "grpc_python", "mypy_grpc")
        modules = {
            path.name: _rewrite(path.read_text(encoding="utf-8"))
            for path in Path(folder, PACKAGE).iterdir()
        }
    modules["__init__.py"] = INIT
    target.mkdir(parents=True, exist_ok=True)
    for stale in [*target.glob("*.py"), *target.glob("*.pyi")]:
        if stale.name not in modules:
            stale.unlink()
    for name, text in modules.items():
        (target / name).write_text(text, encoding="utf-8")


def _compile(sources: list[str], folder: str, *outputs: str) -> None:
    """Run protoc once; the stub plug-ins live beside this interpreter."""
    scripts = Path(sys.executable).parent
    command = [
        "protoc",
        f"-I{ROOT}",
        f"-I{files('grpc_tools').joinpath('_proto')}",
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
        "--mypy_opt=quiet",
        "--mypy_grpc_opt=quiet,only_async",
        *(f"--{output}_out={folder}" for output in outputs),
        *sources,
    ]
    if protoc.main(command) != 0:
        raise SystemExit(1)


def _rewrite(text: str) -> str:
    """Let the modules import each other where they live: protoc names them after the package."""
    return text.replace("from sesn.v1 import ", "from sesn_node.wire._pb import ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
