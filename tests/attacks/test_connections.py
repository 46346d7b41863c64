"""Strangers who only open connections: no certificate, no handshake, just many at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import grpc

from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc
from tests.support.calls import TIMEOUT_S, calling, status
from tests.support.homes import GH, NL
from tests.support.processes import processes
from tests.support.serving import HOST, Home, founded

if TYPE_CHECKING:
    from pathlib import Path

_STRANGERS = 2
_PATIENCE_S = 45.0
# In processes of their own: in one, its lock keeps its threads from connecting at one moment.
_KNOCK = """
import socket, sys, threading
def knock():
    for _ in range(2_500):
        try:
            socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30).close()
        except OSError:
            continue  # Too many are open already.
threads = [threading.Thread(target=knock) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
"""


def test_storm_of_connections(tmp_path: Path) -> None:
    """A node to which many connect at the same moment is still there, and serves its partners."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    with processes(nl_home) as (nl,):
        command = [sys.executable, "-c", _KNOCK, HOST, str(nl_home.port)]
        for stranger in [subprocess.Popen(command) for _ in range(_STRANGERS)]:
            assert stranger.wait() == 0
        asyncio.run(greeted(nl_home, gh_home))
        assert nl.state() is not None, nl.log()


async def greeted(nl_home: Home, gh_home: Home) -> None:
    """Let gh.epa greet nl.customs, once connections that nobody uses have been given up."""

    async def answered() -> bool:
        async with calling(nl_home, gh_home.identity) as channel:
            greeting = rpc.ExchangeStub(channel).GetCard(pb.GetCardRequest(), timeout=TIMEOUT_S)
            return await status(greeting) is grpc.StatusCode.OK

    end = asyncio.get_running_loop().time() + _PATIENCE_S
    while not await answered():
        assert asyncio.get_running_loop().time() < end, "nl.customs answers nobody any more"
