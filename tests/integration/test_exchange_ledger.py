"""One ledger under many hands: concurrent officers, two processes, old copies, the head file."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node import bootstrap
from sesn_node.domain.conversation import Decision
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import ConflictError, PolicyError, StorageError
from sesn_node.exchange.oldcopy import OLD_COPY
from sesn_node.exchange.open import open_sent
from sesn_node.exchange.peers import revoke_peer
from sesn_node.exchange.respond import respond
from sesn_node.exchange.share import Draft, share
from tests.support.check_node import check_node
from tests.support.engines import current
from tests.support.held_sequencer import Gate, at_once
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.network import alert
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.network import Member, Network

_OFFICERS = 12


def _save(member: Member, copy: Path) -> Path:
    """Copy a closed member's database aside, as a backup does."""
    current().save(member.home, copy)
    return copy


def _put_back(member: Member, copy: Path) -> None:
    """Put a copy in the place of a closed member's database."""
    current().put_back(member.home, copy)


def _refusal_to_append(member: Member) -> str:
    """Try to append; return the reason why not."""
    with unchanged(member.office), pytest.raises(StorageError) as error:
        share(member.office, Draft(alert(), (GH,)))
    assert error.value.code == OLD_COPY
    return error.value.message


def test_concurrent_shares_share_a_checkpoint(connect: Callable[..., Network]) -> None:
    """Officers who send at once are recorded in one transaction, under one checkpoint."""
    net = connect(NL, GH)
    office = net[NL].office
    size, writes = net[NL].size(), len(net.faults.writes)
    send = partial(share, office, Draft(alert(), (GH,)))
    ids = [one.result() for one in at_once(office.sequencer, [send] * _OFFICERS)]
    net.check()
    assert net[NL].size() == size + _OFFICERS
    # One write for the operation that held the gate, one for all that waited behind it.
    assert len(net.faults.writes) - writes == 2
    wire = net.deliver(NL, GH)
    assert wire.sizes == [_OFFICERS]
    assert {net[NL].states(one)[GH] for one in ids} == {"acknowledged"}


def test_concurrent_decisions_on_one_alert(connect: Callable[..., Network]) -> None:
    """Of officers who decide at once, one decides; the others learn that it is decided."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    office = net[GH].office
    deciding = at_once(
        office.sequencer,
        [
            partial(respond, office, message_id, decision, "Seen.")
            for decision in (Decision.ACCEPTED, Decision.DECLINED) * 2
        ],
    )
    errors = [one.exception() for one in deciding]
    net.check()
    conflicts = [one for one in errors if one is not None]
    assert [type(one) for one in conflicts] == [ConflictError] * 3
    with office.store.read() as transaction:
        assert len(transaction.browse.sent_replies([message_id])) == 1


def test_another_process_appends_between(connect: Callable[..., Network]) -> None:
    """Two processes of one agency take turns at one ledger, and neither forks it."""
    net = connect(NL, GH)
    with bootstrap.open_home(net[NL].home, PASSPHRASE, clock=net[NL].now_ms) as desk:
        for _ in range(3):
            net.share(NL, GH)
            share(desk.office, Draft(alert(), (GH,)))
            net.check()
            check_node(desk.office)
        share(desk.office, Draft(alert(), (GH,)))
        wire = net.deliver(NL, GH)
    assert wire.sizes == [7]


def test_two_processes_append_at_once(connect: Callable[..., Network]) -> None:
    """Two processes that write at the same time queue up for the database."""
    net = connect(NL, GH)
    size = net[NL].size()
    with bootstrap.open_home(net[NL].home, PASSPHRASE, clock=net[NL].now_ms) as desk:
        offices = [net[NL].office, desk.office] * 10
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda office: share(office, Draft(alert(), (GH,))), offices))
        net.check()
        check_node(desk.office)
    assert net[NL].size() == size + 20


def test_trust_changes_in_another_process(connect: Callable[..., Network]) -> None:
    """A partner that a command revokes is revoked in the process that serves, too."""
    net = connect(NL, GH)
    net.share(NL, GH)
    with bootstrap.open_home(net[NL].home, PASSPHRASE, clock=net[NL].now_ms) as desk:
        revoke_peer(desk.office, GH)
    with unchanged(net[NL].office), pytest.raises(PolicyError):
        net.share(NL, GH)
    net.check()


def test_old_copy_of_the_database(connect: Callable[..., Network], tmp_path: Path) -> None:
    """A copy of twenty messages ago is read, refuses to append, and says why."""
    net = connect(NL, GH)
    kept_id = net.share(NL, GH, payload=alert("Before the copy"))
    net.deliver(NL, GH)
    net[NL].close()
    copy = _save(net[NL], tmp_path / "backup")
    net[NL].open()
    for _ in range(20):
        net.share(NL, GH)
    net.deliver(NL, GH)
    size = net[NL].size()
    inquiry_id = net.share(GH, NL)
    net[NL].close()
    _put_back(net[NL], copy)
    net[NL].open()
    net.unchecked.add(NL)
    old = net[NL].size()
    assert size - old == 40
    why = _refusal_to_append(net[NL])
    assert "old copy" in why
    assert str(old) in why
    assert str(size) in why
    check_node(net[NL].office, old_copy=True)
    with net[NL].office.store.read() as transaction:
        row = transaction.outbox.message(kept_id)
    assert row is not None
    assert open_sent(net[NL].office, row) == alert("Before the copy")
    # A partner's message is not lost: it is told to come back later.
    with unchanged(net[NL].office):
        net.deliver(GH, NL)
    copy_to_us = net[GH].copies(inquiry_id)[NL]
    assert (copy_to_us.state, copy_to_us.code) == ("queued", RefusalCode.BUSY)
    assert copy_to_us.next_attempt_ms > net.clock.now_ms


def test_newest_database_put_back(connect: Callable[..., Network], tmp_path: Path) -> None:
    """Once the newest database is back, the node appends again, and what waited arrives."""
    net = connect(NL, GH)
    net[NL].close()
    old = _save(net[NL], tmp_path / "old")
    net[NL].open()
    net.share(NL, GH)
    net[NL].close()
    newest = _save(net[NL], tmp_path / "newest")
    _put_back(net[NL], old)
    net[NL].open()
    _refusal_to_append(net[NL])
    net[NL].close()
    _put_back(net[NL], newest)
    net[NL].open()
    net.share(NL, GH)
    wire = net.deliver(NL, GH)
    assert wire.sizes == [2]


def test_old_copy_shows_itself_to_partners(connect: Callable[..., Network], tmp_path: Path) -> None:
    """What an old copy holds as undelivered is not accepted a second time as something new."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    net[NL].close()
    copy = _save(net[NL], tmp_path / "backup")
    net[NL].open()
    net.deliver(NL, GH)
    net[NL].close()
    _put_back(net[NL], copy)
    net[NL].open()
    net.unchecked.add(NL)
    wire = net.wire(NL, GH)
    with unchanged(net[GH].office), unchanged(net[NL].office), pytest.raises(StorageError):
        wire.connect()
    with unchanged(net[GH].office), unchanged(net[NL].office), pytest.raises(StorageError):
        wire.turn()
    assert net[NL].states(message_id) == {GH: "queued"}
    assert len(net[GH].received(message_id)) == 1


def test_missing_head_file(connect: Callable[..., Network]) -> None:
    """Without its head file a database cannot show that it is the newest copy."""
    net = connect(NL, GH)
    net.unchecked.add(NL)
    net[NL].close()
    path = net[NL].home / bootstrap.HEAD_FILE
    kept = path.read_bytes()
    path.unlink()
    net[NL].open()
    assert "head file" in _refusal_to_append(net[NL])
    assert not path.exists()
    path.write_bytes(kept)
    net.unchecked.clear()
    net.share(NL, GH)


def test_head_file_of_another_history(connect: Callable[..., Network], tmp_path: Path) -> None:
    """A database that went on without its head file, elsewhere, is another history."""
    net = connect(NL, GH)
    net.unchecked.add(NL)
    net[NL].close()
    current().copy(net[NL].home, tmp_path / "elsewhere")
    with bootstrap.open_home(tmp_path / "elsewhere", PASSPHRASE, clock=net[NL].now_ms) as desk:
        share(desk.office, Draft(alert("Elsewhere"), (GH,)))
    net[NL].open()
    share(net[NL].office, Draft(alert("Here"), (GH,)))
    share(net[NL].office, Draft(alert("Here"), (GH,)))
    net[NL].close()
    shutil.copy2(tmp_path / "elsewhere" / bootstrap.HEAD_FILE, net[NL].home)
    net[NL].open()
    assert "another history" in _refusal_to_append(net[NL])


def test_head_file_of_another_agency(connect: Callable[..., Network]) -> None:
    """A head file that our keys did not sign proves nothing of our ledger."""
    net = connect(NL, GH)
    net.unchecked.add(NL)
    net[NL].close()
    shutil.copy2(net[GH].home / bootstrap.HEAD_FILE, net[NL].home)
    net[NL].open()
    assert "signatures" in _refusal_to_append(net[NL])


@pytest.mark.parametrize("garbage", [b"", b"\n", b"a\nb\nc\n", b"a\n7\nc\n", b"\xff" * 100])
def test_garbage_in_the_head_file(connect: Callable[..., Network], garbage: bytes) -> None:
    """A head file that holds no checkpoint is not taken for a small one."""
    net = connect(NL, GH)
    net.unchecked.add(NL)
    net[NL].close()
    (net[NL].home / bootstrap.HEAD_FILE).write_bytes(garbage)
    net[NL].open()
    _refusal_to_append(net[NL])


def test_head_file_swapped_while_the_node_serves(connect: Callable[..., Network]) -> None:
    """Garbage in the head file stops the node at its next step, before anything is released."""
    net = connect(NL, GH)
    net.unchecked.add(NL)
    net.share(NL, GH)
    net.rest()
    path = net[NL].home / bootstrap.HEAD_FILE
    kept = path.read_bytes()
    path.write_bytes(b"not a checkpoint\n")
    office = net[NL].office
    with pytest.raises(StorageError):
        office.sequencer.check()
    _refusal_to_append(net[NL])
    path.write_bytes(kept)
    net.unchecked.clear()
    net.share(NL, GH)


def test_nothing_is_released_before_the_head_file_holds_it(
    connect: Callable[..., Network],
) -> None:
    """While the head file cannot be written, no new checkpoint leaves over an open link."""
    net = connect(NL, GH)
    first_id = net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.connect()
    wire.turn()
    assert net[NL].states(first_id) == {GH: "acknowledged"}
    net.faults.broken_head_files.add(NL)
    with net[GH].office.store.read() as transaction:
        held = transaction.witness.head(net[NL].office.log_keys.origin)
    second_id = share(net[NL].office, Draft(alert(), (GH,)))
    with pytest.raises(StorageError):
        wire.turn()
    net.check()
    with net[GH].office.store.read() as transaction:
        assert transaction.witness.head(net[NL].office.log_keys.origin) == held
    net.faults.broken_head_files.clear()
    net.deliver(NL, GH)
    assert net[NL].states(second_id) == {GH: "acknowledged"}


def test_damaged_entry(connect: Callable[..., Network]) -> None:
    """An entry that was changed behind the node's back is found before the next is appended."""
    net = connect(NL, GH)
    net.share(NL, GH)
    net.unchecked.add(NL)
    net[NL].close()
    with current().raw(net[NL].home) as database:
        database.lift_guards()
        database.change("UPDATE ledger_entry SET entry = zeroblob(90) WHERE entry_index = 2")
    net[NL].open()
    assert "do not hash" in _refusal_to_append(net[NL])


def test_closing_drains(connect: Callable[..., Network]) -> None:
    """What was queued when the node closes is committed; what comes later is refused."""
    net = connect(NL, GH)
    office = net[NL].office
    size = net[NL].size()
    gate = Gate(office.sequencer)
    with ThreadPoolExecutor(5) as pool:
        sending = [pool.submit(share, office, Draft(alert(), (GH,))) for _ in range(4)]
        gate.wait_for(4)
        closing_ = threading.Thread(target=office.sequencer.close)
        closing_.start()
        gate.open()
        ids = {one.result() for one in sending}
        closing_.join()
    assert len(ids) == 4
    with pytest.raises(StorageError, match="shutting down"):
        share(office, Draft(alert(), (GH,)))
    net[NL].reopen()
    net.check()
    assert net[NL].size() == size + 4
