"""Losing the end of a ledger, and opening the next one, as the command does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.bootstrap import HEAD_FILE, ROOT_KEY
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.exchange.inquiry import judge
from sesn_node.exchange.redeliver import deliver_from, note_asked, to_ask
from sesn_node.exchange.reopen import reopen
from sesn_node.exchange.verify import verify_ledger
from sesn_node.exchange.witness import cosigned_checkpoint
from sesn_node.store.headfile import HeadFile
from tests.support.engines import current
from tests.support.homes import PASSPHRASE

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.inquiry import Inquiry
    from sesn_node.exchange.reopen import Reopened
    from tests.support.network import Member, Network


def head_file(member: Member) -> HeadFile:
    """Return the head file of a home."""
    return HeadFile(member.home / HEAD_FILE)


def put_back(net: Network, member: Member, saved: Path) -> None:
    """Put an old copy of the database in place of the newest."""
    agency = member.agency
    net.checking = False
    member.close()
    current().put_back(member.home, saved)
    member.open()
    # What only a node without losses keeps to: the test looks at what holds instead.
    net.unchecked.add(agency)


def inquire(net: Network, member: Member, *others: AgencyId) -> Inquiry:
    """Ask some partners what they cosigned of a ledger; the others are silent."""
    with member.office.store.read() as transaction:
        origin = transaction.ledger.require_head().origin
    notes: dict[str, bytes | None] = {
        one: cosigned_checkpoint(net[one].office, origin) for one in others
    }
    return judge(member.office.store, notes)


def open_next(member: Member, inquiry: Inquiry, *, unanswered: bool = False) -> Reopened:
    """Close a ledger and open the next one; then the process starts again."""
    ring = decrypt_keyring((member.home / ROOT_KEY).read_bytes(), PASSPHRASE)
    done = reopen(
        member.office,
        inquiry,
        described=member.card.card,
        root=signer_for(ring.newest(KeyKind.ROOT, member.now_ms())),
        unanswered=unanswered,
    )
    member.reopen()
    return done


def get_back(net: Network, member: Member, other: AgencyId) -> int:
    """Ask a partner for what was lost, as a connection does; say how much comes."""
    coming = 0
    for origin, lost in to_ask(member.office, other):
        first = lost
        while first:
            count, following = deliver_from(net[other].office, member.agency, origin, first)
            note_asked(member.office, other, origin, following)
            coming, first = coming + count, following
    return coming


def require_verified(member: Member) -> None:
    """Make sure that all that a member recorded verifies."""
    found = verify_ledger(member.office.store, head_file(member))
    assert found.passed, [one for one in found.checks if one.failed]
