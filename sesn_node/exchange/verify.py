"""Verify: hold everything that this node recorded against the proofs and signatures it kept.

No private key and no passphrase are needed, nothing is written, and memory stays bounded however
large the ledger is. Every check runs to its end: a failure does not hide the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.ids import Origin, parse_origin
from sesn_node.errors import StorageError
from sesn_node.exchange.casechecks import check_cases
from sesn_node.exchange.erasures import check_erasures
from sesn_node.exchange.evidence import Evidence
from sesn_node.exchange.proofs import Messages
from sesn_node.exchange.rehash import Rehash
from sesn_node.exchange.tally import Tally, require
from sesn_node.ledger.checkpoint import verify_checkpoint_under
from sesn_node.ledger.head import TreeHead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.exchange.tally import Check
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.headfile import HeadFile
    from sesn_node.store.ledger import HeadRow


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification came to."""

    head: TreeHead
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.failed == 0 for check in self.checks)


def verify_ledger(store: Store, head_file: HeadFile) -> Verification:
    """Verify everything that this node recorded, as of one moment.

    Checks, by name:

    cards: every kept card opens under its root
    head-file: the head file's checkpoint is signed by us, and not ahead of the database
    entries, tree, checkpoints: see `rehash`
    partners: every kept checkpoint of a partner, and what we witnessed last, verify
    cosignatures: every cosignature is by its agency, over a kept checkpoint
    sent: every sent message is sealed by us and stands in our ledger as SHARED
    receipts: every receipt names its message, is proven in its recipient's ledger, came with the
        recipient's cosignature on ours, and stands in our ledger as ACKNOWLEDGED
    endings: every copy that ended otherwise stands in our ledger so
    received: every received message is sealed by its sender, proven in the sender's ledger, and
        stands in ours as RECEIVED
    messages: our ledger tells of no other messages than these
    erased: content is gone where our ledger says so, and only there
    cases: every step of a case is in our ledger as CASE, with the message that brought it, and no
        other

    Raises:
        StorageError: The database cannot be read, or has no ledger.
        VerificationError: No kept card lists our ledger, so nothing can be held against its keys.
        MalformedError: The head row names no ledger.
    """
    # First: a node that serves may commit meanwhile, and the file would be ahead of the snapshot.
    head_file = head_file.as_it_is()
    with store.read() as transaction:
        return verify_recorded(transaction, head_file)


def verify_recorded(transaction: Transaction, head_file: HeadFile | None) -> Verification:
    """Verify everything that a transaction sees; see `verify_ledger`, which raises the same.

    Args:
        transaction: Where everything is read.
        head_file: What the database is held against; None for one that is not in its place yet.
    """
    head, heads = transaction.ledger.require_head(), transaction.ledger.heads()
    cards = Tally("cards", "every kept card opens under its root")
    evidence = Evidence(transaction, parse_origin(head.origin)[0], cards)
    checks = [cards.result()]
    released = None
    if head_file is not None:
        released, head_file_check = _head_file(head_file, heads, evidence)
        checks.append(head_file_check)
    rehash = Rehash(transaction, heads, released, evidence)
    checks += rehash.run()
    checks += [_partners(transaction, heads, evidence), _cosignatures(transaction, evidence)]
    messages = Messages(transaction, heads, evidence)
    checks += [*messages.sent(), messages.received(), messages.counts(rehash.kinds)]
    checks.append(check_erasures(transaction, head, rehash.kinds))
    checks.append(check_cases(transaction, head, rehash.kinds))
    return Verification(TreeHead(Origin(head.origin), head.size, head.root), tuple(checks))


def _head_file(
    head_file: HeadFile, heads: Sequence[HeadRow], evidence: Evidence
) -> tuple[TreeHead | None, Check]:
    tally = Tally("head-file", "the head file is signed by us, and not ahead of the database")
    released = None
    with tally.case(str(head_file.path)):
        held = head_file.read()
        if held is None:
            raise StorageError("is missing, so nothing shows that the database is the newest copy")
        # That of a closed ledger is from before its end; the open one has released nothing yet.
        head = next((one for one in heads if one.origin == held.origin), heads[-1])
        signed = verify_checkpoint_under(held.note, evidence.log_key_sets(head.origin))
        most = head.size if head.final is None else head.final[0]
        require(
            signed.size <= most,
            f"size {signed.size}, the database holds {most}: it is an old copy",
        )
        released = signed
        require(
            held.witnessed <= head.witnessed or head.final is not None,
            f"witnessed {held.witnessed}, the database {head.witnessed}: it is an old copy",
        )
    return released, tally.result()


def _partners(transaction: Transaction, heads: Sequence[HeadRow], evidence: Evidence) -> Check:
    tally = Tally("partners", "every kept checkpoint of a partner verifies")
    for origin in transaction.browse.checkpoint_origins():
        if origin in {head.origin for head in heads}:
            continue
        for row in transaction.browse.all_checkpoints(origin):
            with tally.case(f"checkpoint of {origin} at size {row.size}"):
                signed = verify_checkpoint_under(row.note, evidence.log_key_sets(origin))
                require(
                    (signed.size, signed.root) == (row.size, row.root), "its row says otherwise"
                )
    for witnessed in transaction.witness.heads():
        with tally.case(f"what we witnessed last of {witnessed.origin}"):
            kept = evidence.head(witnessed.origin, witnessed.size)
            require(kept.root == witnessed.root, "the kept checkpoint has another root")
    return tally.result()


def _cosignatures(transaction: Transaction, evidence: Evidence) -> Check:
    tally = Tally("cosignatures", "every cosignature is by its agency, over a kept checkpoint")
    for row in transaction.browse.all_cosignatures():
        with tally.case(f"{row.agency} on {row.origin} at size {row.size}"):
            evidence.verify_cosignature(row)
    return tally.result()
