"""What a command says when it fails: one line on stderr, one exit code.

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | a fault in this program |
| 2 | wrong usage: an unknown command or option, a file that is not there; or the answer was no |
| 3 | `--wait` ran out, or Ctrl-C ended it, before every recipient had answered |
| 4 | malformed: something cannot be read as what it should be |
| 5 | verification failed: a signature, proof, fingerprint or passphrase does not hold |
| 6 | a rule or somebody's decision forbids it |
| 7 | conflict with what is already recorded |
| 8 | a node cannot be reached, or does not serve |
| 9 | storage: the database or a file failed, or must not be written |
| 10 | configuration: a setting, option or part of the environment is unusable |
| 11 | `doctor`: a check failed |
| 12 | `doctor`: nothing failed, and there are warnings |
| 130 | Ctrl-C; at a question nothing was done, later what was recorded before stands |

With `--json` the same is one line on stdout besides: `{"error": {"code": ..., "message": ...}}`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from enum import IntEnum
from typing import Final

from sesn_node.domain.checks import printable
from sesn_node.errors import (
    ConfigError,
    ConflictError,
    MalformedError,
    PeerUnavailable,
    PolicyError,
    SesnError,
    StorageError,
    VerificationError,
)


class ExitCode(IntEnum):
    """How a command ended; the module's table says what each means."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    WAIT_RAN_OUT = 3
    MALFORMED = 4
    VERIFICATION = 5
    POLICY = 6
    CONFLICT = 7
    UNAVAILABLE = 8
    STORAGE = 9
    CONFIG = 10
    UNHEALTHY = 11
    WARNINGS = 12
    INTERRUPTED = 130


_EXIT_CODES: Final = {
    MalformedError: ExitCode.MALFORMED,
    VerificationError: ExitCode.VERIFICATION,
    PolicyError: ExitCode.POLICY,
    ConflictError: ExitCode.CONFLICT,
    PeerUnavailable: ExitCode.UNAVAILABLE,
    StorageError: ExitCode.STORAGE,
    ConfigError: ExitCode.CONFIG,
}


def exit_code(error: SesnError) -> ExitCode:
    """Return the exit code of an error."""
    for cls, code in _EXIT_CODES.items():
        if isinstance(error, cls):
            return code
    return ExitCode.FAULT


def report(code: str, message: str, *, as_json: bool) -> None:
    """Say what went wrong, in one line."""
    # It may quote a file or a partner, and a terminal obeys control characters.
    message = printable(" ".join(message.split()))
    sys.stdout.flush()
    sys.stderr.write(f"error {code}: {message}\n")
    if as_json:
        sys.stdout.write(json.dumps({"error": {"code": code, "message": message}}) + "\n")


def report_fault(error: Exception, *, as_json: bool) -> None:
    """Say that this program failed, and where; the whole trace only if it is asked for."""
    if os.environ.get("SESN_TRACEBACK"):
        traceback.print_exception(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    report(
        "FAULT",
        f"{type(error).__name__} in {frame.filename}, line {frame.lineno}. This is a fault in "
        "sesn, not in what you typed; set SESN_TRACEBACK=1 and run it again for a full report.",
        as_json=as_json,
    )
