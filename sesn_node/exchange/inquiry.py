"""Inquiry: what partners know of our ledger, when nothing here shows that our database is newest.

Each partner is asked for the last checkpoint of ours that it cosigned. A note counts only if it
carries our own two signatures, so nobody can hold us up with a lie. Silence counts for nothing: who
hides what it knows could call us forked later, so an operator decides what is not answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sesn_node.domain.counting import many
from sesn_node.domain.ids import Origin
from sesn_node.errors import ConflictError, SesnError, StorageError
from sesn_node.exchange import guard
from sesn_node.exchange.oldcopy import DOUBTS
from sesn_node.ledger.checkpoint import parse_checkpoint, verify_checkpoint_under
from sesn_node.ledger.merkle import root_at
from sesn_node.telemetry.logs import get_logger
from sesn_node.trust.card import open_card
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.ledger import HeadRow
    from sesn_node.trust.card import TrustedCard

_log = get_logger(__name__)

ANSWERS = "partners-know"
"""File in the run folder: what partners answered last, as JSON, one sentence each."""
PARTNERS_KNOW_MORE = "PARTNERS_KNOW_MORE"
"""Code of the refusal to go on from a database that a partner has seen more of."""
NOT_ALL_ANSWERED = "NOT_ALL_ANSWERED"
"""Code of the refusal to go on while a partner has not answered."""
NO_DOUBT = "NO_DOUBT"
"""Code of the refusal to confirm a database that is known to be whole, or known to be old."""


class Word(StrEnum):
    """What a partner's answer says; words for programs."""

    AGREES = "agrees"
    """It has cosigned a state of the ledger that is here, or none."""
    MORE = "more"
    """It has cosigned entries that are not here."""
    CONTRADICTS = "contradicts"
    """It has cosigned another history, which we signed."""
    UNPROVEN = "unproven"
    """It shows something that does not carry our signatures, as far as this database knows them."""
    SILENT = "silent"
    """It has not answered."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one partner knows.

    Args:
        agency: The partner.
        word: What its answer says.
        size: How much it has cosigned, if its answer proves that.
        note: The checkpoint that it showed, as it came; empty without one.
    """

    agency: str
    word: Word
    size: int | None
    note: bytes = b""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What the partners know.

    Args:
        head: Our head when they were asked.
        answers: One for each trusted partner, by id.
    """

    head: HeadRow
    answers: tuple[Answered, ...]

    def having(self, *words: Word) -> tuple[Answered, ...]:
        """Return the answers that say one of these."""
        return tuple(one for one in self.answers if one.word in words)

    @property
    def against(self) -> tuple[Answered, ...]:
        """Who proves that this database is not the newest."""
        return self.having(Word.MORE, Word.CONTRADICTS)

    @property
    def clear(self) -> bool:
        """Whether every partner answered, and none knows more."""
        return bool(self.answers) and len(self.having(Word.AGREES)) == len(self.answers)

    def sentences(self) -> tuple[str, ...]:
        """Say for people what each partner knows."""
        return tuple(f"{one.agency} {self._said(one)}" for one in self.answers)

    def _said(self, one: Answered) -> str:
        size, here = one.size or 0, self.head.size
        signed = f"has cosigned {many(size, 'entry', 'entries')} of ours"
        if one.word is Word.MORE:
            return f"{signed}; {size - here:,} or more are missing"
        if one.word is Word.CONTRADICTS:
            return f"{signed}, of another history"
        if one.word is Word.UNPROVEN:
            return "shows a checkpoint that this database cannot verify as ours"
        if one.word is Word.SILENT:
            return "has not answered"
        if not size:
            return "has cosigned none of ours yet"
        return f"{signed}; all are here"


def trusted_cards(transaction: Transaction) -> list[TrustedCard]:
    """Return the cards of all trusted partners, each as of the day when it was taken."""
    return [
        open_card(row.card.sealed, row.card.taken_ms)
        for row in transaction.peers.peers()
        if row.state == PeerState.TRUSTED.value
    ]


def judge(store: Store, notes: Mapping[str, bytes | None]) -> Inquiry:
    """Hold what partners showed against the database.

    Args:
        store: The database.
        notes: By partner, the checkpoint of ours that it cosigned last: b"" if it never cosigned
            one, None if it has not answered. Partners that are not named have not.

    Raises:
        StorageError: The database cannot be read, or has no ledger.
    """
    with store.read() as transaction:
        head = transaction.ledger.require_head()
        key_sets = _key_sets(transaction, head)
        return Inquiry(
            head,
            tuple(
                _judge(transaction, head, key_sets, str(card.agency), notes.get(card.agency))
                for card in sorted(trusted_cards(transaction), key=lambda card: card.agency)
            ),
        )


def _key_sets(transaction: Transaction, head: HeadRow) -> tuple[LogKeys, ...]:
    row = transaction.peers.own_card()
    return open_card(row.sealed, row.taken_ms).log_key_sets(Origin(head.origin))


def _judge(
    transaction: Transaction,
    head: HeadRow,
    key_sets: tuple[LogKeys, ...],
    agency: str,
    note: bytes | None,
) -> Answered:
    if note is None:
        return Answered(agency, Word.SILENT, None)
    if not note:
        return Answered(agency, Word.AGREES, 0)
    try:
        signed = verify_checkpoint_under(note, key_sets)
    except SesnError:
        return Answered(agency, _unsigned(note, head), None, note)
    if signed.origin != head.origin:
        return Answered(agency, Word.SILENT, None)
    if signed.size > head.size:
        return Answered(agency, Word.MORE, signed.size, note)
    same = root_at(signed.size, transaction.ledger.nodes) == signed.root
    return Answered(agency, Word.AGREES if same else Word.CONTRADICTS, signed.size, note)


def _unsigned(note: bytes, head: HeadRow) -> Word:
    """Say what a note is worth that does not carry our signatures.

    It may be signed with keys that this database has never heard of, since it is older than they.
    Of another ledger, or of none, it says as little as no answer.
    """
    try:
        claimed = parse_checkpoint(note).claimed
    except SesnError:
        return Word.SILENT
    return Word.UNPROVEN if claimed.origin == head.origin else Word.SILENT


def confirm(
    store: Store, head_file: HeadFile, inquiry: Inquiry, *, unanswered: bool = False
) -> None:
    """Let the node go on from this database: write the head file.

    Args:
        store: The database.
        head_file: Ours; missing, or of another timeline.
        inquiry: What the partners know.
        unanswered: An operator answers for those that have not answered.

    Raises:
        ConflictError: PARTNERS_KNOW_MORE, NOT_ALL_ANSWERED or NO_DOUBT; nothing was changed.
        StorageError: The head file cannot be written.
    """
    trouble = guard.inspect(store, head_file)
    if trouble is None or trouble.trouble not in DOUBTS:
        what = "the head file fits the database" if trouble is None else trouble.what
        raise ConflictError(f"there is nothing to confirm: {what}", code=NO_DOUBT)
    if inquiry.against:
        raise ConflictError(
            "this database is an old copy: " + "; ".join(_said(inquiry, inquiry.against)),
            code=PARTNERS_KNOW_MORE,
        )
    if not inquiry.clear and not unanswered:
        raise not_all_answered(inquiry, "nothing newer was committed")
    with store.read() as transaction:
        head = transaction.ledger.require_head()
        if head.timeline != inquiry.head.timeline or head.size < inquiry.head.size:
            raise StorageError("the database server was changed again meanwhile; ask once more")
    head_file.confirm(head.note, head.size, head.witnessed, head.timeline)
    _log.warning("head-confirmed", size=head.size, timeline=head.timeline or None)


def not_all_answered(inquiry: Inquiry, known: str) -> ConflictError:
    """Say who has not answered, and what an operator has to know to answer for them."""
    open_ = inquiry.having(Word.SILENT, Word.UNPROVEN)
    return ConflictError(
        "nothing was changed: "
        + ("; ".join(_said(inquiry, open_)) or "no partner is trusted")
        + f". If you know by other means that {known}, say so with --unanswered",
        code=NOT_ALL_ANSWERED,
    )


def _said(inquiry: Inquiry, answers: tuple[Answered, ...]) -> tuple[str, ...]:
    return Inquiry(inquiry.head, answers).sentences()
