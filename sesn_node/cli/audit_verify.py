"""`sesn audit verify`: check audit bundles offline. Needs no home, no keys and no passphrase."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer
from rich.text import Text

from sesn_node.audit.verdict import BundleVerdict, Check, Finding, State, Verdict
from sesn_node.audit.verify import verify
from sesn_node.cli.audit_cases import print_cases
from sesn_node.cli.exits import ExitCode
from sesn_node.cli.files import input_file
from sesn_node.cli.progress import progress_bar
from sesn_node.cli.show import AsJson, console, facts, iso, print_json, say, table
from sesn_node.domain.checks import printable
from sesn_node.domain.counting import many, numbered, word_for
from sesn_node.errors import StorageError
from sesn_node.ledger.encoding import encode_base64
from sesn_node.ledger.policyfile import MAX_POLICY_BYTES, parse_policy
from sesn_node.store.newfile import NewFile, new_file
from sesn_node.trust.fingerprint import hex_groups
from sesn_node.trust.timestamp_signers import MAX_ROOTS_BYTES, read_roots

_MARKS: Final = {
    State.HOLDS: ("ok", "green"),
    State.FAILS: ("fails", "bold red"),
    State.NOT_MADE: ("not made", "yellow"),
}


def verify_(  # noqa: PLR0913, PLR0917 - one argument an option
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Bundles; those of several agencies are matched.",
            show_default=False,
            exists=True,
            dir_okay=False,
        ),
    ],
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Which witnesses you trust, and how many of them (C2SP tlog-policy).",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    timestamp_roots: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Roots (PEM) of the time-stamping authorities that you trust.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a report for people: OUT.html.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Replace a report that is there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check audit bundles: signatures, proofs, and what several bundles say of each other.

    Trust comes from you: compare the fingerprints that are shown with those that the agencies
    give you, and name the witnesses that you trust in a policy. Ends with 5 if a check fails, and
    with 4 if a file is no bundle.
    """
    asked = None
    if policy is not None:
        asked = parse_policy(input_file(policy, limit=MAX_POLICY_BYTES, what="policy"))
    roots = None
    if timestamp_roots is not None:
        roots = read_roots(input_file(timestamp_roots, limit=MAX_ROOTS_BYTES, what="file of roots"))
    with ExitStack() as stack:
        opened = [stack.enter_context(_reading(path)) for path in files]
        target = None
        if report is not None:
            target = stack.enter_context(new_file(report, force=force, what="report"))
        with _reading_fails(files), progress_bar("verifying") as told:
            now_ms = time.time_ns() // 1_000_000
            verdict = verify(opened, asked, roots=roots, now_ms=now_ms, progress=told)
        if target is not None:
            _write_report(verdict, files, opened, target)
    if as_json:
        print_json(verdict.json() | {"files": [str(path) for path in files]})
    else:
        _print(verdict, files)
    if not verdict.holds:
        raise typer.Exit(ExitCode.VERIFICATION if verdict.readable else ExitCode.MALFORMED)


def _write_report(
    verdict: Verdict, files: Sequence[Path], opened: Sequence[BinaryIO], target: NewFile
) -> None:
    """Write the report beside its place, and put it there once it is whole and on the disk.

    Raises:
        StorageError: A bundle cannot be read; whoever opened `target` says so of the report.
    """
    from sesn_node.audit.report import report  # noqa: PLC0415 - rarely wanted

    pieces = report(verdict, opened)
    with target.part.open("wb") as page:
        while True:
            # It reads the bundles again as it goes: which file fails must not be mixed up.
            with _reading_fails(files):
                piece = next(pieces, None)
            if piece is None:
                break
            page.write(piece.encode())
        target.sync(page)
    target.put()


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    if not path.is_file():
        # A pipe or a device might never end.
        raise StorageError(f"{path} is no file that can be read from its end")
    with _reading_fails([path]):
        file = path.open("rb")
    with file:
        yield file


@contextmanager
def _reading_fails(paths: Sequence[Path]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        names = ", ".join(map(str, paths))
        raise StorageError(
            f"{names}: cannot be read ({error.strerror}). Copy it to a disk that can be read, and "
            "try again"
        ) from error


def _print(verdict: Verdict, files: Sequence[Path]) -> None:
    for path, bundle in zip(files, verdict.bundles, strict=True):
        _print_bundle(path, bundle)
    if len(verdict.bundles) > 1:
        say("Bundles against each other", "bold")
        _print_checks(verdict.matching)
    print_cases(verdict.cases)
    _print_end(verdict)


def _print_bundle(path: Path, bundle: BundleVerdict) -> None:
    # Whoever sent the file chose its name.
    say(printable(str(path)), "bold")
    listing = facts()
    if bundle.agency is not None:
        listing.add_row("agency", bundle.agency)
        listing.add_row("made", iso(bundle.created_ms))
    listing.add_row("SHA-256", bundle.sha256.hex())
    for ledger in bundle.ledgers:
        listing.add_row("ledger", f"{ledger.origin}, {many(ledger.size, 'entry', 'entries')}")
        listing.add_row("root", encode_base64(ledger.root) if ledger.root else "not signed")
        listing.add_row("vouched for", f"{many(ledger.vouched, 'entry', 'entries')}, by others")
        if ledger.stamped is not None:
            first = many(ledger.stamped.size, "entry", "entries")
            when = iso(ledger.stamped.time_ms)
            listing.add_row("time-stamped", f"{first}, at {when} by {ledger.stamped.authority}")
        for one in ledger.recovered:
            listing.add_row("recovered", numbered(one.start, one.end - 1, "entry", "entries"))
        if ledger.lost:
            listing.add_row(
                "lost", f"what {many(ledger.lost, 'entry refers', 'entries refer')} to: see 23"
            )
    for identity in bundle.identities:
        for fingerprint in identity.fingerprints:
            known = " (keys of your policy signed for it)" if identity.by_policy else ""
            listing.add_row(identity.agency, f"{hex_groups(fingerprint)}{known}")
    console().print(listing)
    say()
    if bundle.agency is None:
        # Every other check would say the same.
        _print_checks([check for check in bundle.checks if check.state is State.FAILS])
        say("No other check could be made: the file cannot be read as a bundle.", "yellow")
    else:
        _print_checks(bundle.checks)


def _print_checks(checks: Sequence[Check]) -> None:
    listing = table("", "", "check", "looked at", flexible=("check",))
    for check in checks:
        mark, style = _MARKS[check.state]
        title = Text(check.title)
        if check.reason:
            title.append(f"\n{check.reason}", "yellow")
        listing.add_row(str(check.number), Text(mark, style), title, f"{check.count:,}")
    listing.columns[0].justify = listing.columns[3].justify = "right"
    console().print(listing)
    for check in checks:
        _print_findings(check, check.findings, check.failed, "red")
        _print_findings(check, check.remarks, check.unverified, "yellow")
    say()


def _print_findings(check: Check, found: Sequence[Finding], count: int, style: str) -> None:
    for one in found:
        where = f"{one.place}: " if one.place else ""
        say(f"{check.number} {one.code.value} {where}{one.text}", style)
    if count > len(found):
        say(f"{check.number} and {count - len(found):,} more", style)


def _print_end(verdict: Verdict) -> None:
    checks = verdict.checks
    not_made = sum(check.state is State.NOT_MADE for check in checks)
    failed = sum(check.state is State.FAILS for check in checks)
    if failed:
        fail = word_for(failed, "fails", "fail")
        say(
            f"{failed} of {many(len(checks), 'check')} {fail}. Keep the files as they are.",
            "bold red",
        )
    else:
        say(f"No check fails; {not_made} of {len(checks)} could not be made.", "bold")
    say("Compare each fingerprint with the one that the agency gives you by another way.")
    if not verdict.policy:
        say("No policy was given, so no witness was asked for: see --policy.", "yellow")
