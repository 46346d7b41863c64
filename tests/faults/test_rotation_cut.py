"""Rotations that are cut off at every step, and run again: nothing is lost, no key is left behind.

Every write of a rotation fails once in every way, and the process starts anew: each commit, and
each time that the key file is replaced.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from sesn_node.crypto.keys import KeyKind
from sesn_node.errors import StorageError
from sesn_node.exchange.keycare import tend_keys
from sesn_node.exchange.rotate import Rotatable
from sesn_node.store import files, keyfile
from tests.support.faults import WriteFault
from tests.support.homes import GH, NL
from tests.support.network import HOUR_MS
from tests.support.rotations import EVERYTHING, Traffic, key_entries, ring_of, rotate_all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.network import Network

# What is written does not depend on the database; test_rotation.py runs on both.
pytestmark = pytest.mark.engine("sqlite")

COMMITS = dict.fromkeys(EVERYTHING, 2) | {Rotatable.STORAGE: 7, Rotatable.ENCRYPTION: 1}
"""Commits of a rotation and of the care an hour later, which `test_counts` holds to."""

FILE_WRITES = dict.fromkeys(EVERYTHING, 2) | {Rotatable.ENCRYPTION: 1}
"""How often the key file is replaced."""


def _traffic(net: Network) -> Traffic:
    """Leave some alerts on their way in both directions."""
    traffic = Traffic(net)
    traffic.share()
    net.deliver(NL, GH)
    traffic.share()
    return traffic


@contextmanager
def _file_writes(
    monkeypatch: pytest.MonkeyPatch, fail: int = 0, *, after: bool = False
) -> Iterator[list[str]]:
    """Count how often a key file is replaced; one time fails, before or after it is done."""
    writes: list[str] = []
    genuine = files.replace_file

    def replace_file(path: Path, data: bytes) -> None:
        writes.append(path.name)
        if len(writes) != fail:
            genuine(path, data)
            return
        if after:
            genuine(path, data)
        raise StorageError("injected: the key file cannot be written")

    with monkeypatch.context() as patched:
        patched.setattr(keyfile, "replace_file", replace_file)
        yield writes


def _rotation(net: Network, what: Rotatable) -> None:
    """Rotate, and see to what is left an hour later; a step that fails ends the process."""
    steps: list[Callable[[], object]] = [
        lambda: rotate_all_of(net[NL], what),
        lambda: net.pass_time(2 * HOUR_MS),
        lambda: tend_keys(net[NL].office),
    ]
    for step in steps:
        try:
            step()
        except StorageError as error:
            if "injected" not in str(error):
                raise
            net[NL].reopen()
        net.check()


def _finish(net: Network, what: Rotatable, traffic: Traffic) -> None:
    """Whatever happened, the node works; the rotation is run again, and leaves nothing behind."""
    net.rest()
    assert not net.faults.pending
    traffic.share()
    traffic.arrives()
    rotate_all_of(net[NL], what)
    traffic.share()
    net.pass_time(2 * HOUR_MS)
    tend_keys(net[NL].office)
    net.check()
    net[NL].reopen()
    traffic.arrives()
    ring = ring_of(net[NL])
    for kind in KeyKind:
        if kind not in {KeyKind.ROOT, KeyKind.ENCRYPTION, KeyKind.OPERATOR}:
            assert len(ring.of_kind(kind)) == 1, kind
    entries = key_entries(net[NL])
    assert len(set(entries)) == len(entries)


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


@pytest.mark.parametrize("what", EVERYTHING)
def test_counts(net: Network, monkeypatch: pytest.MonkeyPatch, what: Rotatable) -> None:
    """Every write of a rotation is among those that fail below."""
    traffic = _traffic(net)
    before = len(net.faults.writes)
    with _file_writes(monkeypatch) as files:
        _rotation(net, what)
    assert len(net.faults.writes) - before == COMMITS[what]
    assert len(files) == FILE_WRITES[what]
    _finish(net, what, traffic)


@pytest.mark.parametrize("fault", list(WriteFault))
@pytest.mark.parametrize(
    ("what", "number"),
    [(what, number) for what, count in COMMITS.items() for number in range(1, count + 1)],
)
def test_a_commit_fails(net: Network, what: Rotatable, number: int, fault: WriteFault) -> None:
    """Done or not, the next process goes on from what is there."""
    traffic = _traffic(net)
    net.faults.plan_write(number, fault)
    _rotation(net, what)
    _finish(net, what, traffic)


@pytest.mark.parametrize("after", [False, True], ids=["not written", "written"])
@pytest.mark.parametrize(
    ("what", "number"),
    [(what, number) for what, count in FILE_WRITES.items() for number in range(1, count + 1)],
)
def test_the_key_file_fails(
    net: Network, monkeypatch: pytest.MonkeyPatch, what: Rotatable, number: int, after: bool
) -> None:
    """Keys that were made and not announced are used by the next rotation, or not missed."""
    traffic = _traffic(net)
    with _file_writes(monkeypatch, number, after=after):
        _rotation(net, what)
    _finish(net, what, traffic)
