"""Options of `sesn case`: each is described once, under one name wherever it is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from sesn_node.cli.files import input_file
from sesn_node.crypto.digests import RunningSha256
from sesn_node.domain.alert import MAX_NARRATIVE
from sesn_node.domain.case_messages import Evidence
from sesn_node.domain.case_terms import (
    DisputeReason,
    Ground,
    IncidentKind,
    RejectReason,
    Responsibility,
    SealCheck,
    Settlement,
    WithdrawReason,
)
from sesn_node.domain.markings import Tlp
from sesn_node.errors import MalformedError, StorageError

_FIELD: Final = re.compile(r"[a-z_]+")
_PIECE_BYTES: Final = 1 << 20
_BYTES_PER_CHARACTER: Final = 4

CaseId = Annotated[
    str, typer.Argument(metavar="CASE", help="The case: its id, or at least the first 8 digits.")
]
Founder = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="AGENCY", help="Who requested it, when two agencies used the same id."
    ),
]
Subject = Annotated[str, typer.Option(metavar="LINE", help="One line for a list.")]
Said = Annotated[str, typer.Option("--text", metavar="TEXT", help="In words: what, or why.")]
SaidInFile = Annotated[
    Path | None,
    typer.Option(
        "--text-file",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="The same from a text file, in UTF-8.",
    ),
]
EvidenceFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--evidence",
        metavar="'WHAT=FILE'",
        help="What it is, and a file: its SHA-256 goes along, the file stays here. Repeat it.",
    ),
]
TlpOption = Annotated[
    Tlp | None,
    typer.Option(
        "--tlp",
        metavar="LABEL",
        help=f"How far it may be passed on: {', '.join(Tlp)}. Without it: as strictly as before.",
    ),
]
About = Annotated[
    str,
    typer.Option(
        metavar="STEP",
        help="The step that it is about, by the first 8 digits of its name. Needed where there "
        "are several.",
    ),
]
Until = Annotated[
    str,
    typer.Option(metavar="DATE", help="The new due date, such as 2027-01-31: its end, in UTC."),
]
At = Annotated[str, typer.Option(metavar="TIME", help="When, such as 2026-11-01T12:00Z.")]
Reference = Annotated[
    str, typer.Option(metavar="NUMBER", help="Our file number; of 'document', the notification.")
]
Taker = Annotated[
    str, typer.Option(metavar="NAME", help="Who takes the waste back: name and address.")
]
Payer = Annotated[str, typer.Option(metavar="NAME", help="Who pays for it.")]
Site = Annotated[str, typer.Option(metavar="NAME", help="The facility: name and address.")]
Operation = Annotated[
    str, typer.Option(metavar="CODE", help="Disposal or recovery: D1 to D15, R1 to R13.")
]
FacilityOf = Annotated[
    str,
    typer.Option(
        "--facility",
        metavar="AGENCY",
        help="Authority of the facility's country. Without it: the one that takes part, or we.",
    ),
]
JoinsTransit = Annotated[
    list[str] | None,
    typer.Option(
        "--transit", metavar="AGENCY", help="Authority of a country of transit. Repeat it."
    ),
]
JoinsFacility = Annotated[
    list[str] | None,
    typer.Option(
        "--facility", metavar="AGENCY", help="Authority of the facility's country. Repeat it."
    ),
]
MovementDocument = Annotated[str, typer.Option(metavar="NUMBER", help="The movement document.")]
ContainerNumber = Annotated[str, typer.Option(metavar="NUMBER", help="The container.")]
Seal = Annotated[str, typer.Option(metavar="NUMBER", help="The seal on it.")]
Imo = Annotated[str, typer.Option(metavar="IMO", help="The ship, by its number.")]
Vehicle = Annotated[
    str, typer.Option(metavar="NUMBER", help="Instead of a ship: lorry, train or barge.")
]
BillOfLading = Annotated[str, typer.Option(metavar="NUMBER", help="The bill of lading.")]
Place = Annotated[str, typer.Option(metavar="LOCODE", help="Where, such as GHTEM.")]
Quantity = Annotated[str, typer.Option(metavar="NUMBER", help="How much, such as 24.5.")]
Unit = Annotated[str, typer.Option(metavar="UNIT", help="Of the quantity, such as t.")]
Certificate = Annotated[str, typer.Option(metavar="NUMBER", help="The certificate of treatment.")]

GroundOption = Annotated[
    Ground | None,
    typer.Option("--ground", metavar="GROUND", help=f"Why it goes back: {', '.join(Ground)}."),
]
ResponsibilityOption = Annotated[
    Responsibility | None,
    typer.Option(
        "--responsibility", metavar="WHO", help=f"Whose conduct: {', '.join(Responsibility)}."
    ),
]
WhyDispute = Annotated[
    DisputeReason,
    typer.Option("--reason", metavar="REASON", help=f"One of {', '.join(DisputeReason)}."),
]
WhyReject = Annotated[
    RejectReason,
    typer.Option("--reason", metavar="REASON", help=f"One of {', '.join(RejectReason)}."),
]
WhyWithdraw = Annotated[
    WithdrawReason,
    typer.Option("--reason", metavar="REASON", help=f"One of {', '.join(WithdrawReason)}."),
]
WayOut = Annotated[
    Settlement,
    typer.Option(
        "--way",
        metavar="WAY",
        help="RESUME: the request stands; CONSIGNEE: treated where it was found.",
    ),
]
FoundSeal = Annotated[
    SealCheck | None,
    typer.Option(
        "--seal-check",
        metavar="HOW",
        help=f"How the seal was found: {', '.join(SealCheck)}. Without it: --seal is compared with "
        "the one that left.",
    ),
]
WhatHappened = Annotated[
    IncidentKind, typer.Option("--kind", metavar="KIND", help=f"One of {', '.join(IncidentKind)}.")
]


def said(text: str, file: Path | None) -> str:
    """Return what an officer says, typed or in a file.

    Raises:
        MalformedError: Both are given, or the file is no text in UTF-8.
        StorageError: The file cannot be read.
    """
    if file is None:
        return text
    if text:
        raise MalformedError("--text-file: --text is given, too; keep one")
    data = input_file(file, limit=_BYTES_PER_CHARACTER * MAX_NARRATIVE, what="text of a case")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise MalformedError(f"{file}: byte {error.start + 1:,} is not UTF-8") from error


def evidence_of(written: list[str] | None) -> tuple[Evidence, ...]:
    """Hash the files that somebody names as evidence.

    Raises:
        MalformedError: One is not `WHAT=FILE`.
        StorageError: A file cannot be read.
    """
    found = []
    for one in written or ():
        description, sign, name = one.partition("=")
        if not sign or not description.strip() or not name:
            raise MalformedError(
                f"--evidence: expected what it is and a file, such as 'Inspection report="
                f"report.pdf', got {one[:60]!a}"
            )
        try:
            found.append(Evidence(description.strip(), _hash_of(Path(name))))
        except MalformedError as error:
            raise MalformedError(f"--evidence: {error.message}") from error
    return tuple(found)


def _hash_of(path: Path) -> bytes:
    """Return the SHA-256 of a file, which may be larger than memory."""
    running = RunningSha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                running.update(piece)
    except OSError as error:
        raise StorageError(f"--evidence: {path}: cannot be read ({error.strerror})") from error
    return running.digest()


@contextmanager
def naming_options() -> Iterator[None]:
    """Name the option, and not the field of the message, in an error about what was typed."""
    try:
        yield
    except MalformedError as error:
        path, sign, rest = error.message.removeprefix("details.").partition(":")
        if sign and _FIELD.fullmatch(path):
            named = re.sub(r", or (\w+)$", lambda found: f", or --{_option(found[1])}", rest)
            raise MalformedError(f"--{_option(path)}:{named}", code=error.code) from error
        raise


def _option(name: str) -> str:
    return name.replace("_", "-")
