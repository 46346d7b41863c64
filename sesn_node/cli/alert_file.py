"""Reading an alert from a file."""

from __future__ import annotations

from pathlib import Path

from sesn_node.cli.files import input_file
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.wire.payloads import MAX_JSON_BYTES, alert_from_json


def read_alert(file: Path) -> Payload:
    """Read an alert.

    Raises:
        MalformedError: It is none; the message names the file, and where examples are.
        StorageError: The file cannot be read.
    """
    data = input_file(file, limit=MAX_JSON_BYTES, what="alert")
    try:
        return alert_from_json(data)
    except MalformedError as error:
        raise MalformedError(
            f"{file}: {error.message}; configs/demo/ has examples", code=error.code
        ) from error
