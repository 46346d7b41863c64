"""An agency that founds its node anew after a compromise, and what was witnessed of the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node import founding
from sesn_node.config import Agency, Config, Node, load, render
from sesn_node.domain.cards import Role
from sesn_node.domain.ids import ledger_origin
from sesn_node.errors import PolicyError, StorageError
from sesn_node.exchange.peers import ORIGIN_REUSED, add_peer
from tests.support.homes import CHEAP, GH, NL, PASSPHRASE
from tests.support.network import Member
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.network import Network


def _found_anew(net: Network, folder: Path, epoch: int) -> None:
    """Put a new node of Ghana's in the place of the old one, which is lost with its keys."""
    config = Config(
        home=folder / f"epoch-{epoch}" / GH,
        agency=Agency(
            id=GH, name="Ghana EPA", country="GH", role=Role.ENVIRONMENT, ledger_epoch=epoch
        ),
        node=Node(listen="127.0.0.1:0", advertise=("127.0.0.1:7443",)),
    )
    card = founding.found(config, PASSPHRASE, kdf=CHEAP)
    assert card.current_origin == ledger_origin(GH, epoch)
    net[GH].close()
    net.clock.now_ms = max(net.clock.now_ms, card.card.issued_ms)
    net.members[GH] = Member(config.home, net.clock, net.faults)


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """The Netherlands have witnessed Ghana's ledger, and revoke Ghana after a compromise."""
    net = connect(NL, GH)
    net.share(NL, GH)
    net.share(GH, NL)
    net.deliver(NL, GH)
    net.deliver(GH, NL)
    net.revoke(NL, GH)
    # The old node takes with it what the checker would hold the Netherlands' records against.
    net.checking = False
    return net


def test_new_root_reuses_a_witnessed_ledger(net: Network, tmp_path: Path) -> None:
    """The name of a ledger that was witnessed cannot be taken again: it would look like a fork."""
    _found_anew(net, tmp_path, 1)
    card = net[GH].card
    with unchanged(net[NL].office), pytest.raises(PolicyError, match="--epoch") as error:
        add_peer(net[NL].office, card.sealed, fingerprint=card.fingerprint)
    assert error.value.code == ORIGIN_REUSED


def test_new_root_reuses_a_ledger_after_another_root(net: Network, tmp_path: Path) -> None:
    """Nor once more: what was witnessed stays known although the card held no longer lists it."""
    _found_anew(net, tmp_path, 2)
    net.trust(NL, GH)
    net.revoke(NL, GH)
    _found_anew(net, tmp_path, 1)
    card = net[GH].card
    with unchanged(net[NL].office), pytest.raises(PolicyError) as error:
        add_peer(net[NL].office, card.sealed, fingerprint=card.fingerprint)
    assert error.value.code == ORIGIN_REUSED


def test_new_root_with_a_later_ledger(net: Network, tmp_path: Path) -> None:
    """With a later epoch both directions work, as if the two had never met."""
    _found_anew(net, tmp_path, 2)
    net.trust(NL, GH)
    net.trust(GH, NL)
    for sender, receiver in ((GH, NL), (NL, GH), (GH, NL)):
        message_id = net.share(sender, receiver)
        net.deliver(sender, receiver)
        assert net[sender].states(message_id) == {receiver: "acknowledged"}


def test_new_root_over_an_unseen_ledger(connect: Callable[..., Network], tmp_path: Path) -> None:
    """Where nothing was witnessed of the old ledger, its name is free."""
    net = connect(NL, GH)
    net.revoke(NL, GH)
    net.checking = False
    _found_anew(net, tmp_path, 1)
    net.trust(NL, GH)


def test_epoch_is_changed_after_founding(connect: Callable[..., Network]) -> None:
    """A node whose settings name another ledger than its database writes to neither."""
    net = connect(NL, GH)
    net.rest()
    net[GH].close()
    path = net[GH].home / "node.toml"
    text = render(load(path))
    path.write_text(text.replace("ledger_epoch = 1\n", "ledger_epoch = 2\n"), encoding="utf-8")
    net[GH].open()
    with unchanged(net[GH].office), pytest.raises(StorageError, match="ledger/2"):
        net.share(GH, NL)
    path.write_text(text, encoding="utf-8")
    net[GH].reopen()
    net.check()
