"""`sesn doctor`: look for what is wrong, and say what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from sesn_node import config as settings
from sesn_node.bootstrap import (
    EVIDENCE,
    HEAD_FILE,
    NODE_KEY,
    Desk,
    disk_of,
    open_home,
    system_clock,
    timestamp_grace_ms,
    timestamp_roots,
)
from sesn_node.cli.doctor_home import check_permissions, check_serving
from sesn_node.cli.doctor_partners import Ourselves, check_partners
from sesn_node.cli.exits import ExitCode
from sesn_node.cli.link_text import may_serve
from sesn_node.cli.options import home_of, options_of
from sesn_node.cli.passphrase import NO_PASSPHRASE, read_passphrase
from sesn_node.cli.show import AsJson, Json, console, error_console, print_json, say
from sesn_node.config import Config, LogFormat, LogLevel
from sesn_node.domain.counting import many
from sesn_node.errors import ConfigError, SesnError, StorageError
from sesn_node.exchange.alarmviews import AlarmView, alarm_views
from sesn_node.exchange.cardgate import shown_card
from sesn_node.exchange.caseload import caseload_of
from sesn_node.exchange.checkup import (
    Diagnosis,
    Grade,
    PartnerFacts,
    check_card,
    check_cases,
    check_disk,
    check_erased,
    check_keys,
    check_named_keys,
    check_schema_and_write,
    check_standbys,
    check_trouble,
    partner_facts,
)
from sesn_node.exchange.guard import inspect
from sesn_node.exchange.keyviews import view_keys
from sesn_node.exchange.timestampviews import check_timestamps, timestamp_standing
from sesn_node.store.alarms import UNPROVEN
from sesn_node.store.engine import Store, Transaction
from sesn_node.store.headfile import HeadFile
from sesn_node.telemetry.logs import configure
from sesn_node.transport.probe import Probed, probe
from sesn_node.transport.tls import TlsIdentity
from sesn_node.trust.card import TrustedCard, open_card

app = typer.Typer(add_completion=False)

_STYLES: Final = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.FAILED: "bold red"}
_SEE_LEDGER: Final = "See 'ledger' below; the node notices by itself when that is mended."
_ABOUT_PARTNERS: Final = frozenset(
    {
        "partner",
        "card",
        "clock",
        "fork",
        "unproven",
        "old-copy",
        "backlog",
        "ended",
        "circuit",
        "witness",
    }
)
_ALARMS: Final = frozenset({"fork", "unproven"})
_EXITS: Final = {
    Grade.OK: ExitCode.DONE,
    Grade.WARNING: ExitCode.WARNINGS,
    Grade.FAILED: ExitCode.UNHEALTHY,
}


@app.command()
def doctor(
    context: typer.Context,
    offline: Annotated[
        bool, typer.Option("--offline", metavar="", help="Do not ask partners' nodes.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.1, max=600, help="How long a partner may take."),
    ] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Look for what is wrong with this node, and say what to do about it. The node may serve.

    Ends with 0 if all is well, 11 if a check failed, 12 if there are warnings only.
    """
    home = home_of(context)
    configure(LogLevel.ERROR, LogFormat.CONSOLE)
    passphrase = _passphrase(context, home)
    with error_console().status("looking"):
        found = examine(home, passphrase, timeout_s=None if offline else timeout)
    worst = max((one.grade for one in found), key=list(Grade).index)
    if as_json:
        print_json({"health": worst.value, "checks": [_diagnosis_json(one) for one in found]})
    else:
        _print(found, worst)
    raise typer.Exit(_EXITS[worst])


def _passphrase(context: typer.Context, home: Path) -> bytes | SesnError:
    """Ask for the passphrase; without it much can be looked at all the same."""
    if not (home / NODE_KEY).exists():
        return StorageError(f"{home / NODE_KEY} is not there: put back the key files of this node")
    try:
        return read_passphrase(options_of(context).passphrase_fd)
    except SesnError as error:
        return error


def examine(
    home: Path, passphrase: bytes | SesnError, *, timeout_s: float | None
) -> list[Diagnosis]:
    """Run every check that can be run; what one finds does not keep the others from running.

    Args:
        home: Home of the node.
        passphrase: Of the key files, or why there is none.
        timeout_s: How long a partner may take to answer; None to ask none.
    """
    found = check_permissions(home)
    try:
        config = settings.load(home / settings.FILE_NAME)
    except SesnError as error:
        remedy = "Correct the file; configs/node.toml explains every key."
        return [*found, Diagnosis("settings", Grade.FAILED, error.message, (remedy,))]
    found.append(Diagnosis("settings", Grade.OK, f"node.toml is that of {config.agency.id}"))
    disk = disk_of(config)
    found += check_disk(disk.volumes(), disk.floor_bytes)
    found.append(check_serving(home))
    try:
        path = config.database_path
        if path is not None and not path.exists():
            # SQLite would make an empty one.
            raise StorageError(f"the database {path} is not there")
        store = Store(config.database_url, create=False)
    except SesnError as error:
        return [*found, _no_database(config, error)]
    try:
        found = _told_once(found + _in_database(config, store, passphrase, timeout_s))
        # Nothing else is as urgent as a partner's ledger that forked.
        return sorted(found, key=lambda one: one.check not in _ALARMS)
    except SesnError as error:
        return [*found, _no_database(config, error)]
    finally:
        store.close()


def _told_once(found: list[Diagnosis]) -> list[Diagnosis]:
    """Leave what a node says of its ledger to the check of the ledger, which says it all."""
    if not any(one.check == "ledger" and one.grade is Grade.FAILED for one in found):
        return found
    return [
        replace(one, text=one.text.partition(": ")[0], remedy=(_SEE_LEDGER,))
        if one.check == "serving" and one.grade is Grade.FAILED
        else one
        for one in found
    ]


def _no_database(config: Config, error: SesnError) -> Diagnosis:
    remedy = (
        "Look at database.url in node.toml and at the disk or server that it names. If the "
        f"database is lost: 'sesn --home {config.home} restore FILE' with the newest backup; it "
        "says what to do then."
    )
    return Diagnosis("database", Grade.FAILED, error.message, (remedy,))


def _in_database(
    config: Config, store: Store, passphrase: bytes | SesnError, timeout_s: float | None
) -> list[Diagnosis]:
    now_ms = system_clock()
    found = check_schema_and_write(store) + check_standbys(store)
    trouble = inspect(store, HeadFile(config.home / HEAD_FILE))
    with store.read() as transaction:
        size = transaction.ledger.require_head().size
        own = _own(transaction)
        partners = partner_facts(transaction, now_ms)
        erased = transaction.erasures.every()
        grace_ms = timestamp_grace_ms(config)
        stamps = [timestamp_standing(transaction, grace_ms, now_ms)] if grace_ms is not None else []
        alarms = alarm_views(transaction, config.home / EVIDENCE, f"sesn --home {config.home}")
        cases = caseload_of(transaction, config.agency.id, now_ms, config.cases.warn_days)
    found.append(check_trouble(size, trouble))
    found.append(check_cases(cases, f"sesn --home {config.home}"))
    found.append(check_erased(erased, f"sesn --home {config.home}"))
    found += [_check_roots(config), *map(check_timestamps, stamps)] if stamps else []
    found += check_card(own, now_ms)
    us = Ourselves(
        own=own,
        size=size,
        skew_ms=config.limits.clock_skew_seconds * 1000,
        command=f"sesn --home {config.home}",
        now_ms=now_ms,
        serves=_may_serve(config),
    )
    probed: dict[str, Probed] = {}
    try:
        if isinstance(passphrase, SesnError):
            raise passphrase
        with open_home(config.home, passphrase, clock=system_clock) as desk:
            found += check_keys(view_keys(desk.office), now_ms)
            if timeout_s is not None:
                try:
                    probed = _ask(desk, partners, timeout_s)
                except StorageError as error:
                    found.append(_not_asked(error))
    except SesnError as error:
        found += check_named_keys(own, now_ms)
        found.append(_no_keys(error))
    return found + [_alarm(one) for one in alarms] + check_partners(us, partners, probed)


def _check_roots(config: Config) -> Diagnosis:
    """See whether the files of roots that the settings name can be read."""
    try:
        found = timestamp_roots(config)
    except ConfigError as error:
        remedy = "Put the file there; without it the node does not start."
        return Diagnosis("timestamp-roots", Grade.FAILED, error.message, (remedy,))
    roots = sum(len(one.certificates) for one in found.values())
    text = f"{many(len(found), 'authority', 'authorities')} under {many(roots, 'root')}"
    return Diagnosis("timestamp-roots", Grade.OK, text)


def _alarm(alarm: AlarmView) -> Diagnosis:
    """Tell of a partner's ledger that forked, or that it does not prove."""
    check = "unproven" if alarm.row.kind == UNPROVEN else "fork"
    return Diagnosis(check, Grade.FAILED, alarm.what, alarm.steps, alarm.row.agency)


def _may_serve(config: Config) -> bool:
    try:
        return may_serve(config)
    except SesnError:
        # Another check tells it.
        return True


def _own(transaction: Transaction) -> TrustedCard:
    row = transaction.peers.own_card()
    # As of the day that it was taken: it may have expired since.
    return open_card(row.sealed, row.taken_ms)


def _not_asked(error: StorageError) -> Diagnosis:
    text = f"partners were not asked, since our card must not leave yet: {error.message}"
    remedy = f"Make {HEAD_FILE} writable for this user, and free space on its disk."
    return Diagnosis("head-file", Grade.FAILED, text, (remedy,))


def _ask(desk: Desk, partners: Sequence[PartnerFacts], timeout_s: float) -> dict[str, Probed]:
    """Greet every partner that can be dialled.

    Raises:
        StorageError: Our card must not leave: the head file does not cover it, and cannot.
    """
    own = shown_card(desk.office)
    cards = [one.card for one in partners if one.card.card.endpoints]
    identity = TlsIdentity(*desk.tls())
    probed = asyncio.run(probe(identity, own, cards, system_clock, timeout_s))
    return {one.partner.agency: one for one in probed}


def _no_keys(error: SesnError) -> Diagnosis:
    text = f"key files and partners' nodes were not looked at: {error.message}"
    if error.code == NO_PASSPHRASE:
        remedy = "Give the passphrase: by SESN_PASSPHRASE, --passphrase-fd or at the prompt."
        return Diagnosis("keys", Grade.WARNING, text, (remedy,))
    remedy = (
        f"Without {NODE_KEY} and its passphrase the node cannot start. Put the newest one back, "
        "from where the keys are kept."
    )
    return Diagnosis("keys", Grade.FAILED, text, (remedy,))


def _print(found: Sequence[Diagnosis], worst: Grade) -> None:
    listing = Table.grid(padding=(0, 2, 0, 0))
    for wrapped in (False, False, True):
        # A path is never cut short: people copy it.
        listing.add_column(no_wrap=not wrapped, overflow="fold")
    for one in found:
        subject = f"{one.subject}: " if one.check in _ABOUT_PARTNERS and one.subject else ""
        text = Text(subject + one.text, "" if one.grade is Grade.OK else _STYLES[one.grade])
        listing.add_row(Text(one.grade.value, _STYLES[one.grade]), one.check, text)
        for number, step in enumerate(one.remedy, 1):
            mark = f"{number}. " if len(one.remedy) > 1 else "→ "
            listing.add_row("", "", Text(mark + step))
    console().print(listing)
    say()
    counts = {grade: sum(one.grade is grade for one in found) for grade in Grade}
    if worst is Grade.OK:
        say(f"All is well: {many(len(found), 'check')}.", "green")
        return
    warnings = counts[Grade.WARNING]
    say(
        f"{counts[Grade.FAILED]} failed, {many(warnings, 'warning')}, {counts[Grade.OK]} in order.",
        _STYLES[worst],
    )


def _diagnosis_json(one: Diagnosis) -> dict[str, Json]:
    return {
        "check": one.check,
        "subject": one.subject or None,
        "grade": one.grade.value,
        "text": one.text,
        "remedy": list(one.remedy),
    }
