"""What a node's services answer over the wire, to good calls and to bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from sesn_node.bootstrap import NODE_KEY, open_home, system_clock
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.exchange.limiter import CARDS
from sesn_node.founding import issue_own_card
from sesn_node.ledger.checkpoint import sign_checkpoint, verify_checkpoint
from sesn_node.ledger.cosignature import verify_cosignatures
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.witness import format_add_checkpoint, parse_add_checkpoint
from sesn_node.transport.tls import MAX_MESSAGE_BYTES
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc
from sesn_node.wire._pb.card_pb2 import SealedCard
from tests.support.calls import (
    HEALTH,
    REFLECTION,
    TIMEOUT_S,
    calling,
    raw_stream,
    raw_unary,
    stream_status,
)
from tests.support.homes import BE, GH, NL, PASSPHRASE
from tests.support.serving import Home, check_homes, found_home, founded, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from tests.support.serving import Serving


class Standing(NamedTuple):
    """All that a call could change."""

    size: int
    root: bytes
    directory: int
    witnessed: tuple[tuple[str, int], ...]
    received: int


def standing(node: Serving) -> Standing:
    """Look at a node."""
    with node.office.store.read() as transaction:
        head = transaction.ledger.head()
        assert head is not None
        return Standing(
            head.size,
            head.root,
            transaction.peers.version(),
            tuple((row.origin, row.size) for row in transaction.witness.heads()),
            len(transaction.inbox.every()),
        )


async def failure(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    """Return the status of a call that fails, and the code with which its details begin."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), (error.value.details() or "").split(":", 1)[0]


INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")


async def test_health_and_reflection(tmp_path: Path) -> None:
    """A partner can ask whether the node serves, and what it offers."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    async with serve(nl_home), calling(nl_home, gh_home.identity) as channel:
        answer = await raw_unary(channel, f"{HEALTH}/Check")(b"", timeout=TIMEOUT_S)
        state = health_pb2.HealthCheckResponse.FromString(answer).status
        assert state == health_pb2.HealthCheckResponse.SERVING
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        stream = raw_stream(channel, REFLECTION)(timeout=TIMEOUT_S)
        await stream.write(request.SerializeToString())
        answer = await stream.read()
        assert isinstance(answer, bytes)
        listed = reflection_pb2.ServerReflectionResponse.FromString(answer)
        names = {one.name for one in listed.list_services_response.service}
        assert {"sesn.v1.Exchange", "grpc.health.v1.Health"} <= names
        stream.cancel()
    check_homes(nl_home, gh_home)


async def test_get_card(tmp_path: Path) -> None:
    """Whoever asks gets the newest card, with or without giving its own, and nothing changes."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    async with serve(nl_home) as nl, calling(nl_home, gh_home.identity) as channel:
        before = standing(nl)
        stub = rpc.ExchangeStub(channel)
        given = SealedCard.FromString(gh_home.card.sealed)
        for request in (pb.GetCardRequest(), pb.GetCardRequest(card=given)):
            answer = await stub.GetCard(request, timeout=TIMEOUT_S)
            assert answer.card.SerializeToString(deterministic=True) == nl_home.card.sealed
        assert standing(nl) == before
    check_homes(nl_home, gh_home)


async def test_later_card_is_taken_by_itself(tmp_path: Path) -> None:
    """A partner's next card, presented in a greeting, is taken; the one before is stale then."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    first = SealedCard.FromString(gh_home.card.sealed)
    later = issue_own_card(gh_home.path, PASSPHRASE)
    async with serve(nl_home) as nl, calling(nl_home, gh_home.identity) as channel:
        before = standing(nl)
        stub = rpc.ExchangeStub(channel)
        request = pb.GetCardRequest(card=SealedCard.FromString(later.sealed))
        await stub.GetCard(request, timeout=TIMEOUT_S)
        after = standing(nl)
        assert nl.office.directory().peer(GH).card.sha256 == later.sha256
        assert (after.size, after.directory) == (before.size + 1, before.directory + 1)
        refused = await failure(stub.GetCard(pb.GetCardRequest(card=first), timeout=TIMEOUT_S))
        assert refused == (grpc.StatusCode.FAILED_PRECONDITION, "CARD_STALE")
        assert standing(nl) == after
    check_homes(nl_home, gh_home)


async def test_too_many_cards(tmp_path: Path) -> None:
    """A greeting with a card that is not taken for now is answered all the same."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    async with serve(nl_home) as nl, calling(nl_home, gh_home.identity) as channel:
        before = standing(nl)
        stub = rpc.ExchangeStub(channel)
        for _ in range(CARDS.burst + 2):
            later = issue_own_card(gh_home.path, PASSPHRASE)
            request = pb.GetCardRequest(card=SealedCard.FromString(later.sealed))
            answer = await stub.GetCard(request, timeout=TIMEOUT_S)
            assert answer.card.SerializeToString(deterministic=True) == nl_home.card.sealed
        after = standing(nl)
        assert after.size == before.size + CARDS.burst
        assert after.directory == before.directory + CARDS.burst
    check_homes(nl_home, gh_home)


async def test_bad_cards(tmp_path: Path) -> None:
    """Each kind of bad card gets its status and code, and changes nothing."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    card = SealedCard.FromString(gh_home.card.sealed)
    cases = {
        "empty": (SealedCard(), INVALID),
        "truncated": (SealedCard(body=card.body[:-1], seal=card.seal), INVALID),
        "no seal": (SealedCard(body=card.body), INVALID),
        "another's seal": (
            SealedCard(body=card.body, seal=SealedCard.FromString(be_home.card.sealed).seal),
            (grpc.StatusCode.FAILED_PRECONDITION, "BAD_SEAL"),
        ),
        "re-encoded": (
            SealedCard.FromString(gh_home.card.sealed + b"\x1a\x00"),
            INVALID,
        ),
        "another's card": (
            SealedCard.FromString(be_home.card.sealed),
            (grpc.StatusCode.FAILED_PRECONDITION, "FOREIGN_CARD"),
        ),
        "our own card": (
            SealedCard.FromString(nl_home.card.sealed),
            (grpc.StatusCode.FAILED_PRECONDITION, "FOREIGN_CARD"),
        ),
    }
    async with serve(nl_home) as nl, calling(nl_home, gh_home.identity) as channel:
        before = standing(nl)
        stub = rpc.ExchangeStub(channel)
        for what, (bad, expected) in cases.items():
            refused = await failure(stub.GetCard(pb.GetCardRequest(card=bad), timeout=TIMEOUT_S))
            assert (what, refused) == (what, expected)
        assert standing(nl) == before
    check_homes(nl_home, gh_home, be_home)


def add_checkpoint(home: Home, old_size: int = 0) -> bytes:
    """Write a ledger's add-checkpoint body for a witness that holds `old_size`."""
    with open_home(home.path, PASSPHRASE) as desk, desk.office.store.read() as transaction:
        return desk.office.ledger(transaction).add_checkpoint(old_size)


async def test_add_and_get_checkpoint(tmp_path: Path) -> None:
    """Anyone trusted may submit a third party's checkpoint; it is cosigned, and shown."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    origin = be_home.card.current_origin
    body = add_checkpoint(be_home)
    async with serve(nl_home) as nl, calling(nl_home, gh_home.identity) as channel:
        stub = rpc.ExchangeStub(channel)
        shown = await stub.GetCheckpoint(pb.GetCheckpointRequest(origin=origin), timeout=TIMEOUT_S)
        assert shown.checkpoint == b""
        entries = standing(nl).size
        answer = (await stub.AddCheckpoint(pb.AddCheckpointRequest(body=body))).answer
        assert answer.status == 200
        shown = await stub.GetCheckpoint(pb.GetCheckpointRequest(origin=origin), timeout=TIMEOUT_S)
        keys = be_home.card.log_keys(origin)
        assert keys is not None
        head = verify_checkpoint(shown.checkpoint, keys)
        assert head == parse_add_checkpoint(body).checkpoint.claimed
        assert shown.checkpoint == parse_add_checkpoint(body).note + answer.cosignatures
        verify_cosignatures(answer.cosignatures, head, nl_home.card.witness_keys)
        assert standing(nl).size == entries
        again = (await stub.AddCheckpoint(pb.AddCheckpointRequest(body=body))).answer
        assert again == answer
    check_homes(nl_home, gh_home, be_home)


def other_history(home: Home, size: int) -> bytes:
    """Let an agency sign another root for a size of its ledger."""
    ring = decrypt_keyring((home.path / NODE_KEY).read_bytes(), PASSPHRASE)
    now_ms = system_clock()
    note = sign_checkpoint(
        TreeHead(home.card.current_origin, size, b"r" * 32),
        ed25519=signer_for(ring.newest(KeyKind.LOG_ED25519, now_ms)),
        mldsa44=signer_for(ring.newest(KeyKind.LOG_MLDSA44, now_ms)),
        time_s=now_ms // 1000,
    )
    return format_add_checkpoint(size, (), note)


async def test_checkpoints_that_are_not_cosigned(tmp_path: Path) -> None:
    """Each answer of C2SP tlog-witness but 200 leaves the record as it was."""
    nl_home, gh_home, be_home = founded(tmp_path, NL, GH, BE)
    stranger = found_home(tmp_path / "elsewhere", BE)
    good = add_checkpoint(gh_home)
    request = parse_add_checkpoint(good)
    size = request.checkpoint.claimed.size
    last = good.rindex(b"\n", 0, -1) + 1
    cases = {
        "of an unknown ledger": (good.replace(b"gh.epa.sesn", b"xk.epa.sesn"), 404, 0),
        "of a copycat": (add_checkpoint(stranger), 403, 0),
        "with one signature": (good[:last], 403, 0),
        "from a size above it": (format_add_checkpoint(size + 1, (), request.note), 400, 0),
        "from a size that we do not hold": (format_add_checkpoint(1, (), request.note), 409, 0),
        "with a proof from nothing": (
            format_add_checkpoint(0, (b"h" * 32,), request.note),
            422,
            0,
        ),
    }
    async with serve(nl_home) as nl, calling(nl_home, be_home.identity) as channel:
        stub = rpc.ExchangeStub(channel)
        before = standing(nl)
        for what, (body, status, held) in cases.items():
            answer = (await stub.AddCheckpoint(pb.AddCheckpointRequest(body=body))).answer
            assert (what, answer.status, answer.size) == (what, status, held)
            assert answer.cosignatures == b""
        assert standing(nl) == before
        assert (await stub.AddCheckpoint(pb.AddCheckpointRequest(body=good))).answer.status == 200
        held_now = standing(nl)
        forked = other_history(gh_home, size)
        assert (await stub.AddCheckpoint(pb.AddCheckpointRequest(body=forked))).answer.status == 422
        after = standing(nl)
        # Its owner is quarantined, which is an entry; what was witnessed stays.
        assert (after.size, after.witnessed) == (held_now.size + 1, held_now.witnessed)
    check_homes(nl_home, gh_home, be_home)


async def test_malformed_requests(tmp_path: Path) -> None:
    """Bytes that mean nothing get a status that says so, on every call, and change nothing."""
    nl_home, gh_home = founded(tmp_path, NL, GH)
    good = add_checkpoint(gh_home)
    bodies = [b"", b"old 0\n\n", good[:-1], good.replace(b"old 0", b"old 00"), b"\xff" * 100]
    async with serve(nl_home) as nl, calling(nl_home, gh_home.identity) as channel:
        stub = rpc.ExchangeStub(channel)
        before = standing(nl)
        for body in bodies:
            answer = (await stub.AddCheckpoint(pb.AddCheckpointRequest(body=body))).answer
            assert (answer.status, answer.size, answer.cosignatures) == (400, 0, b"")
        for origin in ("", "\n", "nl.customs.sesn/ledger/1", "x" * 100_000):
            shown = await stub.GetCheckpoint(pb.GetCheckpointRequest(origin=origin))
            assert shown.checkpoint == b""
        batches = [
            pb.DeliverRequest(sequence=1, add_checkpoint=b"x" * 100_000),
            pb.DeliverRequest(sequence=1, witness=pb.WitnessAnswer(cosignatures=b"x" * 100_000)),
        ]
        for batch in batches:
            ended = await stream_status(lambda: stub.Deliver(timeout=TIMEOUT_S), batch)
            assert ended is grpc.StatusCode.INVALID_ARGUMENT
        for method in ("GetCard", "AddCheckpoint", "GetCheckpoint"):
            raw = raw_unary(channel, f"/sesn.v1.Exchange/{method}")
            assert await failure(raw(b"\xff\xff", timeout=TIMEOUT_S)) == INVALID
        deliver = raw_stream(channel, "/sesn.v1.Exchange/Deliver")
        ended = await stream_status(lambda: deliver(timeout=TIMEOUT_S), b"\xff\xff")
        assert ended is grpc.StatusCode.INVALID_ARGUMENT
        large = pb.AddCheckpointRequest(body=bytes(MAX_MESSAGE_BYTES + 1))
        raw = raw_unary(channel, "/sesn.v1.Exchange/AddCheckpoint")
        status, _ = await failure(raw(large.SerializeToString(), timeout=TIMEOUT_S))
        assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
        unknown = raw_unary(channel, "/sesn.v1.Exchange/Forget")
        status, _ = await failure(unknown(b"", timeout=TIMEOUT_S))
        assert status is grpc.StatusCode.UNIMPLEMENTED
        assert standing(nl) == before
    check_homes(nl_home, gh_home)
