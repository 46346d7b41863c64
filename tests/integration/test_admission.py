"""Admission when something goes wrong behind it: a broken store, trust that ends meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import grpc
import pytest

from sesn_node.errors import StorageError, VerificationError
from sesn_node.exchange.office import Office
from sesn_node.transport.admission import Admission
from sesn_node.trust.directory import Directory
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc
from tests.support.calls import TIMEOUT_S, calling, every_rpc
from tests.support.homes import GH, NL
from tests.support.serving import captured_logs, founded, serve

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.transport.admission import Context


async def test_store_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partner is told that the fault is ours, and to come back; not that it is unknown."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    logs = captured_logs(monkeypatch)
    whole = Office.directory

    def broken(self: Office) -> Directory:
        # The handshake asks too, from a thread of grpc.
        if threading.current_thread().name.startswith("use-case"):
            raise StorageError(f"{nl_home.path}: disk I/O error")
        return whole(self)

    async with serve(nl_home), calling(nl_home, gh_home.identity) as channel:
        stub = rpc.ExchangeStub(channel)
        await stub.GetCard(pb.GetCardRequest(), timeout=TIMEOUT_S)
        monkeypatch.setattr(Office, "directory", broken)
        assert await every_rpc(channel) == {grpc.StatusCode.UNAVAILABLE}
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.GetCard(pb.GetCardRequest(), timeout=TIMEOUT_S)
        monkeypatch.setattr(Office, "directory", whole)
    assert error.value.details() == "STORAGE: this node has a fault"
    assert {one["code"] for one in logs if one["event"] == "caller-refused"} == {"STORAGE"}


class TrustedContext:
    """What grpc tells of a connection that passed the handshake."""

    def __init__(self, leaf_pem: bytes) -> None:
        self._leaf_pem = leaf_pem

    def auth_context(self) -> dict[str, list[bytes]]:
        """Properties of the connection."""
        return {"ssl_tls_version": [b"TLSv1.3"], "x509_pem_cert": [self._leaf_pem]}


async def test_cut_off_while_the_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is being admitted cannot be cut off yet: its caller is looked up again."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    async with serve(nl_home) as nl:
        # The node at work asks for its directory, too.
        ours = replace(nl.office)
        admission = Admission(ours)
        whole = Office.directory
        stale = ours.directory()
        trustless = Directory(stale.version + 1, stale.own, {})
        answers = [stale, trustless]

        def revoked_meanwhile(self: Office) -> Directory:
            if not answers or self is not ours:
                return whole(self)
            if len(answers) == 2:
                admission.cut_off({})
            return answers.pop(0)

        monkeypatch.setattr(Office, "directory", revoked_meanwhile)
        context = cast("Context", TrustedContext(gh_home.identity.leaf_pem))
        with pytest.raises(VerificationError) as refused:
            await admission.prove(context)
        monkeypatch.undo()
    assert refused.value.code == "LEAF_UNKNOWN_AGENCY"
    assert answers == []


async def test_caller_of_a_call_that_was_not_admitted(tmp_path: Path) -> None:
    """Should a handler ever run without admission, it learns of no caller."""
    nl_home, _ = founded(tmp_path, NL, GH)
    async with serve(nl_home) as nl:
        with pytest.raises(VerificationError) as refused:
            Admission(nl.office).caller()
    assert refused.value.code == "NOT_ADMITTED"
