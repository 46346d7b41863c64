"""The tree: leaves against the newest root, and every earlier checkpoint against the leaves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.codes import Code
from sesn_node.audit.tree import roots_at

if TYPE_CHECKING:
    from sesn_node.audit.account import LedgerExtent
    from sesn_node.audit.bundle import Bundle
    from sesn_node.audit.docket import Docket
    from sesn_node.domain.ids import Origin

_AT_ONCE: Final = 4096


def leaf_chunks(bundle: Bundle, origin: Origin) -> Iterator[bytes]:
    """Read the leaf hashes of a ledger, some thousand at a time, one after the other."""
    leaves = bundle.leaves(origin)
    while chunk := b"".join(islice(leaves, _AT_ONCE)):
        yield chunk


def is_lost(docket: Docket, origin: Origin, size: int, root: bytes) -> bool:
    """Tell whether a checkpoint is of the end of a ledger that its owner closed, and has lost.

    `checks_epochs` says what that means.
    """
    end = docket.book.end_of(origin)
    return end is not None and (size < end.size or (size, root) == (end.size, end.root))


def check_tree(docket: Docket, ledger: LedgerExtent) -> None:
    """Hash all leaves of a ledger once, and hold every signed head against the roots.

    RFC 6962 section 2.1. The bundle has the leaf hashes of every entry, selected or not, so a
    removed, added, changed or reordered entry shows itself in the root.
    """
    tally = docket.tally(subjects.TREE)
    origin, size = ledger.origin, ledger.size
    member = names.leaves_name(ledger.epoch)
    held = docket.heads.of(origin)

    def counted() -> Iterator[bytes]:
        for chunk in leaf_chunks(docket.bundle, origin):
            docket.advance(len(chunk) // 32)
            yield chunk

    if size not in held:
        # Earlier checkpoints, if there are any, are held against the leaves all the same.
        tally.cannot(
            f"no checkpoint of {origin} at size {size} verifies, so nothing says what its leaves "
            "must hash to"
        )
    chunks = docket.records(member, counted(), subjects.TREE)
    roots = roots_at(chunks, list(held))
    tally.saw()
    if size not in roots:
        tally.fail(Code.INCOMPLETE, f"{member} does not hold {size} leaf hashes", member)
    for at, heads in sorted(held.items()):
        for head in heads:
            tally.saw()
            if at > size and is_lost(docket, origin, at, head.root):
                continue
            if at > size:
                tally.fail(
                    Code.CONTRADICTION,
                    f"a checkpoint of {origin} is of size {at}, and the bundle ends at {size}",
                    names.CHECKPOINTS,
                    head.place,
                )
            elif at in roots and roots[at] != head.root:
                code = Code.ROOT_MISMATCH if at == size else Code.NOT_A_PREFIX
                text = (
                    f"the leaves of {origin} do not hash to the root that was signed at size {at}"
                )
                tally.fail(code, text, member if at == size else names.CHECKPOINTS, head.place)
