"""The checks of an audit, by number. Numbers and names stay; a new check gets a new number."""

from __future__ import annotations

from typing import Final

from sesn_node.audit.tally import Subject
from sesn_node.domain.times import MINUTE_MS

CLOCK_TOLERANCE_MS: Final = 15 * MINUTE_MS
"""How far clocks may differ before a date is implausible.

A node refuses messages from more than 10 minutes ahead of its clock; the rest is for the time
between a message's creation and its entry.
"""

CONTAINER: Final = Subject(1, "container", "the file is a bundle, whole, and as its manifest says")
CARDS: Final = Subject(2, "cards", "every card opens under its root, and follows the one before")
CHECKPOINTS: Final = Subject(
    3, "checkpoints", "every checkpoint of these ledgers is signed twice, by keys then in force"
)
TREE: Final = Subject(
    4, "tree", "the leaves hash to the newest root, and every earlier root is of a prefix"
)
ENTRIES: Final = Subject(5, "entries", "every entry hashes to its leaf, and reads; none is missing")
EPOCHS: Final = Subject(6, "epochs", "each ledger begins as it must, and names the one it follows")
PARTNERS: Final = Subject(
    7, "partners", "every checkpoint of a partner is signed twice, and shows one history"
)
COSIGNATURES: Final = Subject(
    8, "cosignatures", "every cosignature is by its agency over its checkpoint, under both schemes"
)
QUORUM: Final = Subject(9, "quorum", "the cosignatures that the policy asks for are there")
SENT: Final = Subject(
    10, "sent", "every sent message is sealed under a key in force, and stands here as SHARED"
)
RECEIPTS: Final = Subject(
    11, "receipts", "every receipt names its message, is proven, cosigned and acknowledged"
)
ENDINGS: Final = Subject(
    12, "endings", "every copy without a receipt ended as the ledger says, or is open"
)
RECEIVED: Final = Subject(
    13, "received", "every received message is sealed, proven by its sender, and RECEIVED"
)
ACTS: Final = Subject(
    14, "acts", "what was viewed, disclosed, erased or sent again is an entry about its message"
)
CONTENTS: Final = Subject(
    15, "contents", "every disclosed content is the one that was committed to"
)
TIMESTAMPS: Final = Subject(
    16, "time-stamps", "every time-stamp token is over a checkpoint and verifies"
)
LOSSES: Final = Subject(
    23, "losses", "what recovered entries refer to is here, and the ledger says what was recovered"
)
CASES: Final = Subject(
    24, "cases", "every step of a case is sealed, and is the one that its entry commits to"
)
OF_A_BUNDLE: Final = (
    CONTAINER,
    CARDS,
    CHECKPOINTS,
    TREE,
    ENTRIES,
    EPOCHS,
    PARTNERS,
    COSIGNATURES,
    QUORUM,
    SENT,
    RECEIPTS,
    ENDINGS,
    RECEIVED,
    ACTS,
    CONTENTS,
    TIMESTAMPS,
    LOSSES,
    CASES,
)

ONE_HISTORY: Final = Subject(
    17, "one-history", "a ledger that several bundles hold is one list: the shorter is a prefix"
)
KEPT_BY_PARTNERS: Final = Subject(
    18, "kept-by-partners", "what one agency keeps of another's ledger lies in that ledger"
)
IDENTITIES: Final = Subject(
    19, "identities", "all bundles know an agency by the same root and the same cards"
)
DELIVERIES: Final = Subject(
    20, "deliveries", "what one ledger tells of a delivery, the other tells too, and nothing more"
)
OUTCOMES: Final = Subject(
    21, "outcomes", "a copy that ended without a receipt was not received, or was refused alike"
)
DATES: Final = Subject(22, "dates", "nothing was received before it was shared, as clocks go")
SAME_CASES: Final = Subject(
    25, "same-cases", "a step of a case that several bundles show is the same in all"
)
OF_SEVERAL: Final = (
    ONE_HISTORY,
    KEPT_BY_PARTNERS,
    IDENTITIES,
    DELIVERIES,
    OUTCOMES,
    DATES,
    SAME_CASES,
)
