"""Asking a node what a monitoring system asks, and setting it up for that."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from sesn_node.config import FILE_NAME, Limits, Metrics, Traces, load, render
from tests.support.serving import HOST, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.serving import Home

GIB = 1 << 30
_PATIENCE_S = 45.0


def watched(
    home: Home, *, traces: str = "", one_in: int = 1, disk_floor_mib: int | None = None
) -> str:
    """Let a home's node serve metrics on a free port, and return that endpoint."""
    path = home.path / FILE_NAME
    config = load(path)
    endpoint = f"{HOST}:{free_port()}"
    limits = config.limits
    if disk_floor_mib is not None:
        limits = Limits(disk_floor_mib=disk_floor_mib)
    changed = replace(
        config,
        metrics=Metrics(listen=endpoint),
        traces=Traces(file=traces, one_in=one_in),
        limits=limits,
    )
    path.write_text(render(changed), encoding="utf-8")
    return endpoint


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP server said."""

    status: int
    headers: dict[str, str]
    body: bytes


async def get(endpoint: str, path: str) -> Answer:
    """Ask for a page, as curl does."""
    return await ask(endpoint, f"GET {path} HTTP/1.1\r\nHost: {endpoint}\r\n\r\n".encode())


async def ask(endpoint: str, request: bytes) -> Answer:
    """Send bytes, and read the answer until the server closes."""
    host, _, port = endpoint.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            writer.write(request)
            await writer.drain()
            data = await reader.read()
    finally:
        writer.close()
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body)


async def samples(endpoint: str) -> dict[tuple[str, ...], float]:
    """Scrape a node: values by name and label values, the latter in the order of their names."""
    answer = await get(endpoint, "/metrics")
    assert answer.status == 200
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(answer.body.decode())
        for one in family.samples
    }


class Space:
    """A disk whose free space a test decides on: what `os.statvfs` would say."""

    def __init__(self, free_bytes: int) -> None:
        self.free_bytes = free_bytes
        self.read_only = False
        self.gone = False

    def statvfs(self, path: Path) -> os.statvfs_result:
        """Tell of the disk."""
        if self.gone:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        flags = os.ST_RDONLY if self.read_only else 0
        blocks = self.free_bytes // 4096
        return os.statvfs_result((4096, 4096, GIB, blocks, blocks, 0, 0, 0, flags, 255))
