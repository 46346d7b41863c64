"""What `sesn doctor` finds in the home itself: permissions of files, and who serves it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from sesn_node.bootstrap import EVIDENCE, HEAD_FILE, NODE_KEY, ROOT_KEY, RUN_FOLDER
from sesn_node.cli.runfile import serving_node
from sesn_node.config import FILE_NAME
from sesn_node.errors import SesnError
from sesn_node.exchange.checkup import Diagnosis, Grade
from sesn_node.exchange.rotate import Rotatable

_OTHERS: Final = 0o077
"""Bits that let anybody but the owner in."""


def check_permissions(home: Path) -> list[Diagnosis]:
    """See whether only the owner gets at keys, settings and database, and whether we are he.

    Folders must have mode 0700 and files 0600: `sesn init` makes them so. What is not there is
    not looked at.
    """
    found = []
    folders = (home, home / NODE_KEY.parent, home / RUN_FOLDER, home / EVIDENCE)
    files = (home / ROOT_KEY, home / NODE_KEY, home / FILE_NAME, home / HEAD_FILE)
    for path, mode in (*((one, "700") for one in folders), *((one, "600") for one in files)):
        try:
            seen = path.stat()
        except OSError:
            continue
        open_to = stat.S_IMODE(seen.st_mode)
        if open_to & _OTHERS:
            text = f"others may get at {path} (mode {open_to:04o})"
            remedy = f"Run 'chmod {mode} {path}'."
            remedy += _exposed(home, path)
            found.append(Diagnosis("permissions", Grade.FAILED, text, (remedy,), str(path)))
        if seen.st_uid != os.geteuid():
            text = f"{path} belongs to user {seen.st_uid}, and this is user {os.geteuid()}"
            remedy = (
                "Run sesn as the user that serves the home, or give the whole home to one user: "
                f"'chown -R USER {home}'."
            )
            found.append(Diagnosis("permissions", Grade.WARNING, text, (remedy,), str(path)))
    if found:
        return found
    return [Diagnosis("permissions", Grade.OK, "only their owner gets at keys, settings and home")]


def _exposed(home: Path, path: Path) -> str:
    """What to do about a file that others may have read, besides its mode."""
    if path == home / NODE_KEY:
        return (
            " If somebody may have read it, who may also know or guess the passphrase: "
            f"'sesn --home {home} keys rotate {' '.join(Rotatable)}'."
        )
    if path == home / ROOT_KEY:
        return (
            " The root key cannot be rotated. If somebody may have read it, who may also know or "
            "guess the passphrase, call the partners: they run 'sesn peer revoke'. Then found the "
            "node anew, as docs/operations.md says under 'When nothing newer is left'."
        )
    return ""


def check_serving(home: Path) -> Diagnosis:
    """See whether a process serves the home, and what it says of itself."""
    try:
        node = serving_node(home / RUN_FOLDER)
    except SesnError as error:
        remedy = f"Look at the permissions of {home / RUN_FOLDER}."
        return Diagnosis("serving", Grade.FAILED, error.message, (remedy,))
    if node is None:
        remedy = f"Start it: 'sesn --home {home} serve', or the service that runs it."
        return Diagnosis("serving", Grade.WARNING, "no process serves this home", (remedy,))
    if node.problem:
        text = f"process {node.pid} serves, and takes no new messages: {node.problem}"
        remedy = "What the other checks found says what to do; the node notices by itself."
        return Diagnosis("serving", Grade.FAILED, text, (remedy,))
    where = f"listens on {node.listen}" if node.listen else "only dials out"
    return Diagnosis("serving", Grade.OK, f"process {node.pid} serves and {where}")
