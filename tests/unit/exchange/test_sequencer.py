"""The sequencer: groups, a failure within one, and a failure of the whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from sesn_node import bootstrap
from sesn_node.domain.conversation import Decision
from sesn_node.domain.entries import EntryKind, PeerCode
from sesn_node.errors import ConflictError, PolicyError, StorageError
from sesn_node.exchange.office import new_entry
from sesn_node.exchange.peers import add_peer, revoke_peer
from sesn_node.exchange.respond import respond
from sesn_node.exchange.sequencer import MAX_GROUP
from sesn_node.exchange.share import Draft, recording, seal_draft
from sesn_node.trust.directory import PeerState
from tests.support.faults import WriteFault
from tests.support.held_sequencer import Gate, at_once
from tests.support.homes import BE, GH, NL, PASSPHRASE
from tests.support.network import alert
from tests.support.snapshot import unchanged
from tests.support.view import signed_head, view

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any

    from sesn_node.domain.ids import MessageId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from tests.support.network import Member, Network


def _sharing(office: Office) -> Callable[[Work], MessageId]:
    """Return the operation that records one more alert."""
    return recording(seal_draft(office, Draft(alert(), (GH,)), office.directory()))


def _link_error(text: str) -> Callable[[Work], None]:
    """Return an operation that writes a row and appends nothing."""

    def operation(work: Work) -> None:
        work.transaction.peers.link_down(GH, failures=1, next_attempt_ms=1, error=text)

    return operation


def _append_then(error: Exception) -> Callable[[Work], None]:
    """Return an operation that writes a row, appends an entry, queues a message, and fails."""

    def operation(work: Work) -> None:
        _link_error("undone")(work)
        work.append(
            new_entry(
                EntryKind.PEER, work.now_ms, bytes(32), agency=BE, code=PeerCode.REVOKED.value
            )
        )
        raise error

    return operation


def _break_links(member: Member) -> None:
    """Let the database undo the whole transaction when a link's error is "boom"."""
    member.close()
    with closing(sqlite3.connect(member.home / "node.db")) as database, database:
        database.execute(
            "CREATE TRIGGER boom BEFORE UPDATE ON link WHEN NEW.error = 'boom' "
            "BEGIN SELECT RAISE(ROLLBACK, 'disk I/O error'); END"
        )
    member.open()


@pytest.mark.parametrize("writes", [True, False])
def test_failing_operation_does_not_spoil_the_others(
    connect: Callable[..., Network], *, writes: bool
) -> None:
    """Of a group, the operation that fails is undone, and it alone; its caller gets its error."""
    net = connect(NL, GH)
    sequencer = net[NL].office.sequencer
    size = net[NL].size()
    error = PolicyError("no")
    gate = Gate(sequencer)
    before = sequencer.submit(_sharing(net[NL].office), writes=writes)
    failing = sequencer.submit(_append_then(error))
    after = sequencer.submit(_sharing(net[NL].office), writes=writes)
    gate.open()
    assert failing.exception() is error
    assert before.result().head == after.result().head
    net.check()
    assert net[NL].size() == size + 2
    with net[NL].office.store.read() as transaction:
        assert transaction.peers.link(GH).error is None


def test_unexpected_error_of_an_operation(connect: Callable[..., Network]) -> None:
    """A fault in one use case is its caller's alone, whatever it raises."""
    net = connect(NL, GH)
    sequencer = net[NL].office.sequencer
    gate = Gate(sequencer)
    failing = sequencer.submit(_append_then(RuntimeError("a fault")))
    sharing = sequencer.submit(_sharing(net[NL].office))
    gate.open()
    assert isinstance(failing.exception(), RuntimeError)
    sharing.result()
    net.check()


@pytest.mark.parametrize("writes", [True, False])
def test_database_that_undoes_the_transaction_by_itself(
    connect: Callable[..., Network], *, writes: bool
) -> None:
    """When the database gives up within a group, all of it failed, and nobody is told otherwise."""
    net = connect(NL, GH)
    _break_links(net[NL])
    office = net[NL].office
    gate = Gate(office.sequencer)
    with unchanged(office):
        futures: list[Future[Any]] = [
            office.sequencer.submit(_sharing(office), writes=writes),
            office.sequencer.submit(_link_error("before")),
            office.sequencer.submit(_link_error("boom")),
            office.sequencer.submit(_link_error("after")),
            office.sequencer.submit(_sharing(office), writes=writes),
        ]
        gate.open()
        errors = [type(one.exception()) for one in futures]
    assert errors == [StorageError] * 5
    net.check()
    office.sequencer.run(_link_error("later"))
    net.share(NL, GH)


def test_decision_is_not_refused_for_one_that_was_undone(
    connect: Callable[..., Network],
) -> None:
    """If the commit fails, nobody learns that somebody else of the group has decided."""
    net = connect(NL, GH)
    message_id = net.share(NL, GH)
    net.deliver(NL, GH)
    office = net[GH].office
    deciding = at_once(
        office.sequencer,
        [
            lambda: respond(office, message_id, Decision.ACCEPTED, "Seen."),
            lambda: respond(office, message_id, Decision.DECLINED, "Seen."),
        ],
        before=lambda: net.faults.plan_write(1, WriteFault.COMMIT_FAILED),
    )
    assert [type(one.exception()) for one in deciding] == [StorageError] * 2
    net.check()
    net.respond(GH, message_id, Decision.DECLINED)


def test_cancelled_operation(connect: Callable[..., Network]) -> None:
    """An operation that was cancelled while it waited is not run, and the sequencer goes on."""
    net = connect(NL, GH)
    sequencer = net[NL].office.sequencer
    gate = Gate(sequencer)
    cancelled = sequencer.submit(_link_error("cancelled"))
    assert cancelled.cancel()
    after = sequencer.submit(_sharing(net[NL].office))
    gate.open()
    after.result()
    net.check()
    with net[NL].office.store.read() as transaction:
        assert transaction.peers.link(GH).error is None


def test_group_is_bounded(connect: Callable[..., Network]) -> None:
    """No more than 256 operations share a transaction, so the first does not wait for ever."""
    net = connect(NL, GH)
    sequencer = net[NL].office.sequencer
    gate = Gate(sequencer)
    futures = [sequencer.submit(_link_error(str(number))) for number in range(MAX_GROUP + 1)]
    writes = len(net.faults.writes)
    gate.open()
    for one in futures:
        one.result()
    assert len(net.faults.writes) == writes + 2


def test_group_without_entries_signs_nothing(connect: Callable[..., Network]) -> None:
    """A group that appends nothing leaves the checkpoint as it is."""
    net = connect(NL, GH)
    with unchanged(net[NL].office, but=("link",)):
        net[NL].office.sequencer.run(_link_error("no entry"))


def test_closed_sequencer(connect: Callable[..., Network]) -> None:
    """After it was closed, however often, a sequencer refuses operations."""
    net = connect(NL, GH)
    sequencer = net[NL].office.sequencer
    sequencer.close()
    sequencer.close()
    with pytest.raises(StorageError, match="shutting down"):
        sequencer.run(_link_error("late"))


@pytest.mark.parametrize("fault", list(WriteFault))
def test_group_whose_write_fails(connect: Callable[..., Network], fault: WriteFault) -> None:
    """Every caller of the group learns of a failed commit; the next builds on what is durable.

    A head file that could not be written holds back what would leave the node, not the callers.
    """
    net = connect(NL, GH)
    office = net[NL].office
    size = net[NL].size()
    gate = Gate(office.sequencer)
    futures = [office.sequencer.submit(_sharing(office), writes=False) for _ in range(3)]
    # The gate's own write has begun already.
    net.faults.plan_write(1, fault)
    gate.open()
    commit = fault in {WriteFault.COMMIT_FAILED, WriteFault.COMMIT_PERSISTED}
    learned = [type(one.exception()) for one in futures]
    assert learned == [StorageError if commit else type(None)] * 3
    net.rest()
    net.check()
    lost = fault is WriteFault.COMMIT_FAILED
    assert net[NL].size() == size + (0 if lost else 3)
    net.share(NL, GH)


def test_head_file_that_cannot_be_written(connect: Callable[..., Network]) -> None:
    """What is committed stays so, but no checkpoint is released, until the file can be written."""
    net = connect(NL, GH)
    office = net[NL].office
    size = net[NL].size()
    net.faults.broken_head_files.add(NL)
    office.sequencer.run(_sharing(office), writes=False)
    head = office.sequencer.run(_sharing(office), writes=False).head
    net.check()
    assert net[NL].size() == size + 2
    for _ in range(2):
        with pytest.raises(StorageError, match="head file"):
            office.sequencer.release(head)
    net.faults.broken_head_files.clear()
    office.sequencer.release(head)
    assert signed_head(view(office).head_file or b"", office.log_keys).size == head.size
    net.check()


def test_release_costs_no_write(connect: Callable[..., Network]) -> None:
    """Releasing a checkpoint whose head file is written, or being written, only waits for it."""
    net = connect(NL, GH)
    office = net[NL].office
    head = office.sequencer.run(_sharing(office), writes=False).head
    writes = len(net.faults.writes)
    office.sequencer.release(head)
    assert signed_head(view(office).head_file or b"", office.log_keys).size == head.size
    office.sequencer.release(head)
    assert len(net.faults.writes) == writes


def test_release_of_what_another_process_appended(connect: Callable[..., Network]) -> None:
    """A checkpoint of another process is released only once the head file holds it, too."""
    net = connect(NL, GH)
    office = net[NL].office
    with bootstrap.open_home(net[NL].home, PASSPHRASE, clock=net[NL].now_ms) as desk:
        head = desk.office.sequencer.run(_sharing(desk.office), writes=False).head
    office.sequencer.release(head)
    assert signed_head(view(office).head_file or b"", office.log_keys).size == head.size
    net.check()


def test_directory_of_a_change_that_was_undone(connect: Callable[..., Network]) -> None:
    """A directory that never came to be is not taken for a later one of the same version."""
    net = connect(NL, GH, BE)
    net.revoke(NL, BE)
    office, card = net[NL].office, net[BE].card
    version = office.directory().version
    pinning = at_once(
        office.sequencer,
        [lambda: add_peer(office, card.sealed, fingerprint=card.fingerprint)] * 2,
        before=lambda: net.faults.plan_write(1, WriteFault.COMMIT_FAILED),
    )
    assert [type(one.exception()) for one in pinning] == [StorageError] * 2
    with bootstrap.open_home(net[NL].home, PASSPHRASE, clock=net[NL].now_ms) as desk:
        revoke_peer(desk.office, GH)
    directory = office.directory()
    assert directory.version == version + 1
    assert {agency: peer.state for agency, peer in directory.peers.items()} == {
        GH: PeerState.REVOKED,
        BE: PeerState.REVOKED,
    }
    net.check()


def test_directory_of_an_operation_that_was_undone(connect: Callable[..., Network]) -> None:
    """Within a group, too, what an undone operation did to the directory is not remembered."""
    net = connect(NL, GH, BE)
    office = net[NL].office
    version = office.directory().version

    def revoke_and_fail(work: Work) -> None:
        row = next(one for one in work.transaction.peers.peers() if one.agency == GH)
        work.transaction.peers.set_peer(
            agency=GH, state="revoked", card_sha256=net[GH].card.sha256, changed_ms=row.changed_ms
        )
        assert work.transaction.peers.version() == version + 1
        raise ConflictError("undone")

    def look(work: Work) -> int:
        return work.transaction.peers.version()

    gate = Gate(office.sequencer)
    failing = office.sequencer.submit(revoke_and_fail)
    looking = office.sequencer.submit(look)
    gate.open()
    assert isinstance(failing.exception(), ConflictError)
    assert looking.result().value == version
    net.check()
