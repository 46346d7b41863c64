"""A node in doubt about its database asks the partners, and believes only its own signatures."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE, RUN_FOLDER, open_home
from sesn_node.config import Delivery
from sesn_node.errors import ConflictError, StorageError
from sesn_node.exchange.export import export_tiles
from sesn_node.exchange.guard import inspect
from sesn_node.exchange.inquiry import (
    ANSWERS,
    NO_DOUBT,
    NOT_ALL_ANSWERED,
    PARTNERS_KNOW_MORE,
    Word,
    confirm,
    judge,
)
from sesn_node.exchange.oldcopy import OLD_COPY
from sesn_node.exchange.recover import recover_tiles
from sesn_node.exchange.recovered import missing
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.witness import cosigned_checkpoint
from sesn_node.store.headfile import HeadFile
from tests.support.engines import SQLITE, current
from tests.support.homes import BE, GH, NL, PASSPHRASE
from tests.support.network import alert
from tests.support.patience import until
from tests.support.serving import founded, serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.network import Member, Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies with traffic behind them."""
    made = connect(NL, GH, BE)
    made.share(NL, GH, BE)
    made.deliver(NL, GH)
    made.deliver(NL, BE)
    return made


def _head_file(member: Member) -> HeadFile:
    return HeadFile(member.home / HEAD_FILE)


def _notes(net: Network, *agencies: str) -> dict[str, bytes | None]:
    origin = net[NL].office.log_keys.origin
    return {one: cosigned_checkpoint(net[one].office, origin) for one in agencies}  # type: ignore[index]


def _lose_head_file(net: Network) -> Member:
    member = net[NL]
    net.rest()
    member.close()
    (member.home / HEAD_FILE).unlink()
    member.open()
    net.checking = False
    return member


def test_all_agree(net: Network) -> None:
    """If all have answered and nobody knows more, the node goes on."""
    member = _lose_head_file(net)
    with pytest.raises(StorageError) as refused:
        share(member.office, Draft(alert(), (GH,)))
    assert refused.value.code == OLD_COPY
    inquiry = judge(member.office.store, _notes(net, GH, BE))
    assert [one.word for one in inquiry.answers] == [Word.AGREES, Word.AGREES]
    confirm(member.office.store, _head_file(member), inquiry)
    assert inspect(member.office.store, _head_file(member)) is None
    share(member.office, Draft(alert(), (GH,)))


def test_one_is_silent(net: Network) -> None:
    """Who does not answer may know more: an operator has to answer for it."""
    member = _lose_head_file(net)
    store = member.office.store
    inquiry = judge(store, _notes(net, GH))
    assert not inquiry.clear
    with pytest.raises(ConflictError, match=r"be\.police has not answered") as error:
        confirm(store, _head_file(member), inquiry)
    assert error.value.code == NOT_ALL_ANSWERED
    assert not _head_file(member).path.exists()
    confirm(store, _head_file(member), inquiry, unanswered=True)
    assert inspect(store, _head_file(member)) is None


def test_one_knows_more(net: Network, tmp_path: Path) -> None:
    """Nobody overrules a partner that shows what we signed and have not."""
    member = net[NL]
    current().save(member.home, tmp_path / "saved")
    for _ in range(3):
        net.share(NL, GH)
    net.deliver(NL, GH)
    member = _lose_head_file(net)
    member.close()
    current().put_back(member.home, tmp_path / "saved")
    member.open()
    store = member.office.store
    inquiry = judge(store, _notes(net, GH, BE))
    (more,) = inquiry.against
    assert (more.agency, more.word) == (GH, Word.MORE)
    for unanswered in (False, True):
        with pytest.raises(ConflictError, match=r"gh\.epa has cosigned") as error:
            confirm(store, _head_file(member), inquiry, unanswered=unanswered)
        assert error.value.code == PARTNERS_KNOW_MORE


def test_another_history(net: Network, tmp_path: Path) -> None:
    """A partner that cosigned another history of ours contradicts, even of the same size."""
    member = net[NL]
    net.rest()
    current().save(member.home, tmp_path / "saved")
    head = (member.home / HEAD_FILE).read_bytes()
    net.share(NL, GH)
    net.deliver(NL, GH)
    notes = _notes(net, GH, BE)
    net.checking = False
    member.close()
    current().put_back(member.home, tmp_path / "saved")
    (member.home / HEAD_FILE).write_bytes(head)
    member.open()
    for _ in range(4):
        share(member.office, Draft(alert(), (BE,)))
    words = {one.agency: one.word for one in judge(member.office.store, notes).answers}
    assert words == {GH: Word.CONTRADICTS, BE: Word.AGREES}


def test_a_lie_holds_nobody_up(net: Network) -> None:
    """What does not carry our signatures is no more than silence."""
    net.share(GH, BE)
    net.deliver(GH, BE)
    member = _lose_head_file(net)
    notes = _notes(net, GH, BE)
    honest = notes[GH] or b""
    lines = honest.split(b"\n")
    larger = b"\n".join([lines[0], b"999", *lines[2:]])
    theirs = cosigned_checkpoint(net[BE].office, net[GH].office.log_keys.origin)
    for lie in (larger, theirs, b"nonsense", b"\xff" * 70):
        inquiry = judge(member.office.store, {**notes, GH: lie})
        assert not inquiry.against
        assert not inquiry.clear


def test_nothing_to_confirm(net: Network) -> None:
    """A head file that fits, or that shows an old copy, is not replaced by anybody's word."""
    member = net[NL]
    inquiry = judge(member.office.store, _notes(net, GH, BE))
    before = _head_file(member).path.read_bytes()
    with pytest.raises(ConflictError) as error:
        confirm(member.office.store, _head_file(member), inquiry, unanswered=True)
    assert error.value.code == NO_DOUBT
    assert _head_file(member).path.read_bytes() == before


@pytest.mark.engine(SQLITE)
async def test_a_node_asks_by_itself(tmp_path: Path) -> None:
    """Without a head file the node asks, tells what it heard, and waits for the operator."""
    nl, gh = founded(tmp_path, NL, GH, delivery=Delivery(poll_ms=100))
    async with serve(nl) as one, serve(gh):
        await one.acknowledged(await one.send(gh))
        size = one.office.sequencer.known_size
    (nl.path / HEAD_FILE).unlink()
    told = nl.path / RUN_FOLDER / ANSWERS
    async with serve(gh), serve(nl):
        await until(told.exists, "the partner was asked")
        (sentence,) = json.loads(told.read_bytes())
        assert sentence.startswith("gh.epa has cosigned")
        assert sentence.endswith("all are here")
        assert not (nl.path / HEAD_FILE).exists()
    with open_home(nl.path, PASSPHRASE) as desk, desk.office.store.read() as transaction:
        assert transaction.ledger.require_head().size >= size


@pytest.mark.engine(SQLITE)
async def test_what_was_lost_comes_again_by_itself(tmp_path: Path) -> None:
    """Over real connections: recover, serve, and the partner delivers what the old copy lacks."""
    nl, gh = founded(tmp_path, NL, GH, delivery=Delivery(poll_ms=100))
    current().save(nl.path, tmp_path / "saved")
    async with serve(nl) as one, serve(gh) as other:
        ids = [await other.send(nl) for _ in range(3)]
        await other.acknowledged(*ids)
        await asyncio.to_thread(one.office.sequencer.check)
        head_file = HeadFile(nl.path / HEAD_FILE)
        await asyncio.to_thread(export_tiles, one.office.store, head_file, tmp_path / "export")
    current().put_back(nl.path, tmp_path / "saved")
    with open_home(nl.path, PASSPHRASE) as desk:
        store = desk.office.store
        # Entries that came with the last answers are not in the export: only the ledger's are.
        done = recover_tiles(store, head_file, tmp_path / "export", now_ms=desk.office.clock())
        with store.read() as transaction:
            assert missing(transaction).received == len(ids)
    async with serve(gh) as other, serve(nl) as one:
        await until(lambda: sorted(one.received()) == sorted(ids), "what was lost comes again")
        # RECOVERED, and no entry for a message that it had received before.
        assert one.office.sequencer.known_size == done.head.size + 1
        await one.acknowledged(await one.send(gh))
        await other.acknowledged(await other.send(nl))
