"""Old copies: what is wrong with a database that must not be appended to, and what to do about it.

Whoever reads this has just lost a disk, or put back a backup. So every text says what was found,
what it means, and the next steps, one by one; and promises nothing that the node cannot do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sesn_node.domain.counting import many
from sesn_node.domain.ids import parse_origin
from sesn_node.domain.times import SECOND_MS, utc_second
from sesn_node.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sesn_node.store.headfile import Released
    from sesn_node.store.ledger import HeadRow

OLD_COPY = "OLD_COPY"
"""Code of the error of a database that must not be appended to."""

READ_ONLY = "The node reads and serves, but appends nothing."

_NAMED_PARTNERS = 3
_STOP_AND_MOVE = "Stop the node, and move this database away (keep it)."


class Trouble(StrEnum):
    """Why a database must not be appended to.

    Two of them are doubts: nothing shows that the database is old, or that it is not.
    """

    BEHIND = "behind"
    WITNESS_BEHIND = "witness-behind"
    NO_HEAD_FILE = "no-head-file"
    OTHER_TIMELINE = "other-timeline"
    OTHER_HISTORY = "other-history"
    FOREIGN_HEAD_FILE = "foreign-head-file"
    DAMAGED = "damaged"


DOUBTS = frozenset({Trouble.NO_HEAD_FILE, Trouble.OTHER_TIMELINE})
"""What partners can answer: they are asked how much of our ledger they have cosigned."""


@dataclass(frozen=True, slots=True)
class OldCopy:
    """A database that must not be appended to.

    Args:
        trouble: Why, for programs.
        what: What was found and what it means, for people; whole sentences.
        steps: What to do, in order.
        command: How a command for this home begins.
    """

    trouble: Trouble
    what: str
    steps: tuple[str, ...]
    command: str

    @property
    def message(self) -> str:
        """What was found, in one line: for a log, and for a command that cannot write."""
        return f"{self.what} {READ_ONLY} '{self.command} status' says what to do."


@dataclass(frozen=True, slots=True)
class Scene:
    """Where it happened: what the texts name.

    Args:
        head_file: Path of the head file, in the node's home.
        head: The database's head.
        newest_ms: Time of the newest entry that the database holds; None without one.
        partners: Trusted agencies, as far as the database knows.
    """

    head_file: Path
    head: HeadRow
    newest_ms: int | None
    partners: Sequence[str]

    @property
    def command(self) -> str:
        """How a command for this home begins."""
        return f"sesn --home {self.head_file.parent}"

    @property
    def without_it(self) -> str:
        """What holds for a node whose newest database or head file is lost for good."""
        try:
            agency, epoch = parse_origin(self.head.origin)
        except MalformedError:
            # The database is damaged there, too.
            return "Without it this node stays as it is now."
        return (
            "Without it this node stays as it is now: alerts can be read ('sesn alert list') and "
            "evidence verified ('sesn ledger verify'), but nothing is sent or received. To go on, "
            f"the agency founds a new node, 'sesn init --agency {agency} --epoch {epoch + 1} ...' "
            f"in another home; every partner then runs 'sesn peer revoke {agency}' and adds the "
            "new card, fingerprints compared as at first. docs/operations.md tells it under "
            "'Backups'."
        )

    @property
    def newest(self) -> str:
        """The newest entry's time, in words."""
        return "no entry" if self.newest_ms is None else f"{utc_second(self.newest_ms)} UTC"


def behind(scene: Scene, released: Released, signed_s: int | None) -> OldCopy:
    """Describe a database that holds fewer entries than the head file's checkpoint.

    Args:
        scene: Where.
        released: What the head file holds.
        signed_s: When it was signed; None if it was by keys that the database does not know.
    """
    of = (
        "signed with keys that it does not know yet,"
        if signed_s is None
        else f"of {utc_second(signed_s * SECOND_MS)} UTC"
    )
    missing = released.size - scene.head.size
    are_missing = many(missing, "entry is", "entries are")
    return _old_copy(
        scene,
        Trouble.BEHIND,
        "the database is an old copy: it holds "
        f"{many(scene.head.size, 'ledger entry', 'ledger entries')}, the newest of "
        f"{scene.newest}, but this node has signed {released.size:,}, as the head file "
        f"{scene.head_file} {of} shows. {are_missing} missing: what was sent, "
        f"received and acknowledged since. {_named(scene.partners)} may hold it.",
        *_newer(scene, f"{many(released.size, 'entry', 'entries')} or more"),
    )


def earlier_ledger(scene: Scene, released: Released) -> OldCopy:
    """Describe a database from before the ledger was closed that the head file goes on from."""
    return _old_copy(
        scene,
        Trouble.BEHIND,
        f"the database is an old copy: it holds {scene.head.origin}, and the head file "
        f"{scene.head_file} shows that this node has closed that ledger, and signed "
        f"{many(released.size, 'entry', 'entries')} of {released.origin} since.",
        *_newer(scene, f"{released.origin} with {many(released.size, 'entry', 'entries')} or more"),
    )


def beyond_closing(scene: Scene, released: Released, closed_size: int) -> OldCopy:
    """Describe a head file that shows more of a ledger than it was closed with."""
    return _old_copy(
        scene,
        Trouble.OTHER_HISTORY,
        f"the database closed {released.origin} at "
        f"{many(closed_size, 'entry', 'entries')}, and this home has "
        f"signed {released.size:,} of it, as the head file {scene.head_file} shows, or others: "
        "another process of this node went on while the ledger was closed.",
        "Stop this process. What it released since is in no ledger that goes on: tell the "
        "partners by hand.",
        f"Keep a copy of {scene.head_file}, and of this home's log: they show what it was.",
        "Serve from the homes whose head file fits. Partners that cosigned what was not closed "
        f"quarantine this agency until their operators release it. {scene.without_it}",
    )


def witness_behind(scene: Scene, released: Released) -> OldCopy:
    """Describe a database that has forgotten what it cosigned of others' ledgers."""
    return _old_copy(
        scene,
        Trouble.WITNESS_BEHIND,
        "the database is an old copy: its ledger of "
        f"{many(scene.head.size, 'entry', 'entries')} is whole, but it has forgotten checkpoints "
        "of partners' ledgers that this node has cosigned (witnessed "
        f"{scene.head.witnessed:,}, the head file {scene.head_file} says {released.witnessed:,}). "
        "It could cosign a second history of one of them.",
        *_newer(
            scene,
            f"{many(released.size, 'entry', 'entries')} and witnessed {released.witnessed:,}, or "
            "more",
        ),
    )


def no_head_file(scene: Scene) -> OldCopy:
    """Describe a home without a head file."""
    return _old_copy(
        scene,
        Trouble.NO_HEAD_FILE,
        f"the head file {scene.head_file} is missing, so nothing shows that this database "
        "("
        f"{many(scene.head.size, 'ledger entry', 'ledger entries')}, the newest of {scene.newest}) "
        "is the newest copy: "
        "the node may have signed more.",
        "Find the head file: it is in the home where this node ran last, on the old disk or "
        f"machine. Copy it to {scene.head_file}. Only the newest will do: an older one makes an "
        "old database look new.",
        f"Run '{scene.command} status': if the database fits the file, the node appends at once; "
        "if entries are missing, it says how many and what to do.",
        f"If the file is lost for good, run '{scene.command} ledger confirm': it asks the partners "
        "how many entries of ours they have cosigned. If nobody knows more, the node goes on from "
        "here; what was signed and shown to nobody is lost then. If somebody does, entries are "
        f"missing: look for a newer copy, or for an export ('{scene.command} ledger recover "
        f"--tiles DIR'); without one, '{scene.command} ledger recover --new-epoch' goes on with a "
        f"new ledger. {scene.without_it}",
    )


def other_timeline(scene: Scene, released: Released) -> OldCopy:
    """Describe a PostgreSQL that writes another history than when this process last committed."""
    return _old_copy(
        scene,
        Trouble.OTHER_TIMELINE,
        f"the PostgreSQL server writes timeline {scene.head.timeline or 'unknown'} now, and wrote "
        f"{released.timeline} when this node last committed, as the head file {scene.head_file} "
        "shows: a standby was promoted, or the server was put back from an archive. What was "
        "committed last may be missing from it, and another process of ours may have released it.",
        "Wait: a node that serves asks the partners by itself, and goes on when all have answered "
        "that they know no more than this database.",
        f"If some cannot be reached, look at the old server: the newest entry here is of "
        f"{scene.newest}. If nothing newer was committed there, run '{scene.command} ledger "
        "confirm --unanswered'; in the home of each process.",
        f"If something newer was, put that database in the place of this one. {scene.without_it}",
    )


def other_history(scene: Scene, released: Released) -> OldCopy:
    """Describe a database that holds other entries than the head file's checkpoint."""
    return _old_copy(
        scene,
        Trouble.OTHER_HISTORY,
        f"the database holds another history than this node signed at size {released.size:,}, as "
        f"the head file {scene.head_file} shows. Two copies of this node have written: perhaps a "
        "backup was used elsewhere.",
        "Stop this node, and every other one that runs with these keys.",
        "Find the database that belongs to the head file, and put it in the place of this one; "
        f"leave {scene.head_file} as it is. Keep this database: what only it holds must be told "
        "by hand.",
        "Start the node. If partners log 'ledger-fork' then, they have seen both histories. "
        f"{scene.without_it}",
    )


def foreign_head_file(scene: Scene, reason: str) -> OldCopy:
    """Describe a head file that does not hold a checkpoint of this node."""
    return _old_copy(
        scene,
        Trouble.FOREIGN_HEAD_FILE,
        f"the head file {scene.head_file} does not carry this node's own signatures ({reason}), "
        "so nothing shows that this database is the newest copy.",
        f"Move {scene.head_file} away, and keep it.",
        "Put the head file of this node there: it is in the home where it ran last. Only the "
        "newest will do: an older one makes an old database look new.",
        f"Run '{scene.command} status'. {scene.without_it}",
    )


def damaged(scene: Scene, what: str) -> OldCopy:
    """Describe a database whose newest entries do not fit its own checkpoint."""
    return _old_copy(
        scene,
        Trouble.DAMAGED,
        f"{what}: the database is damaged.",
        f"Run '{scene.command} ledger verify': it tells where.",
        f"Look after the disk: 'dmesg' or its logs tell whether it fails. {_STOP_AND_MOVE}",
        f"Put back the newest copy that is whole ('{scene.command} restore FILE' for a backup), "
        f"and leave {scene.head_file} as it is. Unless it holds "
        f"{many(scene.head.size, 'entry', 'entries')}, the "
        f"node appends nothing. {scene.without_it}",
    )


def _newer(scene: Scene, wanted: str) -> tuple[str, str, str]:
    """What to do about a database of which a newer copy exists, or existed."""
    find = (
        "Find a newer copy of the database: the disk or server that it was on, or a later backup "
        f"('sesn backup --verify FILE' tells what it holds). It takes {wanted}."
    )
    put = (
        f"{_STOP_AND_MOVE} Put the newer one in its place, a backup with '{scene.command} restore "
        f"FILE'. Leave {scene.head_file} as it is: it is what shows which copy is old."
    )
    ask = (
        f"If there is none, but an export of the ledger that goes as far, '{scene.command} ledger "
        "recover --tiles DIR' brings the entries back, and the partners deliver again what they "
        f"have sent since. Without an export, '{scene.command} ledger recover --new-epoch' closes "
        "this ledger where partners and head file show that it ended, opens the next one under the "
        "same root, and the partners deliver again; what was sent from here since then is lost. "
        f"For that ask {_named(scene.partners)} for what passed between you since "
        f"{scene.newest}: it is kept there, with our seals and receipts. {scene.without_it}"
    )
    return find, put, ask


def _named(partners: Sequence[str]) -> str:
    if not partners:
        return "the partners"
    named = ", ".join(partners[:_NAMED_PARTNERS])
    more = len(partners) - _NAMED_PARTNERS
    return named if more <= 0 else f"{named} and {more:,} more partners"


def _old_copy(scene: Scene, trouble: Trouble, what: str, *steps: str) -> OldCopy:
    return OldCopy(trouble, what, steps, scene.command)
