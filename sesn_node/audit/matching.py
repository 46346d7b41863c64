"""Matching: what the bundles of several agencies say of each other.

Each pair is compared as far as both bundles show it; what could not be compared is a remark that
says why: left out of a selection, or newer than the other bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from typing import TYPE_CHECKING

from sesn_node.audit import names, subjects
from sesn_node.audit.checks_tree import is_lost, leaf_chunks
from sesn_node.audit.codes import Code
from sesn_node.audit.matching_cases import check_same_cases
from sesn_node.audit.matching_pairs import Pair
from sesn_node.audit.subjects import CLOCK_TOLERANCE_MS
from sesn_node.audit.tally import Tally
from sesn_node.audit.tree import roots_at
from sesn_node.audit.verdict import Check
from sesn_node.domain.ids import parse_origin
from sesn_node.domain.times import SECOND_MS

if TYPE_CHECKING:
    from sesn_node.audit.account import LedgerExtent
    from sesn_node.audit.checks_heads import Head
    from sesn_node.audit.docket import Docket
    from sesn_node.domain.ids import AgencyId, Origin


def match(dockets: Sequence[Docket]) -> tuple[Check, ...]:
    """Compare bundles that were audited one by one: checks 17 to 22, and 25.

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
    check_same_cases(dockets, tallies[subjects.SAME_CASES.number])
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
    _compare_signed(dockets, tally)


def _compare_signed(dockets: Sequence[Docket], tally: Tally) -> None:
    """Hold the signed heads of all bundles against each other, as far as one root vouches for both.

    Whoever makes a second root under the name of an agency can sign what that never did.
    """
    signed: dict[tuple[Origin, int], tuple[Docket, tuple[Head, ...]]] = {}
    for docket in dockets:
        for origin in docket.heads.origins:
            for size, heads in docket.heads.of(origin).items():
                keeper, before = signed.setdefault((origin, size), (docket, heads))
                if keeper is docket:
                    continue
                tally.saw()
                if any(
                    one.root != other.root
                    and not docket.roots_of(origin, one).isdisjoint(keeper.roots_of(origin, other))
                    for one in heads
                    for other in before
                ):
                    tally.fail(
                        Code.FORK,
                        f"{origin} at size {size}: the bundles of {keeper.agency} and "
                        f"{docket.agency} hold signed checkpoints with different roots: proof of a "
                        "fork",
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
    """Checkpoints that one agency keeps of another's ledger must lie in its leaves.

    Those that only another root vouches for than the owner shows are left to `identities`.
    """
    for keeper, owner in permutations(dockets, 2):
        if keeper.agency == owner.agency:
            continue
        fingerprints = frozenset(owner.book.fingerprints(owner.agency))
        _check_left_out(keeper, owner, tally)
        for ledger in owner.bundle.manifest.ledgers:
            kept = {
                size: own
                for size, heads in keeper.heads.of(ledger.origin).items()
                if (own := _signed_by(keeper, ledger.origin, heads, fingerprints))
            }
            if not kept:
                continue
            chunks = leaf_chunks(owner.bundle, ledger.origin)
            roots = roots_at(chunks, [size for size in kept if size <= ledger.size])
            for size, heads in sorted(kept.items()):
                tally.saw()
                what = f"{keeper.agency} keeps a checkpoint of {ledger.origin} at size {size}"
                if size > ledger.size and ledger.origin == owner.origins[-1]:
                    _judge_newer(owner, what, heads, tally)
                elif size > ledger.size and all(
                    is_lost(owner, ledger.origin, size, head.root) for head in heads
                ):
                    text = f"{what}, of the end that {owner.agency} says it has lost"
                    tally.remark(Code.CONTENT_LOST, text)
                elif roots.get(size) not in {head.root for head in heads}:
                    text = f"{what}, which is not of the ledger that {owner.agency} shows"
                    tally.fail(Code.FORK, text, names.CHECKPOINTS, heads[0].place)


def _check_left_out(keeper: Docket, owner: Docket, tally: Tally) -> None:
    """Judge checkpoints of ledgers that are not in their owner's bundle."""
    shown = {parse_origin(origin)[1] for origin in owner.origins}
    fingerprints = frozenset(owner.book.fingerprints(owner.agency))
    for origin in keeper.heads.origins:
        agency, epoch = parse_origin(origin)
        if agency != owner.agency or epoch in shown:
            continue
        tally.saw()
        kept = keeper.heads.of(origin)
        first = min(kept)
        what = f"{keeper.agency} keeps a checkpoint of {origin} at size {first}"
        # Its keys may be in a card that the owner's bundle leaves out as well.
        heads = _signed_by(keeper, origin, kept[first], fingerprints)
        if heads and epoch > max(shown):
            _judge_newer(owner, what, heads, tally)
        elif heads:
            text = f"{what}, which the bundle of {owner.agency} leaves out"
            tally.remark(Code.NOT_VISIBLE, text, names.CHECKPOINTS, heads[0].place)


def _signed_by(
    keeper: Docket, origin: Origin, heads: Sequence[Head], fingerprints: frozenset[bytes]
) -> tuple[Head, ...]:
    return tuple(
        head for head in heads if not keeper.roots_of(origin, head).isdisjoint(fingerprints)
    )


def _judge_newer(owner: Docket, what: str, heads: Sequence[Head], tally: Tally) -> None:
    """Judge checkpoints beyond the end of their owner's bundle: it may be the older one.

    A bundle shows all that the ledger had when it was made, and its owner signed these at a time.
    """
    made_ms = owner.bundle.manifest.created_ms
    signed_ms = min((one.time_s * SECOND_MS for one in heads if one.time_s), default=made_ms)
    where = names.CHECKPOINTS, heads[0].place
    if signed_ms < made_ms - CLOCK_TOLERANCE_MS:
        tally.fail(
            Code.INCOMPLETE,
            f"{what}, signed by {owner.agency} at {signed_ms}; its bundle, which ends before, says "
            f"that it was made at {made_ms} (Unix milliseconds): what is newer was left out",
            *where,
        )
        return
    tally.remark(Code.NOT_VISIBLE, f"{what}, newer than the bundle of {owner.agency}", *where)


def _check_identities(dockets: Sequence[Docket], tally: Tally) -> None:
    """One agency, one root; one place in the order of its cards, one card."""
    for one, other in combinations(dockets, 2):
        for agency in one.book.agencies:
            if not other.book.cards(agency):
                continue
            tally.saw()
            _compare_roots(one, other, agency, tally)
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


def _compare_roots(one: Docket, other: Docket, agency: AgencyId, tally: Tally) -> None:
    """Compare by which roots two bundles know an agency.

    Trust in an earlier root may have been revoked, so one may know more than another; but the
    agency's own bundle has all of its cards.
    """
    mine, theirs = (set(docket.book.fingerprints(agency)) for docket in (one, other))
    text = f"{one.agency} and {other.agency} know {agency} by different roots"
    strange = {one.agency: theirs - mine, other.agency: mine - theirs}.get(agency)
    if strange or mine.isdisjoint(theirs):
        tally.fail(Code.ROOT_CHANGED, text, names.CARDS)
    elif mine != theirs:
        tally.remark(Code.ROOT_CHANGED, f"{text}; compare each fingerprint", names.CARDS)


def _ledger(docket: Docket, origin: Origin) -> LedgerExtent | None:
    ledgers = docket.bundle.manifest.ledgers
    return next((one for one in ledgers if one.origin == origin), None)
