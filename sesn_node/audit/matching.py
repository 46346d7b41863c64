"""Matching: what the bundles of several agencies say of each other.

Each pair is compared as far as both bundles show it; what could not be compared is a remark that
says why: left out of a selection, or newer than the other bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from typing import TYPE_CHECKING

from sesn_node.audit import names, subjects
from sesn_node.audit.checks_tree import leaf_chunks
from sesn_node.audit.codes import Code
from sesn_node.audit.matching_pairs import Pair
from sesn_node.audit.tally import Tally
from sesn_node.audit.tree import roots_at
from sesn_node.audit.verdict import Check
from sesn_node.domain.ids import parse_origin

if TYPE_CHECKING:
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.records import LedgerExtent
    from sesn_node.domain.ids import AgencyId, Origin


def match(dockets: Sequence[Docket]) -> tuple[Check, ...]:
    """Compare bundles that were audited one by one: checks 17 to 22.

    Args:
        dockets: Their audits; what did not verify there is not used here.
    """
    tallies = {subject.number: Tally(subject) for subject in subjects.OF_SEVERAL}
    if len(dockets) < 2:  # noqa: PLR2004 - one has nothing to be compared with
        for tally in tallies.values():
            tally.cannot("it takes the bundles of at least two agencies, or two of one")
        return tuple(tally.result() for tally in tallies.values())
    _check_one_history(dockets, tallies[subjects.ONE_HISTORY.number])
    _check_kept(dockets, tallies[subjects.KEPT_BY_PARTNERS.number])
    _check_identities(dockets, tallies[subjects.IDENTITIES.number])
    for sender, receiver in permutations(dockets, 2):
        if sender.agency != receiver.agency:
            Pair(sender, receiver, tallies).check()
    return tuple(tally.result() for tally in tallies.values())


def _check_one_history(dockets: Sequence[Docket], tally: Tally) -> None:
    """Of one ledger in two bundles, the shorter must be a prefix; else it forked, proven.

    So must all that was signed: two roots of one size, in whatever bundles.
    """
    for one, other in combinations(dockets, 2):
        for ledger in one.bundle.manifest.ledgers:
            same = _ledger(other, ledger.origin)
            if same is not None:
                tally.saw()
                _compare(one, other, min(ledger.size, same.size), ledger.origin, tally)
    signed: dict[tuple[Origin, int], tuple[frozenset[bytes], AgencyId]] = {}
    for docket in dockets:
        for origin in docket.heads.origins:
            for size in docket.heads.of(origin):
                roots = docket.heads.roots(origin, size)
                before, keeper = signed.setdefault((origin, size), (roots, docket.agency))
                if before is not roots:
                    tally.saw()
                if roots != before:
                    tally.fail(
                        Code.FORK,
                        f"{origin} at size {size}: the bundles of {keeper} and {docket.agency} "
                        "hold signed checkpoints with different roots: proof of a fork",
                        names.CHECKPOINTS,
                    )


def _compare(one: Docket, other: Docket, size: int, origin: Origin, tally: Tally) -> None:
    leaves = zip(one.bundle.leaves(origin), other.bundle.leaves(origin), strict=False)
    for index, (left, right) in enumerate(leaves):
        if index < size and left != right:
            tally.fail(
                Code.FORK,
                f"{origin}: two bundles hold different entries at one index, each under a signed "
                "checkpoint: proof of a fork",
                names.leaves_name(parse_origin(origin)[1]),
                index,
            )
            return


def _check_kept(dockets: Sequence[Docket], tally: Tally) -> None:
    """Checkpoints that one agency keeps of another's ledger must lie in its leaves."""
    for keeper, owner in permutations(dockets, 2):
        if keeper.agency == owner.agency:
            continue
        for ledger in owner.bundle.manifest.ledgers:
            kept = keeper.heads.of(ledger.origin)
            if not kept:
                continue
            last = ledger.origin == owner.origins[-1]
            chunks = leaf_chunks(owner.bundle, ledger.origin)
            roots = roots_at(chunks, [size for size in kept if size <= ledger.size])
            for size, heads in sorted(kept.items()):
                tally.saw()
                what = f"{keeper.agency} keeps a checkpoint of {ledger.origin} at size {size}"
                if size > ledger.size and last:
                    text = f"{what}, newer than the bundle of {owner.agency}"
                    tally.remark(Code.NOT_VISIBLE, text, names.CHECKPOINTS, heads[0].place)
                elif roots.get(size) not in {head.root for head in heads}:
                    text = f"{what}, which is not of the ledger that {owner.agency} shows"
                    tally.fail(Code.FORK, text, names.CHECKPOINTS, heads[0].place)


def _check_identities(dockets: Sequence[Docket], tally: Tally) -> None:
    """One agency, one root; one place in the order of its cards, one card."""
    for one, other in combinations(dockets, 2):
        for agency in one.book.agencies:
            mine, theirs = one.book.fingerprints(agency), other.book.fingerprints(agency)
            if not theirs:
                continue
            tally.saw()
            if set(mine).isdisjoint(theirs):
                tally.fail(
                    Code.ROOT_CHANGED,
                    f"{one.agency} and {other.agency} know {agency} by different roots",
                    names.CARDS,
                )
            known = {
                (card.fingerprint, card.card.sequence): card.sha256
                for card in one.book.cards(agency)
            }
            for card in other.book.cards(agency):
                sha256 = known.get((card.fingerprint, card.card.sequence), card.sha256)
                if sha256 != card.sha256:
                    tally.fail(
                        Code.CARD_FORK,
                        f"{one.agency} and {other.agency} hold different cards "
                        f"{card.card.sequence} of {agency}, both sealed by its root",
                        names.CARDS,
                    )


def _ledger(docket: Docket, origin: Origin) -> LedgerExtent | None:
    ledgers = docket.bundle.manifest.ledgers
    return next((one for one in ledgers if one.origin == origin), None)
