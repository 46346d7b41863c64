"""Checkpoints: their ledgers' signatures, and the cosignatures beside them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.checks_quorum import Quorum
from sesn_node.audit.codes import Code
from sesn_node.audit.tally import Problem, require
from sesn_node.domain.ids import AgencyId, Origin, parse_origin
from sesn_node.errors import SesnError, VerificationError
from sesn_node.ledger.checkpoint import Checkpoint, LogKeys, parse_checkpoint, verify_checkpoint
from sesn_node.ledger.cosignature import verify_cosignatures
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.merkle import verify_inclusion
from sesn_node.ledger.note import NoteSignature, parse_signature_lines
from sesn_node.ledger.subtree import split_time

if TYPE_CHECKING:
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.records import BundleCheckpoint, ProvenElsewhere

_NOBODY = frozenset[AgencyId]()
_MOST_ROOTS: Final = 8
"""Roots of one size that are kept: two prove the fork, and nobody needs a thousand."""


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint that verified.

    Args:
        root: Root hash, 32 bytes.
        key_set: Which of the ledger's key sets signed it; 0 is the first. The last that did; of
            several notes over this root, the first of these.
        cosigners: Agencies whose cosignatures over it verified.
        place: Its place in the member.
        time_s: When its ledger signed it first, by the ledger's clock, Unix seconds; 0 if unsaid.
    """

    root: bytes
    key_set: int
    cosigners: frozenset[AgencyId]
    place: int
    time_s: int

    def merged(self, other: Head) -> Head:
        """Return what two notes over one root say together."""
        older = min(self, other, key=lambda one: one.key_set)
        times = [one.time_s for one in (self, other) if one.time_s]
        return replace(
            older, cosigners=self.cosigners | other.cosigners, time_s=min(times, default=0)
        )


class HeadBook:
    """Verified checkpoints, by ledger and size. Of a ledger that forked there are several."""

    __slots__ = ("_heads", "continued", "vouched")

    def __init__(self) -> None:
        self._heads: dict[Origin, dict[int, tuple[Head, ...]]] = {}
        self.vouched: dict[Origin, int] = {}
        """The largest size of each of the agency's ledgers that others vouch for."""
        self.continued: set[Origin] = set()
        """Closed ledgers whose end the first entry of the next one names."""

    def add(self, origin: Origin, size: int, head: Head) -> None:
        """Remember a checkpoint; one entry for each root, whose notes may be many."""
        held = self._heads.setdefault(origin, {})
        others = held.get(size, ())
        for at, one in enumerate(others):
            if one.root == head.root:
                held[size] = (*others[:at], one.merged(head), *others[at + 1 :])
                return
        if len(others) < _MOST_ROOTS:
            held[size] = (*others, head)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Ledgers of which a checkpoint verified."""
        return tuple(self._heads)

    def of(self, origin: Origin) -> dict[int, tuple[Head, ...]]:
        """Checkpoints of a ledger, by size."""
        return self._heads.get(origin, {})

    def roots(self, origin: Origin, size: int) -> frozenset[bytes]:
        """Roots that a ledger signed at a size."""
        return frozenset(head.root for head in self.of(origin).get(size, ()))

    def cosigned(self, origin: Origin, size: int, agency: AgencyId) -> bool:
        """Tell whether an agency cosigned a checkpoint."""
        return any(agency in head.cosigners for head in self.of(origin).get(size, ()))

    def prove(self, proven: ProvenElsewhere, leaf: bytes, owner: AgencyId) -> None:
        """Make sure that an entry stands in an agency's ledger, under a verified checkpoint.

        Args:
            proven: The entry with its proof.
            leaf: Its leaf hash.
            owner: Whose ledger it must be.

        Raises:
            Problem: CHECKPOINT_MISSING.
            VerificationError: The proof does not hold; another agency's ledger.
            MalformedError: Not an origin.
        """
        if not proven.origin.startswith(f"{owner}.sesn/"):
            raise VerificationError(f"proven in {proven.origin}, which is not of {owner}")
        heads = self.of(proven.origin).get(proven.size)
        if heads is None:
            raise Problem(
                Code.CHECKPOINT_MISSING,
                f"the checkpoint of {proven.origin} at size {proven.size} that proves it is not "
                "here, or does not verify",
            )
        failure: VerificationError | None = None
        for head in heads:
            try:
                verify_inclusion(leaf, proven.index, proven.size, proven.proof, head.root)
            except VerificationError as error:
                failure = error
            else:
                return
        raise failure or VerificationError("no checkpoint")


def check_heads(docket: Docket) -> None:
    """Verify every checkpoint and cosignature of a bundle, each once, and judge the policy.

    Checks 3 (`checkpoints`; keys in force come later, with the entries), 7, 8 and 9.
    """
    stopped = (subjects.CHECKPOINTS, subjects.PARTNERS, subjects.COSIGNATURES)
    records = docket.records(names.CHECKPOINTS, docket.bundle.checkpoints(), *stopped)
    own = frozenset(docket.origins)
    quorum = Quorum(docket)
    for place, record in enumerate(records):
        subject = subjects.CHECKPOINTS if record.origin in own else subjects.PARTNERS
        with docket.tally(subject).case(Code.CHECKPOINT_INVALID, names.CHECKPOINTS, place):
            checkpoint, key_set = _verified(docket, record)
            cosigners, lines = _cosigners(docket, record, checkpoint.claimed, place)
            keys = docket.book.log_key_sets(record.origin)[key_set]
            time_s = _signed_s(checkpoint, keys)
            head = Head(checkpoint.claimed.root, key_set, cosigners, place, time_s)
            docket.heads.add(record.origin, record.size, head)
            if record.origin in own:
                quorum.judge(checkpoint, lines, head)
    _find_forks(docket)
    for ledger in docket.bundle.manifest.ledgers:
        if not docket.heads.of(ledger.origin).get(ledger.size):
            docket.tally(subjects.CHECKPOINTS).fail(
                Code.CHECKPOINT_MISSING,
                f"no checkpoint of {ledger.origin} at size {ledger.size} verifies, so nothing "
                "vouches for its leaves",
                names.CHECKPOINTS,
            )


def check_keys_in_force(docket: Docket, origin: Origin, changes: Sequence[tuple[int, int]]) -> None:
    """Make sure that no checkpoint of ours is signed by keys that had been replaced before.

    A key set that was replaced may have been stolen since. A later set may sign an earlier size
    again (docs/spec/ledger.md, "Checkpoint").

    Args:
        docket: The audit.
        origin: One of the agency's ledgers.
        changes: Indexes of the entries that changed the keys, ascending, and the key set that each
            brought into force.
    """
    indexes = [index for index, _ in changes]
    tally = docket.tally(subjects.CHECKPOINTS)
    for size, heads in docket.heads.of(origin).items():
        at = bisect_right(indexes, size - 1)
        in_force = changes[at - 1][1] if at else 0
        for head in heads:
            if head.key_set < in_force:
                tally.fail(
                    Code.KEYS_NOT_IN_FORCE,
                    f"checkpoint of {origin} at size {size}: signed by keys that entry "
                    f"{changes[at - 1][0]} had replaced",
                    names.CHECKPOINTS,
                    head.place,
                )


def _verified(docket: Docket, record: BundleCheckpoint) -> tuple[Checkpoint, int]:
    """Verify a checkpoint under the keys of its ledger; return it, and which set signed it."""
    checkpoint = parse_checkpoint(record.note)
    claimed = checkpoint.claimed
    require(
        (claimed.origin, claimed.size) == (record.origin, record.size),
        Code.CONTRADICTION,
        f"the note is of {claimed.origin} at size {claimed.size}, its record says {record.origin} "
        f"at size {record.size}",
    )
    return checkpoint, _signing_set(checkpoint, docket.book.log_key_sets(record.origin))


def _signing_set(checkpoint: Checkpoint, key_sets: Sequence[LogKeys]) -> int:
    failure = VerificationError(
        f"checkpoint of {checkpoint.claimed.origin}: no card here lists keys of this ledger"
    )
    # Whoever issues cards can list thousands of sets: only those that a line names are tried.
    named = {line.key_id for line in checkpoint.note.signatures}
    for place in reversed(range(len(key_sets))):
        newest = place + 1 == len(key_sets)
        if not newest and key_sets[place].ed25519_key.key_id not in named:
            continue
        try:
            verify_checkpoint(checkpoint, key_sets[place])
        except VerificationError as error:
            failure = error if newest else failure
        else:
            return place
    raise failure


def _signed_s(checkpoint: Checkpoint, keys: LogKeys) -> int:
    """Tell when its ledger signed a verified checkpoint first; 0 if it does not say."""
    key = keys.mldsa44_key
    payloads = key.payloads(checkpoint.note.signatures)
    return min((split_time(one, key)[0] for one in payloads), default=0)


def _cosigners(
    docket: Docket, record: BundleCheckpoint, head: TreeHead, place: int
) -> tuple[frozenset[AgencyId], tuple[NoteSignature, ...]]:
    """Verify the cosignatures of a checkpoint; return who made them, and all their lines."""
    if not record.cosignatures:
        return _NOBODY, ()
    found: list[AgencyId] = []
    lines: list[NoteSignature] = []
    tally = docket.tally(subjects.COSIGNATURES)
    for one in record.cosignatures:
        with tally.case(Code.COSIGNATURE_INVALID, names.CHECKPOINTS, place):
            signatures = parse_signature_lines(one.lines)
            _cosigned_by(docket, one.agency, signatures, head)
            found.append(one.agency)
            lines += signatures
    return frozenset(found), tuple(lines)


def _cosigned_by(
    docket: Docket, agency: AgencyId, signatures: Sequence[NoteSignature], head: TreeHead
) -> None:
    failure: SesnError = VerificationError(f"cosignature of {agency}: no card of it is here")
    named = {line.key_id for line in signatures}
    for place, keys in enumerate(docket.book.witness_keys(agency)):
        if place and keys.ed25519_key.key_id not in named:
            continue
        try:
            verify_cosignatures(signatures, head, keys)
        except VerificationError as error:
            failure = error if place == 0 else failure
        else:
            return
    raise failure


def _find_forks(docket: Docket) -> None:
    """Two roots at one size prove a fork: of a partner, or of the bundle's own agency.

    Not if nobody vouches for both signers: of two roots of an agency, one may be another's make.
    """
    own = frozenset(docket.origins)
    for origin in docket.heads.origins:
        tally = docket.tally(subjects.CHECKPOINTS if origin in own else subjects.PARTNERS)
        for size, heads in docket.heads.of(origin).items():
            if any(
                one.root != other.root
                and not docket.roots_of(origin, one).isdisjoint(docket.roots_of(origin, other))
                for one, other in combinations(heads, 2)
            ):
                tally.fail(
                    Code.FORK,
                    f"{parse_origin(origin)[0]} signed two different roots of {origin} at size "
                    f"{size}",
                    names.CHECKPOINTS,
                    heads[-1].place,
                )
