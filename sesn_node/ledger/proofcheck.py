"""A proof file held against a policy: all that C2SP tlog-proof asks of a verifier, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sesn_node.errors import MalformedError, VerificationError
from sesn_node.ledger.merkle import leaf_hash, verify_inclusion
from sesn_node.ledger.note import SignatureType, VerifierKey
from sesn_node.ledger.policy import LogLine, Outcome, Policy, evaluate
from sesn_node.ledger.tlogproof import Proven, TlogProof, parse_tlog_proof

_OF_LOGS: Final = frozenset({SignatureType.ED25519, SignatureType.MLDSA44})


@dataclass(frozen=True, slots=True)
class CheckedProof:
    """What a proof file has shown.

    Attributes:
        proven: Which entry of which ledger it is.
        outcome: Who signed and cosigned; its quorum holds.
    """

    proven: Proven
    outcome: Outcome


def check_proof(
    proof: bytes | TlogProof, entry: bytes, policy: Policy, keys: Sequence[VerifierKey] = ()
) -> CheckedProof:
    """Verify a proof file offline (tlog-proof, "Verifying a tlog proof", steps 1 to 4).

    Args:
        proof: The file, or what `parse_tlog_proof` made of it.
        entry: The bytes of the entry, from elsewhere.
        policy: Which ledgers are accepted, and who must have cosigned.
        keys: Keys of the ledger besides those of the policy; each must have signed. Without any,
            and without `log` lines in the policy, no ledger is accepted.

    Raises:
        MalformedError: Not a proof file; a key of a type that no ledger signs with.
        VerificationError: WRONG_ORIGIN, if a key is of another ledger; UNKNOWN_LOG,
            MISSING_SIGNATURE or BAD_SIGNATURE, see `policy.evaluate`; BAD_PROOF, if the entry is
            not at that index under the root; NO_QUORUM.
    """
    if isinstance(proof, bytes):
        proof = parse_tlog_proof(proof)
    origin = proof.checkpoint.claimed.origin
    for key in keys:
        if key.kind not in _OF_LOGS:
            raise MalformedError(
                f"key {key.name}+{key.key_id.hex()}: of type 0x{key.kind:02x}, which witnesses "
                "sign with; expected a key of the ledger (0x01 or 0x06)"
            )
        if key.name != origin:
            raise VerificationError(
                f"the proof is of the ledger {origin!a}, the key is one of {key.name!a}",
                code="WRONG_ORIGIN",
            )
    listed = {line.key.public for line in policy.logs}
    besides = tuple(LogLine(key) for key in dict.fromkeys(keys) if key.public not in listed)
    outcome = evaluate(replace(policy, logs=(*policy.logs, *besides)), proof.checkpoint)
    leaf = leaf_hash(entry)
    head = outcome.head
    verify_inclusion(leaf, proof.index, head.size, proof.hashes, head.root)
    outcome.require_quorum()
    return CheckedProof(Proven(head, proof.index, leaf), outcome)
