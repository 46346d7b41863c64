"""Whoever lies about where a ledger ends: to the agency that has lost it, or to its partners."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.cards import ClosedLedger
from sesn_node.domain.ids import ledger_origin
from sesn_node.errors import ConflictError, MalformedError, PolicyError, VerificationError
from sesn_node.exchange.closings import CLOSED_AGAINST
from sesn_node.exchange.inquiry import NOT_ALL_ANSWERED, Word, judge
from sesn_node.exchange.peers import add_peer, take_card
from sesn_node.exchange.redeliver import deliver_from
from sesn_node.exchange.release import release_peer
from sesn_node.exchange.reopen import FORKED, NOT_CLOSABLE, NOT_LOST
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.witness import cosigned_checkpoint
from sesn_node.store.alarms import CLOSING
from sesn_node.trust.directory import PeerState
from tests.support.engines import current
from tests.support.homes import BE, GH, NL
from tests.support.network import alert
from tests.support.reopening import (
    get_back,
    head_file,
    inquire,
    open_next,
    put_back,
    require_verified,
)
from tests.unit.trust.agencies import make_ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId
    from tests.support.network import Member, Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies with traffic behind them."""
    made = connect(NL, GH, BE)
    made.share(NL, GH, BE)
    made.deliver(NL, GH)
    made.deliver(NL, BE)
    return made


def _lose(net: Network, tmp_path: Path, *recipients: AgencyId) -> Member:
    """Put back a copy from before some messages, one to each of these."""
    member = net[NL]
    net.rest()
    current().save(member.home, tmp_path / "saved")
    for one in recipients:
        net.share(NL, one)
        net.deliver(NL, one)
    net.rest()
    put_back(net, member, tmp_path / "saved")
    return member


def _state(net: Network, agency: AgencyId) -> PeerState:
    return net[agency].office.directory().peers[NL].state


def test_note_that_we_did_not_sign(net: Network, tmp_path: Path) -> None:
    """A partner cannot move the end of our ledger with what does not carry our signatures."""
    member = _lose(net, tmp_path, GH)
    origin = member.card.current_origin
    lines = cosigned_checkpoint(net[GH].office, origin).split(b"\n")
    larger = b"\n".join([lines[0], b"999999", *lines[2:]])
    notes: dict[str, bytes | None] = {GH: larger, BE: cosigned_checkpoint(net[BE].office, origin)}
    inquiry = judge(member.office.store, notes)
    assert [one.word for one in inquiry.answers] == [Word.AGREES, Word.UNPROVEN]
    with pytest.raises(ConflictError) as error:
        open_next(member, inquiry)
    assert error.value.code == NOT_ALL_ANSWERED
    done = open_next(member, inquiry, unanswered=True)
    assert done.end.shown_by == "head file"
    assert done.end.head.size < 999_999


def test_partner_that_was_not_asked(net: Network, tmp_path: Path) -> None:
    """Who has cosigned more than the end refuses, keeps both, and waits for its operator."""
    member = _lose(net, tmp_path, GH)
    head_file(member).path.unlink()
    member.reopen()
    done = open_next(member, inquire(net, member, BE), unanswered=True)
    assert done.lost == 0
    with pytest.raises(VerificationError) as refused:
        take_card(net[GH].office, NL, member.card.sealed)
    assert refused.value.code == CLOSED_AGAINST
    assert _state(net, GH) is PeerState.QUARANTINED
    with net[GH].office.store.read() as transaction:
        (alarm,) = transaction.alarms.standing()
    assert (alarm.kind, alarm.size, alarm.agency) == (CLOSING, done.end.head.size, NL)
    assert alarm.held_size > alarm.size
    assert alarm.shown_note == member.card.sealed
    assert alarm.held_note.startswith(done.old.origin.encode())
    with pytest.raises(PolicyError, match="is quarantined"):
        take_card(net[GH].office, NL, member.card.sealed)

    # The other one goes on meanwhile.
    message_id = net.share(NL, BE)
    net.deliver(NL, BE)
    assert member.states(message_id) == {BE: "acknowledged"}

    # An operator accepts the end; then, and only then, the card is taken.
    release_peer(net[GH].office, NL)
    assert take_card(net[GH].office, NL, member.card.sealed)
    assert _state(net, GH) is PeerState.TRUSTED
    later = net.share(NL, GH)
    net.deliver(NL, GH)
    assert member.states(later) == {GH: "acknowledged"}
    require_verified(member)
    require_verified(net[GH])


def test_release_does_not_accept_another_end(net: Network, tmp_path: Path) -> None:
    """What an operator accepted is one end of one ledger."""
    member = _lose(net, tmp_path, GH)
    head_file(member).path.unlink()
    member.reopen()
    done = open_next(member, inquire(net, member, BE), unanswered=True)
    with pytest.raises(VerificationError):
        take_card(net[GH].office, NL, member.card.sealed)
    release_peer(net[GH].office, NL)
    (end,) = member.card.card.closed
    for other in (
        replace(end, size=end.size - 1),
        replace(end, root=bytes(32)),
    ):
        card = member.later_card(closed=(other,))
        with pytest.raises(VerificationError) as refused:
            take_card(net[GH].office, NL, card.sealed)
        assert refused.value.code == CLOSED_AGAINST
        if _state(net, GH) is PeerState.QUARANTINED:
            release_peer(net[GH].office, NL)
    assert done.end.head.root == end.root


def test_card_that_says_nothing_of_the_end(net: Network) -> None:
    """A ledger that is left behind without a word is one that its owner ends empty."""
    nl = net[NL]
    ledgers = (*nl.card.card.ledgers, make_ledger(NL, 2))
    with pytest.raises(VerificationError) as refused:
        take_card(net[GH].office, NL, nl.later_card(ledgers=ledgers).sealed)
    assert refused.value.code == CLOSED_AGAINST
    assert _state(net, GH) is PeerState.QUARANTINED


def test_card_with_another_root_at_the_end(net: Network) -> None:
    """Of the size that was cosigned, another root is another history."""
    nl = net[NL]
    net.rest()
    with net[GH].office.store.read() as transaction:
        row = transaction.witness.head(nl.card.current_origin)
    assert row is not None
    end = ClosedLedger(nl.card.current_origin, row.size, bytes(32))
    ledgers = (*nl.card.card.ledgers, make_ledger(NL, 2))
    card = nl.later_card(ledgers=ledgers, closed=(end,))
    for attempt in (
        lambda: take_card(net[GH].office, NL, card.sealed),
        lambda: add_peer(net[BE].office, card.sealed, fingerprint=card.fingerprint),
    ):
        with pytest.raises(VerificationError) as refused:
            attempt()
        assert refused.value.code == CLOSED_AGAINST
    # Whoever has never cosigned so much knows nothing against it.
    good = nl.later_card(ledgers=ledgers, closed=(replace(end, size=row.size + 9),))
    assert take_card(net[BE].office, NL, good.sealed)


def test_end_that_is_stated_anew(net: Network, tmp_path: Path) -> None:
    """A later card cannot move the end of a ledger that is closed."""
    member = _lose(net, tmp_path, GH)
    open_next(member, inquire(net, member, GH, BE))
    assert take_card(net[GH].office, NL, member.card.sealed)
    (end,) = member.card.card.closed
    for closed in ((), (replace(end, size=end.size + 1),)):
        with pytest.raises(VerificationError) as refused:
            take_card(net[GH].office, NL, member.later_card(closed=closed).sealed)
        assert refused.value.code == "LEDGER_KEYS_CHANGED"


@pytest.mark.parametrize("epoch", [3, 2])
def test_end_of_no_ledger_of_the_card(net: Network, epoch: int) -> None:
    """An end is of a ledger that the card names, and not of the one that it writes."""
    nl = net[NL]
    end = ClosedLedger(ledger_origin(NL, epoch), 1, bytes(32))
    with pytest.raises(MalformedError):
        nl.later_card(ledgers=(*nl.card.card.ledgers, make_ledger(NL, 2)), closed=(end,))


def test_two_histories_were_signed(net: Network, tmp_path: Path) -> None:
    """A fork of our own is not hidden behind a new ledger."""
    member = net[NL]
    net.rest()
    current().save(member.home, tmp_path / "saved")
    head = head_file(member).path.read_bytes()
    net.share(NL, GH)
    net.deliver(NL, GH)
    put_back(net, member, tmp_path / "saved")
    member.close()
    head_file(member).path.write_bytes(head)
    member.open()
    for _ in range(4):
        share(member.office, Draft(alert(), (BE,)))
    member.office.sequencer.check()
    head_file(member).path.unlink()
    member.reopen()
    with pytest.raises(ConflictError) as error:
        open_next(member, inquire(net, member, GH, BE))
    assert error.value.code == FORKED


def test_nothing_is_lost(net: Network) -> None:
    """A ledger that is whole is not closed; nor one that all partners say is whole."""
    member = net[NL]
    net.rest()
    inquiry = inquire(net, member, GH, BE)
    with pytest.raises(ConflictError) as error:
        open_next(member, inquiry)
    assert error.value.code == NOT_LOST
    net.checking = False
    member.close()
    head_file(member).path.unlink()
    member.open()
    with pytest.raises(ConflictError, match="ledger confirm") as error:
        open_next(member, inquiry)
    assert error.value.code == NOT_LOST


def test_foreign_head_file(net: Network) -> None:
    """Where a head file is not ours, the question is another one."""
    member = net[NL]
    net.rest()
    net.checking = False
    foreign = head_file(net[GH]).path.read_bytes()
    member.close()
    head_file(member).path.write_bytes(foreign)
    member.open()
    with pytest.raises(ConflictError) as error:
        open_next(member, inquire(net, member, GH, BE))
    assert error.value.code == NOT_CLOSABLE


def test_asking_for_the_end_of_anothers_ledger(net: Network, tmp_path: Path) -> None:
    """Who asks gets what it acknowledged itself, and only by its own ledger."""
    member = _lose(net, tmp_path, GH)
    open_next(member, inquire(net, member, GH, BE))
    ghana = net[GH].office
    with pytest.raises(PolicyError, match="is no ledger of"):
        deliver_from(ghana, BE, ledger_origin(NL, 1), 0)
    with pytest.raises(MalformedError):
        deliver_from(ghana, NL, "nonsense", 0)
    assert deliver_from(ghana, BE, ledger_origin(BE, 1), 0) == (0, 0)
    assert get_back(net, member, GH) == 0
