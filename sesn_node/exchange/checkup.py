"""Checkup: what this node's database and keys say about its health. Reads, and writes its pulse."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.keys import KeyKind
from sesn_node.domain.counting import many, word_for
from sesn_node.domain.times import DAY_MS, utc_minute
from sesn_node.errors import SesnError
from sesn_node.exchange.links import is_open
from sesn_node.ledger.checkpoint import verify_checkpoint_under
from sesn_node.store.numbers import number_of
from sesn_node.trust.card import open_card
from sesn_node.trust.directory import PeerState
from sesn_node.wire.entries import decode_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.exchange.caseload import Caseload
    from sesn_node.exchange.keyviews import KeysView
    from sesn_node.exchange.oldcopy import OldCopy
    from sesn_node.store.disk import Volume
    from sesn_node.store.engine import Store, Transaction
    from sesn_node.store.erasures import ErasureRow
    from sesn_node.store.peers import LinkRow
    from sesn_node.trust.card import TrustedCard

SOON_MS: Final = 60 * DAY_MS
"""What ends within this time is a warning."""
NOW_MS: Final = 14 * DAY_MS
"""What ends within this time is a failure."""
ENDED_MS: Final = 30 * DAY_MS
"""Copies that ended longer ago without a receipt are history."""

_SLOW_WRITE_S: Final = 2.0


class Grade(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one check came to.

    Args:
        check: One word, for programs.
        grade: How bad it is.
        text: What was found, for people.
        remedy: What to do about it, step by step; empty if nothing has to be done.
        subject: What it is about, if the check looks at several things; a partner's id, say.
    """

    check: str
    grade: Grade
    text: str
    remedy: tuple[str, ...] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True)
class PartnerFacts:
    """A trusted partner, as our database knows it.

    Args:
        card: Its newest card.
        link: How the link to it stands.
        queued: Copies that wait for it.
        oldest_ms: When the oldest of them was written; None without any.
        ended: Copies that ended without a receipt of late, by state.
        unwitnessed_ms: Time of the first entry of ours that it has not cosigned; None if it has
            cosigned all.
        is_open: Whether a connection to it stands (`links.is_open`), if a process serves at all.
    """

    card: TrustedCard
    link: LinkRow
    queued: int
    oldest_ms: int | None
    ended: tuple[tuple[str, int], ...]
    unwitnessed_ms: int | None
    is_open: bool


def steps(*texts: str) -> tuple[str, ...]:
    """Gather the steps of a remedy."""
    return texts


def check_schema_and_write(store: Store) -> list[Diagnosis]:
    """See whether the database takes a write: a real one, to the disk, of its pulse."""
    with store.read() as transaction:
        revision = transaction.upkeep.revision()
    found = [Diagnosis("schema", Grade.OK, f"the database is at schema {revision}")]
    began_s = time.monotonic()
    try:
        with store.write() as transaction:
            transaction.pulse.beat()
    except SesnError as error:
        remedy = (
            "Look at the file system of the database: 'df -h' and 'dmesg' tell whether it is full, "
            "read-only or failing; of a PostgreSQL, its own log does."
        )
        return [*found, Diagnosis("write", Grade.FAILED, error.message, (remedy,))]
    took_s = time.monotonic() - began_s
    text = f"the database took a write in {took_s * 1000:.0f} ms"
    if took_s < _SLOW_WRITE_S:
        return [*found, Diagnosis("write", Grade.OK, text)]
    remedy = "See what else uses this disk or database server: every message waits for such writes."
    return [*found, Diagnosis("write", Grade.WARNING, text, (remedy,))]


def check_standbys(store: Store) -> list[Diagnosis]:
    """See whether a standby of PostgreSQL is attached that may lack the last commits."""
    with store.read() as transaction:
        standbys = transaction.upkeep.standbys()
    found = []
    for name, waits in standbys:
        if waits:
            text = f"each commit waits for the standby {name}"
            found.append(Diagnosis("standby", Grade.OK, text))
            continue
        text = f"commits do not wait for the standby {name}: promoted, it may lack the last of them"
        remedy = (
            "Let the server wait for it: synchronous_standby_names in postgresql.conf. Else, after "
            "a failover, the node appends nothing until all partners have said that they know no "
            "more."
        )
        if waits is None:
            text = f"whether commits wait for the standby {name} cannot be seen"
            remedy = "Grant pg_monitor to the database user of this node."
        found.append(Diagnosis("standby", Grade.WARNING, text, (remedy,)))
    return found


def check_trouble(size: int, trouble: OldCopy | None) -> Diagnosis:
    """Say whether the ledger may be appended to: its tail, its head, and the head file."""
    if trouble is None:
        entries = many(size, "entry", "entries")
        text = f"the newest part of {entries} is whole, and the head file fits"
        return Diagnosis("ledger", Grade.OK, text)
    return Diagnosis("ledger", Grade.FAILED, trouble.what, trouble.steps)


def check_disk(volumes: Sequence[Volume], floor_bytes: int) -> list[Diagnosis]:
    """Hold the free space against the floor under which no new messages are taken."""
    found = []
    for volume in volumes:
        free = f"{volume.free_bytes / (1 << 30):,.1f} GiB free for the {volume.name}"
        remedy = (
            f"Free space on the file system of {volume.folder}: 'du -xh {volume.folder} | sort -h' "
            "tells what takes it. Below limits.disk_floor_mib no new messages are taken."
        )
        if volume.problem:
            found.append(_about(volume, Grade.FAILED, volume.problem, remedy))
        elif volume.free_bytes < 2 * floor_bytes:
            found.append(_about(volume, Grade.WARNING, f"only {free}", remedy))
        else:
            found.append(_about(volume, Grade.OK, free))
    return found


def _about(volume: Volume, grade: Grade, text: str, *remedy: str) -> Diagnosis:
    return Diagnosis("disk", grade, text, remedy, volume.name)


def check_cases(found: Caseload, command: str) -> Diagnosis:
    """Say how return-to-origin cases stand to their due dates.

    Args:
        found: The open ones.
        command: How `sesn` is called for this home.
    """
    if not found.overdue:
        return Diagnosis("cases", Grade.OK, f"return-to-origin cases: {found.text}")
    text = f"return-to-origin cases are overdue: {found.text}"
    remedy = f"'{command} case due' shows whom each waits for, and what is next."
    return Diagnosis("cases", Grade.WARNING, text, (remedy,))


def check_erased(erased: Sequence[ErasureRow], command: str) -> Diagnosis:
    """Say whether the files of the database may still hold bytes of what was erased.

    Args:
        erased: All erasures.
        command: How `sesn` is called for this home.
    """
    left = [row for row in erased if row.scrubbed_ms is None]
    if not left:
        what = f"of {many(len(erased), 'erased message')}" if erased else "that was erased"
        return Diagnosis("erased", Grade.OK, f"the files of the database hold no byte {what}")
    since = utc_minute(min(row.erased_ms for row in left))
    text = (
        f"the files of the database may still hold bytes of {many(len(left), 'erased message')}, "
        f"the first since {since} UTC"
    )
    return Diagnosis(
        "erased",
        Grade.WARNING,
        text,
        steps(
            "Let the node serve: it tries again every ten minutes, and 'erased-bytes-remain' in "
            "its log says where they are and why.",
            f"Or erase one of them once more with --compact: '{command} alert erased' lists them, "
            f"'{command} alert erase ID --reason TEXT --compact' writes the database anew. "
            "Nothing else is written meanwhile.",
        ),
    )


def check_card(own: TrustedCard, now_ms: int) -> list[Diagnosis]:
    """See how long our card and its root last."""
    card = own.card
    return [
        _ending("card", f"our card {card.sequence}", card.expires_ms, now_ms, "sesn card issue"),
        _ending("root", "our root certificate", own.root.not_after_ms, now_ms, ""),
    ]


def check_named_keys(own: TrustedCard, now_ms: int) -> list[Diagnosis]:
    """See how long the keys last that our card names; for whoever has no passphrase."""
    seal = own.card.seal_keys[-1].not_after_ms
    encryption = own.card.encryption_keys[-1].not_after_ms
    return [
        _ending("key", "the seal key", seal, now_ms, "sesn keys rotate seal"),
        _ending("key", "the encryption key", encryption, now_ms, "sesn keys rotate encryption"),
    ]


def check_keys(keys: KeysView, now_ms: int) -> list[Diagnosis]:
    """See how long the keys in use last, and whether all of them are there."""
    found = []
    used = [one for one in keys.keys if one.newest or one.until_ms is None]
    for one in used:
        name = f"the {one.kind} key"
        if one.until_ms is None:
            text = f"{name} {one.key_id.hex()[:16]} is in use, and not in keys/node.key"
            remedy = "Copy keys/node.key from the machine where the keys were rotated."
            found.append(Diagnosis("key", Grade.FAILED, text, (remedy,), one.kind.value))
        elif one.kind is not KeyKind.ROOT:
            ending = _ending("key", name, one.until_ms, now_ms, one.command)
            found.append(replace(ending, subject=one.kind.value))
    worse = [one for one in found if one.grade is not Grade.OK]
    if worse or not found:
        return worse
    first_ms = min(one.until_ms for one in used if one.until_ms is not None)
    are = word_for(len(found), "is", "are")
    text = (
        f"{many(len(found), 'key')} {are} in use; the first of them ends at "
        f"{utc_minute(first_ms)} UTC"
    )
    return [Diagnosis("key", Grade.OK, text)]


def _ending(check: str, what: str, end_ms: int, now_ms: int, command: str) -> Diagnosis:
    left_ms = end_ms - now_ms
    if left_ms >= SOON_MS:
        return Diagnosis(check, Grade.OK, f"{what} is good until {utc_minute(end_ms)} UTC")
    grade = Grade.FAILED if left_ms < NOW_MS else Grade.WARNING
    days = left_ms // DAY_MS
    left = f"in {many(days, 'day')}" if left_ms > 0 else "it is over"
    remedy = (
        f"Run '{command}'; it needs keys/root.key."
        if command
        else "Found the agency's node anew before that day, as docs/operations.md says."
    )
    return Diagnosis(check, grade, f"{what} ends at {utc_minute(end_ms)} UTC: {left}", (remedy,))


def partner_facts(transaction: Transaction, now_ms: int) -> list[PartnerFacts]:
    """Say how every trusted partner stands, by id.

    Raises:
        StorageError: A stored card was altered, or an entry is missing.
    """
    links = {link.agency: link for link in transaction.peers.links()}
    queued = {one.agency: one for one in transaction.figures.queued()}
    ended: dict[str, list[tuple[str, int]]] = {}
    for agency, state, count in transaction.figures.ended_since(now_ms - ENDED_MS):
        ended.setdefault(agency, []).append((state, count))
    head = transaction.ledger.require_head()
    size, start = head.size, number_of(head.ledger, 0)
    rows = [one for one in transaction.peers.peers() if one.state == PeerState.TRUSTED.value]
    trusted = {row.agency for row in rows}
    deliverers = transaction.copies.deliverers(sorted(trusted))
    first = {
        link.witnessed_size
        for link in links.values()
        if link.agency in trusted and link.witnessed_size < size
    }
    entries = transaction.ledger.entries_at([start + one for one in sorted(first)])
    found = []
    for row in rows:
        link = links.get(row.agency) or transaction.peers.link(row.agency)
        waiting = queued.get(row.agency)
        entry = entries.get(start + link.witnessed_size)
        found.append(
            PartnerFacts(
                # As of the day that it was taken: it may have expired since.
                card=open_card(row.card.sealed, row.card.taken_ms),
                link=link,
                queued=0 if waiting is None else waiting.count,
                oldest_ms=None if waiting is None else waiting.oldest_ms,
                ended=tuple(ended.get(row.agency, ())),
                unwitnessed_ms=None if entry is None else decode_entry(entry.entry).time_ms,
                is_open=is_open(link, deliverers),
            )
        )
    return found


def cosigned_size(own: TrustedCard, note: bytes | None) -> int | None:
    """Return the size of our ledger that a partner's cosigned checkpoint proves; None if none."""
    if not note:
        return None
    try:
        return verify_checkpoint_under(note, own.log_key_sets(own.current_origin)).size
    except SesnError:
        return None
