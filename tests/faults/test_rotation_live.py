"""`sesn keys rotate` beside two serving processes, with alerts on their way in both directions."""

from __future__ import annotations

import socket
import ssl
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE, NODE_KEY, open_home
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.verify import verify_ledger
from sesn_node.store.headfile import HeadFile
from tests.support.commands import sesn
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.officers import Officer, at_work
from tests.support.patience import wait_until
from tests.support.processes import processes
from tests.support.serving import HOST, Home, check_homes, founded

if TYPE_CHECKING:
    from pathlib import Path


_MORE = 3


def _gets_through(officers: list[Officer]) -> None:
    """Wait until receipts come in on both sides that were not there before."""
    before = [officer.acknowledged() for officer in officers]
    for officer, count in zip(officers, before, strict=True):
        wait_until(partial(officer.has_receipts, count + _MORE), "receipts")


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
        officers = [Officer(nl_desk.office, GH), Officer(gh_desk.office, NL)]
        with at_work(*officers):
            for what in Rotatable:
                for home in (nl_home, gh_home):
                    _gets_through(officers)
                    rotated = sesn("keys", "rotate", what.value, "--json", home=home.path)
                    assert rotated.code == 0, rotated
            _gets_through(officers)
        for officer in officers:
            wait_until(officer.is_settled, "every message has its receipt")
        for home in (nl_home, gh_home):
            wait_until(partial(_shows_its_newest_leaf, home), "the new leaf is presented")
        assert [one.state() for one in serving] == pids
        for one in serving:
            one.stop()
            assert "fault" not in one.log()
    check_homes(nl_home, gh_home)
    for officer, home, other in zip(officers, (nl_home, gh_home), (gh_home, nl_home), strict=True):
        with open_home(other.path, PASSPHRASE) as opened, opened.office.store.read() as received:
            arrived = Counter(row.message_id for row in received.inbox.every())
        assert arrived == Counter(officer.shared)
        with open_home(home.path, PASSPHRASE) as opened:
            found = verify_ledger(opened.office.store, HeadFile(home.path / HEAD_FILE))
        assert found.passed, [check for check in found.checks if check.failed]


def _shows_its_newest_leaf(home: Home) -> bool:
    return _presented(home) == _newest_leaf(home)
