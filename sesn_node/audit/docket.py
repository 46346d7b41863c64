"""What the checks of one bundle share: the bundle, the evidence verified so far, the tallies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from sesn_node.audit import subjects
from sesn_node.audit.casebook import CaseBook
from sesn_node.audit.codes import Code
from sesn_node.audit.dates import Dates
from sesn_node.audit.tally import Progress, Subject, Tally
from sesn_node.domain.ids import AgencyId, Origin
from sesn_node.errors import MalformedError

if TYPE_CHECKING:
    from sesn_node.audit.bundle import Bundle
    from sesn_node.audit.checks_cards import CardBook
    from sesn_node.audit.checks_heads import Head, HeadBook
    from sesn_node.audit.facts import Facts
    from sesn_node.audit.verdict import Stamped
    from sesn_node.ledger.policy import Policy
    from sesn_node.trust.timestamp_signers import TimestampRoots

T = TypeVar("T")


@dataclass(slots=True)
class Docket:
    """One bundle under audit.

    Args:
        bundle: The open bundle.
        policy: What the auditor asks for; or None.
        book: Cards that opened.
        heads: Checkpoints that verified.
        facts: What matching with other bundles needs.
        progress: Told how many leaves and entries are done.
        tallies: The checks under way, by number.
        issued: Hashes of the agency's cards that its ledger tells of.
        cases: Steps of cases that verified.
        lost: How many entries of each ledger lack what they refer to, as the agency says itself.
        roots: Whom the auditor trusts to certify time-stamping authorities; or None.
        dates: Dates of the entries that time-stamps cover.
        stamped: How far each ledger is time-stamped, by tokens that verified.
    """

    bundle: Bundle
    policy: Policy | None
    book: CardBook
    heads: HeadBook
    facts: Facts
    progress: Progress
    tallies: dict[int, Tally] = field(default_factory=dict)
    lost: Counter[Origin] = field(default_factory=Counter)
    roots: TimestampRoots | None = None
    dates: Dates = field(default_factory=Dates)
    stamped: dict[Origin, Stamped] = field(default_factory=dict)
    issued: set[bytes] = field(default_factory=set)
    cases: CaseBook = field(default_factory=CaseBook)
    _done: int = 0

    def __post_init__(self) -> None:
        self.tallies = {subject.number: Tally(subject) for subject in subjects.OF_A_BUNDLE}

    @property
    def agency(self) -> AgencyId:
        """Whose bundle it is."""
        return self.bundle.manifest.agency

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The agency's ledgers that are in the bundle, by epoch."""
        return tuple(ledger.origin for ledger in self.bundle.manifest.ledgers)

    @property
    def blind(self) -> bool:
        """Whether entries are left out."""
        return self.bundle.manifest.selection.blind

    @property
    def whole(self) -> bool:
        """Whether every entry and every message is in the bundle."""
        selection = self.bundle.manifest.selection
        return selection.everything and not selection.blind

    def roots_of(self, origin: Origin, head: Head) -> frozenset[bytes]:
        """Return the fingerprints of the agency and roots that vouch for who signed a head."""
        return self.book.roots_of(origin, self.book.log_key_sets(origin)[head.key_set])

    def tally(self, subject: Subject) -> Tally:
        """Return the tally of a check."""
        return self.tallies[subject.number]

    def advance(self, count: int) -> None:
        """Tell how many more leaves or entries are done."""
        self._done += count
        # Each leaf is hashed once, and each entry once.
        self.progress(self._done, 2 * sum(one.size for one in self.bundle.manifest.ledgers))

    def records(self, member: str, records: Iterator[T], *stopped: Subject) -> Iterator[T]:
        """Read records; one that breaks its shape ends them, and is a finding of `container`.

        Args:
            member: Name of the member, for the finding.
            records: What the bundle gives.
            stopped: Checks that cannot be made to their end then.
        """
        try:
            yield from records
        except MalformedError as error:
            self.tally(subjects.CONTAINER).fail(Code.UNREADABLE, str(error), member)
            for subject in stopped:
                self.tally(subject).cannot(f"{member} cannot be read to its end")
