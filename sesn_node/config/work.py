"""Settings of how a node works: its database, its limits, its deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sesn_node import address
from sesn_node.domain import cards
from sesn_node.domain.messages import MAX_PAYLOAD_BYTES, MAX_RECIPIENTS
from sesn_node.errors import MalformedError
from sesn_node.settings import Section, Setting


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Database(Section):
    """Where the node keeps messages and its ledger."""

    url: Annotated[
        str,
        Setting(
            "SQLite file, or postgresql://USER@HOST/DATABASE as libpq reads it, for several "
            "processes of one agency. {home} is the folder of this file; a relative path starts "
            "there. A password is better kept in a password file (?passfile=PATH).",
            high=1_000,
            check=address.check,
        ),
    ] = "sqlite:///{home}/node.db"

    def __repr__(self) -> str:
        return f"Database(url={address.shown(self.url)!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Section):
    """What the node sends and accepts; the highest values are the protocol's own."""

    payload_bytes: Annotated[
        int,
        Setting(
            "Bytes of the content of one message.",
            low=cards.MIN_PAYLOAD_BYTES,
            high=MAX_PAYLOAD_BYTES,
        ),
    ] = MAX_PAYLOAD_BYTES
    batch_envelopes: Annotated[
        int, Setting("Messages in one batch.", low=1, high=cards.MAX_BATCH_ENVELOPES)
    ] = cards.MAX_BATCH_ENVELOPES
    batch_bytes: Annotated[
        int,
        Setting(
            f"Bytes of one batch; at least {cards.BATCH_ROOM_BYTES} more than payload_bytes, so "
            "that the largest message fits.",
            low=cards.MIN_PAYLOAD_BYTES + cards.BATCH_ROOM_BYTES,
            high=cards.MAX_BATCH_BYTES,
        ),
    ] = cards.MAX_BATCH_BYTES
    recipients: Annotated[
        int, Setting("Recipients of one message.", low=1, high=MAX_RECIPIENTS)
    ] = MAX_RECIPIENTS
    clock_skew_seconds: Annotated[
        int, Setting("Seconds that a partner's clock may be ahead of ours.", low=0, high=600)
    ] = 600
    expiry_days: Annotated[
        int,
        Setting("Days after which an undelivered message of ours is given up.", low=1, high=366),
    ] = 30
    disk_floor_mib: Annotated[
        int,
        Setting(
            "MiB that stay free where the home and the SQLite file are. With less room the node "
            "takes no new messages, from partners or from here, until there is room again. 0: do "
            "not look.",
            high=1 << 24,
        ),
    ] = 256

    def verify(self) -> None:
        """Check that a card takes these limits."""
        self.on_card()

    def on_card(self) -> cards.Limits:
        """Give the limits that partners need to know, as the card has them."""
        return cards.Limits(
            payload_bytes=self.payload_bytes,
            batch_envelopes=self.batch_envelopes,
            batch_bytes=self.batch_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Section):
    """How the node sends; times in milliseconds."""

    backoff_initial_ms: Annotated[
        int, Setting("Longest wait after a first failure; doubles each time.", low=1, high=60_000)
    ] = 500
    backoff_cap_ms: Annotated[
        int, Setting("Longest wait between two attempts.", low=1, high=3_600_000)
    ] = 60_000
    attempts: Annotated[
        int,
        Setting(
            "How often a partner's node may put off a copy of a message, or fail to answer it, "
            "before the copy is given up as a dead letter; 'sesn outbox requeue' tries it again. "
            "At the longest wait of 60 s a copy is tried every 30 s on average, so 20000 attempts "
            "are a week: a partner that is busy over a long weekend loses no message. A partner "
            "that cannot be reached, or has not trusted our card yet, costs no attempts.",
            low=1,
            high=1_000_000,
        ),
    ] = 20_000
    poll_ms: Annotated[
        int, Setting("How often the outbox is looked at when nothing wakes it.", low=1, high=60_000)
    ] = 1_000
    request_timeout_ms: Annotated[
        int, Setting("How long a partner may take to answer.", low=100, high=600_000)
    ] = 30_000
    collect_after_ms: Annotated[
        int,
        Setting(
            "How long a partner that we have dialled may leave us alone before we collect from it "
            "what it holds for us. At once if this node advertises no address.",
            low=0,
            high=600_000,
        ),
    ] = 10_000
    shutdown_grace_ms: Annotated[
        int, Setting("How long open exchanges may still run at shutdown.", low=0, high=600_000)
    ] = 5_000

    def verify(self) -> None:
        """Check that the waits grow."""
        if self.backoff_cap_ms < self.backoff_initial_ms:
            raise MalformedError(
                f"backoff_cap_ms: expected at least backoff_initial_ms, {self.backoff_initial_ms}, "
                f"got {self.backoff_cap_ms}"
            )
