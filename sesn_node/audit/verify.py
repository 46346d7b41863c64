"""Verify audit bundles offline: every check that can be made, and a word on each that cannot.

Nothing is trusted but the auditor's own policy and what the auditor compares out of band: the
fingerprints of the agencies' roots. Memory grows with the number of messages by some bytes each,
not with what they hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.accounting import accounts
from sesn_node.audit.bundle import Bundle, open_bundle
from sesn_node.audit.checks_acts import check_contents
from sesn_node.audit.checks_cards import CardBook
from sesn_node.audit.checks_entries import Walk
from sesn_node.audit.checks_heads import HeadBook, check_heads
from sesn_node.audit.checks_quorum import check_quorum
from sesn_node.audit.checks_steps import check_case_contents
from sesn_node.audit.checks_timestamps import check_timestamps, want_dates
from sesn_node.audit.checks_tree import check_tree
from sesn_node.audit.codes import Code
from sesn_node.audit.docket import Docket
from sesn_node.audit.facts import Facts
from sesn_node.audit.matching import match
from sesn_node.audit.tally import Progress, Tally
from sesn_node.audit.verdict import BundleVerdict, Identity, LedgerSummary, Verdict
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import MalformedError

if TYPE_CHECKING:
    from sesn_node.audit.account import LedgerExtent
    from sesn_node.ledger.policy import Policy
    from sesn_node.trust.timestamp_signers import TimestampRoots

_CHUNK: Final = 1 << 20
_OF_OWNERS: Final = (subjects.CARDS, subjects.CHECKPOINTS, subjects.TREE, subjects.ENTRIES)
"""Checks without which nothing shows whose ledger it is."""


def verify(
    bundles: Sequence[BinaryIO],
    policy: Policy | None = None,
    *,
    roots: TimestampRoots | None = None,
    now_ms: int | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Verdict:
    """Audit bundles, each by itself and then against each other.

    Args:
        bundles: Files, open for reading and seekable. They stay the caller's.
        policy: What cosignatures are asked for (C2SP tlog-policy), and perhaps which ledgers.
        roots: Whom to trust to certify time-stamping authorities; without, no token counts.
        now_ms: The auditor's time, Unix milliseconds; a bundle from the future is then remarked on.
        progress: Told how many leaves and entries are done, of how many.

    Returns:
        The verdict. What is wrong with a bundle is in it, and never raised.

    Raises:
        OSError: A file fails.
    """
    opened = [_open(file) for file in bundles]
    agencies = [one.manifest.agency for one in opened if isinstance(one, Bundle)]
    total = 2 * sum(
        ledger.size for one in opened if isinstance(one, Bundle) for ledger in one.manifest.ledgers
    )
    before = 0
    examined: list[tuple[BinaryIO, Docket | MalformedError]] = []
    for file, bundle in zip(bundles, opened, strict=True):
        if isinstance(bundle, MalformedError):
            examined.append((file, bundle))
            continue
        others = frozenset(agencies) - {bundle.manifest.agency}

        def told(done: int, _total: int, start: int = before) -> None:
            progress(min(start + done, total), total)

        docket = Docket(bundle, policy, CardBook(), HeadBook(), Facts(others), told, roots=roots)
        _audit(docket, now_ms)
        examined.append((file, docket))
        before += 2 * sum(ledger.size for ledger in bundle.manifest.ledgers)
    dockets = [one for _, one in examined if isinstance(one, Docket)]
    named = frozenset(one for docket in dockets for one in _named(docket))
    verdicts = tuple(
        _verdict(one, file, named) if isinstance(one, Docket) else _unreadable(file, one)
        for file, one in examined
    )
    return Verdict(verdicts, match(dockets), policy is not None, accounts(dockets))


def _open(file: BinaryIO) -> Bundle | MalformedError:
    try:
        return open_bundle(file)
    except MalformedError as error:
        return error


def _audit(docket: Docket, now_ms: int | None) -> None:
    """Make the checks of one bundle, in an order in which each finds what it needs."""
    manifest = docket.bundle.manifest
    container = docket.tally(subjects.CONTAINER)
    container.saw(len(manifest.members) + 1)
    if now_ms is not None and manifest.created_ms > now_ms + subjects.CLOCK_TOLERANCE_MS:
        container.remark(
            Code.TIME_IMPLAUSIBLE,
            f"made at {manifest.created_ms}, and your clock says {now_ms} (Unix milliseconds)",
            names.MANIFEST,
        )
    cards = docket.records(names.CARDS, docket.bundle.cards(), subjects.CARDS)
    docket.book.read(
        ((card.sealed, card.taken_ms) for card in cards),
        manifest.created_ms,
        docket.tally(subjects.CARDS),
    )
    if not docket.book.cards(docket.agency):
        docket.tally(subjects.CARDS).fail(
            Code.CARD_MISSING, f"no card of {docket.agency} opens", names.CARDS
        )
    check_heads(docket)
    for ledger in manifest.ledgers:
        check_tree(docket, ledger)
    want_dates(docket)
    walk = Walk(docket)
    walk.run()
    check_quorum(docket)
    check_contents(docket, walk.acts, walk.commitments)
    check_case_contents(docket, walk.commitments)
    check_timestamps(docket)


def _verdict(
    docket: Docket, file: BinaryIO, named: frozenset[tuple[AgencyId, bytes]]
) -> BundleVerdict:
    manifest = docket.bundle.manifest
    others = [agency for agency in docket.book.agencies if agency != docket.agency]
    return BundleVerdict(
        docket.agency,
        _sha256(file),
        manifest.created_ms,
        tuple(_summary(docket, ledger) for ledger in manifest.ledgers),
        tuple(_identity(docket, agency, named) for agency in (docket.agency, *others)),
        tuple(tally.result() for tally in docket.tallies.values()),
    )


def _summary(docket: Docket, ledger: LedgerExtent) -> LedgerSummary:
    roots = docket.heads.roots(ledger.origin, ledger.size)
    return LedgerSummary(
        ledger.origin,
        ledger.size,
        next(iter(roots)) if len(roots) == 1 else b"",
        docket.heads.vouched.get(ledger.origin, 0),
        ledger.recovered,
        docket.lost[ledger.origin],
        docket.stamped.get(ledger.origin),
    )


def _identity(
    docket: Docket, agency: AgencyId, named: frozenset[tuple[AgencyId, bytes]]
) -> Identity:
    fingerprints = docket.book.fingerprints(agency)
    known = bool(fingerprints) and all((agency, one) in named for one in fingerprints)
    return Identity(agency, fingerprints, known)


def _named(docket: Docket) -> Iterator[tuple[AgencyId, bytes]]:
    """Yield the agency of a bundle with its fingerprint, if the policy's own keys vouch for it.

    That a card lists keys that the policy names, says nothing: they are public, and anybody's card
    can list them. They must have signed a ledger in which that card is issued.
    """
    card = next(iter(docket.book.cards(docket.agency)[-1:]), None)
    if docket.policy is None or card is None or card.sha256 not in docket.issued:
        return
    keys = card.log_keys(card.current_origin)
    listed = {line.key.vkey() for line in docket.policy.logs}
    failed = any(docket.tally(one).failed for one in _OF_OWNERS)
    if keys is None or failed or not {keys.ed25519_key.vkey(), keys.mldsa44_key.vkey()} <= listed:
        return
    newest = docket.heads.of(card.current_origin)
    key_sets = docket.book.log_key_sets(card.current_origin)
    if any(key_sets[head.key_set] == keys for heads in newest.values() for head in heads):
        yield docket.agency, card.fingerprint


def _unreadable(file: BinaryIO, error: MalformedError) -> BundleVerdict:
    """The verdict on a file that is no bundle: one finding, and nothing else could be looked at."""
    tallies = [Tally(subject) for subject in subjects.OF_A_BUNDLE]
    tallies[0].saw()
    tallies[0].fail(Code.UNREADABLE, f"{error.message} ({error.code})")
    for tally in tallies[1:]:
        tally.cannot("the file cannot be read as a bundle")
    return BundleVerdict(
        None, _sha256(file), None, (), (), tuple(tally.result() for tally in tallies)
    )


def _sha256(file: BinaryIO) -> bytes:
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.digest()
