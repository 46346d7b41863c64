"""Reopen: close a ledger whose newest entries are lost, and open the next one, under the same root.

For a node whose database is an old copy, where there is neither a newer one nor an export. What it
signed since is known by its checkpoints alone: those that partners cosigned, and the head file's.
The largest of them is where the ledger ends. So whatever a partner has cosigned is within that end,
and no partner has to take anything back, though we do not hold the entries any more.

 1. partners are asked (`inquiry`); all must have answered, or an operator answers for them
 2. new ledger and witness keys go into the key file; nobody uses them yet
 3. one transaction: the end of the old ledger, the head of the new one, our next card, which states
    both, and the first entries: EPOCH, our card, the keys
 4. the head file

Cut off before 3, nothing has happened, and the same keys are used when it is run again. Cut off
before 4, the node writes the file by itself: that of a closed ledger fits its end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.keys import KeyKind
from sesn_node.domain.cards import MAX_LEDGERS, ClosedLedger, LedgerKeySet
from sesn_node.domain.counting import many
from sesn_node.domain.entries import LOST_LEAF, EntryKind, EntryRef, KeyCode
from sesn_node.domain.ids import MAX_EPOCH, Origin, ledger_origin, parse_origin
from sesn_node.errors import ConflictError, PolicyError, SesnError, VerificationError
from sesn_node.exchange import guard
from sesn_node.exchange.inquiry import Word, not_all_answered
from sesn_node.exchange.office import new_entry
from sesn_node.exchange.oldcopy import DOUBTS, Trouble
from sesn_node.exchange.owncard import append_key_entry, keep_card, next_card
from sesn_node.exchange.replay import CARD_MISSING
from sesn_node.exchange.rotate import Rotatable, make_keys, replaced_keys
from sesn_node.exchange.work import Work
from sesn_node.ledger.checkpoint import (
    sign_checkpoint,
    verify_checkpoint_under,
    without_strangers,
)
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import EMPTY_ROOT, Appender, leaf_hash
from sesn_node.store.ledger import HeadRow
from sesn_node.trust.card import issue_card, open_card
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sesn_node.crypto.keys import KeyRecord
    from sesn_node.crypto.signers import Signer
    from sesn_node.domain.cards import Card
    from sesn_node.exchange.inquiry import Inquiry
    from sesn_node.exchange.office import Office
    from sesn_node.store.engine import Transaction
    from sesn_node.trust.card import TrustedCard
    from sesn_node.trust.directory import Directory

NOT_LOST: Final = "NOT_LOST"
"""Code of a ledger of which nothing shows that anything is missing."""
NOT_CLOSABLE: Final = "NOT_CLOSABLE"
"""Code of a database that a new ledger does not mend."""
FORKED: Final = "FORKED"
"""Code of a ledger of which two histories were signed: no end of it suits everybody."""

_KINDS: Final = (Rotatable.LOG, Rotatable.WITNESS)
_MENDED: Final = frozenset({Trouble.BEHIND, Trouble.WITNESS_BEHIND, *DOUBTS})
_SKIPPED: Final = 1_000
"""Numbers that the new card leaves out: cards that were issued since the copy may have them."""


@dataclass(frozen=True, slots=True)
class End:
    """Where a ledger ends.

    Args:
        head: Its size and root.
        note: The checkpoint that says so, signed by us.
        shown_by: Who has it: a partner, `head file` or `database`.
    """

    head: TreeHead
    note: bytes
    shown_by: str


@dataclass(frozen=True, slots=True)
class Reopened:
    """What opening a new ledger came to.

    Args:
        old: The ledger that was closed, as far as it is here.
        end: Where it ends.
        head: The new one.
        card: Our new card.
        asked: Partners that will be asked to deliver again what they hold as acknowledged.
    """

    old: HeadRow
    end: End
    head: HeadRow
    card: TrustedCard
    asked: tuple[str, ...]

    @property
    def lost(self) -> int:
        """Entries of the old ledger that are known by its end alone."""
        return self.end.head.size - self.old.size


def reopen(
    office: Office, inquiry: Inquiry, *, described: Card, root: Signer, unanswered: bool = False
) -> Reopened:
    """Close our ledger, and open the next one.

    Args:
        office: Ours; its database is an old copy, or may be.
        inquiry: What the partners know of our ledger.
        described: A card that says of the agency what our new one shall say.
        root: The root key.
        unanswered: An operator answers for the partners that have not answered.

    Raises:
        ConflictError: NOT_LOST, NOT_CLOSABLE, FORKED, NOT_ALL_ANSWERED; CARD_MISSING: cards of
            ours are lost, too. Or the database moved meanwhile. Nothing was changed.
        PolicyError: There is no room on the card, or no later epoch.
        StorageError: The database, the key file or the head file cannot be read or written.
    """
    _require_lost(office, inquiry, unanswered=unanswered)
    with office.vault.file.one_at_a_time():
        directory = office.directory()
        end = _find_end(office, directory, inquiry)
        replaced = replaced_keys(directory, office.vault.file.refresh(), _KINDS)
        made = make_keys(office, directory, _KINDS, root)
        card = _issue(office, directory.own, described, made, end, root)
        done = _write(office, directory, inquiry.head, end, card, made, replaced)
    head = done.head
    office.sequencer.head_file.confirm(head.note, head.size, head.witnessed, head.timeline)
    return done


def _require_lost(office: Office, inquiry: Inquiry, *, unanswered: bool) -> None:
    """Make sure that there is something lost, and that everybody was asked what.

    Raises:
        ConflictError: See `reopen`.
    """
    trouble = guard.inspect(office.store, office.sequencer.head_file)
    if trouble is None:
        raise ConflictError(
            f"nothing is lost: the head file fits {inquiry.head.origin}, and the node appends to "
            "it. Nothing was changed",
            code=NOT_LOST,
        )
    if trouble.trouble not in _MENDED:
        raise ConflictError(
            f"a new ledger does not mend this: {trouble.what} '{trouble.command} status' says what "
            "to do. Nothing was changed",
            code=NOT_CLOSABLE,
        )
    if trouble.trouble in DOUBTS and inquiry.clear:
        raise ConflictError(
            "nothing is lost, by the word of all partners: run "
            f"'{trouble.command} ledger confirm', and the node goes on. Nothing was changed",
            code=NOT_LOST,
        )
    against = inquiry.having(Word.CONTRADICTS)
    if against:
        raise _forked(f"{against[0].agency} has cosigned another history than the database holds")
    if inquiry.having(Word.SILENT, Word.UNPROVEN) and not unanswered:
        raise not_all_answered(inquiry, "they have cosigned no more than others show")


def _forked(what: str) -> ConflictError:
    return ConflictError(
        f"{what}, and both carry our signatures: two histories were signed, and no end of this "
        "ledger is true to both. Keep both, and call the partners. Nothing was changed",
        code=FORKED,
    )


def _find_end(office: Office, directory: Directory, inquiry: Inquiry) -> End:
    """Return the largest checkpoint that we are known to have signed.

    Raises:
        ConflictError: FORKED or CARD_MISSING.
    """
    origin = Origin(inquiry.head.origin)
    key_sets = directory.own.log_key_sets(origin)
    found: list[End] = []
    for shown_by, note in _shown(office, inquiry):
        try:
            signed = verify_checkpoint_under(note, key_sets)
        except SesnError:
            _require_no_later_keys(office, directory, note, shown_by)
            continue
        if signed.origin == origin:
            found.append(End(signed, without_strangers(note, key_sets), shown_by))
    largest = max(found, key=lambda one: one.head.size)
    for one in found:
        if one.head.size == largest.head.size and one.head.root != largest.head.root:
            raise _forked(f"{one.shown_by} and {largest.shown_by} show different roots at one size")
    return largest


def _shown(office: Office, inquiry: Inquiry) -> Iterator[tuple[str, bytes]]:
    """Yield who shows which checkpoint of our ledger.

    Raises:
        ConflictError: CARD_MISSING: the head file is of a later ledger.
    """
    yield "database", inquiry.head.note
    released = office.sequencer.head_file.read()
    if released is not None:
        if _epoch(released.origin) > _epoch(inquiry.head.origin):
            raise _card_missing(f"the head file is of {released.origin}")
        yield "head file", released.note
    for one in inquiry.answers:
        if one.note:
            yield one.agency, one.note


def _epoch(origin: str) -> int:
    return parse_origin(origin)[1]


def _require_no_later_keys(
    office: Office, directory: Directory, note: bytes, shown_by: str
) -> None:
    """Make sure that a note is not signed with keys that our card of this old copy lacks."""
    held = office.vault.keys(directory).log_sets
    try:
        signed = verify_checkpoint_under(note, held)
    except SesnError:
        return
    raise _card_missing(f"{shown_by} shows a checkpoint of {many(signed.size, 'entry', 'entries')}")


def _card_missing(what: str) -> ConflictError:
    return ConflictError(
        f"{what} under keys that no card in this database names: it is older than our newest card, "
        "and partners take no card that leaves out keys of ours. Restore a backup that was made "
        "after 'keys rotate' or 'recover --new-epoch'. Nothing was changed",
        code=CARD_MISSING,
    )


def _issue(  # noqa: PLR0913, PLR0917 - what a card is made of
    office: Office,
    own: TrustedCard,
    described: Card,
    made: Mapping[KeyKind, KeyRecord],
    end: End,
    root: Signer,
) -> TrustedCard:
    """Issue the card that states the end of the old ledger and the keys of the new one."""
    epoch = _epoch(end.head.origin) + 1
    if epoch > MAX_EPOCH or len(own.card.ledgers) >= MAX_LEDGERS:
        raise PolicyError(
            "there is no room on the card for another ledger; found the node anew",
            code="TOO_MANY_KEYS",
        )
    now_ms = office.clock()
    witness = {kind: made[kind] for kind in Rotatable.WITNESS.kinds}
    with office.store.read() as transaction:
        body = next_card(own, described, now_ms, witness, transaction.browse)
    log = [made[kind].public for kind in (KeyKind.LOG_ED25519, KeyKind.LOG_MLDSA44)]
    closed = ClosedLedger(end.head.origin, end.head.size, end.head.root)
    body = replace(
        body,
        ledgers=(*own.card.ledgers, LedgerKeySet(ledger_origin(own.agency, epoch), *log)),
        closed=(*own.card.closed, closed),
        sequence=own.card.sequence + 1 + _SKIPPED,
    )
    return open_card(issue_card(body, root), now_ms)


def _write(  # noqa: PLR0913, PLR0917 - what the new ledger begins with
    office: Office,
    directory: Directory,
    old: HeadRow,
    end: End,
    card: TrustedCard,
    made: Mapping[KeyKind, KeyRecord],
    replaced: Collection[bytes],
) -> Reopened:
    """Step 3."""
    log = office.vault.keys_for(card, directory.storage_key_id).log
    origin, now_ms = card.current_origin, office.clock()
    with office.store.write() as transaction:
        found = transaction.ledger.require_head()
        if found != old or transaction.peers.version() != directory.version:
            raise ConflictError("the database moved meanwhile; nothing was changed. Run it again")
        last = _last_leaf(transaction, old, end.head)
        transaction.ledger.close(old, end.head.size, end.head.root)
        transaction.witness.keep_checkpoint(
            origin=end.head.origin, size=end.head.size, root=end.head.root, note=end.note
        )
        empty = replace(
            old, origin=origin, size=0, root=EMPTY_ROOT, note=end.note, ledger=old.ledger + 1
        )
        transaction.ledger.open(empty)
        keep_card(transaction, card, now_ms)
        transaction.peers.set_own_card(card.sha256)
        appender = Appender(0, ())
        work = Work(transaction, now_ms, origin, appender, ledger=empty.ledger)
        ref = EntryRef(Origin(old.origin), end.head.size - 1, last)
        work.append(new_entry(EntryKind.EPOCH, now_ms, end.head.root, answers=ref))
        append_key_entry(work, KeyCode.CARD_ISSUED, card.sha256)
        for record in made.values():
            append_key_entry(work, KeyCode.KEY_ROTATED, record.key_id)
        for key_id in replaced:
            append_key_entry(work, KeyCode.KEY_RETIRED, key_id)
        tree = TreeHead(origin, appender.size, appender.root())
        note = sign_checkpoint(tree, log.ed25519, log.mldsa44, now_ms // 1000)
        head = replace(empty, size=tree.size, root=tree.root, note=note)
        transaction.ledger.append(empty, head, work.rows, appender.nodes)
        asked = _to_ask(transaction, old)
        transaction.notify()
    return Reopened(old, end, head, card, asked)


def _last_leaf(transaction: Transaction, old: HeadRow, end: TreeHead) -> bytes:
    """Return the hash of the last entry, if it is here.

    Raises:
        VerificationError: The end is within what is here, and another one.
    """
    if end.size > old.size:
        return LOST_LEAF
    if (end.size, end.root) != (old.size, old.root):
        raise VerificationError("the end of the ledger is not the one that the database holds")
    (row,) = transaction.ledger.entries(old.size - 1, old.size)
    return leaf_hash(row.entry)


def _to_ask(transaction: Transaction, old: HeadRow) -> tuple[str, ...]:
    """Note that all trusted partners are to be asked for what is lost; nobody cosigned us yet."""
    asked = []
    for row in transaction.peers.peers():
        transaction.peers.set_witnessed(row.agency, 0)
        if row.state == PeerState.TRUSTED.value:
            transaction.recovery.set_to_ask(row.agency, old.origin, old.size)
            asked.append(row.agency)
    return tuple(asked)
