"""Trust policies (C2SP tlog-policy): which ledgers an auditor takes, and who must have cosigned.

    log nl.customs.sesn/ledger/1+50359c24+AbDI6Men...
    log nl.customs.sesn/ledger/1+10d7b8b7+BjdHXcmi...

    witness gh-ed25519 gh.epa.sesn/witness+658d3a45+BApWPCXZ...
    witness gh-mldsa44 gh.epa.sesn/witness+98ee0f0e+BsOcHsqp...
    group gh all gh-ed25519 gh-mldsa44

    witness be-ed25519 be.police.sesn/witness+6b39445d+BAWEnBpQ...
    witness be-mldsa44 be.police.sesn/witness+1c4cc824+BnokmfBz...
    group be all be-ed25519 be-mldsa44

    group partners any gh be
    quorum partners

A `witness` line names one *key*, and a SESN agency has two, so an agency is written as a group of
both, `all` of which must have signed. Other programs then ask for both schemes too, without
knowing SESN. The text has no groups of `log` lines; here all that share a key name are one ledger,
and each of them must have signed: leaving one out of the checkpoint gains nothing.

Without a quorum line a file is malformed, not lenient: the text asks for exactly one. `quorum
none` is how somebody says that no cosignature is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sesn_node.errors import VerificationError
from sesn_node.ledger.checkpoint import (
    Checkpoint,
    LogKeys,
    parse_checkpoint,
    verify_checkpoint_under,
)
from sesn_node.ledger.cosignature import cosigned_times
from sesn_node.ledger.head import TreeHead, checkpoint_text
from sesn_node.ledger.note import MISSING_SIGNATURE, NoteSignature, SignatureType, VerifierKey
from sesn_node.ledger.subtree import verify_subtree

NONE: Final = b"none"
"""The quorum that asks for no cosignature."""
NO_QUORUM: Final = "NO_QUORUM"
"""Code of a checkpoint that too few witnesses cosigned."""
UNKNOWN_LOG: Final = "UNKNOWN_LOG"
"""Code of a checkpoint of a ledger that the policy does not list."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A key of a ledger that is accepted; its name is the origin."""

    key: VerifierKey
    url: bytes | None = None


@dataclass(frozen=True, slots=True)
class WitnessLine:
    """A key of a witness, under a name that has a meaning within the policy only."""

    name: bytes
    key: VerifierKey
    url: bytes | None = None


@dataclass(frozen=True, slots=True)
class GroupLine:
    """Witnesses and groups, of which at least `threshold` must have cosigned."""

    name: bytes
    threshold: int
    members: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as `policyfile.parse_policy` reads it, which checks what the parts must be.

    Attributes:
        logs: Keys of the ledgers accepted; none if they are known from elsewhere.
        witnesses: By name, which is any bytes but spaces and control characters.
        groups: By name, in an order in which members come before their group.
        quorum: Name of a witness or group, or `NONE`.
    """

    logs: tuple[LogLine, ...]
    witnesses: Mapping[bytes, WitnessLine]
    groups: Mapping[bytes, GroupLine]
    quorum: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy says of a checkpoint.

    Attributes:
        head: Head of the ledger, signed by the ledger.
        schemes: Signature types by which the ledger's signature was verified.
        cosigned: Witnesses of the policy that cosigned, and when, seconds: the latest.
        groups: Groups of which enough members did.
        quorum: Whether the quorum holds; also if none is asked for.
        asked: Whether any cosignature is asked for.
    """

    head: TreeHead
    schemes: frozenset[SignatureType]
    cosigned: Mapping[bytes, int]
    groups: frozenset[bytes]
    quorum: bool
    asked: bool

    def require_quorum(self) -> None:
        """Make sure that enough witnesses cosigned.

        Raises:
            VerificationError: NO_QUORUM.
        """
        if not self.quorum:
            raise VerificationError(
                f"checkpoint of {self.head.origin} at size {self.head.size}: the cosignatures of "
                f"{len(self.cosigned)} known witness keys are no quorum; ask the ledger's owner "
                "for a checkpoint with more of them",
                code=NO_QUORUM,
            )


def evaluate(
    policy: Policy,
    checkpoint: bytes | Checkpoint,
    known: Sequence[LogKeys] = (),
    apart: Sequence[NoteSignature] = (),
) -> Outcome:
    """Verify a checkpoint by a policy: the ledger's signatures, then every cosignature.

    Args:
        policy: What is asked for.
        checkpoint: The note with its cosignature lines, or what `parse_checkpoint` made of it.
        known: Key sets of the ledger, the newest last, if the policy lists no ledger ("known from
            other context"); not used if it lists any.
        apart: Cosignature lines that were kept apart from the note; a note holds only so many.

    Raises:
        MalformedError: Not a checkpoint.
        VerificationError: UNKNOWN_LOG; MISSING_SIGNATURE, if a key of the ledger has no line;
            BAD_SIGNATURE, if a line of any key of the policy does not verify, even beside good
            ones (signed-note). That the quorum does not hold is told, not raised.
    """
    if isinstance(checkpoint, bytes):
        checkpoint = parse_checkpoint(checkpoint)
    if policy.logs:
        schemes = _verify_log(policy.logs, checkpoint)
    else:
        verify_checkpoint_under(checkpoint, known)
        schemes = frozenset({SignatureType.ED25519, SignatureType.MLDSA44})
    head = checkpoint.claimed
    lines = (*checkpoint.note.signatures, *apart)
    cosigned = {
        name: max(times)
        for name, line in policy.witnesses.items()
        if (times := cosigned_times(lines, head, line.key))
    }
    groups = _witnessed(policy, cosigned)
    asked = policy.quorum != NONE
    quorum = not asked or policy.quorum in groups or policy.quorum in cosigned
    return Outcome(head, schemes, cosigned, groups, quorum, asked)


def _verify_log(logs: Sequence[LogLine], checkpoint: Checkpoint) -> frozenset[SignatureType]:
    """Verify a checkpoint under every key that a policy lists for its origin."""
    head = checkpoint.claimed
    keys = [line.key for line in logs if line.key.name == head.origin]
    if not keys:
        raise VerificationError(
            f"checkpoint of {head.origin!a}: the policy lists no such ledger", code=UNKNOWN_LOG
        )
    for key in keys:
        payloads = key.payloads(checkpoint.note.signatures)
        for payload in payloads:
            if key.kind is SignatureType.MLDSA44:
                verify_subtree(payload, head, key)
            else:
                key.verify(checkpoint_text(head).encode(), payload)
        if not payloads:
            raise VerificationError(
                f"checkpoint of {head.origin}: not signed by {key.name}+{key.key_id.hex()}, which "
                "the policy lists; every key that it lists for a ledger must have signed",
                code=MISSING_SIGNATURE,
            )
    return frozenset(key.kind for key in keys)


def _witnessed(policy: Policy, cosigned: Mapping[bytes, int]) -> frozenset[bytes]:
    """Find the groups of which enough members cosigned; members come before their groups."""
    found: set[bytes] = set()
    for name, group in policy.groups.items():
        members = sum(member in cosigned or member in found for member in group.members)
        if members >= group.threshold:
            found.add(name)
    return frozenset(found)
