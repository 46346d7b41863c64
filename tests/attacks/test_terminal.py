"""Partners whose words are meant for our operators' terminals: escapes, markup, reordering."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio
import pytest

from sesn_node.bootstrap import system_clock
from sesn_node.cli.show import console
from sesn_node.domain.checks import printable
from sesn_node.errors import MalformedError
from sesn_node.exchange.links import link_failed
from sesn_node.exchange.peers import take_card
from sesn_node.transport.tls import SERVER_OPTIONS, server_credentials
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire._pb import exchange_pb2_grpc as rpc
from sesn_node.wire._pb.card_pb2 import SealedCard
from tests.support import objects
from tests.support.commands import sesn
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.patience import until
from tests.support.serving import captured_logs, founded, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from _typeshed import DataclassInstance

    from sesn_node.transport.admission import Context
    from tests.support.network import Network
    from tests.support.serving import Home

HOSTILE = {
    "C0": "\x1b[2J\x1b]0;owned\x07",
    "C1": "\x9b2J",
    "override": "\u202egnp.exe",
    "isolate": "\u2066x",
    "line separator": "\u2028forged line",
}
SPOKEN = "busy" + "".join(HOSTILE.values()) + "\r\nerror FAULT: call this number"


def assert_harmless(text: str) -> None:
    """See that a terminal shows the text and obeys nothing in it."""
    assert all(one.isprintable() for one in text.split("\n")), ascii(text)


@pytest.fixture
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing that is looked for is wrapped."""
    monkeypatch.setenv("COLUMNS", "200")
    console.cache_clear()
    yield
    console.cache_clear()


def test_printable() -> None:
    """What is left of hostile words is what can be read in them."""
    assert printable("busy\x1b[2J\x9b\u202e\r\n\ud800 now") == "busy[2J now"
    assert printable("Grüße, 港口") == "Grüße, 港口"


class _Mouth(rpc.ExchangeServicer):
    """A partner's node that ends every call with words of its choice."""

    def __init__(self, home: Home, *, greets: bool) -> None:
        self._home = home
        self._greets = greets

    async def GetCard(self, request: pb.GetCardRequest, context: Context) -> pb.GetCardResponse:  # noqa: N802 - gRPC methods carry the names of the .proto file
        """Greet, or refuse."""
        assert request.HasField("card")
        if not self._greets:
            await context.abort(grpc.StatusCode.UNAVAILABLE, SPOKEN)
        return pb.GetCardResponse(card=SealedCard.FromString(self._home.card.sealed))

    async def Deliver(  # noqa: N802 - same
        self, request_iterator: AsyncIterator[pb.DeliverRequest], context: Context
    ) -> AsyncIterator[pb.DeliverResponse]:
        """Read a batch, and refuse to answer it."""
        async for request in request_iterator:
            assert request.sequence == 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, SPOKEN)
        yield pb.DeliverResponse()

    async def AddCheckpoint(  # noqa: N802 - same
        self, request: pb.AddCheckpointRequest, context: Context
    ) -> pb.AddCheckpointResponse:
        """Nobody calls it."""
        raise NotImplementedError

    async def Collect(  # noqa: N802 - same
        self, request_iterator: AsyncIterator[pb.DeliverResponse], context: Context
    ) -> AsyncIterator[pb.DeliverRequest]:
        """It holds nothing for anybody."""
        del request_iterator, context
        nothing: list[pb.DeliverRequest] = []
        for batch in nothing:
            yield batch

    async def ProveConsistency(  # noqa: N802 - same
        self, request: pb.ProveConsistencyRequest, context: Context
    ) -> pb.ProveConsistencyResponse:
        """Not asked."""
        raise NotImplementedError

    async def DeliverAgain(  # noqa: N802 - same
        self, request: pb.DeliverAgainRequest, context: Context
    ) -> pb.DeliverAgainResponse:
        """Nobody asks."""
        del request, context
        raise NotImplementedError

    async def GetCheckpoint(  # noqa: N802 - same
        self, request: pb.GetCheckpointRequest, context: Context
    ) -> pb.GetCheckpointResponse:
        """Nobody calls it."""
        raise NotImplementedError


@asynccontextmanager
async def speaking(home: Home, caller: Home, *, greets: bool) -> AsyncIterator[None]:
    """Listen where a partner's node would, with its own certificate."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    rpc.add_ExchangeServicer_to_server(_Mouth(home, greets=greets), server)
    credentials = server_credentials(lambda: home.identity, lambda: (caller.root_der,))
    server.add_secure_port(home.endpoint, credentials)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


@pytest.mark.parametrize("greets", [False, True])
async def test_status_of_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, greets: bool
) -> None:
    """What a partner's node says when it ends a call is shown and logged without its controls."""
    monkeypatch.setenv("SESN_PASSPHRASE", PASSPHRASE.decode())
    nl_home, gh_home = founded(tmp_path, NL, GH)
    logs = captured_logs(monkeypatch)
    async with speaking(gh_home, nl_home, greets=greets), serve(nl_home) as nl:
        await nl.send(gh_home)

        def error() -> str:
            with nl.office.store.read() as transaction:
                return transaction.peers.link(GH).error or ""

        await until(lambda: "busy" in error(), "what the partner said is kept")
        kept = error()
        assert kept.isprintable()
        assert "call this number" in kept
        for line in (("outbox", "list"), ("peer", "list"), ("status",)):
            ran = sesn(*line, home=nl_home.path)
            assert_harmless(ran.out + ran.err)
    said = [str(one["detail"]) for one in logs if one["event"] == "link-down"]
    assert any("busy" in one for one in said)
    assert all(one.isprintable() for one in said)


def test_error_that_quotes_a_partner(connect: Callable[..., Network]) -> None:
    """Whatever went wrong on a link, what is kept of it can be shown."""
    net = connect(NL, GH)
    link_failed(net[NL].office, GH, 1, 1000, SPOKEN)
    with net[NL].office.store.read() as transaction:
        kept = transaction.peers.link(GH).error
    assert kept is not None
    assert kept.isprintable()


NAME = "[link=https://evil.example]EPA[/link] [/dim] [blink] :skull:"


@pytest.mark.usefixtures("_wide_terminal")
def test_name_of_markup(connect: Callable[..., Network], tmp_path: Path) -> None:
    """A name that is markup to our console is shown as it is, and breaks no list."""
    net = connect(NL, GH)
    net.clock.now_ms = system_clock()
    contact = replace(net[GH].card.card.contact, focal_point=NAME, duty_hours=NAME)
    card = net[GH].issue(name=NAME, contact=contact)
    take_card(net[NL].office, GH, card.sealed)
    home = net[NL].home
    net.close()
    path = tmp_path / "gh.sesncard"
    path.write_bytes(card.sealed)
    for line, times in ((("peer", "list"), 1), (("card", "show", path), 3)):
        ran = sesn(*line, home=home)
        assert ran.code == 0, ran
        assert ran.out.count(NAME) == times
        assert_harmless(ran.out)


@pytest.mark.usefixtures("_wide_terminal")
def test_refusal_of_markup(connect: Callable[..., Network]) -> None:
    """The words of a refusal are no markup either."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    net[NL].office.sequencer.run(
        lambda work: work.transaction.outbox.defer(
            message_id, GH, until_ms=1, code="BUSY", detail=NAME
        )
    )
    home = net[NL].home
    net.close()
    ran = sesn("outbox", "list", home=home)
    assert ran.code == 0, ran
    assert NAME in ran.out


def test_hostile_text_in_a_file(tmp_path: Path) -> None:
    """An error that quotes a file says what is wrong with it, and nothing else."""
    path = tmp_path / "x\x1b[2J\x9b.sesncard"
    path.write_bytes(b"no card" + SPOKEN.encode())
    ran = sesn("card", "show", path)
    assert ran.code == 4
    assert_harmless(ran.err)


def _texts(thing: DataclassInstance, path: str = "") -> Iterator[str]:
    """Name every text in an object, and in the objects that it is made of."""
    for field in fields(thing):
        value = getattr(thing, field.name)
        place = f"{path}.{field.name}" if path else field.name
        if is_dataclass(value):
            yield from _texts(cast("DataclassInstance", value), place)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            yield from _texts(cast("DataclassInstance", value[0]), f"{place}.0")
        elif isinstance(value, tuple) and value and isinstance(value[0], str):
            yield f"{place}.0"
        elif isinstance(value, str):
            yield place


def _poison(thing: DataclassInstance, path: str, evil: str) -> DataclassInstance:
    """Build the object again with something behind one of its texts."""
    name, _, rest = path.partition(".")
    value = getattr(thing, name)
    if rest.startswith("0"):
        first = value[0]
        rest = rest.removeprefix("0").removeprefix(".")
        new = first + evil if isinstance(first, str) else _poison(first, rest, evil)
        return objects.changed(thing, **{name: (new, *value[1:])})
    if rest:
        return objects.changed(thing, **{name: _poison(value, rest, evil)})
    return objects.changed(thing, **{name: value + evil})


_OBJECTS: dict[str, DataclassInstance] = {
    "card": objects.card(),
    "alert": objects.alert(),
    "response": objects.response(),
}
_ENUMS = {"role", "urgency", "requested_action", "decision", "kind", "regime"}


@pytest.mark.parametrize("evil", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    ("what", "path"),
    [
        (what, path)
        for what, thing in _OBJECTS.items()
        for path in _texts(thing)
        if path.rpartition(".")[2] not in _ENUMS
    ],
)
def test_hostile_field(what: str, path: str, evil: str) -> None:
    """No text of a card, an alert or a response can hold controls or reorder what is read."""
    with pytest.raises(MalformedError) as refused:
        _poison(_OBJECTS[what], path, evil)
    assert_harmless(str(refused.value))


def test_json_output_is_ascii(connect: Callable[..., Network], tmp_path: Path) -> None:
    """What programs read is ASCII, whatever a partner is called."""
    net = connect(NL, GH)
    net.clock.now_ms = system_clock()
    path = tmp_path / "gh.sesncard"
    path.write_bytes(net[GH].issue(name="Umweltbehörde\u200f \U000e0041").sealed)
    out = sesn("card", "show", path, "--json").out
    assert out.isascii()
    assert json.loads(out)["name"].startswith("Umweltbehörde")
