"""Random tampering with a bundle, and what an audit must find of it.

Each number gives one tampering: a bit flipped anywhere, a record or an entry removed, added, put
elsewhere or dated anew. What a bundle merely claims and nothing proves is left alone: when a card
was taken, and which of several cosigned sizes came with a receipt.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from sesn_node.audit import codec, names
from sesn_node.audit.codes import Code
from sesn_node.audit.records import BundleEntry, Disclosure, Received, Sent
from sesn_node.domain.entries import CaseCode, EntryKind
from sesn_node.errors import MalformedError
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.wire.entries import decode_entry, encode_entry
from tests.support.bundles import member, pack, records, unpack
from tests.support.bundling import Draft
from tests.support.case_scribes import CaseScribes
from tests.support.homes import GH, NL
from tests.support.scribes import Scribe

_LEDGER: Final = 1
_ENTRIES: Final = names.entries_name(_LEDGER)
_LEAVES: Final = names.leaves_name(_LEDGER)


@dataclass(frozen=True, slots=True)
class Tampered:
    """A bundle that was tampered with.

    Args:
        data: The file.
        what: What was done.
        codes: What an audit may say of it; at least one of these it must.
        member: Where; "" for anywhere.
        index: Which entry or record of it; None for any.
    """

    data: bytes
    what: str
    codes: frozenset[Code]
    member: str = ""
    index: int | None = None


@cache
def honest() -> tuple[Draft, bytes]:
    """Return a bundle in order: messages both ways, refused, waiting, disclosed, viewed; a case."""
    nl, gh = Scribe(NL, 7), Scribe(GH, 7)
    nl.trust(gh)
    gh.trust(nl)
    first, second = nl.share(gh), nl.share(gh)
    nl.deliver(gh, [first, second])
    gh.deliver(nl, [gh.share(nl)])
    refused = nl.share(gh)
    nl.end(refused, gh, EntryKind.REFUSED_BY_PEER, "POLICY")
    nl.share(gh)
    nl.about(EntryKind.VIEWED, first, answers=first.shared)
    nl.about(EntryKind.DISCLOSED, second, answers=second.shared)
    case = CaseScribes(nl, gh)
    case.inform()
    case.notice(nl, CaseCode.DUE_SOON)
    nl.checkpoint()
    draft = Draft.of(nl)
    draft.selection = replace(draft.selection, disclosed=(second.message_id,))
    draft.disclosed = [Disclosure(NL, second.message_id, second.salt, second.payload)]
    return draft, draft.write()


def tampering(number: int) -> Tampered:
    """Make one tampering; the same for the same number."""
    chance = random.Random(number)
    while True:
        made = chance.choice(_WAYS)(chance)
        if made is not None:
            return made


def _copy() -> Draft:
    draft, _ = honest()
    ledger = draft.ledgers[0]
    return replace(
        draft,
        cards=list(draft.cards),
        checkpoints=list(draft.checkpoints),
        ledgers=[replace(ledger, leaves=list(ledger.leaves), entries=list(ledger.entries))],
        messages=list(draft.messages),
        cases=list(draft.cases),
    )


def _flip(chance: random.Random, data: bytes) -> tuple[bytes, int]:
    at = chance.randrange(len(data))
    changed = bytearray(data)
    changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed), at


def _bit_of_the_file(chance: random.Random) -> Tampered:
    data, at = _flip(chance, honest()[1])
    return Tampered(data, f"a bit of byte {at} of the file", frozenset({Code.UNREADABLE}))


def _bit_of_a_leaf(chance: random.Random) -> Tampered:
    parts = unpack(honest()[1])
    parts[_LEAVES], at = _flip(chance, parts[_LEAVES])
    codes = frozenset({Code.LEAF_MISMATCH})
    return Tampered(pack(parts), f"a bit of leaf {at // 32}", codes, _ENTRIES, at // 32)


_OF_MEMBERS: Final = {
    names.CARDS: {Code.CARD_INVALID, Code.CARD_MISSING},
    names.CHECKPOINTS: {
        Code.CHECKPOINT_INVALID,
        Code.CONTRADICTION,
        Code.COSIGNATURE_INVALID,
    },
    _ENTRIES: {Code.LEAF_MISMATCH, Code.ENTRY_MISSING},
    names.MESSAGES: {
        Code.CHECKPOINT_MISSING,
        Code.CONTRADICTION,
        Code.ENDING_MISSING,
        Code.ERASED_CONTRADICTED,
        Code.HEADER_INVALID,
        Code.NOT_RECEIVED,
        Code.NOT_SHARED,
        Code.RECEIPT_INVALID,
        Code.RECEIPT_NOT_COSIGNED,
        Code.SEAL_INVALID,
        Code.SHARED_INVALID,
    },
    names.CASES: {
        Code.CASE_STEP_MISMATCH,
        Code.CASE_STEP_MISSING,
        Code.HEADER_INVALID,
        Code.SEAL_INVALID,
    },
    names.DISCLOSED: {Code.CONTENT_MISMATCH, Code.MESSAGE_MISSING},
}
_BESIDE_ENTRIES: Final = frozenset({names.CASES, names.MESSAGES})
"""Members whose records may be judged where their entries stand."""


def _bit_of_a_record(chance: random.Random) -> Tampered | None:
    parts = unpack(honest()[1])
    name = chance.choice(list(_OF_MEMBERS))
    found = records(parts[name])
    place = chance.randrange(len(found))
    before = found[place]
    found[place], at = _flip(chance, before)
    if _claims_only(name, before, found[place]):
        return None
    parts[name] = member(*found)
    codes = frozenset(_OF_MEMBERS[name] | {Code.UNREADABLE})
    what = f"a bit of byte {at} of record {place} of {name}"
    return Tampered(pack(parts), what, codes, "" if name in _BESIDE_ENTRIES else name)


def _claims_only(name: str, before: bytes, after: bytes) -> bool:
    """Tell whether a record differs in nothing but what is claimed and not proven."""
    try:
        if name == names.CARDS:
            return codec.decode_card(before).sealed == codec.decode_card(after).sealed
        if name == names.MESSAGES:
            one, other = codec.decode_message(before), codec.decode_message(after)
            return _without_size(one.way) == _without_size(other.way) and (
                replace(one, way=other.way) == other
            )
    except MalformedError:
        pass
    return False


def _without_size(way: Sent | Received) -> object:
    if not isinstance(way, Sent):
        return way
    return [
        copy
        if copy.receipt is None
        else replace(copy, receipt=replace(copy.receipt, shared_size=1))
        for copy in way.copies
    ]


def _entry_removed(chance: random.Random) -> Tampered:
    draft = _copy()
    index = chance.randrange(len(draft.ledgers[0].entries))
    del draft.ledgers[0].entries[index]
    codes = frozenset({Code.ENTRY_MISSING})
    return Tampered(draft.write(), f"entry {index} removed", codes, _ENTRIES, index)


def _entry_removed_with_its_leaf(chance: random.Random) -> Tampered:
    draft = _copy()
    data = [one.entry for one in draft.ledgers[0].entries]
    index = chance.randrange(len(data))
    del data[index]
    return _rewritten(draft, data, f"entry {index} removed with its leaf", Code.CHECKPOINT_MISSING)


def _entry_added(chance: random.Random) -> Tampered:
    draft = _copy()
    data = [one.entry for one in draft.ledgers[0].entries]
    index = chance.randrange(len(data) + 1)
    data.insert(index, chance.choice(data))
    return _rewritten(draft, data, f"an entry added at {index}", Code.CHECKPOINT_MISSING)


def _entries_swapped(chance: random.Random) -> Tampered:
    draft = _copy()
    entries = draft.ledgers[0].entries
    one, other = sorted(chance.sample(range(len(entries)), 2))
    data = [entry.entry for entry in entries]
    data[one], data[other] = data[other], data[one]
    what = f"entries {one} and {other} swapped"
    if chance.random() < 0.5:
        return _rewritten(draft, data, f"{what} with their leaves", Code.ROOT_MISMATCH, _LEAVES)
    draft.ledgers[0].entries = [BundleEntry(index, each) for index, each in enumerate(data)]
    codes = frozenset({Code.LEAF_MISMATCH})
    return Tampered(draft.write(), what, codes, _ENTRIES, chance.choice((one, other)))


def _entry_redated(chance: random.Random) -> Tampered:
    draft = _copy()
    data = [entry.entry for entry in draft.ledgers[0].entries]
    index = chance.randrange(len(data))
    entry = decode_entry(data[index])
    data[index] = encode_entry(
        replace(entry, time_ms=entry.time_ms + chance.choice((-1, 1)) * chance.randint(1, 10**9))
    )
    what = f"entry {index} dated anew"
    if chance.random() < 0.5:
        return _rewritten(draft, data, f"{what} with its leaf", Code.ROOT_MISMATCH, _LEAVES)
    draft.ledgers[0].entries[index] = BundleEntry(index, data[index])
    codes = frozenset({Code.LEAF_MISMATCH})
    return Tampered(draft.write(), what, codes, _ENTRIES, index)


def _message_removed(chance: random.Random) -> Tampered:
    draft = _copy()
    gone = draft.messages.pop(chance.randrange(len(draft.messages)))
    what = f"the message of entry {gone.entry_index} removed"
    codes = frozenset({Code.MESSAGE_MISSING})
    return Tampered(draft.write(), what, codes, _ENTRIES, gone.entry_index)


def _step_removed(chance: random.Random) -> Tampered:
    draft = _copy()
    gone = draft.cases.pop(chance.randrange(len(draft.cases)))
    what = f"the step of entry {gone.entry_index} removed"
    codes = frozenset({Code.CASE_STEP_MISSING})
    return Tampered(draft.write(), what, codes, _ENTRIES, gone.entry_index)


def _step_elsewhere(chance: random.Random) -> Tampered:
    draft = _copy()
    one, other = sorted(chance.sample(range(len(draft.cases)), 2))
    a, b = draft.cases[one], draft.cases[other]
    draft.cases[one] = replace(b, entry_index=a.entry_index)
    draft.cases[other] = replace(a, entry_index=b.entry_index)
    codes = frozenset({Code.CASE_STEP_MISMATCH})
    what = f"steps {one} and {other} swapped"
    return Tampered(draft.write(), what, codes, _ENTRIES, a.entry_index)


def _message_elsewhere(chance: random.Random) -> Tampered:
    draft = _copy()
    one, other = sorted(chance.sample(range(len(draft.messages)), 2))
    a, b = draft.messages[one], draft.messages[other]
    draft.messages[one] = replace(b, entry_index=a.entry_index)
    draft.messages[other] = replace(a, entry_index=b.entry_index)
    codes = frozenset({Code.NOT_SHARED, Code.NOT_RECEIVED})
    return Tampered(
        draft.write(), f"messages {one} and {other} swapped", codes, names.MESSAGES, one
    )


def _checkpoint_removed(chance: random.Random) -> Tampered:
    draft = _copy()
    place = chance.randrange(len(draft.checkpoints))
    gone = draft.checkpoints.pop(place)
    codes = {Code.CHECKPOINT_MISSING, Code.RECEIPT_NOT_COSIGNED}
    what = f"the checkpoint of {gone.origin} at {gone.size} removed"
    needed = {draft.ledgers[0].origin: {len(draft.ledgers[0].leaves)}}
    for message in draft.messages:
        if isinstance(message.way, Sent):
            receipts = [copy.receipt for copy in message.way.copies if copy.receipt is not None]
            for receipt in receipts:
                proven = receipt.received
                needed.setdefault(proven.origin, set()).add(proven.size)
                needed[draft.ledgers[0].origin].add(receipt.shared_size)
        else:
            needed.setdefault(message.way.shared.origin, set()).add(message.way.shared.size)
    if gone.size not in needed[gone.origin]:
        # Nothing leans on it: what was removed was evidence for its owner.
        return _message_removed(chance)
    return Tampered(draft.write(), what, frozenset(codes))


def _card_removed(chance: random.Random) -> Tampered:
    draft = _copy()
    place = chance.randrange(len(draft.cards))
    del draft.cards[place]
    return Tampered(draft.write(), f"card {place} removed", frozenset({Code.CARD_MISSING}))


def _rewritten(draft: Draft, data: list[bytes], what: str, code: Code, place: str = "") -> Tampered:
    draft.ledgers[0].leaves = [leaf_hash(one) for one in data]
    draft.ledgers[0].entries = [BundleEntry(index, one) for index, one in enumerate(data)]
    return Tampered(draft.write(), what, frozenset({code}), place)


_WAYS: Final[tuple[Callable[[random.Random], Tampered | None], ...]] = (
    _bit_of_the_file,
    _bit_of_a_leaf,
    _bit_of_a_record,
    _bit_of_a_record,
    _bit_of_a_record,
    _entry_removed,
    _entry_removed_with_its_leaf,
    _entry_added,
    _entries_swapped,
    _entry_redated,
    _message_removed,
    _message_elsewhere,
    _step_removed,
    _step_elsewhere,
    _checkpoint_removed,
    _card_removed,
)
