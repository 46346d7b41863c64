"""Time-stamps on the checkpoints of a node under test, without HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import Origin
from sesn_node.exchange.office import new_entry
from sesn_node.exchange.timestamps import Authority, TimestampPlan, Unstamped, due, keep
from sesn_node.ledger.head import TreeHead, checkpoint_text
from sesn_node.trust.timestamp_signers import read_roots
from sesn_node.trust.timestamps import verify_timestamp
from tests.support.tsa import Tsa

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office

URL = "http://tsa.example/"


def plan(*authorities: tuple[Tsa, str], interval_ms: int = 60_000) -> TimestampPlan:
    """Ask these authorities, at these addresses."""
    return TimestampPlan(
        tuple(Authority(url, read_roots(tsa.root.pem)) for tsa, url in authorities),
        interval_ms=interval_ms,
        timeout_s=30.0,
    )


def grow(office: Office) -> None:
    """Append an entry."""
    office.sequencer.run(
        lambda work: work.append(new_entry(EntryKind.EXPORTED, work.now_ms, bytes(32)))
    )


def stamp(office: Office, tsa: Tsa, url: str = URL, *, again: bool = False) -> bytes:
    """Keep a token over the newest checkpoint, as if an authority had just given it.

    Args:
        office: Ours.
        tsa: The authority.
        url: Where it is.
        again: Whether the checkpoint has a token already, so that no node would ask.
    """
    asked = plan((tsa, url))
    unstamped = due(office, asked)
    if again:
        assert unstamped is None
        with office.store.read() as transaction:
            head = transaction.ledger.require_head()
        claimed = TreeHead(Origin(head.origin), head.size, head.root)
        unstamped = Unstamped(claimed, head.note)
    assert unstamped is not None
    text = checkpoint_text(unstamped.head).encode()
    token = tsa.token(text)
    (authority,) = asked.authorities
    said = verify_timestamp(token, text, authority.roots)
    keep(office, asked, unstamped, authority, (token, said))
    return token
