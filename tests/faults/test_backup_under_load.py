"""A node is backed up under load and restored: it says exactly what it must do next."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE, open_home
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import EntryKind
from sesn_node.exchange.share import Draft, share
from tests.support.backups import take_away
from tests.support.commands import sesn
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.officers import Officer, at_work
from tests.support.patience import wait_until
from tests.support.processes import Process, processes
from tests.support.serving import Home, check_homes, founded, note

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.commands import Ran

BACKUPS = 3

_BETWEEN = 10
_SHORT = ("state", "log", "error")
"""Where one line tells what is wrong, and names the command that tells the steps."""
"""Receipts that come in between two backups, each way."""


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESN_PASSPHRASE", PASSPHRASE.decode())


def _entries(home: Home) -> int:
    size = sesn("ledger", "status", "--json", home=home.path).json["size"]
    assert isinstance(size, int)
    return size


def _squeezed(text: str) -> str:
    """Leave out where a terminal breaks lines: within long paths, too."""
    return "".join(text.split())


def test_backed_up_under_load_and_restored(tmp_path: Path) -> None:
    """Backups of a node at work are whole; an older one tells what is missing, the newest goes on.

    In order: three backups while alerts go both ways; all of them verify. The disk is lost. The
    second backup is restored: whole, and an old copy. The node serves, reads, writes nothing, and
    says why and what to do in its log, in its status and to whoever would send. The backup that was
    taken last is restored: nothing is missing, and traffic goes on.
    """
    nl_home, gh_home = founded(tmp_path, NL, GH)
    backups = [tmp_path / f"{number}.sesnbackup" for number in range(BACKUPS)]
    last = tmp_path / "last.sesnbackup"
    with processes(nl_home, gh_home) as (nl, gh):
        _work_and_back_up(nl_home, gh_home, backups)
        nl.stop()
        made = sesn("backup", last, "--json", home=nl_home.path)
        assert made.code == 0
        signed = _entries(nl_home)
        _assert_whole(backups, signed)
        old = _restored(nl_home, backups[1])
        _assert_says_what_to_do(nl, nl_home, old, signed)
        _assert_partner_waits(gh_home)
        nl.stop()
        newest = _restored(nl_home, last)
        assert newest.json["trouble"] is None
        nl.start()
        nl.await_serving()
        _assert_goes_on(nl_home, gh_home)
        nl.stop()
        gh.stop()
    check_homes(nl_home, gh_home)
    for home in (nl_home, gh_home):
        assert sesn("ledger", "verify", home=home.path).code == 0


def _work_and_back_up(nl_home: Home, gh_home: Home, backups: list[Path]) -> None:
    with ExitStack() as opened:
        nl = opened.enter_context(open_home(nl_home.path, PASSPHRASE)).office
        gh = opened.enter_context(open_home(gh_home.path, PASSPHRASE)).office
        officers = [Officer(nl, GH), Officer(gh, NL)]
        with at_work(*officers):
            for path in backups:
                before = [officer.acknowledged() for officer in officers]
                wait_until(partial(_moved_on, officers, before), "alerts go both ways")
                assert sesn("backup", path, home=nl_home.path).code == 0
        for officer in officers:
            wait_until(officer.is_settled, "all is delivered")


def _moved_on(officers: list[Officer], before: list[int]) -> bool:
    return all(
        officer.has_receipts(count + _BETWEEN)
        for officer, count in zip(officers, before, strict=True)
    )


def _assert_whole(backups: list[Path], signed: int) -> None:
    """Every backup is one state, later than the one before."""
    sizes = []
    for path in backups:
        ran = sesn("backup", "--verify", path, "--json")
        assert ran.code == 0
        ledger = ran.json["ledger"]
        assert isinstance(ledger, dict)
        sizes.append(ledger["size"])
    assert sizes == sorted(set(sizes))  # type: ignore[type-var]  # they are integers
    assert sizes[-1] < signed  # type: ignore[operator]  # as above


def _restored(home: Home, backup: Path) -> Ran:
    """Lose the database, and restore a backup."""
    take_away(home.path)
    ran = sesn("restore", backup, "--json", home=home.path)
    assert ran.code == 0, ran
    assert ran.json["verified"] is True
    return ran


def _assert_says_what_to_do(nl: Process, home: Home, restored: Ran, signed: int) -> None:
    held = _entries(home)
    trouble = restored.json["trouble"]
    assert isinstance(trouble, dict)
    assert trouble["code"] == "behind"
    nl.start()
    nl.await_serving()
    state = nl.state()
    assert state is not None
    refused = sesn("peer", "revoke", GH, "--yes", home=home.path)
    refused.failed(9, "OLD_COPY")
    told = {
        "status": sesn("status", home=home.path).out,
        "state": state.problem,
        "log": next(line for line in nl.log().splitlines() if "ledger-not-writable" in line),
        "error": refused.err,
        "restore": str(trouble["what"]) + " ".join(str(one) for one in trouble["steps"]),  # type: ignore[union-attr]  # a list
    }
    steps = (
        f"{signed:,} entries or more",
        f"sesn --home {home.path} restore FILE",
        f"Leave {home.path / HEAD_FILE} as it is",
        f"ask {GH}",
    )
    for where, text in told.items():
        for words in (
            "old copy",
            f"holds {held:,} ledger entries",
            f"signed {signed:,}",
            f"{signed - held:,} entries are missing",
            *([] if where in _SHORT else steps),
        ):
            assert _squeezed(words) in _squeezed(text), (where, words, text)
    assert _entries(home) == held


def _assert_partner_waits(gh_home: Home) -> None:
    """What a partner sends to an old copy is put off, not lost."""
    with open_home(gh_home.path, PASSPHRASE) as desk:
        message_id = share(desk.office, Draft(note(), (NL,)))

        def put_off() -> bool:
            with desk.office.store.read() as transaction:
                (copy,) = transaction.outbox.copies(message_id)
            return copy.state is DeliveryState.QUEUED and copy.attempts > 0

        wait_until(put_off, "the old copy puts off what its partner sends")


def _assert_goes_on(nl_home: Home, gh_home: Home) -> None:
    """What waited arrives, and what is sent now too; nothing twice."""
    with (
        open_home(nl_home.path, PASSPHRASE) as nl,
        open_home(gh_home.path, PASSPHRASE) as gh,
    ):
        message_id = share(nl.office, Draft(note(), (GH,)))
        for officer in (Officer(nl.office, GH), Officer(gh.office, NL)):
            wait_until(officer.is_done, "all is delivered")
        with nl.office.store.read() as transaction:
            kinds = [row.kind for row in transaction.ledger.entries_of(message_id)]
        assert kinds == [EntryKind.SHARED.value, EntryKind.ACKNOWLEDGED.value]
