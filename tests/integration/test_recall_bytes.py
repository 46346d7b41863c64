"""What was recalled is gone from every file of the recipient, who has all keys and passphrases.

The searches are those of `test_erase_bytes`: each first shows that it finds what it looks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.domain.batches import Shipment
from sesn_node.domain.conversation import DestructionOutcome
from sesn_node.exchange.duties import do_duties
from sesn_node.exchange.reach import reach
from sesn_node.exchange.recall import recall
from sesn_node.exchange.verify import verify_ledger
from sesn_node.store.headfile import HeadFile
from tests.support.erased_bytes import backup_of, files_of, found_in, pieces_of, secrets_of
from tests.support.homes import GH, NL
from tests.support.network import alert
from tests.support.resend import batch_of, proven_anew
from tests.support.wires import codes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.network import Network

_LONG = "Zephyrine told them. " * 900
_SHORT = "Zephyrine told them."


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies."""
    return connect(NL, GH)


@pytest.mark.parametrize("words", [_SHORT, _LONG], ids=["short", "long"])
def test_no_byte_is_left(net: Network, tmp_path: Path, words: str) -> None:
    """Neither its files nor a backup of since hold a piece of it; the receipt says it is gone."""
    kept = net.share(NL, GH)
    message_id = net.share(NL, GH, payload=alert("Zirconium", narrative=words))
    net.deliver(NL, GH)
    member = net[GH]
    secrets = secrets_of(member, message_id)
    assert found_in(secrets, dict(files_of(member))) == set(secrets)
    recall(net[NL].office, message_id, "Wrong consignment")
    net.deliver(NL, GH)
    assert found_in(secrets, dict(files_of(member))) == set(secrets)
    do_duties(member.office)
    assert found_in(secrets, dict(files_of(member))) == set()
    assert found_in(secrets, {"backup": backup_of(member, tmp_path / "after")}) == set()
    assert found_in(secrets_of(member, kept), dict(files_of(member)))
    net.deliver(GH, NL)
    (reached,) = reach(net[NL].office, message_id).recipients
    assert [one.body and one.body.outcome for one in reached.receipts] == [
        DestructionOutcome.DESTROYED
    ]
    net.check()
    net.rest()
    for one in net:
        found = verify_ledger(one.office.store, HeadFile(one.home / HEAD_FILE))
        assert all(not check.failed for check in found.checks)


def test_overtaken_message_leaves_no_byte(net: Network) -> None:
    """Nothing of a message that comes after its recall is written."""
    message_id = net.share(NL, GH, payload=alert("Zirconium", narrative=_LONG))
    (shipment,) = batch_of(net[NL], net[GH], message_id).shipments
    assert isinstance(shipment, Shipment)
    recall(net[NL].office, message_id, "Wrong consignment")
    net.deliver(NL, GH)
    batch = proven_anew(net[NL], net[GH], shipment)
    assert codes(net[GH].receiver.receive(NL, batch).outcomes) == [None]
    net.check()
    secret = {"ciphertext": pieces_of(shipment.envelope.ciphertext)}
    assert found_in(secret, dict(files_of(net[NL]))) == set(secret)
    assert found_in(secret, dict(files_of(net[GH]))) == set()
