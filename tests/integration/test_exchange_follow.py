"""Going on from where another process left the ledger: quickly, and never on trust."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node import bootstrap
from sesn_node.domain.ids import Origin
from sesn_node.errors import StorageError
from sesn_node.exchange import sequencer
from sesn_node.exchange.follow import follow
from sesn_node.exchange.guard import TAIL_ENTRIES, check_head
from sesn_node.exchange.oldcopy import OLD_COPY
from sesn_node.exchange.share import Draft, share
from sesn_node.ledger.merkle import frontier_positions, position
from sesn_node.store.headfile import HeadFile
from tests.support.engines import current
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.network import alert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sesn_node.exchange.office import Office
    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.ledger.merkle import Appender
    from sesn_node.store.engine import Transaction
    from sesn_node.store.ledger import HeadRow
    from tests.support.network import Member, Network

_ADDED = 5


class _Before:
    """What a process knows of the ledger, while another one goes on."""

    def __init__(self, member: Member) -> None:
        self._office = member.office
        self.head_file = HeadFile(member.home / bootstrap.HEAD_FILE)
        with self._office.store.read() as transaction:
            self.head = transaction.ledger.require_head()
            self.frontier = self._frontier(transaction, self.head)

    def _frontier(self, transaction: Transaction, head: HeadRow) -> tuple[bytes, ...]:
        nodes = transaction.ledger.nodes(frontier_positions(head.size))
        return tuple(nodes[at] for at in frontier_positions(head.size))

    def keys(self) -> Sequence[LogKeys]:
        """What our checkpoints may be signed with."""
        return self._office.directory().own.log_key_sets(Origin(self.head.origin))

    def follow(self) -> Appender | None:
        """Go on to where the ledger is now."""
        with self._office.store.read() as transaction:
            return follow(
                transaction,
                self.head,
                self.frontier,
                transaction.ledger.require_head(),
                head_file=self.head_file,
                key_sets=self.keys(),
            )

    def look_at_all(self) -> tuple[bytes, ...]:
        """Check everything."""
        with self._office.store.read() as transaction:
            head = transaction.ledger.require_head()
            return check_head(transaction, head, self.head_file, self.keys())


@contextmanager
def _another_process(member: Member) -> Iterator[Office]:
    opening = bootstrap.open_home(member.home, PASSPHRASE, clock=member.now_ms)
    with opening as desk:
        yield desk.office


def _add(member: Member, count: int = _ADDED) -> None:
    """Let another process of the home append."""
    with _another_process(member) as office:
        for _ in range(count):
            share(office, Draft(alert(), (GH,)))


def test_comes_to_the_same(connect: Callable[..., Network]) -> None:
    """What is built from the entries between is what looking at everything finds."""
    net = connect(NL, GH)
    before = _Before(net[NL])
    _add(net[NL])
    tree = before.follow()
    assert tree is not None
    assert tree.frontier() == before.look_at_all()
    assert tree.size == before.head.size + _ADDED
    # And from where nothing has happened since.
    now = _Before(net[NL])
    tree = now.follow()
    assert tree is not None
    assert (tree.frontier(), tree.nodes) == (now.frontier, {})


def test_processes_in_turn_look_at_what_is_new(
    connect: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that append in turn check everything once each, when they begin."""
    looked: list[int] = []

    def check(
        transaction: Transaction, head: HeadRow, head_file: HeadFile, keys: Sequence[LogKeys]
    ) -> tuple[bytes, ...]:
        looked.append(head.size)
        return check_head(transaction, head, head_file, keys)

    net = connect(NL, GH)
    net.share(NL, GH)
    monkeypatch.setattr(sequencer, "check_head", check)
    with _another_process(net[NL]) as office:
        for _ in range(3):
            share(office, Draft(alert(), (GH,)))
            net.share(NL, GH)
    assert len(looked) == 1
    net.deliver(NL, GH)


@pytest.mark.parametrize(
    "change",
    [
        {"size": -1 - TAIL_ENTRIES},
        pytest.param({"size": 1 + _ADDED}, id="less than known"),
        pytest.param({"witnessed": 1}, id="witnessed less than known"),
    ],
)
def test_other_change_than_a_few_entries(
    connect: Callable[..., Network], change: Mapping[str, int]
) -> None:
    """A ledger that grew a lot, or went back, is looked at as a whole."""
    net = connect(NL, GH)
    before = _Before(net[NL])
    _add(net[NL])
    changed = {key: getattr(before.head, key) + by for key, by in change.items()}
    # Whoever asks knew a moment that is too long ago, or never was.
    before.head = replace(before.head, **changed)
    assert before.follow() is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET entry = zeroblob(90) WHERE entry_index = ?",
        "UPDATE ledger_node SET hash = zeroblob(32) WHERE position = ?",
        "DELETE FROM ledger_entry WHERE entry_index = ?",
        "DELETE FROM ledger_node WHERE position = ?",
        "UPDATE ledger_head SET root = zeroblob(32) WHERE size > ?",
        "UPDATE ledger_head SET note = zeroblob(300) WHERE size > ?",
    ],
)
def test_what_was_added_is_altered(connect: Callable[..., Network], statement: str) -> None:
    """What does not hash to what was signed is found before anything is built on it."""
    net = connect(NL, GH)
    before = _Before(net[NL])
    _add(net[NL])
    net.unchecked.add(NL)
    at = before.head.size
    with current().raw(net[NL].home) as database:
        database.lift_guards()
        value = position(0, at) if "position" in statement else at
        assert database.change(statement, value) == 1
    assert before.follow() is None
    with pytest.raises(StorageError) as refused:
        share(net[NL].office, Draft(alert(), (GH,)))
    assert refused.value.code == OLD_COPY


def test_head_file_of_another_moment(connect: Callable[..., Network]) -> None:
    """A head file that holds neither of the two heads is held against the database as a whole."""
    net = connect(NL, GH)
    first = _Before(net[NL])
    old = first.head_file.path.read_bytes()
    _add(net[NL])
    second = _Before(net[NL])
    _add(net[NL])
    assert second.follow() is not None
    first.head_file.path.write_bytes(old)
    assert second.follow() is None
    first.head_file.path.write_bytes(b"no checkpoint")
    assert second.follow() is None
    first.head_file.path.unlink()
    assert second.follow() is None
    first.head_file.path.write_bytes(old)
    assert first.follow() is not None
