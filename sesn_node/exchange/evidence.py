"""Evidence that a node kept: cards, checkpoints and cosignatures, each verified before it counts.

Whatever refers to a checkpoint is held against one that verified under the keys of a kept card.
Results are remembered, since thousands of receipts refer to the same few checkpoints.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from sesn_node.domain.ids import AgencyId, Origin, parse_origin, show_message_id
from sesn_node.errors import SesnError, VerificationError
from sesn_node.ledger.checkpoint import verify_checkpoint_under
from sesn_node.ledger.cosignature import verify_cosignatures
from sesn_node.trust.card import open_card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.crypto.signing import EcdsaVerifier
    from sesn_node.domain.messages import Header
    from sesn_node.exchange.tally import Tally
    from sesn_node.ledger.checkpoint import LogKeys
    from sesn_node.ledger.head import TreeHead
    from sesn_node.store.engine import Transaction
    from sesn_node.store.witness import CosignatureRow
    from sesn_node.trust.card import TrustedCard

_REMEMBERED = 4096


class Evidence:
    """Kept evidence as one transaction sees it."""

    __slots__ = ("_cards", "_transaction", "agency", "cosigned", "hashes", "head")

    def __init__(self, transaction: Transaction, agency: AgencyId, cards: Tally) -> None:
        """Open every kept card; those that do not open are failures, and vouch for nothing."""
        self._transaction = transaction
        self.agency = agency
        self._cards: dict[str, list[TrustedCard]] = {}
        # `_head` and `_cosigned` with a memory.
        self.head = lru_cache(_REMEMBERED)(self._head)
        self.cosigned = lru_cache(_REMEMBERED)(self._cosigned)
        self.hashes: set[bytes] = set()
        for owner, sha256, row in transaction.browse.all_cards():
            with cards.case(f"card of {owner}"):
                card = open_card(row.sealed, row.taken_ms)
                if (card.agency, card.sha256) != (owner, sha256):
                    raise VerificationError("the row is not about the card that it holds")
                self._cards.setdefault(owner, []).append(card)
                self.hashes.add(sha256)

    def log_key_sets(self, origin: str) -> tuple[LogKeys, ...]:
        """Return all keys that signed a ledger, the newest last, from its owner's kept cards.

        Raises:
            VerificationError: No kept card lists it.
            MalformedError: Not an origin.
        """
        agency, _ = parse_origin(origin)
        sets: dict[LogKeys, None] = {}
        for card in self._cards.get(agency, []):
            sets.update(dict.fromkeys(card.log_key_sets(Origin(origin))))
        if not sets:
            raise VerificationError(f"no kept card lists the ledger {origin}")
        return tuple(sets)

    def own_card(self, sha256: bytes) -> TrustedCard | None:
        """Return a kept card of ours."""
        own = self._cards.get(self.agency, [])
        return next((card for card in own if card.sha256 == sha256), None)

    def seal_key(self, header: Header) -> EcdsaVerifier:
        """Return the key that may have sealed a message, from any card of its sender.

        Raises:
            VerificationError: No card of the sender lists it as in force then.
        """
        for card in reversed(self._cards.get(header.sender, [])):
            try:
                return card.seal_key(header.seal_key_id, header.created_ms)
            except VerificationError:
                continue
        raise VerificationError(
            f"no kept card of {header.sender} lists the key that sealed "
            f"{show_message_id(header.message_id)}"
        )

    def verify_cosignature(self, row: CosignatureRow) -> None:
        """Verify a kept cosignature.

        Raises:
            SesnError: It is not by its agency, or not over a kept checkpoint.
        """
        head = self.head(row.origin, row.size)
        failure: SesnError = VerificationError(f"no kept card of {row.agency}")
        for card in reversed(self._cards.get(row.agency, [])):
            try:
                time_s = verify_cosignatures(row.lines, head, card.witness_keys)
            except SesnError as error:
                failure = error
                continue
            if time_s == row.time_s:
                return
            failure = VerificationError(f"signed at {time_s}, recorded as {row.time_s}")
        raise failure

    def _head(self, origin: str, size: int) -> TreeHead:
        """Return the head of a kept checkpoint, verified; raises `SesnError` if there is none."""
        notes = self._transaction.witness.checkpoints(origin, size).values()
        if not notes:
            raise VerificationError(f"the checkpoint of {origin} at size {size} is not kept")
        heads = [verify_checkpoint_under(note, self.log_key_sets(origin)) for note in notes]
        for head in heads:
            if head.size != size:
                raise VerificationError(f"the checkpoint of {origin} is of size {head.size}")
        return heads[0] if len(heads) == 1 else self._followed(heads)

    def _followed(self, heads: Sequence[TreeHead]) -> TreeHead:
        """Return the head that we cosigned, of a ledger that forked."""
        for head in heads:
            ours = self._transaction.witness.cosignature(head.origin, head.size, self.agency)
            lines = b"" if ours is None else ours.lines
            for card in self._cards.get(self.agency, []):
                with suppress(SesnError):
                    verify_cosignatures(lines, head, card.witness_keys)
                    return head
        raise VerificationError("two histories are kept, and we cosigned neither")

    def _cosigned(self, origin: str, size: int, agency: str) -> None:
        """Make sure that an agency cosigned a kept checkpoint; raises `SesnError` if not."""
        row = self._transaction.witness.cosignature(origin, size, agency)
        if row is None:
            raise VerificationError(
                f"the cosignature of {agency} on {origin} at size {size} is not kept"
            )
        self.verify_cosignature(row)
