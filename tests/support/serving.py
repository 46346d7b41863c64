"""Founded homes and nodes that serve them, in this process, over real TLS on loopback."""

from __future__ import annotations

import asyncio
import atexit
import logging
import random
import shutil
import socket
import tempfile
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from structlog.testing import LogCapture

from sesn_node.bootstrap import NODE_KEY, ROOT_KEY, open_home, system_clock
from sesn_node.config import Agency, Config, Database, Delivery, Node
from sesn_node.crypto.kdf import KdfParams
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind, private_pem
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.alert import Alert, RequestedAction, Urgency
from sesn_node.domain.cards import Role
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.exchange import expire, forks, gossip, outcomes, peers, witness
from sesn_node.exchange.peers import add_peer
from sesn_node.exchange.share import Draft, share
from sesn_node.founding import found
from sesn_node.telemetry.logs import redact
from sesn_node.transport import admission, health, node, partner, pump, server, stamper
from sesn_node.transport import gossip as talk
from sesn_node.transport.tls import TlsIdentity
from sesn_node.trust.certificates import certificate_pem, issue_leaf
from tests.support.check_node import check_network
from tests.support.engines import current
from tests.support.homes import PASSPHRASE
from tests.support.patience import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import pytest
    from structlog.typing import EventDict

    from sesn_node.bootstrap import Desk
    from sesn_node.crypto.keys import KeyRecord
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.office import Office
    from sesn_node.transport.node import Node as ServingNode
    from sesn_node.trust.card import TrustedCard
    from tests.support.engines import Engine

HOST = "127.0.0.1"
DAY_MS = 24 * 60 * 60 * 1000

# Below the range from which kernels choose.
_PORTS = random.SystemRandom().sample(range(15_000, 30_000), 15_000)
_RESERVED: list[socket.socket] = []

_CHEAP = KdfParams(64, 1, 1)


@dataclass(frozen=True, slots=True)
class Home:
    """A founded home, and where its node will listen."""

    path: Path
    card: TrustedCard
    port: int

    @property
    def agency(self) -> AgencyId:
        """Whose home it is."""
        return self.card.agency

    @property
    def endpoint(self) -> str:
        """Where its node is reached."""
        return f"{HOST}:{self.port}"

    @property
    def root_der(self) -> bytes:
        """Root certificate of the agency."""
        return self.card.card.root_certificate

    @property
    def identity(self) -> TlsIdentity:
        """The leaf and key that its node presents."""
        return TlsIdentity(certificate_pem(self._tls_key().certificate), self._key_pem())

    def root_key(self) -> KeyRecord:
        """The agency's root key: what its insiders could sign with."""
        ring = decrypt_keyring((self.path / ROOT_KEY).read_bytes(), PASSPHRASE)
        return ring.newest(KeyKind.ROOT, system_clock())

    def leaf(self, not_before_ms: int, not_after_ms: int) -> TlsIdentity:
        """Another leaf under the right root, for the node's own key."""
        spki = self._tls_key().public
        signer = signer_for(self.root_key())
        leaf = issue_leaf(self.root_der, signer, self.agency, spki, not_before_ms, not_after_ms)
        return TlsIdentity(certificate_pem(leaf), self._key_pem())

    def _tls_key(self) -> KeyRecord:
        ring = decrypt_keyring((self.path / NODE_KEY).read_bytes(), PASSPHRASE)
        return ring.newest(KeyKind.TLS, system_clock())

    def _key_pem(self) -> bytes:
        return private_pem(self._tls_key())


def free_port() -> int:
    """Find a port that nobody listens on, and that no other test of this machine takes.

    Not one that the kernel would choose: it might give the same to an outgoing connection while
    the node is down. The UDP port of the same number, held until this process ends, reserves it
    among test processes.
    """
    while True:
        port = _PORTS.pop()
        mark = socket.socket(type=socket.SOCK_DGRAM)
        try:
            mark.bind((HOST, port))
            with socket.socket() as probe:
                probe.bind((HOST, port))
        except OSError:
            mark.close()
            continue
        _RESERVED.append(mark)
        return port


def found_home(
    folder: Path,
    agency: AgencyId,
    delivery: Delivery | None = None,
    *,
    listens: bool = True,
    advertises: str = "",
) -> Home:
    """Found an agency that listens on a free port, or only dials out.

    Args:
        folder: Where its home goes.
        agency: Who it is.
        delivery: Times.
        listens: Whether it has an endpoint.
        advertises: What its card says of its endpoint, if not the truth.
    """
    port = free_port()
    country = agency.split(".", 1)[0]
    config = Config(
        home=folder / agency,
        agency=Agency(
            id=agency, name=f"Agency {agency}", country=country.upper(), role=Role.CUSTOMS
        ),
        node=Node(listen=f"{HOST}:{port}", advertise=(advertises or f"{HOST}:{port}",))
        if listens
        else Node(),
        database=Database(url=current().with_tables(folder / agency)),
        delivery=delivery or Delivery(),
    )
    return Home(config.home, found(config, PASSPHRASE, kdf=_CHEAP), port)


def pin(home: Home, *others: Home) -> None:
    """Let an agency trust others, as an operator at a command line does."""
    with open_home(home.path, PASSPHRASE) as desk:
        for other in others:
            add_peer(desk.office, other.card.sealed, fingerprint=other.card.fingerprint)


def introduce(*homes: Home) -> None:
    """Let all of them trust each other."""
    for home in homes:
        pin(home, *(other for other in homes if other is not home))


def founded(folder: Path, *agencies: AgencyId, delivery: Delivery | None = None) -> list[Home]:
    """Hand out homes of agencies that trust each other; a test does so once.

    They are founded at the first use, which takes longer than many tests, and copied: the next
    test gets the same cards, and with them the same ports, which this process has to itself.
    """
    engine = current()
    circle = engine, agencies, delivery
    if circle not in _CIRCLES:
        made = _kept_folder() / str(len(_CIRCLES))
        homes = [found_home(made, agency, delivery) for agency in agencies]
        introduce(*homes)
        _CIRCLES[circle] = homes
    for home in _CIRCLES[circle]:
        engine.copy(home.path, folder / home.agency)
    return [replace(home, path=folder / home.agency) for home in _CIRCLES[circle]]


_CIRCLES: dict[tuple[Engine, tuple[AgencyId, ...], Delivery | None], list[Home]] = {}


@cache
def _kept_folder() -> Path:
    """A folder that is there until this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="sesn-homes-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def check_homes(*homes: Home) -> None:
    """Check every invariant of these nodes and between them; none of them may be serving."""
    with ExitStack() as opened:
        desks = [opened.enter_context(open_home(home.path, PASSPHRASE)) for home in homes]
        check_network([desk.office for desk in desks])


def note(subject: str = "Two containers of untested television sets") -> Payload:
    """A short alert."""
    alert = Alert(
        subject=subject,
        urgency=Urgency.URGENT,
        requested_action=RequestedAction.INSPECT,
        respond_by=None,
        narrative="Loaded before the profile fired.",
        consignment=None,
    )
    return Payload(Markings(Tlp.AMBER), alert)


@dataclass(frozen=True, slots=True)
class Serving:
    """A node at work."""

    home: Home
    desk: Desk
    node: ServingNode

    @property
    def office(self) -> Office:
        """The use cases' counter."""
        return self.desk.office

    async def send(self, *to: Home, subject: str = "Two containers") -> MessageId:
        """Share an alert and wake the node."""
        draft = Draft(note(subject), tuple(home.agency for home in to))
        message_id = await asyncio.to_thread(share, self.office, draft)
        self.node.wake()
        return message_id

    def states(self, message_id: MessageId) -> set[DeliveryState]:
        """Say how the copies of a message stand."""
        with self.office.store.read() as transaction:
            return {copy.state for copy in transaction.outbox.copies(message_id)}

    async def acknowledged(self, *messages: MessageId) -> None:
        """Wait for the receipts of all recipients."""
        for message_id in messages:
            what = f"{self.home.agency} holds every receipt of {message_id.hex()}"
            await until(partial(self._settled, message_id), what)

    def _settled(self, message_id: MessageId) -> bool:
        return self.states(message_id) == {DeliveryState.ACKNOWLEDGED}

    def received(self) -> list[bytes]:
        """Message ids in the inbox."""
        with self.office.store.read() as transaction:
            return [row.message_id for row in transaction.inbox.every()]


@asynccontextmanager
async def serve(
    home: Home,
    *,
    clock: Callable[[], int] = system_clock,
    identity: TlsIdentity | None = None,
) -> AsyncIterator[Serving]:
    """Serve a home until the block ends, then shut down in order.

    Args:
        home: Which.
        clock: What the node takes for the time.
        identity: Presented instead of the home's own leaf.
    """
    with open_home(home.path, PASSPHRASE, clock=clock) as desk:
        if identity is not None:
            shown = identity.leaf_pem, identity.key_pem
            desk = replace(desk, tls=lambda: shown)  # noqa: PLW2901 - the block serves with this one
        ready = asyncio.Event()
        running = desk.node()
        task = asyncio.create_task(running.run(lambda _address, _problem: ready.set()))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            await task
        try:
            yield Serving(home, desk, running)
        finally:
            running.stop()
            async with asyncio.timeout(PATIENCE_S):
                await task


_LOGGING = (
    admission,
    expire,
    forks,
    gossip,
    talk,
    health,
    node,
    outcomes,
    partner,
    peers,
    pump,
    server,
    stamper,
    witness,
)


def captured_logs(monkeypatch: pytest.MonkeyPatch) -> Sequence[EventDict]:
    """Collect what the nodes of this process log from now on, after redaction.

    The loggers are replaced, not configured: another test of this process may have fixed theirs.
    """
    capture = LogCapture()
    for module in _LOGGING:
        logger = structlog.wrap_logger(
            structlog.ReturnLogger(),
            processors=[redact, capture],
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
            component=module.__name__,
        )
        monkeypatch.setattr(module, "_log", logger)
    return capture.entries
