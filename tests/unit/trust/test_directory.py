"""The peer directory: who is trusted, and what taking a card would mean."""

from __future__ import annotations

import pytest

from sesn_node.domain.ids import AgencyId
from sesn_node.errors import PolicyError, VerificationError
from sesn_node.trust.directory import Directory, Novelty, Peer, PeerState
from tests.unit.trust.agencies import (
    BE,
    CARD_END_MS,
    NL,
    NOW_MS,
    agency_of,
    directory_of,
    first_card,
    new_agency,
    refused,
)

ME = AgencyId("de.zoll")


def _directory(state: PeerState = PeerState.TRUSTED) -> Directory:
    return directory_of(first_card(agency_of(ME)), (first_card(agency_of(NL)), state))


def test_trusted_peer_is_found() -> None:
    """A trusted peer with a card in force may be sent to."""
    directory = _directory()
    assert directory.trusted(NL, NOW_MS) is directory.peer(NL)
    assert directory.peer(NL).agency == NL
    assert directory.roots(NOW_MS) == {NL: agency_of(NL).root_der}


@pytest.mark.parametrize("state", [PeerState.REVOKED, PeerState.QUARANTINED])
def test_peer_that_was_cut_off_is_not_trusted(state: PeerState) -> None:
    """A revoked or quarantined peer is known, but neither trusted nor heard."""
    directory = _directory(state)
    assert directory.peer(NL).state is state
    assert directory.roots(NOW_MS) == {}
    with pytest.raises(PolicyError, match=state.value) as error:
        directory.trusted(NL, NOW_MS)
    assert refused(error) == "NOT_TRUSTED"


def test_expired_peer_is_not_trusted() -> None:
    """A peer whose card has expired is cut off without anybody's decision."""
    directory = _directory()
    directory.trusted(NL, CARD_END_MS - 1)
    assert directory.roots(CARD_END_MS) == {}
    with pytest.raises(PolicyError, match="expired") as error:
        directory.trusted(NL, CARD_END_MS)
    assert refused(error) == "NOT_TRUSTED"


@pytest.mark.parametrize("agency", [BE, ME])
def test_stranger_is_not_trusted(agency: AgencyId) -> None:
    """Neither an agency that is not pinned, nor our own, is a peer."""
    directory = _directory()
    for ask in (directory.peer, lambda who: directory.trusted(who, NOW_MS)):
        with pytest.raises(PolicyError) as error:
            ask(agency)
        assert refused(error) == "NOT_TRUSTED"


def test_snapshot_does_not_change() -> None:
    """Peers that are added elsewhere later do not appear in a snapshot."""
    card = first_card(agency_of(NL))
    peers = {NL: Peer(card, PeerState.TRUSTED)}
    directory = Directory(1, first_card(agency_of(ME)), peers)
    peers.clear()
    assert directory.peer(NL).card is card
    with pytest.raises(TypeError):
        directory.peers[BE] = Peer(card, PeerState.TRUSTED)  # type: ignore[index]  # the point


def test_new_agency_needs_an_operator() -> None:
    """A card of an unknown agency is new."""
    assert _directory().admit(first_card(agency_of(BE))) is Novelty.NEW


def test_held_card_is_recognised() -> None:
    """The card that is held changes nothing."""
    assert _directory().admit(first_card(agency_of(NL))) is Novelty.SAME


@pytest.mark.parametrize("state", list(PeerState))
def test_later_card_is_recognised(state: PeerState) -> None:
    """A later card is one whatever the state of the peer, which it does not change."""
    nl = agency_of(NL)
    assert _directory(state).admit(nl.later(first_card(nl))) is Novelty.LATER


def test_stale_card_is_refused() -> None:
    """An older card than the one held is not taken."""
    nl = agency_of(NL)
    held = nl.later(first_card(nl))
    directory = directory_of(first_card(agency_of(ME)), (held, PeerState.TRUSTED))
    with pytest.raises(VerificationError) as error:
        directory.admit(first_card(nl))
    assert refused(error) == "CARD_STALE"


def test_revoked_agency_may_come_with_a_new_root() -> None:
    """After revocation an operator may pin a new root."""
    directory = _directory(PeerState.REVOKED)
    assert directory.admit(first_card(new_agency(NL))) is Novelty.NEW_ROOT
