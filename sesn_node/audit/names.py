"""The members of a bundle: their names, which are a closed list, and their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sesn_node.audit.account import MAX_LEDGERS

MANIFEST: Final = "manifest.json"
CARDS: Final = "cards.pb"
CHECKPOINTS: Final = "checkpoints.pb"
MESSAGES: Final = "messages.pb"
CASES: Final = "cases.pb"
DISCLOSED: Final = "disclosed.pb"
TIMESTAMPS: Final = "timestamps.pb"

MAX_MEMBERS: Final = 7 + 2 * MAX_LEDGERS
MAX_NAME_BYTES: Final = len("ledger/999999999/entries.pb")

_LEAVES = re.compile(r"ledger/([1-9][0-9]{0,8})/leaves\.bin", re.ASCII)


def leaves_name(epoch: int) -> str:
    """Name the member with the leaf hashes of a ledger."""
    return f"ledger/{epoch}/leaves.bin"


def entries_name(epoch: int) -> str:
    """Name the member with the entries of a ledger."""
    return f"ledger/{epoch}/entries.pb"


def member_names(epochs: Sequence[int]) -> tuple[str, ...]:
    """Return the names of all members of a bundle, in order.

    Args:
        epochs: Its ledgers, ascending.
    """
    ledgers = [name for epoch in epochs for name in (leaves_name(epoch), entries_name(epoch))]
    return (MANIFEST, CARDS, CHECKPOINTS, *ledgers, MESSAGES, CASES, DISCLOSED, TIMESTAMPS)


def check_names(names: Sequence[str]) -> str | None:
    """Say what is wrong with the names of a file's members, or None.

    They say which ledgers there are; with these, names and order are given.
    """
    epochs = [int(match[1]) for name in names if (match := _LEAVES.fullmatch(name)) is not None]
    if not epochs or len(epochs) > MAX_LEDGERS:
        return f"leaf hashes of {len(epochs)} ledgers; expected 1 to {MAX_LEDGERS}"
    if sorted(set(epochs)) != epochs:
        return "its ledgers are not strictly ascending"
    expected = member_names(epochs)
    for place, (name, wanted) in enumerate(zip(names, expected, strict=False)):
        if name != wanted:
            return f"member {place + 1} is {name[:MAX_NAME_BYTES]!a}, expected {wanted}"
    if len(names) != len(expected):
        return f"{len(names)} members, expected {len(expected)}"
    return None
