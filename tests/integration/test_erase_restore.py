"""Erasing and backups: what those of before bring back, and what those made since do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.errors import StorageError
from sesn_node.exchange.erase import erase
from sesn_node.exchange.oldcopy import OLD_COPY
from sesn_node.exchange.viewing import view_alert
from sesn_node.store.engine import Store
from tests.support.alerts import consignment
from tests.support.backups import backed_up, place_for, restored
from tests.support.engines import current
from tests.support.homes import GH, NL
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from sesn_node.store.erasures import ErasureRow
    from sesn_node.store.inbox import InboxRow
    from tests.support.network import Network

_WHY = "Held longer than the law allows"


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


def _rows(backup: Path, home: Path, message_id: MessageId) -> tuple[InboxRow, list[ErasureRow]]:
    """Restore a backup into an empty place; return what it holds of a message."""
    place = place_for(current(), home)
    assert restored(backup, place).verification.passed
    store = Store(place.url, create=False)
    try:
        with store.read() as transaction:
            (row,) = transaction.inbox.find(message_id)
            return row, transaction.erasures.every()
    finally:
        store.close()


def test_backup_made_since_brings_nothing_back(net: Network, tmp_path: Path) -> None:
    """It says what was erased and why; one of before holds the content, and cannot know."""
    message_id = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    backed_up(net[GH], tmp_path / "before")
    erase(net[GH].office, message_id, _WHY)
    backed_up(net[GH], tmp_path / "after")
    row, erasures = _rows(tmp_path / "after", tmp_path / "new", message_id)
    assert (row.sealed.ciphertext, row.sealed.content_key) == (None, None)
    assert [(one.message_id, one.reason) for one in erasures] == [(message_id, _WHY)]
    row, erasures = _rows(tmp_path / "before", tmp_path / "old", message_id)
    assert row.sealed.ciphertext is not None
    assert erasures == []


def test_old_copy_is_read_and_not_erased(net: Network, tmp_path: Path) -> None:
    """A database of before the erasure shows the content again; it appends nothing."""
    message_id = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    net.rest()
    current().save(net[GH].home, tmp_path / "saved")
    erase(net[GH].office, message_id, _WHY)
    net.check()
    net[GH].close()
    current().put_back(net[GH].home, tmp_path / "saved")
    net[GH].open()
    office = net[GH].office
    with unchanged(office):
        with pytest.raises(StorageError) as caught:
            erase(office, message_id, _WHY)
        assert caught.value.code == OLD_COPY
        found = view_alert(office, message_id)
    assert found.unrecorded is not None
    assert found.unrecorded.code == OLD_COPY
    assert found.file.alert.payload is not None
