"""Failover to a standby that lags: the second process must not sign a second history."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import String, literal_column

from sesn_node.bootstrap import HEAD_FILE, open_home
from sesn_node.config import Delivery
from sesn_node.errors import ConflictError, StorageError
from sesn_node.exchange.guard import inspect
from sesn_node.exchange.inquiry import PARTNERS_KNOW_MORE, confirm, judge
from sesn_node.exchange.oldcopy import OLD_COPY, Trouble
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.witness import cosigned_checkpoint
from sesn_node.store import ledger
from sesn_node.store.headfile import HeadFile
from tests.support.engines import POSTGRESQL, PostgresEngine, SqliteEngine, using
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.patience import until
from tests.support.serving import Home, found_home, introduce, note, serve
from tests.support.twins import found_twins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sesn_node.exchange.office import Office
    from tests.support.engines import Engine

pytestmark = pytest.mark.engine("postgresql")

_QUICK = Delivery(poll_ms=100, backoff_initial_ms=50, backoff_cap_ms=500)


@pytest.fixture
def homes(engine: Engine, tmp_path: Path) -> tuple[Home, Home, Home]:
    """Two homes of Dutch customs on one database, and Ghana's environmental agency."""
    assert isinstance(engine, PostgresEngine)
    first, second = found_twins(tmp_path, NL, engine, _QUICK)
    # Its database did not fail over.
    with using(SqliteEngine()):
        partner = found_home(tmp_path, GH, _QUICK)
    introduce(first, partner)
    return first, second, partner


def _share(office: Office) -> None:
    share(office, Draft(note(), (GH,)))


def _check(home: Home) -> None:
    with open_home(home.path, PASSPHRASE) as desk:
        desk.office.sequencer.check()


@contextmanager
def _promoted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the server say that it writes the next timeline, as one does that was promoted."""
    statement = ledger._SELECT_HEAD[POSTGRESQL]  # noqa: SLF001 - a real promotion takes a cluster
    columns = list(statement.selected_columns)[:-1]
    label = literal_column("'0000000A'", String).label("timeline")
    with monkeypatch.context() as patch:
        patch.setitem(ledger._SELECT_HEAD, POSTGRESQL, statement.with_only_columns(*columns, label))  # noqa: SLF001 - as above
        yield


def _released(home: Home) -> HeadFile:
    return HeadFile(home.path / HEAD_FILE)


def test_standby_that_lags_by_one_commit(
    homes: tuple[Home, Home, Home], engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that did not see the last commit refuses too, until somebody has answered."""
    first, second, _ = homes
    _check(second)
    engine.save(first.path, tmp_path / "standby")
    with open_home(first.path, PASSPHRASE) as desk:
        _share(desk.office)
        desk.office.sequencer.check()
    engine.put_back(first.path, tmp_path / "standby")
    with _promoted(monkeypatch):
        for home, trouble in ((second, Trouble.OTHER_TIMELINE), (first, Trouble.BEHIND)):
            with open_home(home.path, PASSPHRASE) as desk:
                with pytest.raises(StorageError) as refused:
                    _share(desk.office)
                assert refused.value.code == OLD_COPY
                found = inspect(desk.office.store, _released(home))
                assert found is not None
                assert found.trouble is trouble


def test_promoted_while_a_process_is_open(
    homes: tuple[Home, Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that goes on over new connections notices with its next transaction."""
    with open_home(homes[0].path, PASSPHRASE) as desk:
        _share(desk.office)
        with _promoted(monkeypatch):
            with pytest.raises(StorageError, match="timeline 0000000A"):
                _share(desk.office)
            with pytest.raises(StorageError, match="a standby was promoted"):
                desk.office.sequencer.check()
        _share(desk.office)


async def test_partner_that_knows_more(
    homes: tuple[Home, Home, Home], engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a partner cosigned and the standby lacks is found out, and nobody can overrule it."""
    first, second, partner = homes
    _check(second)
    engine.save(first.path, tmp_path / "standby")
    async with serve(partner), serve(first) as one:
        await one.acknowledged(await one.send(partner))
    engine.put_back(first.path, tmp_path / "standby")
    with (
        _promoted(monkeypatch),
        open_home(second.path, PASSPHRASE) as desk,
        open_home(partner.path, PASSPHRASE) as theirs,
    ):
        shown = cosigned_checkpoint(theirs.office, desk.office.log_keys.origin)
        inquiry = judge(desk.office.store, {GH: shown})
        for unanswered in (False, True):
            with pytest.raises(ConflictError) as error:
                confirm(desk.office.store, _released(second), inquiry, unanswered=unanswered)
            assert error.value.code == PARTNERS_KNOW_MORE


async def test_goes_on_by_itself_when_partners_agree(
    homes: tuple[Home, Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover that lost nothing, the node asks, confirms and goes on."""
    first, _, partner = homes
    async with serve(partner), serve(first) as one:
        await one.acknowledged(await one.send(partner))
    with _promoted(monkeypatch):
        async with serve(partner), serve(first) as one:

            def confirmed() -> bool:
                held = _released(first).read()
                return held is not None and held.timeline == "0000000A"

            await until(confirmed, "the partner agrees")
            await until(lambda: inspect(one.office.store, _released(first)) is None, "it appends")
            await one.acknowledged(await one.send(partner))
