"""What a thief of the file can do: he has no key of anybody."""

from __future__ import annotations

from dataclasses import replace

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code
from sesn_node.audit.records import BundleEntry, Disclosure, Sent
from sesn_node.crypto.primitives import sha256
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import AgencyId
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.wire.entries import decode_entry, encode_entry
from tests.support.bundles import pack, unpack
from tests.support.bundling import Draft
from tests.vectors.tamper.world import World, enter


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    """Flip one bit."""
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def with_entry(draft: Draft, index: int, data: bytes) -> Draft:
    """Put another entry in a place; its leaf stays."""
    draft.ledgers[0].entries[index] = BundleEntry(index, data)
    return draft


def with_message(draft: Draft, place: int, **changes: object) -> Draft:
    """Change fields of a message."""
    # `replace` takes whatever fields the caller names; the constructor checks them.
    draft.messages[place] = replace(draft.messages[place], **changes)  # type: ignore[arg-type]
    return draft


def with_copy(draft: Draft, place: int, **changes: object) -> Draft:
    """Change fields of the one copy of a message."""
    way = draft.messages[place].way
    assert isinstance(way, Sent)
    copy = replace(way.copies[0], **changes)  # type: ignore[arg-type]
    return with_message(draft, place, way=Sent((copy,)))


# The container.


@enter(subjects.CONTAINER, Code.UNREADABLE, quiet=True)
def a_bit_in_a_member(world: World) -> bytes:
    """One bit of an entry, and nothing else."""
    data = world.draft().write()
    return flipped(data, data.index(world.nl.book.entries[2]) + 40)


@enter(subjects.CONTAINER, Code.UNREADABLE, quiet=True)
def cut_off(world: World) -> bytes:
    """The last byte is missing."""
    return world.draft().write()[:-1]


@enter(subjects.CONTAINER, Code.UNREADABLE, quiet=True)
def bytes_behind_the_end(world: World) -> bytes:
    """Something follows the file."""
    return world.draft().write() + b"\n"


@enter(subjects.CONTAINER, Code.UNREADABLE, quiet=True)
def bytes_before_the_beginning(world: World) -> bytes:
    """Something precedes the file."""
    return b"\n" + world.draft().write()


@enter(subjects.CONTAINER, Code.UNREADABLE, quiet=True)
def a_manifest_in_other_words(world: World) -> bytes:
    """The manifest says the same with a space more."""
    data = world.draft().write()
    return data.replace(b'"format":"', b'"format" "', 1)


@enter(subjects.CONTAINER, Code.UNREADABLE, quiet=True)
def an_unknown_field(world: World) -> bytes:
    """A record carries a field that nobody knows."""
    parts = unpack(world.draft().write())
    record = parts[names.MESSAGES]
    length = int.from_bytes(record[:4], "big")
    extra = b"\xfa\x07\x01x"
    head = (length + len(extra)).to_bytes(4, "big")
    parts[names.MESSAGES] = head + record[4 : 4 + length] + extra + record[4 + length :]
    return pack(parts)


@enter(subjects.CONTAINER, Code.UNREADABLE, quiet=True)
def messages_out_of_order(world: World) -> Draft:
    """Two messages changed places."""
    draft = world.draft()
    draft.messages[0], draft.messages[1] = draft.messages[1], draft.messages[0]
    return draft


@enter(subjects.ENTRIES, Code.CONTRADICTION, quiet=True)
def blind_and_yet_entries(world: World) -> Draft:
    """The manifest says that the entries are left out."""
    draft = world.draft()
    draft.selection = replace(draft.selection, blind=True)
    return draft


# Cards and checkpoints.


@enter(subjects.CARDS, Code.CARD_INVALID, quiet=True)
def a_card_with_a_broken_seal(world: World) -> Draft:
    """One bit of a partner's card."""
    draft = world.draft()
    card = draft.cards[0]
    draft.cards[0] = replace(card, sealed=flipped(card.sealed, 200))
    return draft


@enter(subjects.CARDS, Code.CARD_MISSING, quiet=True)
def a_partners_card_missing(world: World) -> Draft:
    """The partner's only card is left out."""
    draft = world.draft()
    draft.cards = draft.cards[1:]
    return draft


@enter(subjects.CARDS, Code.CONTRADICTION, quiet=True)
def a_card_twice(world: World) -> Draft:
    """A card stands there twice."""
    draft = world.draft()
    draft.cards.append(draft.cards[0])
    return draft


@enter(subjects.CARDS, Code.CARD_INVALID, quiet=True)
def a_card_taken_after_it_expired(world: World) -> Draft:
    """A date that no card was in force at."""
    draft = world.draft()
    card = world.gh.card.card
    draft.cards[0] = replace(draft.cards[0], taken_ms=card.expires_ms)
    return draft


@enter(subjects.CHECKPOINTS, Code.CHECKPOINT_INVALID, quiet=True)
def a_checkpoint_without_its_second_signature(world: World) -> Draft:
    """The line of ML-DSA-44 is stripped from the newest checkpoint."""
    return _own_newest(world, lambda note: note[: note.rindex("\u2014".encode())])


@enter(subjects.CHECKPOINTS, Code.CHECKPOINT_INVALID, quiet=True)
def a_checkpoint_with_a_bit_in_a_signature(world: World) -> Draft:
    """One bit of the Ed25519 signature."""

    def broken(note: bytes) -> bytes:
        at = note.index("\u2014".encode())
        end = note.index(b"\n", at)
        line = note[at:end].replace(b"A", b"B", 1) if b"A" in note[at:end] else note[at:end]
        place = line.rindex(b" ") + 20
        swapped = b"b" if line[place : place + 1] != b"b" else b"c"
        return note[:at] + line[:place] + swapped + line[place + 1 :] + note[end:]

    return _own_newest(world, broken)


@enter(subjects.CHECKPOINTS, Code.CONTRADICTION, quiet=True)
def a_checkpoint_under_another_size(world: World) -> Draft:
    """The record says one entry more than the note."""
    draft = world.draft()
    at = next(
        place for place, one in enumerate(draft.checkpoints) if one.origin == world.nl.book.origin
    )
    draft.checkpoints[at] = replace(draft.checkpoints[at], size=draft.checkpoints[at].size + 1)
    return draft


@enter(subjects.CHECKPOINTS, Code.CHECKPOINT_MISSING, quiet=True)
def the_newest_checkpoint_missing(world: World) -> Draft:
    """Nothing vouches for the last entries."""
    draft = world.draft()
    newest = world.nl.book.origin, len(world.nl.book.entries)
    draft.checkpoints = [one for one in draft.checkpoints if (one.origin, one.size) != newest]
    return draft


@enter(subjects.COSIGNATURES, Code.COSIGNATURE_INVALID)
def a_cosignature_over_another_checkpoint(world: World) -> Draft:
    """The partner's cosignature is moved to the newest checkpoint."""
    draft = world.draft()
    own = [one for one in draft.checkpoints if one.origin == world.nl.book.origin]
    lines = next(one.cosignatures for one in own if one.cosignatures)
    newest = draft.checkpoints.index(own[-1])
    draft.checkpoints[newest] = replace(own[-1], cosignatures=lines)
    return draft


@enter(subjects.COSIGNATURES, Code.COSIGNATURE_INVALID)
def a_cosignature_of_somebody_else(world: World) -> Draft:
    """The cosignature is said to be of an agency that has no card here."""
    draft = world.draft()
    at = next(place for place, one in enumerate(draft.checkpoints) if one.cosignatures)
    (one,) = draft.checkpoints[at].cosignatures
    draft.checkpoints[at] = replace(
        draft.checkpoints[at], cosignatures=(replace(one, agency=AgencyId("be.police")),)
    )
    return draft


def _own_newest(world: World, change: object) -> Draft:
    draft = world.draft()
    at = max(
        place for place, one in enumerate(draft.checkpoints) if one.origin == world.nl.book.origin
    )
    note = change(draft.checkpoints[at].note)  # type: ignore[operator]
    draft.checkpoints[at] = replace(draft.checkpoints[at], note=note)
    return draft


# The ledger.


@enter(subjects.TREE, Code.ROOT_MISMATCH, quiet=True)
def a_leaf_changed(world: World) -> Draft:
    """One bit of a leaf hash."""
    draft = world.draft()
    draft.ledgers[0].leaves[1] = flipped(draft.ledgers[0].leaves[1], 0)
    return draft


@enter(subjects.CHECKPOINTS, Code.CHECKPOINT_MISSING, quiet=True)
def the_last_entry_removed(world: World) -> Draft:
    """Entry and leaf, and the manifest says one less."""
    draft = world.draft()
    del draft.ledgers[0].leaves[-1], draft.ledgers[0].entries[-1]
    return draft


@enter(subjects.TREE, Code.ROOT_MISMATCH)
def an_entry_removed_and_another_added(world: World) -> Draft:
    """An entry in the middle is gone with its leaf, the last one stands there twice."""
    draft = world.draft()
    data = [one.entry for one in draft.ledgers[0].entries]
    return _rewritten(draft, [*data[:3], *data[4:], data[-1]])


@enter(subjects.CHECKPOINTS, Code.CHECKPOINT_MISSING, quiet=True)
def an_entry_added(world: World) -> Draft:
    """An entry with its leaf, behind the last."""
    draft = world.draft()
    data = [one.entry for one in draft.ledgers[0].entries]
    return _rewritten(draft, [*data, data[-1]])


@enter(subjects.TREE, Code.ROOT_MISMATCH, quiet=True)
def entries_changed_places(world: World) -> Draft:
    """Two entries with their leaves."""
    draft = world.draft()
    data = [one.entry for one in draft.ledgers[0].entries]
    data[2], data[3] = data[3], data[2]
    return _rewritten(draft, data)


@enter(subjects.ENTRIES, Code.LEAF_MISMATCH, quiet=True)
def entries_changed_places_under_their_leaves(world: World) -> Draft:
    """Two entries; their leaves stay."""
    draft = world.draft()
    two, three = (draft.ledgers[0].entries[index].entry for index in (2, 3))
    return with_entry(with_entry(draft, 2, three), 3, two)


@enter(subjects.ENTRIES, Code.LEAF_MISMATCH, quiet=True)
def an_entry_redated(world: World) -> Draft:
    """An entry says another time; its leaf stays."""
    return with_entry(world.draft(), 2, _redated(world, 2))


@enter(subjects.TREE, Code.ROOT_MISMATCH, quiet=True)
def an_entry_redated_with_its_leaf(world: World) -> Draft:
    """An entry says another time, and its leaf is made anew."""
    draft = with_entry(world.draft(), 2, _redated(world, 2))
    draft.ledgers[0].leaves[2] = leaf_hash(draft.ledgers[0].entries[2].entry)
    return draft


@enter(subjects.ENTRIES, Code.ENTRY_MISSING, quiet=True)
def an_entry_left_out(world: World) -> Draft:
    """An entry is left out, and the manifest promises all."""
    draft = world.draft()
    del draft.ledgers[0].entries[4]
    return draft


def _rewritten(draft: Draft, data: list[bytes]) -> Draft:
    draft.ledgers[0].leaves = [leaf_hash(one) for one in data]
    draft.ledgers[0].entries = [BundleEntry(index, one) for index, one in enumerate(data)]
    return draft


def _redated(world: World, index: int) -> bytes:
    entry = decode_entry(world.nl.book.entries[index])
    return encode_entry(replace(entry, time_ms=entry.time_ms - 86_400_000))


# Messages.


@enter(subjects.SENT, Code.SEAL_INVALID, quiet=True)
def a_seal_broken(world: World) -> Draft:
    """The seal of another message."""
    return with_message(world.draft(), world.place(world.waiting), seal=world.refused.seal)


@enter(subjects.SENT, Code.MESSAGE_MISSING, quiet=True)
def a_message_left_out(world: World) -> Draft:
    """A message is left out, and the manifest promises all."""
    draft = world.draft()
    del draft.messages[world.place(world.waiting)]
    return draft


@enter(subjects.RECEIVED, Code.MESSAGE_MISSING)
def a_received_message_left_out(world: World) -> Draft:
    """A message that arrived is left out."""
    draft = world.draft()
    del draft.messages[world.place(world.answer)]
    return draft


@enter(subjects.SENT, Code.NOT_SHARED, quiet=True)
def messages_changed_places(world: World) -> Draft:
    """Header and seal of one message stand at the entry of another, and the other way round."""
    draft = world.draft()
    for one, other in ((world.waiting, world.refused), (world.refused, world.waiting)):
        with_message(draft, world.place(one), header=other.data, seal=other.seal)
    return draft


@enter(subjects.SENT, Code.CONTRADICTION, quiet=True)
def a_copy_for_somebody_else(world: World) -> Draft:
    """A copy is said to be for an agency that the header does not name."""
    return with_copy(world.draft(), world.place(world.waiting), agency=AgencyId("be.police"))


@enter(subjects.SENT, Code.HEADER_INVALID)
def a_received_message_as_sent(world: World) -> Draft:
    """A message that arrived is said to be ours."""
    draft = world.draft()
    way = draft.messages[world.place(world.waiting)].way
    return with_message(draft, world.place(world.answer), way=way)


@enter(subjects.RECEIPTS, Code.RECEIPT_INVALID)
def a_receipt_with_a_broken_proof(world: World) -> Draft:
    """One hash of the proof."""
    return _receipt(world, proof=(sha256(b"x"),))


@enter(subjects.RECEIPTS, Code.CHECKPOINT_MISSING)
def a_receipt_under_an_unknown_checkpoint(world: World) -> Draft:
    """The receipt names a size of which no checkpoint is there."""
    return _receipt(world, size=999)


@enter(subjects.RECEIPTS, Code.RECEIPT_INVALID)
def a_receipt_from_our_own_ledger(world: World) -> Draft:
    """The receipt is proven in the ledger of whoever shows it."""
    return _receipt(world, origin=world.nl.book.origin)


@enter(subjects.RECEIPTS, Code.RECEIPT_INVALID)
def a_receipt_with_another_entry(world: World) -> Draft:
    """The receipt holds an entry of the partner that is about another message."""
    book = world.gh.book
    other = book.prove([world.answer.shared], len(book.entries))[0]
    world.nl.notes[book.origin, len(book.entries)] = world.gh.notes[book.origin, len(book.entries)]
    return _receipt(world, entry=other.entry, index=other.index, proof=other.proof, size=other.size)


@enter(subjects.RECEIPTS, Code.RECEIPT_NOT_COSIGNED)
def the_cosignature_of_a_receipt_missing(world: World) -> Draft:
    """The recipient's cosignature is left out."""
    draft = world.draft()
    draft.checkpoints = [replace(one, cosignatures=()) for one in draft.checkpoints]
    return draft


@enter(subjects.RECEIPTS, Code.NOT_ACKNOWLEDGED)
def an_acknowledged_copy_said_to_be_open(world: World) -> Draft:
    """The message hides the receipt that its ledger acknowledges."""
    return with_copy(
        world.draft(),
        world.place(world.delivered),
        state=DeliveryState.QUEUED,
        settled_ms=None,
        receipt=None,
    )


@enter(subjects.RECEIPTS, Code.CONTRADICTION)
def a_receipt_redated(world: World) -> Draft:
    """The message says another time of the receipt than the ledger."""
    return with_copy(
        world.draft(), world.place(world.delivered), settled_ms=world.nl.now_ms + 86_400_000
    )


@enter(subjects.ENDINGS, Code.ENDING_MISSING, quiet=True)
def a_refused_copy_said_to_be_open(world: World) -> Draft:
    """The message hides its refusal."""
    place = world.place(world.refused)
    return with_copy(world.draft(), place, state=DeliveryState.QUEUED, code="", settled_ms=None)


@enter(subjects.ENDINGS, Code.ENDING_MISSING, quiet=True)
def an_open_copy_said_to_be_expired(world: World) -> Draft:
    """The message says an end that the ledger does not."""
    return with_copy(
        world.draft(),
        world.place(world.waiting),
        state=DeliveryState.EXPIRED,
        code="EXPIRED",
        settled_ms=world.nl.now_ms,
    )


@enter(subjects.ENDINGS, Code.ENDING_MISSING, quiet=True)
def another_reason_for_a_refusal(world: World) -> Draft:
    """The message says another code than the ledger."""
    return with_copy(world.draft(), world.place(world.refused), code="TOO_LARGE")


@enter(subjects.RECEIVED, Code.SHARED_INVALID)
def a_senders_proof_broken(world: World) -> Draft:
    """One hash of the proof that the message stands in its sender's ledger."""
    draft = world.draft()
    place = world.place(world.answer)
    way = draft.messages[place].way
    assert not isinstance(way, Sent)
    shared = replace(way.shared, proof=(sha256(b"x"), *way.shared.proof[1:]))
    return with_message(draft, place, way=replace(way, shared=shared))


@enter(subjects.RECEIVED, Code.CONTRADICTION)
def an_arrival_redated(world: World) -> Draft:
    """The message says another time of its arrival than the ledger."""
    draft = world.draft()
    place = world.place(world.answer)
    way = draft.messages[place].way
    assert not isinstance(way, Sent)
    return with_message(draft, place, way=replace(way, received_ms=way.received_ms - 1))


@enter(subjects.ACTS, Code.ERASED_CONTRADICTED, quiet=True)
def a_message_said_to_be_erased(world: World) -> Draft:
    """The ledger has no entry of it."""
    return with_message(world.draft(), world.place(world.waiting), erased=True)


@enter(subjects.CONTENTS, Code.NOT_RECORDED, quiet=True)
def a_content_that_was_not_disclosed(world: World) -> Draft:
    """The content of a message, of whose disclosure the ledger does not tell."""
    return _disclosing(world, world.delivered.payload)


@enter(subjects.CONTENTS, Code.CONTENT_MISMATCH, quiet=True)
def another_content(world: World) -> Draft:
    """A content that was not committed to."""
    return _disclosing(world, b"nothing to see here")


@enter(subjects.CONTENTS, Code.INCOMPLETE, quiet=True)
def a_disclosed_content_missing(world: World) -> Draft:
    """The manifest promises a content that is not there."""
    draft = _disclosing(world, world.delivered.payload)
    draft.disclosed = []
    return draft


def _receipt(world: World, **changes: object) -> Draft:
    draft = world.draft()
    place = world.place(world.delivered)
    way = draft.messages[place].way
    assert isinstance(way, Sent)
    receipt = way.copies[0].receipt
    assert receipt is not None
    received = replace(receipt.received, **changes)  # type: ignore[arg-type]
    return with_copy(draft, place, receipt=replace(receipt, received=received))


def _disclosing(world: World, payload: bytes) -> Draft:
    draft = world.draft()
    letter = world.delivered
    draft.selection = replace(draft.selection, disclosed=(letter.message_id,))
    draft.disclosed = [Disclosure(letter.header.sender, letter.message_id, letter.salt, payload)]
    return draft
