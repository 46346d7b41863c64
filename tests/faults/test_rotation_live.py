"""`sesn keys rotate` beside two serving processes, with alerts on their way in both directions."""

from __future__ import annotations

import socket
import ssl
import threading
from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE, NODE_KEY, open_home
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.verify import verify_ledger
from sesn_node.store.headfile import HeadFile
from sesn_node.store.outbox import DeliveryState
from tests.support.commands import sesn
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.processes import processes, wait_until
from tests.support.serving import HOST, Home, check_homes, founded, note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.office import Office

_PACE_S = 0.02
_BACKLOG = 30
_MORE = 3


class Desk:
    """An officer of one agency who shares alerts with the other one all the time."""

    def __init__(self, office: Office, to: AgencyId) -> None:
        self.office = office
        self.shared: list[MessageId] = []
        self._to = to
        self._over = threading.Event()
        self._failures: list[BaseException] = []

    def count(self, state: DeliveryState) -> int:
        """Count the copies that stand so."""
        with self.office.store.read() as transaction:
            return transaction.outbox.counts().get(state, 0)

    @property
    def acknowledged(self) -> int:
        """How many receipts there are."""
        return self.count(DeliveryState.ACKNOWLEDGED)

    def has_more(self, count: int) -> bool:
        """Whether so many receipts are there."""
        return self.acknowledged >= count

    def settled(self) -> bool:
        """Whether every alert has its receipt."""
        return self.acknowledged == len(self.shared)

    def work(self) -> None:
        """Share until told to stop."""
        try:
            while not self._over.wait(_PACE_S):
                if self.count(DeliveryState.QUEUED) < _BACKLOG:
                    self.shared.append(share(self.office, Draft(note(), (self._to,))))
        except BaseException as error:  # noqa: BLE001 - told to the test, whatever it is
            self._failures.append(error)

    def stop(self) -> None:
        """Go home; nothing may have failed."""
        self._over.set()
        assert self._failures == []


@contextmanager
def _at_work(*desks: Desk) -> Iterator[None]:
    threads = [threading.Thread(target=desk.work) for desk in desks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for desk in desks:
            desk.stop()
        for thread in threads:
            thread.join()


def _gets_through(desks: list[Desk]) -> None:
    """Wait until receipts come in on both sides that were not there before."""
    before = [desk.acknowledged for desk in desks]
    for desk, count in zip(desks, before, strict=True):
        wait_until(partial(desk.has_more, count + _MORE), "receipts")


def _presented(home: Home) -> bytes:
    """Return the certificate that a node presents to whoever connects, DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((HOST, home.port), timeout=30) as plain,
        context.wrap_socket(plain) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def _newest_leaf(home: Home) -> bytes:
    ring = decrypt_keyring((home.path / NODE_KEY).read_bytes(), PASSPHRASE)
    return ring.of_kind(KeyKind.TLS)[-1].certificate


def test_every_kind_is_rotated_while_nodes_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process is restarted, every alert arrives once, and both ledgers verify."""
    monkeypatch.setenv("SESN_PASSPHRASE", PASSPHRASE.decode())
    nl_home, gh_home = founded(tmp_path, NL, GH)
    with (
        open_home(nl_home.path, PASSPHRASE) as nl_desk,
        open_home(gh_home.path, PASSPHRASE) as gh_desk,
        processes(nl_home, gh_home) as serving,
    ):
        pids = [one.state() for one in serving]
        desks = [Desk(nl_desk.office, GH), Desk(gh_desk.office, NL)]
        with _at_work(*desks):
            for what in Rotatable:
                for home in (nl_home, gh_home):
                    _gets_through(desks)
                    rotated = sesn("keys", "rotate", what.value, "--json", home=home.path)
                    assert rotated.code == 0, rotated
            _gets_through(desks)
        for desk in desks:
            wait_until(desk.settled, "every message has its receipt")
        for home in (nl_home, gh_home):
            wait_until(partial(_shows_its_newest_leaf, home), "the new leaf is presented")
        assert [one.state() for one in serving] == pids
        for one in serving:
            one.stop()
            assert "fault" not in one.log()
    check_homes(nl_home, gh_home)
    for desk, home, other in ((desks[0], nl_home, gh_home), (desks[1], gh_home, nl_home)):
        with open_home(other.path, PASSPHRASE) as opened, opened.office.store.read() as received:
            arrived = Counter(row.message_id for row in received.inbox.every())
        assert arrived == Counter(desk.shared)
        with open_home(home.path, PASSPHRASE) as opened:
            found = verify_ledger(opened.office.store, HeadFile(home.path / HEAD_FILE))
        assert found.passed, [check for check in found.checks if check.failed]


def _shows_its_newest_leaf(home: Home) -> bool:
    return _presented(home) == _newest_leaf(home)
