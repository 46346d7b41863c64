"""What a report tells of: messages, what became of them, and the agencies, as the bundles say it.

Nothing here is verified; the verdict stands beside it. Memory grows with the number of messages by
some 200 bytes each, and with what is shown, which is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import AgencyId, Origin

if TYPE_CHECKING:
    from sesn_node.audit.bundle import Bundle
    from sesn_node.audit.records import Copy, TimestampToken
    from sesn_node.audit.verdict import BundleVerdict
    from sesn_node.domain.messages import Header
    from sesn_node.domain.payload import Payload
    from sesn_node.trust.card import TrustedCard

MAX_CONVERSATIONS: Final = 100
MAX_MESSAGES: Final = 500
"""Messages shown in all."""
MAX_IN_CONVERSATION: Final = 100
MAX_EVENTS: Final = 100
"""Events shown of one message."""
MAX_GAPS: Final = 200
MAX_OTHER: Final = 100
"""Entries about no message that are shown."""
MAX_CARDS: Final = 500
MAX_HEADS: Final = 500

MessageKey: TypeAlias = "tuple[AgencyId, bytes]"
"""Sender and message id."""


@dataclass(frozen=True, slots=True)
class Event:
    """A ledger entry about a message, or about none.

    Args:
        kind: What happened.
        time_ms: When, by the clock of the ledger's owner.
        owner: Whose ledger says it.
        agency: The other agency; or None.
        code: Its word; or empty.
        origin: The ledger.
        index: Index of the entry.
    """

    kind: EntryKind
    time_ms: int
    owner: AgencyId
    agency: AgencyId | None
    code: str
    origin: Origin
    index: int


@dataclass(slots=True)
class Content:
    """What a message says.

    Args:
        length: Bytes.
        sha256: Of the payload.
        payload: Decoded; None if this program cannot read it.
        matches: Whether it opens the commitment in the header.
    """

    length: int
    sha256: bytes
    payload: Payload | None
    matches: bool


@dataclass(slots=True)
class Told:
    """A message that is shown.

    Args:
        header: Its outside.
        header_sha256: Hash of the header: what every entry about the message names.
        bundles: Numbers of the bundles that hold it, from 1.
        copies: What the sender's bundle says of each recipient's copy; empty without it.
        erased: Agencies that erased what it says.
        events: What ledgers say of it, by ledger and index.
        more_events: How many more there are.
        content: What it says, if that is disclosed.
    """

    header: Header
    header_sha256: bytes
    bundles: list[int] = field(default_factory=list)
    copies: dict[AgencyId, Copy] = field(default_factory=dict)
    erased: set[AgencyId] = field(default_factory=set)
    events: dict[tuple[Origin, int], Event] = field(default_factory=dict)
    more_events: int = 0
    content: Content | None = None

    @property
    def key(self) -> MessageKey:
        """Sender and id."""
        return self.header.sender, self.header.message_id

    def add(self, event: Event) -> None:
        """Note an event; two bundles may tell of the same one."""
        place = event.origin, event.index
        if place in self.events:
            return
        if len(self.events) < MAX_EVENTS:
            self.events[place] = event
        else:
            self.more_events += 1

    def found(self, kind: EntryKind) -> Iterator[Event]:
        """Events of one kind, in order of their time."""
        return (event for event in self.line() if event.kind is kind)

    def line(self) -> list[Event]:
        """Events in order of their time."""
        return sorted(self.events.values(), key=lambda one: (one.time_ms, one.origin, one.index))


@dataclass(slots=True)
class Conversation:
    """Messages that belong together.

    Args:
        conversation_id: Id of the first of them.
        first_ms: When the earliest that is here was composed.
        count: How many are here.
        disclosed: How many of them are disclosed.
        messages: Those that are shown.
    """

    conversation_id: bytes
    first_ms: int
    count: int = 0
    disclosed: int = 0
    messages: dict[MessageKey, Told] = field(default_factory=dict)

    def line(self) -> list[Told]:
        """The messages that are shown, in the order in which they were composed."""
        return sorted(self.messages.values(), key=lambda one: (one.header.created_ms, one.key))


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is missing, or did not arrive.

    Args:
        what: A word for its kind.
        sender: Of the message.
        message_id: The message.
        at_ms: When; or None.
        agency: Whom it concerns; or None.
        code: Why, as a word of a list; or empty.
    """

    what: str
    sender: AgencyId
    message_id: bytes
    at_ms: int | None = None
    agency: AgencyId | None = None
    code: str = ""


@dataclass(slots=True)
class LedgerNote:
    """A checkpoint of a ledger, as the bundle has it: the newest of its kind.

    Args:
        size: Entries.
        key_ids: Names and ids of the keys that signed.
        time_s: When, Unix seconds; 0 if it says none.
        count: How many there are of its kind.
    """

    size: int
    key_ids: tuple[str, ...]
    time_s: int
    count: int


@dataclass(slots=True)
class Source:
    """A bundle that can be read.

    Args:
        number: Its place among those given, from 1.
        verdict: What came of it.
        bundle: The bundle.
        sent: Messages in it that its agency sent.
        received: Messages in it that its agency received.
        kinds: Entries in it, by kind.
        other: Entries about no message: the first of them.
        heads: Checkpoints: the newest of each ledger.
        cosignatures: Of its own ledgers: the newest of each witness.
        tokens: Time-stamps.
        broken: Members that cannot be read to their end.
    """

    number: int
    verdict: BundleVerdict
    bundle: Bundle
    sent: int = 0
    received: int = 0
    disclosed: int = 0
    kinds: Counter[EntryKind] = field(default_factory=Counter)
    other: list[Event] = field(default_factory=list)
    heads: dict[Origin, LedgerNote] = field(default_factory=dict)
    cosignatures: dict[tuple[Origin, AgencyId], LedgerNote] = field(default_factory=dict)
    tokens: list[TimestampToken] = field(default_factory=list)
    token_count: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def agency(self) -> AgencyId:
        """Whose it is."""
        return self.bundle.manifest.agency


@dataclass(slots=True)
class Case:
    """All bundles together.

    Args:
        sources: Those that can be read.
        cards: Cards that open, by agency, the newest last.
        keys: All messages.
        conversations: How many conversations there are.
        shown: The conversations that are shown, the earliest first.
        copies: Copies of sent messages, by state.
        gaps: What is missing: the first of them.
        gap_counts: How many there are of each kind.
    """

    sources: list[Source] = field(default_factory=list)
    cards: dict[AgencyId, list[TrustedCard]] = field(default_factory=dict)
    keys: set[MessageKey] = field(default_factory=set)
    conversations: int = 0
    shown: list[Conversation] = field(default_factory=list)
    copies: Counter[str] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    gap_counts: Counter[str] = field(default_factory=Counter)

    @property
    def told(self) -> int:
        """How many messages are shown."""
        return sum(len(one.messages) for one in self.shown)

    def gap(self, gap: Gap) -> None:
        """Note a gap."""
        self.gap_counts[gap.what] += 1
        if len(self.gaps) < MAX_GAPS:
            self.gaps.append(gap)

    def name(self, agency: AgencyId) -> str:
        """What an agency's newest card calls it; empty without one."""
        cards = self.cards.get(agency)
        return cards[-1].card.name if cards else ""
