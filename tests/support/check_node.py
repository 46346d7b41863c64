"""The one checker of what must hold in and between nodes, at every moment.

`check_node` looks at one node, `check_pair` at a sender and a receiver, `check_network` at all.
They fail with the agency and the invariant. Signatures, seals and proofs are verified with the
node's own code, which has tests and vectors of its own; tree hashes are computed by an
independent implementation.
"""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import TYPE_CHECKING

from sesn_node.crypto.primitives import sha256
from sesn_node.domain.entries import (
    EntryKind,
    EntryRef,
    KeyCode,
    PeerCode,
)
from sesn_node.domain.ids import AgencyId, Origin
from sesn_node.exchange.open import open_received, open_sent
from sesn_node.exchange.search import all_terms, index_terms
from sesn_node.ledger.head import TreeHead, checkpoint_text
from sesn_node.ledger.merkle import leaf_hash, position, stored_count, verify_inclusion
from sesn_node.store.search import TermRow
from sesn_node.trust.timestamps import check_imprint
from sesn_node.wire.batches import decode_proof
from sesn_node.wire.envelopes import decode_header
from tests.support.check_copies import check_outbox, head_at, kept_head
from tests.support.check_erased import check_erasures, check_nothing_left
from tests.support.check_recalled import check_recalls
from tests.support.check_steps import check_steps
from tests.support.view import View, decode_once, open_card_once, signed_head, view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.messages import Header
    from sesn_node.domain.payload import Payload
    from sesn_node.exchange.office import Office
    from sesn_node.store.inbox import InboxRow
    from sesn_node.store.sealed import SealedRow

_PEER_STATES = {
    PeerCode.TRUSTED: "trusted",
    PeerCode.CARD_TAKEN: "trusted",
    PeerCode.REVOKED: "revoked",
    PeerCode.QUARANTINED: "quarantined",
    PeerCode.RELEASED: "trusted",
}


def check_node(office: Office, *, old_copy: bool = False) -> View:
    """Check every invariant of one node.

    Args:
        office: An open office of the node; the node may be serving.
        old_copy: The database is an old copy: the head file must be ahead of it.

    Returns:
        What was looked at.

    Raises:
        AssertionError: Naming the agency and the invariant.
    """
    seen = view(office)
    _check_ledger(seen)
    _check_head_file(seen, old_copy=old_copy)
    _check_sent(seen)
    check_outbox(seen)
    _check_inbox(seen)
    _check_search(seen)
    check_erasures(seen)
    check_recalls(seen)
    check_steps(seen)
    _check_refusals(seen)
    _check_witnessed(seen)
    _check_cosigned(seen)
    _check_stamped(seen)
    _check_peers(seen)
    _check_own_cards(seen)
    return seen


def check_pair(sender: View | Office, receiver: View | Office) -> None:
    """Check what must hold between a sender and a receiver; both pass `check_node`.

    Raises:
        AssertionError: Naming the agencies and the invariant.
    """
    one = sender if isinstance(sender, View) else view(sender)
    other = receiver if isinstance(receiver, View) else view(receiver)
    _check_received_is_shared(one, other)
    _check_acknowledged_is_received(one, other)
    _check_witnessed_is_prefix(one, other)


def check_network(offices: Sequence[Office]) -> None:
    """Check every node, and every ordered pair of them.

    Raises:
        AssertionError: Naming the agencies and the invariant.
    """
    seen = [check_node(office) for office in offices]
    for one, other in permutations(seen, 2):
        check_pair(one, other)


def _check_ledger(seen: View) -> None:
    """Entries are numbered without a gap, hash to every stored node and to the signed head."""
    who = seen.agency
    assert [row.index for row in seen.rows] == list(range(seen.head.size)), f"{who}: indexes"
    for row, entry in zip(seen.rows, seen.entries, strict=True):
        assert (row.kind, row.message_id) == (entry.kind.value, entry.message_id), (
            f"{who}: columns of entry {row.index}"
        )
    hashes = [leaf_hash(row.entry) for row in seen.rows]
    expected: dict[int, bytes] = {}
    level = 0
    while hashes:
        expected |= {position(level, at): value for at, value in enumerate(hashes)}
        pairs = zip(hashes[::2], hashes[1::2], strict=False)
        hashes = [sha256(b"\x01", left, right) for left, right in pairs]
        level += 1
    assert len(expected) == stored_count(seen.head.size), f"{who}: positions"
    assert seen.nodes == expected, f"{who}: stored subtree hashes"
    assert seen.tree.root(seen.head.size) == seen.head.root, f"{who}: root"
    signing, *_ = seen.signing(seen.head.size)
    assert signed_head(seen.head.note, signing) == head_at(seen, seen.head.size), (
        f"{who}: the head note is not over the head"
    )
    assert len({entry.salt for entry in seen.entries}) == len(seen.entries), f"{who}: salts"


def _check_head_file(seen: View, *, old_copy: bool) -> None:
    """The head file holds a checkpoint of ours that is a prefix of the ledger."""
    assert seen.head_file is not None, f"{seen.agency}: no head file"
    released = signed_head(seen.head_file, *seen.office.keys.log_sets)
    witnessed = sum(1 + row.size for row in seen.witnessed.values())
    assert seen.head.witnessed == witnessed, f"{seen.agency}: the count of what was witnessed"
    if old_copy:
        ahead = released.size > seen.head.size or seen.head_file_witnessed > witnessed
        assert ahead, f"{seen.agency}: not an old copy"
        return
    assert released.size <= seen.head.size, f"{seen.agency}: the head file is ahead"
    assert seen.head_file_witnessed <= witnessed, f"{seen.agency}: the head file witnessed more"
    assert released == head_at(seen, released.size), f"{seen.agency}: the head file is no prefix"


def _check_sent(seen: View) -> None:
    """Every message that we sealed has one SHARED entry, and every SHARED entry its message."""
    shared = list(seen.of_kind(EntryKind.SHARED))
    ids = [entry.message_id for _, entry in shared]
    assert len(set(ids)) == len(ids), f"{seen.agency}: a message was shared twice"
    assert set(ids) == set(seen.sent), f"{seen.agency}: sent messages and SHARED entries"
    for at, entry in shared:
        row = seen.sent[entry.message_id or b""]
        header = _check_sealed(seen, seen.agency, row.message_id, row.sealed)
        assert (row.sealed.entry_index, entry.object_sha256, entry.commitment) == (
            at,
            row.sealed.header_sha256,
            header.commitment,
        ), f"{seen.agency}: SHARED entry {at}"
        if at in seen.erased:
            check_nothing_left(seen, seen.agency, row.message_id, row.sealed)
            continue
        payload = open_sent(seen.office, row)
        assert payload.kind.value == row.sealed.kind, "a sent payload's kind"
        _check_found(seen, seen.agency, row.message_id, row.sealed.created_ms, payload)
        recipients = {(one.agency, one.wrapped_key_sha256) for one in header.recipients}
        queued = {
            (agency, sha256(key or b""))
            for (message_id, agency), key in seen.wrapped_keys.items()
            if message_id == row.message_id
        }
        if row.message_id in seen.withdrawn:
            recipients = {(one.agency, sha256(b"")) for one in header.recipients}
        assert queued == recipients, f"{seen.agency}: copies of message {row.message_id.hex()}"


def _check_sealed(seen: View, sender: AgencyId, message_id: bytes, row: SealedRow) -> Header:
    """The columns of a stored message are those of its header, and its sender sealed it."""
    header = decode_header(row.header)
    assert (
        header.sender,
        header.message_id,
        header.conversation_id,
        header.in_reply_to,
        int(header.priority),
        header.created_ms,
        header.expires_ms,
    ) == (
        sender,
        message_id,
        row.conversation_id,
        row.in_reply_to,
        row.priority,
        row.created_ms,
        row.expires_ms,
    ), f"{seen.agency}: columns of message {message_id.hex()}"
    assert sha256(row.header) == row.header_sha256, f"{seen.agency}: header hash"
    if row.entry_index not in seen.erased:
        assert sha256(row.ciphertext or b"") == header.ciphertext_sha256, (
            f"{seen.agency}: ciphertext"
        )
    seen.check_sealed(sender, header.seal_key_id, row.header, row.seal)
    return header


def _check_inbox(seen: View) -> None:
    """Every message that arrived has one RECEIVED entry, and every RECEIVED entry its message."""
    received = {
        (entry.agency, entry.message_id): at for at, entry in seen.of_kind(EntryKind.RECEIVED)
    }
    assert len(received) == len(list(seen.of_kind(EntryKind.RECEIVED))), (
        f"{seen.agency}: a message was received twice"
    )
    rows = {(row.sender, row.message_id): row.sealed.entry_index for row in seen.inbox}
    assert rows == received, f"{seen.agency}: inbox rows and RECEIVED entries"
    for row in seen.inbox:
        _check_received(seen, row)


def _check_received(seen: View, row: InboxRow) -> None:
    where = f"{seen.agency}: message {row.message_id.hex()} of {row.sender}"
    header = _check_sealed(seen, AgencyId(row.sender), row.message_id, row.sealed)
    assert header.addressee(seen.agency) is not None, f"{where}: not for us"
    shared = decode_once(row.shared_entry)
    assert (shared.kind, shared.message_id, shared.object_sha256, shared.commitment) == (
        EntryKind.SHARED,
        row.message_id,
        row.sealed.header_sha256,
        header.commitment,
    ), f"{where}: SHARED entry"
    theirs = kept_head(seen, row.sender, row.shared_origin, row.shared_size)
    hashed = leaf_hash(row.shared_entry)
    proof = decode_proof(row.shared_proof)
    verify_inclusion(hashed, row.shared_index, theirs.size, proof, theirs.root)
    entry = seen.entries[row.sealed.entry_index]
    assert (entry.object_sha256, entry.commitment, entry.answers) == (
        row.sealed.header_sha256,
        header.commitment,
        EntryRef(Origin(row.shared_origin), row.shared_index, hashed),
    ), f"{where}: RECEIVED entry"
    if row.sealed.entry_index in seen.erased:
        check_nothing_left(seen, row.sender, row.message_id, row.sealed)
        return
    payload = open_received(seen.office, row)
    assert payload.kind.value == row.sealed.kind, f"{where}: kind"
    _check_found(seen, row.sender, row.message_id, row.received_ms, payload)


def _check_search(seen: View) -> None:
    """The index knows of no messages but those that are there."""
    known = {(seen.agency, message_id) for message_id in seen.sent}
    known |= {(AgencyId(row.sender), row.message_id) for row in seen.inbox}
    assert {(AgencyId(row.sender), row.message_id) for row in seen.terms} <= known, (
        f"{seen.agency}: search index"
    )


def _check_found(seen: View, sender: str, message_id: bytes, at_ms: int, payload: Payload) -> None:
    """A message can be found by what it names, and by nothing else.

    Also by owners and ports, if somebody watched for them when it came.
    """
    named = all_terms(seen.office, payload)
    assert seen.terms_of(sender, message_id) - {
        TermRow(term, at_ms, sender, message_id)
        for term in named - set(index_terms(seen.office, payload))
    } == {TermRow(term, at_ms, sender, message_id) for term in index_terms(seen.office, payload)}, (
        f"{seen.agency}: search terms of message {message_id.hex()}"
    )


def _check_refusals(seen: View) -> None:
    """Every REFUSED entry is remembered, so that a resend adds none."""
    logged = {
        (entry.agency, entry.message_id, entry.object_sha256, entry.code): at
        for at, entry in seen.of_kind(EntryKind.REFUSED)
    }
    rows = {
        (row.sender, row.message_id, row.header_sha256, row.code): row.entry_index
        for row in seen.refusals
    }
    assert len(logged) == len(list(seen.of_kind(EntryKind.REFUSED))), f"{seen.agency}: twice"
    assert rows == logged, f"{seen.agency}: refusals and REFUSED entries"


def _check_witnessed(seen: View) -> None:
    """Of each partner's ledger we hold the largest checkpoint, and cosigned every one we keep."""
    who = seen.agency
    for row in seen.witnessed.values():
        head = kept_head(seen, row.agency, row.origin, row.size)
        assert head.root == row.root, f"{who}: witnessed head of {row.origin}"
    for kept in seen.checkpoints:
        if kept.origin == seen.origin:
            continue
        head_row = seen.witnessed.get(kept.origin)
        assert head_row is not None, f"{who}: a checkpoint of {kept.origin} without its head"
        assert kept.size <= head_row.size, f"{who}: witnessed {kept.origin} went back"
        cosigned = seen.cosignature(kept.origin, kept.size, who)
        assert cosigned is not None, f"{who}: {kept.origin} at {kept.size} is not cosigned"
        head = kept_head(seen, head_row.agency, kept.origin, kept.size)
        seen.check_cosigned(cosigned, head)


def _check_stamped(seen: View) -> None:
    """Every time-stamp token is over a checkpoint that is kept."""
    kept = {(one.origin, one.size, one.root) for one in seen.checkpoints}
    for row in seen.tokens:
        place = (row.origin, row.size, row.root)
        assert place in kept, f"{seen.agency}: a token over {place[:2]}, which is not kept"
        text = checkpoint_text(TreeHead(Origin(row.origin), row.size, row.root))
        check_imprint(row.token, text.encode())


def _check_cosigned(seen: View) -> None:
    """Cosignatures of partners are over true prefixes of our ledger; each kept one has some."""
    who = seen.agency
    ours = {kept.size: kept for kept in seen.checkpoints if kept.origin == seen.origin}
    cosigned = {row.size for row in seen.cosignatures if row.origin == seen.origin}
    stamped = {row.size for row in seen.tokens if row.origin == seen.origin}
    assert set(ours) == cosigned | stamped, f"{who}: own checkpoints, and what they are kept for"
    for kept in ours.values():
        head = signed_head(kept.note, *seen.signing(kept.size))
        assert head == head_at(seen, kept.size), f"{who}: own checkpoint {kept.size} is no prefix"
    for row in seen.cosignatures:
        if row.origin == seen.origin:
            seen.check_cosigned(row, head_at(seen, row.size))
        else:
            assert row.agency == who, f"{who}: cosignature of {row.agency} on {row.origin}"


def _check_peers(seen: View) -> None:
    """The directory is what the PEER entries say, and its version counts its changes."""
    last = {entry.agency: entry for _, entry in seen.of_kind(EntryKind.PEER)}
    rows = {
        row.agency: (row.state, open_card_once(row.card.sealed, row.card.taken_ms).sha256)
        for row in seen.peers
    }
    logged = {
        agency: (_PEER_STATES[PeerCode(entry.code)], entry.object_sha256)
        for agency, entry in last.items()
    }
    assert rows == logged, f"{seen.agency}: peers and PEER entries"
    changes = len(list(seen.of_kind(EntryKind.PEER))) + len(seen.cards_of(seen.agency)) - 1
    # Changes of keys move it too, one or several entries at a time.
    of_keys = sum(entry.code != KeyCode.CARD_ISSUED for _, entry in seen.of_kind(EntryKind.KEY))
    assert 0 <= seen.directory_version - 1 - changes <= of_keys, f"{seen.agency}: version"


def _check_own_cards(seen: View) -> None:
    """Every card of ours is announced once in our ledger; the newest is the one in use."""
    announced = [
        entry.object_sha256
        for _, entry in seen.of_kind(EntryKind.KEY)
        if entry.code == KeyCode.CARD_ISSUED
    ]
    own = sorted(seen.cards_of(seen.agency), key=lambda card: card.card.sequence)
    assert announced == [card.sha256 for card in own], f"{seen.agency}: cards and KEY entries"
    assert seen.own_card.sha256 == announced[-1], f"{seen.agency}: newest card"


def _check_received_is_shared(sender: View, receiver: View) -> None:
    """What arrived was shared, exactly so, and addressed to the receiver."""
    for row in receiver.inbox:
        if row.sender != sender.agency:
            continue
        where = f"{receiver.agency}: message {row.message_id.hex()} of {sender.agency}"
        sent = sender.sent.get(row.message_id)
        assert sent is not None, f"{where}: was never shared"
        assert (row.shared_origin, row.shared_index) == (sender.origin, sent.sealed.entry_index), (
            f"{where}: another entry"
        )
        assert sender.entry_bytes(row.shared_index) == row.shared_entry, f"{where}: SHARED entry"
        assert sent.sealed.header == row.sealed.header, f"{where}: another header"
        if sent.sealed.entry_index in sender.erased or row.sealed.entry_index in receiver.erased:
            continue
        assert sent.sealed.ciphertext == row.sealed.ciphertext, f"{where}: other bytes"
        assert (row.message_id, receiver.agency) in sender.wrapped_keys, f"{where}: no copy"


def _check_acknowledged_is_received(sender: View, receiver: View) -> None:
    """A receipt is an entry of the receiver's ledger, and the message is in its inbox once."""
    arrived = Counter(row.message_id for row in receiver.inbox if row.sender == sender.agency)
    for row in sender.copies:
        if row.agency != receiver.agency or row.receipt is None:
            continue
        where = f"{sender.agency}: receipt of {receiver.agency} for {row.message_id.hex()}"
        assert row.receipt.origin == receiver.origin, where
        assert receiver.entry_bytes(row.receipt.index) == row.receipt.entry, where
        assert arrived[row.message_id] == 1, f"{where}: {arrived[row.message_id]} inbox rows"


def _check_witnessed_is_prefix(owner: View, witness: View) -> None:
    """What a witness holds is a prefix of the ledger, and no more than the head file released."""
    row = witness.witnessed.get(owner.origin)
    if row is None:
        return
    where = f"{witness.agency}: witnessed head of {owner.agency}"
    assert row.size <= owner.head.size, f"{where}: ahead of the ledger"
    assert owner.tree.root(row.size) == row.root, f"{where}: no prefix"
    released = signed_head(owner.head_file or b"", *owner.office.keys.log_sets)
    assert row.size <= released.size, f"{where}: was released before the head file held it"
