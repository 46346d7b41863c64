"""The largest messages: five hundred recipients, and names as long as they may be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.cards import LedgerKeySet, WitnessKeySet
from sesn_node.domain.ids import AgencyId, agency_id, ledger_origin, witness_name
from sesn_node.domain.messages import MAX_HEADER_BYTES, MAX_RECIPIENTS
from sesn_node.errors import MalformedError
from sesn_node.exchange.share import Draft, recording, seal_draft
from sesn_node.trust.directory import Directory, Peer, PeerState
from sesn_node.wire.envelopes import decode_header
from tests.support.homes import GH, NL
from tests.support.network import alert
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.trust.card import TrustedCard
    from tests.support.network import Network


def _renamed(card: TrustedCard, agency: AgencyId) -> TrustedCard:
    """Give a card another agency: no root sealed it, but sealing to it works."""
    ledger, witness = card.card.ledger, card.card.witness
    return replace(
        card,
        card=replace(
            card.card,
            agency=agency,
            ledgers=(LedgerKeySet(ledger_origin(agency, 1), ledger.ed25519, ledger.mldsa44),),
            witness=WitnessKeySet(witness_name(agency), witness.ed25519, witness.mldsa44),
        ),
    )


def _crowd(net: Network, width: int) -> Directory:
    """Return a directory of 500 partners whose ids have a width."""
    own = net[NL].office.directory()
    card = own.peers[GH].card
    label = "x" * 32
    names = [f"gh.{number:03}" for number in range(MAX_RECIPIENTS)]
    wide = [(f"{name}.{label}.{label}.{label}")[:width].rstrip(".") for name in names]
    peers = {agency_id(name): _renamed(card, AgencyId(name)) for name in wide}
    return Directory(
        own.version, own.own, {one: Peer(card, PeerState.TRUSTED) for one, card in peers.items()}
    )


def test_500_recipients(connect: Callable[..., Network]) -> None:
    """A message to as many as the protocol allows is one entry, and a copy for each."""
    net = connect(NL, GH)
    office = net[NL].office
    directory = _crowd(net, 20)
    size = net[NL].size()
    sealed = seal_draft(office, Draft(alert(), tuple(directory.peers)), directory)
    message_id = office.sequencer.run(recording(sealed), writes=False).value
    net.check()
    assert net[NL].size() == size + 1
    assert len(net[NL].copies(message_id)) == MAX_RECIPIENTS
    header = sealed.row.sealed.header
    assert len(header) <= MAX_HEADER_BYTES
    assert len(decode_header(header).recipients) == MAX_RECIPIENTS


def test_500_recipients_with_the_longest_names(connect: Callable[..., Network]) -> None:
    """If their names do not fit into a header, the message is refused before it is recorded."""
    net = connect(NL, GH)
    directory = _crowd(net, 100)
    with unchanged(net[NL].office), pytest.raises(MalformedError, match="fewer recipients"):
        seal_draft(net[NL].office, Draft(alert(), tuple(directory.peers)), directory)
