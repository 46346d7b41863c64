"""Addresses in settings: `host:port`."""

from __future__ import annotations

import re

from sesn_node.errors import MalformedError

_PORTS = 65_536
_HOST_PORT = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]):(?P<port>\d{1,5})",
    re.ASCII,
)


def check_endpoint(key: str, text: str, lowest_port: int = 1) -> None:
    """Refuse what is not a host and a port."""
    match = _HOST_PORT.fullmatch(text)
    if match is None or not lowest_port <= int(match["port"]) < _PORTS:
        raise MalformedError(f"{key}: expected host:port such as sesn.example:7443, got {text!a}")


def check_listen(key: str, text: str) -> None:
    """Refuse what cannot be listened on; empty and port 0 are welcome."""
    if text:
        check_endpoint(key, text, lowest_port=0)
