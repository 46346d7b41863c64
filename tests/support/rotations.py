"""Rotating keys of a member of a network, whole or cut off after a step."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sesn_node import bootstrap
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.entries import KeyCode
from sesn_node.exchange.keycare import tend_keys
from sesn_node.exchange.open import open_received, open_sent
from sesn_node.exchange.rotate import Rotatable, Rotated, rotate
from sesn_node.wire.entries import decode_entry
from tests.support.homes import GH, NL, PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.crypto.keyring import Keyring
    from sesn_node.crypto.signers import Signer
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.trust.card import TrustedCard
    from tests.support.network import Member, Network

EVERYTHING = tuple(Rotatable)


def root_of(member: Member | SecondProcess) -> Signer:
    """Open the root key of a member."""
    ring = decrypt_keyring((member.home / bootstrap.ROOT_KEY).read_bytes(), PASSPHRASE)
    return signer_for(ring.newest(KeyKind.ROOT, member.now_ms()))


def ring_of(member: Member) -> Keyring:
    """Read the key file of a member."""
    return decrypt_keyring((member.home / bootstrap.NODE_KEY).read_bytes(), PASSPHRASE)


def bring_in(member: Member | SecondProcess, *what: Rotatable) -> Rotated:
    """Make new keys and bring them into use; what depends on old ones is left as it is."""
    office = member.office
    return rotate(office, what, described=member.card.card, root=root_of(member))


def rotate_all_of(member: Member | SecondProcess, *what: Rotatable) -> Rotated:
    """Rotate, as the command does."""
    rotated = bring_in(member, *what)
    tend_keys(member.office)
    return rotated


class SecondProcess:
    """Another process of a member's home, as far as rotations look at it."""

    def __init__(self, member: Member, desk: bootstrap.Desk) -> None:
        self.home = member.home
        self.now_ms = member.now_ms
        self.office = desk.office

    @property
    def card(self) -> TrustedCard:
        """Our newest card."""
        return self.office.directory().own


@contextmanager
def second_process(member: Member) -> Iterator[SecondProcess]:
    """Open a member's home a second time, as a command does while the node serves."""
    with bootstrap.open_home(member.home, PASSPHRASE, clock=member.now_ms) as desk:
        yield SecondProcess(member, desk)


def key_entries(member: Member) -> list[tuple[KeyCode, bytes]]:
    """Return what a member's ledger says of its cards and keys, in order."""
    with member.office.store.read() as transaction:
        entries = [decode_entry(row.entry) for row in transaction.browse.key_entries()]
    return [(KeyCode(entry.code), entry.object_sha256) for entry in entries]


class Traffic:
    """Alerts in both directions between the Dutch and the Ghanaian agency of a network."""

    def __init__(self, net: Network) -> None:
        self._net = net
        self._sent: list[tuple[AgencyId, AgencyId, MessageId]] = []

    def share(self) -> None:
        """Share an alert in each direction."""
        for sender, receiver in ((NL, GH), (GH, NL)):
            self.add(sender, receiver, self._net.share(sender, receiver))

    def add(self, sender: AgencyId, receiver: AgencyId, message_id: MessageId) -> None:
        """Count an alert in that was shared otherwise."""
        self._sent.append((sender, receiver, message_id))

    def arrives(self) -> None:
        """Deliver; every alert so far has come in once, and can be read on both sides."""
        for sender, receiver in ((NL, GH), (GH, NL), (NL, GH)):
            self._net.deliver(sender, receiver)
        for sender, receiver, message_id in self._sent:
            assert self._net[sender].states(message_id) == {receiver: "acknowledged"}
            (row,) = self._net[receiver].received(message_id)
            received = open_received(self._net[receiver].office, row)
            with self._net[sender].office.store.read() as transaction:
                ours = transaction.outbox.message(message_id)
            assert ours is not None
            assert open_sent(self._net[sender].office, ours) == received

    def goes_on(self) -> None:
        """Share one more in each direction; they arrive too."""
        self.share()
        self.arrives()
