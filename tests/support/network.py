"""Several offices in one process: real stores, keys and codecs, a clock moved by hand."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING
from unittest.mock import patch

from sesn_node import bootstrap
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.alert import Alert, RequestedAction, Urgency
from sesn_node.domain.conversation import Decision
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.errors import StorageError
from sesn_node.exchange.owncard import record_card
from sesn_node.exchange.peers import add_peer, revoke_peer
from sesn_node.exchange.receive import Receiver
from sesn_node.exchange.respond import respond
from sesn_node.exchange.share import Draft, share
from sesn_node.trust.card import issue_card, open_card
from tests.support.check_node import check_node, check_pair
from tests.support.engines import POSTGRESQL, SQLITE, current
from tests.support.faults import Faults, FaultyHeadFile, FaultyStore
from tests.support.homes import PASSPHRASE
from tests.support.wires import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sesn_node.bootstrap import Desk
    from sesn_node.domain.cards import Limits
    from sesn_node.exchange.office import Office
    from sesn_node.store.inbox import InboxRow
    from sesn_node.store.outbox_rows import OutboxRow
    from sesn_node.trust.card import TrustedCard
    from tests.support.view import View

HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS


def alert(
    subject: str = "Two containers of untested television sets",
    *,
    urgency: Urgency = Urgency.URGENT,
    narrative: str = "Loaded before the profile fired.",
) -> Payload:
    """Write a short alert."""
    body = Alert(
        subject=subject,
        urgency=urgency,
        requested_action=RequestedAction.INSPECT,
        respond_by=None,
        narrative=narrative,
        consignment=None,
    )
    return Payload(Markings(Tlp.AMBER), body)


class Clock:
    """The time of a network, Unix milliseconds."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms


class Member:
    """One agency: its home, and its office while that is open.

    `skew_ms` is how far its clock is ahead of the network's.
    """

    def __init__(self, home: Path, clock: Clock, faults: Faults) -> None:
        self.home = home
        self.faults = faults
        self.skew_ms = 0
        self._clock = clock
        self._stack = ExitStack()
        self._desk: Desk | None = None
        self._openings = 0
        self.open()

    def now_ms(self) -> int:
        """Read this agency's clock."""
        return self._clock.now_ms + self.skew_ms

    def open(self) -> None:
        """Open the home, as a process that starts does."""
        with (
            patch.object(bootstrap, "Store", partial(FaultyStore, self.faults, self.home.name)),
            patch.object(
                bootstrap, "HeadFile", partial(FaultyHeadFile, self.faults, self.home.name)
            ),
        ):
            opening = bootstrap.open_home(self.home, PASSPHRASE, clock=self.now_ms)
            self._desk = self._stack.enter_context(opening)
        self._openings += 1
        self.office = self._desk.office
        self.receiver = Receiver(self.office)

    def close(self) -> None:
        """Close the home, as a process that ends does."""
        self._stack.close()
        self._desk = None

    def reopen(self) -> None:
        """Close the home and open it again: a restart."""
        self.close()
        self.open()

    def fingerprint(self) -> tuple[object, ...]:
        """Return what changes with every write, by this process or another, and when we open."""
        path = self.home / bootstrap.HEAD_FILE
        head_file = path.read_bytes() if path.exists() else None
        keys = (self.home / bootstrap.NODE_KEY).stat()
        # Files have times of some milliseconds; of our own writes we know the number.
        newest = self.faults.newest_write(self.home.name)
        moved = current().moved(self.home)
        return self._openings, newest, head_file, moved, keys.st_ino, keys.st_mtime_ns

    @property
    def is_open(self) -> bool:
        """Whether the home is open."""
        return self._desk is not None

    @property
    def agency(self) -> AgencyId:
        """Whose home it is."""
        return self.office.agency

    @property
    def card(self) -> TrustedCard:
        """Our newest card."""
        return self.office.directory().own

    def limit(self, limits: Limits) -> None:
        """Let the office deal under other limits, until it is opened again."""
        self.deal(limits=limits)

    def deal(self, **terms: object) -> None:
        """Let the office deal under other terms, until it is opened again."""
        # `replace` takes whatever terms the test names.
        changed = replace(self.office.terms, **terms)  # type: ignore[arg-type]
        self.office = replace(self.office, terms=changed)
        self.receiver = Receiver(self.office)

    def copies(self, message_id: bytes) -> dict[str, OutboxRow]:
        """Return the copies of a message that we sent, by recipient."""
        with self.office.store.read() as transaction:
            return {row.agency: row for row in transaction.outbox.copies(message_id)}

    def states(self, message_id: bytes) -> dict[str, str]:
        """Say how the copies of a message stand, by recipient."""
        return {agency: row.state.value for agency, row in self.copies(message_id).items()}

    def received(self, message_id: bytes) -> list[InboxRow]:
        """Return the messages of this id that arrived."""
        with self.office.store.read() as transaction:
            return transaction.inbox.find(message_id)

    def size(self) -> int:
        """Return the size of our ledger."""
        with self.office.store.read() as transaction:
            return self.office.ledger(transaction).head.size

    def later_card(self, *, skip: int = 0, **changes: object) -> TrustedCard:
        """Have the root seal the card that follows ours; nothing is recorded.

        Args:
            skip: Sequence numbers to leave out.
            changes: Fields of the card to replace.
        """
        own = self.card
        ring = decrypt_keyring((self.home / bootstrap.ROOT_KEY).read_bytes(), PASSPHRASE)
        now_ms = self.now_ms()
        follows: dict[str, object] = {
            "sequence": own.card.sequence + 1 + skip,
            "previous_sha256": own.sha256,
            "issued_ms": now_ms,
        }
        # `replace` takes whatever fields the test names; the constructor checks them.
        body = replace(own.card, **(follows | changes))  # type: ignore[arg-type]
        root = signer_for(ring.newest(KeyKind.ROOT, now_ms))
        return open_card(issue_card(body, root), now_ms)

    def issue(self, **changes: object) -> TrustedCard:
        """Issue and record our next card."""
        card = self.later_card(skip=0, **changes)
        record_card(self.office, card)
        return card


_PACE = {SQLITE: 1, POSTGRESQL: 4}
"""After how many actions the invariants are checked. What holds does so on either database, and
there each look at a node is several trips to a server."""


class Network:
    """Members that can reach each other. Actions end with a check of every invariant."""

    def __init__(self, homes: Mapping[AgencyId, Path], start_ms: int) -> None:
        self.clock = Clock(start_ms)
        self.faults = Faults()
        self.members = {
            agency: Member(home, self.clock, self.faults) for agency, home in homes.items()
        }
        self.unchecked: set[AgencyId] = set()
        self.checking = True
        self._checked: dict[AgencyId, tuple[object, View]] = {}
        self._actions = -1
        self.check()

    def __getitem__(self, agency: AgencyId) -> Member:
        return self.members[agency]

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members.values())

    def close(self) -> None:
        """Close every home."""
        for member in self:
            member.close()

    def rest(self) -> None:
        """Wait until the head files of all members are written, as far as they can be."""
        for member in self:
            if member.is_open:
                with suppress(StorageError):
                    member.office.sequencer.check()

    def offices(self) -> Sequence[Office]:
        """Return the offices that are open and not set aside as unchecked."""
        return [member.office for member in self._looked_at()]

    def _looked_at(self) -> Iterator[Member]:
        return (one for one in self if one.is_open and one.agency not in self.unchecked)

    def check(self) -> None:
        """Check every invariant of every office, and between every two of them.

        What nobody has written to since it was found in order is not looked at again. Nothing is
        checked while `checking` is off; on PostgreSQL, most of the time.
        """
        if not self.checking:
            return
        self._actions += 1
        if self._actions % _PACE[current().name]:
            return
        found: dict[AgencyId, tuple[object, View]] = {}
        changed: set[AgencyId] = set()
        for member in self._looked_at():
            agency = member.agency
            # Taken before the look: what is written meanwhile is looked at next time.
            state = member.fingerprint()
            known = self._checked.get(agency)
            if known is not None and known[0] == state:
                found[agency] = known
            else:
                found[agency] = state, check_node(member.office)
                changed.add(agency)
        for one, other in permutations(found, 2):
            if one in changed or other in changed:
                check_pair(found[one][1], found[other][1])
        self._checked = found

    def pass_time(self, ms: int) -> None:
        """Move the clock."""
        self.clock.now_ms += ms

    def wire(self, sender: AgencyId, receiver: AgencyId) -> Wire:
        """Return a new delivery from one agency to another."""
        return Wire(self, self[sender], self[receiver])

    def deliver(self, sender: AgencyId, receiver: AgencyId) -> Wire:
        """Deliver all that is due from one agency to another."""
        wire = self.wire(sender, receiver)
        wire.deliver()
        return wire

    def share(
        self,
        sender: AgencyId,
        *to: AgencyId,
        payload: Payload | None = None,
        expires_ms: int | None = None,
    ) -> MessageId:
        """Share an alert."""
        draft = Draft(payload or alert(), to, expires_ms=expires_ms)
        message_id = share(self[sender].office, draft)
        # Ids of one millisecond have no order; those of the next sort after them.
        self.pass_time(1)
        self.check()
        return message_id

    def respond(
        self, agency: AgencyId, message_id: MessageId, decision: Decision, text: str = "Seen."
    ) -> MessageId:
        """Accept or decline an alert."""
        answered = respond(self[agency].office, message_id, decision, text)
        self.pass_time(1)
        self.check()
        return answered.message_id

    def trust(self, agency: AgencyId, other: AgencyId) -> None:
        """Let an agency pin another's newest card."""
        card = self[other].card
        add_peer(self[agency].office, card.sealed, fingerprint=card.fingerprint)
        self.check()

    def revoke(self, agency: AgencyId, other: AgencyId) -> int:
        """Let an agency revoke another."""
        ended = revoke_peer(self[agency].office, other)
        self.check()
        return ended
