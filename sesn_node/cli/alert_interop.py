"""`sesn alert export` and `import`: an alert as STIX 2.1 or as a MISP event, and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from sesn_node.cli.files import check_new, input_file, write_output
from sesn_node.cli.handling_text import marks_text
from sesn_node.cli.options import open_desk
from sesn_node.cli.show import AsJson, Json, error_console, print_json
from sesn_node.domain.alert import Alert
from sesn_node.domain.ids import agency_id
from sesn_node.domain.payload import Payload
from sesn_node.domain.people import Right
from sesn_node.errors import MalformedError
from sesn_node.exchange.handout import hand_out
from sesn_node.exchange.naming import find_alert
from sesn_node.interop.documents import MAX_DOCUMENT_BYTES
from sesn_node.interop.misp_read import read_misp
from sesn_node.interop.misp_write import write_misp
from sesn_node.interop.notes import Draft, Note, Source, Written
from sesn_node.interop.stix_read import read_stix
from sesn_node.interop.stix_write import write_stix
from sesn_node.wire.payloads import payload_to_json

_MAX_SHOWN: Final = 40
"""A document of others may have thousands of things that an alert has no place for."""


class Form(StrEnum):
    """A form that others understand."""

    STIX = "stix"
    MISP = "misp"


_WRITERS: Final[dict[Form, Callable[[Payload, Alert, Source], Written]]] = {
    Form.STIX: write_stix,
    Form.MISP: write_misp,
}
_READERS: Final[dict[Form, Callable[[bytes], Draft]]] = {
    Form.STIX: read_stix,
    Form.MISP: read_misp,
}

AsForm = Annotated[
    Form, typer.Option("--format", help="STIX 2.1, or an event of MISP.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace a file that is there.")]


def export_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    message_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id, or at least its first 8 digits.")
    ],
    form: AsForm,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; else to stdout.")
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="AGENCY", help="Whose alert, when two senders used the same id."
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write an alert as it stands now for a tool of others.

    Our ledger records that it was disclosed. What leaves is neither sealed nor signed: its marks go
    with it, and whoever has the file must obey them.
    """
    if output is not None:
        check_new(output, force=force)
    whose = None if sender is None else agency_id(sender)
    with open_desk(context, Right.EXPORT) as desk:
        told = hand_out(desk.office, find_alert(desk.office.store, message_id), whose)
    source = Source(told.author, told.message_id, told.created_ms, told.modified_ms)
    written = _WRITERS[form](told.payload, told.alert, source)
    _give(written.document, output, force=force, as_json=as_json, dropped=written.dropped)
    if not as_json:
        marks = marks_text(told.payload.markings)
        where = "" if output is None else f"{output} is written. "
        error_console().print(Text.assemble(where, "Marked ", marks, ". The file is not sealed."))


def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.json", exists=True, dir_okay=False, help="What others wrote."),
    ],
    form: AsForm,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The draft; else to stdout.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a draft of a STIX 2.1 bundle or a MISP event, for 'sesn alert send'.

    Read it before you send it: what it says is its author's word, and what could not be taken over
    is told. Needs no home.
    """
    data = input_file(file, limit=MAX_DOCUMENT_BYTES, what=f"{form.value} document")
    try:
        draft = _READERS[form](data)
    except MalformedError as error:
        raise MalformedError(f"{file}: {error.message}", code=error.code) from error
    document = payload_to_json(draft.payload)
    _give(
        document,
        output,
        force=force,
        as_json=as_json,
        dropped=draft.dropped,
        supplied=draft.supplied,
    )
    if output is not None and not as_json:
        words = f"{output} is written. Read it; then 'sesn alert check' it, and 'sesn alert send'."
        error_console().print(Text(words))


def _give(  # noqa: PLR0913 - one argument an option
    document: Json,
    output: Path | None,
    *,
    force: bool,
    as_json: bool,
    dropped: Sequence[Note],
    supplied: Sequence[Note] | None = None,
) -> None:
    """Write a document to a file or to stdout, and say what became of what it was made of."""
    if output is not None:
        data = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
        write_output(output, data, force=force, private=True)
    if as_json:
        notes: dict[str, Json] = {"dropped": _notes_json(dropped)}
        if supplied is not None:
            notes["supplied"] = _notes_json(supplied)
        where: dict[str, Json] = {"document": document} if output is None else {"file": str(output)}
        print_json({**where, **notes})
        return
    if output is None:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    _tell("Not taken over", dropped)
    _tell("Set, since it was not told", supplied or ())


def _tell(title: str, notes: Sequence[Note]) -> None:
    """Name notes on stderr: stdout may be a document."""
    if not notes:
        return
    console = error_console()
    console.print(Text(f"{title}:", "bold"))
    for note in notes[:_MAX_SHOWN]:
        console.print(Text(f"  {note.path}: {note.reason}"), soft_wrap=True)
    if len(notes) > _MAX_SHOWN:
        console.print(Text(f"  and {len(notes) - _MAX_SHOWN:,} more; --json has them all"))


def _notes_json(notes: Sequence[Note]) -> Json:
    return [{"path": note.path, "reason": note.reason} for note in notes]
