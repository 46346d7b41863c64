"""Holding the database against what this node is known to have signed.

A node that appends to an old copy of its database signs a second history: a fork that partners
prove against it. So before it appends, and whenever somebody else moved the head, the head is
compared with the head file, and the newest entries are hashed again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from sesn_node.domain.ids import Origin, parse_origin
from sesn_node.errors import MalformedError, SesnError, StorageError
from sesn_node.exchange import oldcopy
from sesn_node.exchange.oldcopy import OLD_COPY, OldCopy, Scene
from sesn_node.ledger.checkpoint import (
    checkpoint_time_s,
    parse_checkpoint,
    verify_checkpoint_under,
)
from sesn_node.ledger.merkle import (
    frontier_positions,
    leaf_hash,
    position,
    root_at,
    root_from_frontier,
)
from sesn_node.trust.card import open_card
from sesn_node.trust.directory import PeerState
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.headfile import HeadFile, Released
    from sesn_node.store.ledger import HeadRow

Describe: TypeAlias = "Callable[[Scene], OldCopy]"
"""Puts into words what was found; where it was found is looked up only then."""

TAIL_ENTRIES = 256
"""How many of the newest entries are hashed again."""


def check_head(
    transaction: Transaction, head: HeadRow, head_file: HeadFile, key_sets: Sequence[LogKeys]
) -> tuple[bytes, ...]:
    """Make sure that a ledger head may be built upon, and return the tree's frontier.

    Raises:
        StorageError: With code `OLD_COPY`: see `find_trouble`. The message says what to do.
    """
    trouble = find_trouble(transaction, head, head_file, key_sets)
    if trouble is not None:
        raise StorageError(trouble.message, code=OLD_COPY)
    return tuple(_nodes(transaction, frontier_positions(head.size)))


def find_trouble(
    transaction: Transaction, head: HeadRow, head_file: HeadFile, key_sets: Sequence[LogKeys]
) -> OldCopy | None:
    """Say why a ledger head must not be built upon; None if it may be.

    Checked: the stored checkpoint carries our own two signatures over this size and root; the
    head file's checkpoint is a prefix of this tree, it has witnessed no more than the database,
    and knows the history that the database server writes; the newest entries hash to the stored
    leaves, and the stored subtrees to the root.

    Raises:
        StorageError: The database or the head file cannot be read.
    """
    describe = (
        _signed(head, key_sets)
        or _behind(transaction, head, head_file, key_sets)
        or _tail(transaction, head)
    )
    return None if describe is None else describe(_scene(transaction, head, head_file))


def inspect(store: Store, head_file: HeadFile) -> OldCopy | None:
    """Say why this database must not be appended to; None if it may be. Needs no private key.

    Raises:
        StorageError: The database or the head file cannot be read, or there is no ledger.
    """
    # First: a node that serves may commit meanwhile, and the file would be ahead of the snapshot.
    head_file = head_file.as_it_is()
    with store.read() as transaction:
        head = transaction.ledger.require_head()
        row = transaction.peers.own_card()
        try:
            # As of the day that it was taken: it may have expired since.
            key_sets = open_card(row.sealed, row.taken_ms).log_key_sets(Origin(head.origin))
        except SesnError as error:
            raise StorageError(f"a stored card was altered: {error}") from error
        return find_trouble(transaction, head, head_file, key_sets)


def _signed(head: HeadRow, key_sets: Sequence[LogKeys]) -> Describe | None:
    """Hold the head against the checkpoint that the database has of it."""
    try:
        signed = verify_checkpoint_under(head.note, key_sets)
    except SesnError as error:
        what = f"the database's checkpoint does not carry this node's own signatures ({error})"
        return partial(oldcopy.damaged, what=what)
    if (signed.size, signed.root) != (head.size, head.root):
        what = f"the ledger head (size {head.size}) is not what its checkpoint says ({signed.size})"
        return partial(oldcopy.damaged, what=what)
    return None


def _behind(
    transaction: Transaction, head: HeadRow, head_file: HeadFile, key_sets: Sequence[LogKeys]
) -> Describe | None:
    """Hold the database against the head file."""
    try:
        released = head_file.read()
        if released is None:
            return oldcopy.no_head_file
        claimed = parse_checkpoint(released.note).claimed
        if claimed.origin != head.origin:
            return _other_ledger(transaction, head, released)
        if claimed.size > head.size:
            # Perhaps under keys that this old database has never heard of.
            return partial(oldcopy.behind, released=released, signed_s=_time_s(released, key_sets))
        signed = verify_checkpoint_under(released.note, key_sets)
    except StorageError:
        raise
    except SesnError as error:
        return partial(oldcopy.foreign_head_file, reason=str(error))
    if root_at(signed.size, transaction.ledger.nodes) != signed.root:
        return partial(oldcopy.other_history, released=released)
    return _beside(head, released)


def _other_ledger(transaction: Transaction, head: HeadRow, released: Released) -> Describe | None:
    """Hold a head file of another ledger than the open one against what the database knows.

    Of one that was closed here, it is from before that: nothing of the open one was released yet.
    It must be within what was closed.

    Raises:
        SesnError: It is not signed by us.
    """
    agency, epoch = parse_origin(released.origin)
    owner, opened = parse_origin(head.origin)
    if agency == owner and epoch > opened:
        return partial(oldcopy.earlier_ledger, released=released)
    row = transaction.peers.own_card()
    own = open_card(row.sealed, row.taken_ms)
    signed = verify_checkpoint_under(released.note, own.log_key_sets(Origin(released.origin)))
    for closed in transaction.ledger.closed():
        if closed.origin == signed.origin and closed.final is not None:
            size, root = closed.final
            if signed.size > size or (signed.size == size and signed.root != root):
                return partial(oldcopy.beyond_closing, released=released, closed_size=size)
            # What it has witnessed was under other keys; that some of it is lost was accepted.
            return _beside(head, replace(released, witnessed=0))
    return partial(oldcopy.foreign_head_file, reason=f"it is of {released.origin}")


def _beside(head: HeadRow, released: Released) -> Describe | None:
    """Hold what the head file says besides its checkpoint against the database."""
    if released.witnessed > head.witnessed:
        return partial(oldcopy.witness_behind, released=released)
    if released.timeline and released.timeline != head.timeline:
        return partial(oldcopy.other_timeline, released=released)
    return None


def _time_s(released: Released, key_sets: Sequence[LogKeys]) -> int | None:
    """Return when the head file's checkpoint was signed; None if no key set is known to have."""
    try:
        verify_checkpoint_under(released.note, key_sets)
        return checkpoint_time_s(released.note, key_sets)
    except SesnError:
        return None


def _tail(transaction: Transaction, head: HeadRow) -> Describe | None:
    """Hash the newest entries again."""
    start = max(0, head.size - TAIL_ENTRIES)
    leaves = [leaf_hash(row.entry) for row in transaction.ledger.entries(start, head.size)]
    stored = _nodes(transaction, [position(0, index) for index in range(start, head.size)])
    frontier = _nodes(transaction, frontier_positions(head.size))
    if (
        len(leaves) != head.size - start
        or leaves != stored
        or root_from_frontier(head.size, frontier) != head.root
    ):
        what = f"the newest entries of the ledger do not hash to its root at size {head.size}"
        return partial(oldcopy.damaged, what=what)
    return None


def _scene(transaction: Transaction, head: HeadRow, head_file: HeadFile) -> Scene:
    newest_ms = None
    for row in transaction.ledger.entries(head.size - 1, head.size):
        # Of a damaged database it may not be readable.
        with suppress(MalformedError):
            newest_ms = decode_entry(row.entry).time_ms
    partners = [
        row.agency for row in transaction.peers.peers() if row.state == PeerState.TRUSTED.value
    ]
    return Scene(head_file.path, head, newest_ms, partners)


def _nodes(transaction: Transaction, positions: Sequence[int]) -> list[bytes]:
    found = transaction.ledger.nodes(positions)
    return [found.get(at, b"\0" * 32) for at in positions]
