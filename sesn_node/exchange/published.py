"""What of our ledger may be shown to anybody: the released checkpoint, its keys, its cosignatures.

Needs no private key. A checkpoint is shown only if the head file has covered it: what left this
node before could otherwise be denied by a database that was put back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.counting import many
from sesn_node.domain.ids import AgencyId, Origin, parse_origin
from sesn_node.errors import PolicyError, SesnError, StorageError, VerificationError
from sesn_node.exchange.oldcopy import OLD_COPY
from sesn_node.ledger.checkpoint import verify_checkpoint_under
from sesn_node.ledger.cosignature import verify_cosignatures
from sesn_node.ledger.merkle import root_at
from sesn_node.trust.card import open_card

if TYPE_CHECKING:
    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.ledger.cosignature import WitnessKeys
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.engine import Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.ledger import HeadRow, LedgerTable
    from sesn_node.store.witness import CosignatureRow
    from sesn_node.trust.card import TrustedCard

UNKNOWN_EPOCH = "UNKNOWN_EPOCH"
"""Code of a ledger of ours that the database does not hold."""
DIFFERS = "LEDGER_DIFFERS"
"""Code of a database whose tree is not the one that this node signed."""


@dataclass(frozen=True, slots=True)
class Published:
    """Our ledger as the world may see it.

    Args:
        head: Head of the released checkpoint, whose signatures were verified.
        note: That checkpoint, verbatim.
        key_sets: Keys that ever signed this ledger, the newest last.
        card: Our newest card.
        table: Where it is read, in its transaction.
    """

    head: TreeHead
    note: bytes
    key_sets: tuple[LogKeys, ...]
    card: TrustedCard
    table: LedgerTable

    @property
    def agency(self) -> AgencyId:
        """Ours."""
        return self.card.agency


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A partner whose cosignature stands below a checkpoint; `time_s` is when it was made."""

    agency: str
    time_s: int


@dataclass(frozen=True, slots=True)
class CosignedNote:
    """A checkpoint of ours with the cosignature lines that are kept, each verified."""

    head: TreeHead
    note: bytes
    cosigners: tuple[Cosigner, ...]


def published(transaction: Transaction, head_file: HeadFile, epoch: int | None = None) -> Published:
    """Return the released checkpoint, after holding the database against it.

    Of a closed ledger, that is the last one that the database has.

    Args:
        transaction: Where the ledger and our cards are read.
        head_file: As it was before the transaction began (`HeadFile.as_it_is`): a node that
            serves may commit meanwhile.
        epoch: Which of our ledgers; the open one if None.

    Raises:
        PolicyError: UNKNOWN_EPOCH: the database holds no such ledger.
        StorageError: No ledger; no head file; OLD_COPY, if the database is behind the head file;
            LEDGER_DIFFERS, if its tree is another one.
        VerificationError: The head file's checkpoint is not signed by us.
        MalformedError: The head file does not hold a checkpoint.
    """
    stored = _stored(transaction, epoch)
    own = _cards(transaction, parse_origin(stored.origin)[0])
    held = head_file.read()
    if held is None:
        raise StorageError(
            f"{head_file.path} is missing, so nothing shows which checkpoint may leave this node; "
            "'sesn status' says what to do"
        )
    sets: dict[LogKeys, None] = {}
    for card in own:
        sets.update(dict.fromkeys(card.log_key_sets(Origin(stored.origin))))
    key_sets = tuple(sets)
    # What was closed needs no head file to cover it: no other end of it is ever signed.
    note = held.note if stored.final is None else stored.note
    head = verify_checkpoint_under(note, key_sets)
    if head.size > stored.size:
        raise StorageError(
            "this node signed "
            f"{many(head.size, 'entry', 'entries')}, and the database holds {stored.size:,}: it "
            "is an old copy; 'sesn status' says what to do",
            code=OLD_COPY,
        )
    table = transaction.ledger.of(stored.ledger)
    if root_at(head.size, table.nodes) != head.root:
        raise StorageError(
            f"the database does not hold the ledger that this node signed at size {head.size:,}; "
            "'sesn ledger verify' tells more",
            code=DIFFERS,
        )
    return Published(head, note, key_sets, own[-1], table)


def _stored(transaction: Transaction, epoch: int | None) -> HeadRow:
    """Return the head of one of our ledgers."""
    newest = transaction.ledger.require_head()
    if epoch is None or parse_origin(newest.origin)[1] == epoch:
        return newest
    closed = transaction.ledger.closed()
    for head in closed:
        if parse_origin(head.origin)[1] == epoch:
            return head
    there = ", ".join(str(parse_origin(one.origin)[1]) for one in (*closed, newest))
    raise PolicyError(
        f"this node has no ledger of epoch {epoch}; there is {there}", code=UNKNOWN_EPOCH
    )


def cosigned(transaction: Transaction, ours: Published, least: int = 0) -> CosignedNote:
    """Return the checkpoint that most partners cosigned, the newest such; else the released one.

    Args:
        transaction: Where checkpoints and cosignatures are read.
        ours: Of the same transaction.
        least: The checkpoint must have at least so many entries.

    Raises:
        StorageError: LEDGER_DIFFERS: a kept checkpoint is of another tree.
        VerificationError: A kept checkpoint or cosignature does not verify.
    """
    origin = ours.head.origin
    size = transaction.witness.most_cosigned(origin, least, ours.head.size)
    if size is None:
        return CosignedNote(ours.head, ours.note, ())
    head, note = _kept(transaction, ours, size)
    lines, cosigners = [note], list[Cosigner]()
    for row in transaction.witness.cosigners(origin, size):
        _verify(transaction, row, head)
        lines.append(row.lines)
        cosigners.append(Cosigner(row.agency, row.time_s))
    return CosignedNote(head, b"".join(lines), tuple(cosigners))


def _kept(transaction: Transaction, ours: Published, size: int) -> tuple[TreeHead, bytes]:
    """Return the checkpoint of ours that is kept at a size, verified, and as part of this tree."""
    root = root_at(size, ours.table.nodes)
    note = transaction.witness.checkpoints(ours.head.origin, size).get(root)
    if note is None:
        raise StorageError(
            f"partners cosigned size {size:,} of this ledger, and no checkpoint of its tree is "
            "kept; 'sesn ledger verify' tells more",
            code=DIFFERS,
        )
    return verify_checkpoint_under(note, ours.key_sets), note


def _verify(transaction: Transaction, row: CosignatureRow, head: TreeHead) -> None:
    """Verify a kept cosignature under any card of its agency: a line that fails spoils the note."""
    failure: SesnError = VerificationError(f"no card of {row.agency} is kept")
    for keys in _witness_keys(transaction, row.agency):
        try:
            verify_cosignatures(row.lines, head, keys)
        except SesnError as error:
            failure = error
        else:
            return
    raise failure


def _witness_keys(transaction: Transaction, agency: str) -> list[WitnessKeys]:
    """Return the witness keys of an agency, the newest first."""
    cards = reversed(_cards(transaction, agency))
    return list(dict.fromkeys(card.witness_keys for card in cards))


def _cards(transaction: Transaction, agency: str) -> list[TrustedCard]:
    """Open the kept cards of an agency, each as of the day when it was taken; the newest last."""
    rows = transaction.browse.cards_of(agency)
    return [open_card(row.sealed, row.taken_ms) for row in rows]
