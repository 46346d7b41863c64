"""What a backup holds, looked at while it streams by: nothing of it is believed unproven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sesn_node.domain.ids import AgencyId, Origin, parse_origin
from sesn_node.errors import SesnError, VerificationError
from sesn_node.exchange.tally import require
from sesn_node.ledger.checkpoint import verify_checkpoint_under
from sesn_node.ledger.merkle import Appender, leaf_hash
from sesn_node.store.numbers import ledger_of, number_of
from sesn_node.trust.card import open_card

if TYPE_CHECKING:
    from sesn_node.crypto.backup import Facts
    from sesn_node.store.dump import TableRow, Value
    from sesn_node.trust.card import TrustedCard

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Contents:
    """A backup that was read to its end, and holds.

    Args:
        facts: What its first line says; true, now.
        own: The agency's newest card.
        storage_key_id: The key that content keys in it are wrapped under.
        settings: The bytes of node.toml.
        rows: Rows of all tables.
        file_bytes: Length of the file.
    """

    facts: Facts
    own: TrustedCard
    storage_key_id: bytes
    settings: bytes
    rows: int
    file_bytes: int


class Inspector:
    """Takes the rows of a backup one by one, then says whether they are what they must be.

    The ledger's tree is built anew from the entries, in O(log n) memory.

    Args:
        facts: What the first line of the backup says.

    Raises:
        MalformedError: The first line names no ledger.
        VerificationError: The ledger is another agency's.
    """

    __slots__ = (
        "_appender",
        "_cards",
        "_directory",
        "_facts",
        "_heads",
        "_ledger",
        "_trees",
        "_witnessed",
    )

    def __init__(self, facts: Facts) -> None:
        owner, _ = parse_origin(facts.origin)
        require(owner == facts.agency, f"backup: the ledger {facts.origin} is of another agency")
        self._facts = facts
        self._appender = Appender(0, ())
        # The ledger whose entries come; the trees of those before it, and what heads say.
        self._ledger = 0
        self._trees: list[tuple[Value, Value]] = []
        self._heads: list[dict[str, Value]] = []
        self._directory: dict[str, Value] = {}
        self._cards: dict[Value, dict[str, Value]] = {}
        self._witnessed = 0

    def take(self, row: TableRow) -> None:
        """Look at a row.

        Raises:
            VerificationError: An entry is missing.
        """
        values = row.values
        if row.table == "ledger_entry":
            self._take_entry(_integer(values["entry_index"]), values["entry"])
        elif row.table == "ledger_head":
            self._heads.append(values)
        elif row.table == "directory":
            self._directory = values
        elif row.table == "witness_head":
            self._witnessed += 1 + _integer(values["size"])
        elif row.table == "card" and values["agency"] == self._facts.agency:
            # An agency issues a card every few months.
            self._cards[values["sha256"]] = values

    @property
    def storage_key_id(self) -> bytes:
        """The storage key in use, after the last row."""
        return _bytes(self._directory.get("storage_key_id"))

    def finish(self) -> TrustedCard:
        """Say whose backup it is, if all of it holds: returns the agency's newest card.

        Raises:
            VerificationError: The head is not what the first line says, or not what the entries
                hash to, or not signed by the ledger's keys; or there is no card.
        """
        facts = self._facts
        head = self._heads[-1] if self._heads else {}
        require(
            (head.get("origin"), head.get("size"), head.get("root"))
            == (facts.origin, facts.size, facts.root),
            "backup: the head of its ledger is not the one that its first line names",
        )
        trees = [*self._trees, (self._appender.size, self._appender.root())]
        require(
            trees == [(one["size"], one["root"]) for one in self._heads],
            "backup: the entries of its ledger do not hash to its root",
        )
        require(
            self._witnessed == facts.witnessed,
            "backup: it does not hold what its first line says was witnessed",
        )
        own = self._own_card()
        for one in self._heads:
            origin = Origin(_text(one["origin"]))
            signed = verify_checkpoint_under(_bytes(one["note"]), own.log_key_sets(origin))
            require(
                (signed.origin, signed.size, signed.root) == (origin, one["size"], one["root"]),
                "backup: the checkpoint of its ledger is about another size or root",
            )
        return own

    def _take_entry(self, number: int, entry: Value) -> None:
        if ledger_of(number) == self._ledger + 1:
            self._trees.append((self._appender.size, self._appender.root()))
            self._ledger, self._appender = self._ledger + 1, Appender(0, ())
        if self._appender.size % _AT_ONCE == 0:
            # It remembers every hash since it was made.
            self._appender = Appender(self._appender.size, self._appender.frontier())
        require(
            number == number_of(self._ledger, self._appender.append(leaf_hash(_bytes(entry)))),
            f"backup: entry {self._appender.size - 1} of its ledger is missing",
        )

    def _own_card(self) -> TrustedCard:
        row = self._cards.get(self._directory.get("own_card_sha256"))
        if row is None:
            raise VerificationError("backup: the agency's own card is missing")
        try:
            # As of the day that it was taken: it may have expired since.
            own = open_card(_bytes(row["sealed"]), _integer(row["taken_ms"]))
        except SesnError as error:
            raise VerificationError(f"backup: the agency's own card: {error}") from error
        require(
            (own.agency, own.sha256) == (AgencyId(self._facts.agency), row["sha256"]),
            "backup: the agency's own card is another's",
        )
        return own


def _integer(value: Value) -> int:
    """The reader has made sure that the column holds integers."""
    return value if isinstance(value, int) else 0


def _text(value: Value) -> str:
    """The reader has made sure that the column holds text."""
    return value if isinstance(value, str) else ""


def _bytes(value: Value) -> bytes:
    """The reader has made sure that the column holds bytes."""
    return value if isinstance(value, bytes) else b""
