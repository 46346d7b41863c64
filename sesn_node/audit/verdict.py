"""Verdict: what an audit examined, what it found, and what it could not examine.

A verdict has one list of checks for each bundle, numbered alike, and one for what several bundles
say of each other. A check that could not be made is never counted as one that holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from sesn_node.audit.codes import Code
from sesn_node.domain.ids import AgencyId, Origin, show_message_id

if TYPE_CHECKING:
    from sesn_node.audit.account import RecoveredRange
    from sesn_node.audit.case_account import CaseAccount

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"

KEPT_FINDINGS: Final = 5
"""Findings of a check that are kept, and remarks; all are counted."""


class State(StrEnum):
    """What came of a check."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_MADE = "not-made"
    """It could not be made; `Check.reason` says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold, or that cannot be verified.

    Args:
        code: Its kind, for programs.
        text: What is wrong, for people; it may quote the bundle, with control characters removed.
        member: Member of the bundle: `ledger/1/entries.pb`; empty for the file as a whole.
        index: Index of the ledger entry, or place of the record in its member, from 0; None where
            there is none.
        message_id: The message, 16 bytes; None where there is none.
    """

    code: Code
    text: str
    member: str = ""
    index: int | None = None
    message_id: bytes | None = None

    @property
    def place(self) -> str:
        """Where it is, in one line."""
        parts = [self.member] if self.member else []
        if self.index is not None:
            parts.append(f"#{self.index}")
        if self.message_id is not None:
            parts.append(f"message {show_message_id(self.message_id)}")
        return " ".join(parts)

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {
            "code": self.code.value,
            "text": self.text,
            "member": self.member,
            "index": self.index,
            "message": None if self.message_id is None else show_message_id(self.message_id),
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One numbered check.

    Args:
        number: The same for the same check of every bundle and release.
        name: One word or two, for programs.
        title: What holds if it holds, for people.
        state: What came of it.
        count: How many things it examined.
        failed: How many findings there are; `findings` has the first of them.
        findings: What does not hold: at most five.
        unverified: How many remarks there are; `remarks` has the first of them.
        remarks: What is neither good nor bad: it cannot be verified, or has to be known. At most
            five.
        reason: Why it could not be made; empty otherwise.
    """

    number: int
    name: str
    title: str
    state: State
    count: int = 0
    failed: int = 0
    findings: tuple[Finding, ...] = ()
    unverified: int = 0
    remarks: tuple[Finding, ...] = ()
    reason: str = ""

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {
            "number": self.number,
            "name": self.name,
            "title": self.title,
            "state": self.state.value,
            "count": self.count,
            "failed": self.failed,
            "findings": [finding.json() for finding in self.findings],
            "unverified": self.unverified,
            "remarks": [remark.json() for remark in self.remarks],
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Identity:
    """An agency whose cards the audit relied on; an auditor compares the fingerprints.

    Args:
        agency: The agency.
        fingerprints: Of the agency and each root that its cards are under, 32 bytes each.
        by_policy: Whether the policy names the ledger keys that its newest card lists, and these
            signed, in a bundle of its own here, the ledger that tells of that card. Then nothing is
            left to compare.
    """

    agency: AgencyId
    fingerprints: tuple[bytes, ...]
    by_policy: bool = False

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {
            "agency": self.agency,
            "fingerprints": [one.hex() for one in self.fingerprints],
            "by_policy": self.by_policy,
        }


@dataclass(frozen=True, slots=True)
class Stamped:
    """The first entries of a ledger, and when they existed by a trusted authority's clock.

    Args:
        size: How many.
        time_ms: When, Unix milliseconds.
        authority: Who says so: subject of its certificate.
    """

    size: int
    time_ms: int
    authority: str

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {"size": self.size, "time_ms": self.time_ms, "authority": self.authority}


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """How far a ledger of a bundle reaches.

    Args:
        origin: Its name.
        size: Entries up to its newest checkpoint.
        root: Root at that size, as signed, 32 bytes; empty if no checkpoint verifies.
        vouched: Entries of the largest checkpoint that the policy's quorum has cosigned; without a
            policy, that any known partner has. What comes after is the ledger's own word alone.
        recovered: Entries that came back from an export, by their owner's word.
        lost: How many of these lack the message or receipt that they refer to.
        stamped: How many entries a trusted authority's token proves to have existed, and when;
            None if no token verified.
    """

    origin: Origin
    size: int
    root: bytes
    vouched: int
    recovered: tuple[RecoveredRange, ...] = ()
    lost: int = 0
    stamped: Stamped | None = None

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {
            "origin": self.origin,
            "size": self.size,
            "root": self.root.hex(),
            "vouched": self.vouched,
            "recovered": [{"start": one.start, "end": one.end} for one in self.recovered],
            "lost": self.lost,
            "stamped": None if self.stamped is None else self.stamped.json(),
        }


@dataclass(frozen=True, slots=True)
class BundleVerdict:
    """What came of one bundle.

    Args:
        agency: Whose it is, by its manifest; None if that cannot be read.
        sha256: Hash of the file, 32 bytes: what the EXPORTED entry of its maker names.
        created_ms: When it was made, by its manifest, Unix milliseconds; None likewise.
        ledgers: Its ledgers, by epoch.
        identities: Agencies whose cards are in it, its own first.
        checks: In order of their numbers; every check is there, made or not.
    """

    agency: AgencyId | None
    sha256: bytes
    created_ms: int | None
    ledgers: tuple[LedgerSummary, ...]
    identities: tuple[Identity, ...]
    checks: tuple[Check, ...]

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {
            "agency": self.agency,
            "sha256": self.sha256.hex(),
            "created_ms": self.created_ms,
            "ledgers": [one.json() for one in self.ledgers],
            "identities": [one.json() for one in self.identities],
            "checks": [check.json() for check in self.checks],
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of an audit.

    Args:
        bundles: In the order in which they were given.
        matching: What the bundles say of each other; not made with one bundle.
        policy: Whether a policy was given.
        cases: Return-to-origin cases as the steps of all bundles together make them.
    """

    bundles: tuple[BundleVerdict, ...]
    matching: tuple[Check, ...]
    policy: bool
    cases: tuple[CaseAccount, ...] = ()

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check, bundle by bundle, then the matching."""
        return (*(check for one in self.bundles for check in one.checks), *self.matching)

    @property
    def holds(self) -> bool:
        """Whether nothing fails; a quorum that a policy asks for must be there."""
        return bool(self.bundles) and all(check.state is not State.FAILS for check in self.checks)

    @property
    def readable(self) -> bool:
        """Whether every bundle could be read as one."""
        return all(one.agency is not None for one in self.bundles)

    def json(self) -> dict[str, Json]:
        """Show it to a program."""
        return {
            "holds": self.holds,
            "policy": self.policy,
            "bundles": [one.json() for one in self.bundles],
            "matching": [check.json() for check in self.matching],
            "cases": [case.json() for case in self.cases],
        }
