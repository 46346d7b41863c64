"""`sesn ledger prove`, `checkpoint`, `vkey`, `witnesses`: what others verify us with."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.cli.files import write_output
from sesn_node.cli.options import load_config, open_store
from sesn_node.cli.show import (
    AsJson,
    Json,
    console,
    facts,
    iso,
    print_json,
    say,
    say_to_copy,
    table,
)
from sesn_node.domain.counting import many
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import MessageId, agency_id, parse_message_id, show_message_id
from sesn_node.domain.times import utc_second
from sesn_node.errors import MalformedError
from sesn_node.exchange.naming import find_alert
from sesn_node.exchange.prove import EntryProof, prove
from sesn_node.exchange.published import CosignedNote, Published, cosigned, published
from sesn_node.exchange.witnesses import Witnessing, view_witnesses
from sesn_node.ledger.encoding import encode_base64
from sesn_node.store.headfile import HeadFile

if TYPE_CHECKING:
    from sesn_node.ledger.head import TreeHead
    from sesn_node.ledger.note import VerifierKey
    from sesn_node.store.engine import Store

Epoch = Annotated[
    int | None,
    typer.Option(metavar="N", help="Of a closed ledger of ours, by its number; else the open one."),
]
Force = Annotated[bool, typer.Option("--force", metavar="", help="Replace files that are there.")]


class Kind(StrEnum):
    """Entries about a message, as people write them; the values are `EntryKind`'s."""

    SHARED = "shared"
    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    REFUSED_BY_PEER = "refused-by-peer"
    UNDELIVERED = "undelivered"
    OPERATOR = "operator"

    @property
    def entry_kind(self) -> EntryKind:
        """The kind of the entry."""
        return EntryKind[self.name]


def prove_(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    message: Annotated[
        str, typer.Argument(metavar="ID", help="The message id; of an alert, its first 8 digits.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The proof (.tlog-proof).")
    ],
    leaf: Annotated[Path, typer.Option(metavar="FILE", help="The entry that is proven, verbatim.")],
    kind: Annotated[
        Kind | None,
        typer.Option(
            metavar="KIND",
            help=f"Which entry: {', '.join(Kind)}; else the first one about the message.",
        ),
    ] = None,
    agency: Annotated[
        str | None, typer.Option(metavar="AGENCY", help="Of several, the one about this partner.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a proof that an entry about a message is in our ledger, and the entry.

    It needs no node to be verified: docs/auditing.md says how a stranger does it.
    """
    config = load_config(context)
    with open_store(context) as store:
        found = prove(
            store,
            HeadFile(config.home / HEAD_FILE),
            _message_id(store, message),
            kind=None if kind is None else kind.entry_kind,
            agency=None if agency is None else agency_id(agency),
        )
    write_output(leaf, found.leaf, force=force)
    write_output(output, found.file, force=force)
    if as_json:
        print_json(_proof_json(found, output, leaf))
    else:
        _tell_proof(found, output, leaf)


def checkpoint(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    with_lines: Annotated[
        bool,
        typer.Option(
            "--cosigned",
            metavar="",
            help="The checkpoint that most partners cosigned, with their lines.",
        ),
    ] = False,
    epoch: Epoch = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a file.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Show the newest checkpoint that left this node, verbatim: a C2SP signed note."""
    _, note = _published(context, with_lines=with_lines, epoch=epoch)
    if output is not None:
        write_output(output, note.note, force=force)
    if as_json:
        print_json(
            {
                **_head_json(note.head),
                "note": note.note.decode(),
                "cosigned": [
                    {"agency": one.agency, "time": iso(one.time_s * 1000)} for one in note.cosigners
                ],
            }
        )
    elif output is None:
        _write_bytes(note.note)
    else:
        say(f"{output} is our checkpoint of {many(note.head.size, 'entry', 'entries')}.")


def vkey(context: typer.Context, epoch: Epoch = None, as_json: AsJson = False) -> None:
    """Show the keys that verify our ledger and our cosignatures, as C2SP verifier keys.

    The log's keys of now come last. They are those of our card: compare its fingerprint.
    """
    ours, _ = _published(context, with_lines=False, epoch=epoch)
    logs = [key for keys in ours.key_sets for key in (keys.ed25519_key, keys.mldsa44_key)]
    witness = ours.card.witness_keys
    witnesses = [witness.ed25519_key, witness.mldsa44_key]
    if as_json:
        print_json(
            {
                "origin": ours.head.origin,
                "log": [_key_json(key) for key in logs],
                "witness": [_key_json(key) for key in witnesses],
                "card": {"sequence": ours.card.card.sequence, "sha256": ours.card.sha256.hex()},
            }
        )
        return
    for title, keys in (("log", logs), ("witness", witnesses)):
        for key in keys:
            say_to_copy(f"{title} {key.vkey()}")


def witnesses(context: typer.Context, as_json: AsJson = False) -> None:
    """Show who has cosigned our ledger, how far, and whose ledgers we have cosigned."""
    with open_store(context) as store:
        found = view_witnesses(store)
    if as_json:
        print_json(_witnessing_json(found))
        return
    say(f"{found.head.origin} has {many(found.head.size, 'entry', 'entries')}.")
    ours = table("cosigned by", "size", "behind", "when (UTC)", "", flexible=("cosigned by",))
    for one in found.ours:
        size = "-" if one.size is None else f"{one.size:,}"
        at = "never" if one.time_s is None else utc_second(one.time_s * 1000)
        note = "" if one.trusted else "not trusted now"
        ours.add_row(one.agency, size, f"{one.behind:,}", at, note)
    theirs = table("we cosigned", "size", "when (UTC)", flexible=("we cosigned",))
    for other in found.theirs:
        at = "-" if other.time_s is None else utc_second(other.time_s * 1000)
        theirs.add_row(other.origin, f"{other.size:,}", at)
    for listing, right in ((ours, (1, 2)), (theirs, (1,))):
        for column in right:
            listing.columns[column].justify = "right"
        say()
        console().print(listing)


def _published(
    context: typer.Context, *, with_lines: bool, epoch: int | None
) -> tuple[Published, CosignedNote]:
    config = load_config(context)
    head_file = HeadFile(config.home / HEAD_FILE).as_it_is()
    with open_store(context) as store, store.read() as transaction:
        ours = published(transaction, head_file, epoch)
        if with_lines:
            return ours, cosigned(transaction, ours)
        return ours, CosignedNote(ours.head, ours.note, ())


def _tell_proof(found: EntryProof, output: Path, leaf: Path) -> None:
    say(f"{output} proves that {leaf} is entry {found.proven.index} of our ledger.")
    listing = facts()
    listing.add_row("kind", found.entry.kind.value)
    listing.add_row("time", f"{utc_second(found.entry.time_ms)} UTC")
    if found.entry.agency is not None:
        listing.add_row("partner", found.entry.agency)
    listing.add_row("leaf hash", encode_base64(found.proven.leaf))
    entries = many(found.proven.head.size, "entry", "entries")
    listing.add_row("under", f"{found.proven.head.origin}, {entries}")
    cosigners = ", ".join(one.agency for one in found.cosigners)
    listing.add_row("cosigned by", cosigners or "nobody yet")
    console().print(listing)


def _message_id(store: Store, text: str) -> MessageId:
    """Read a whole id, of any message; or find an alert by the first digits of its id."""
    try:
        return parse_message_id(text.strip())
    except MalformedError:
        return find_alert(store, text)


def _write_bytes(data: bytes) -> None:
    """Write what is signed as it is, whatever the terminal makes of an em dash."""
    sys.stdout.flush()
    raw = getattr(sys.stdout, "buffer", None)
    if raw is None:
        sys.stdout.write(data.decode())
    else:
        raw.write(data)
        raw.flush()


def _head_json(head: TreeHead) -> dict[str, Json]:
    return {"origin": head.origin, "size": head.size, "root": encode_base64(head.root)}


def _key_json(key: VerifierKey) -> dict[str, Json]:
    return {"type": int(key.kind), "scheme": key.kind.name, "vkey": key.vkey()}


def _proof_json(found: EntryProof, output: Path, leaf: Path) -> dict[str, Json]:
    entry = found.entry
    return {
        "proof": str(output),
        "leaf": str(leaf),
        "index": found.proven.index,
        "leaf_hash": encode_base64(found.proven.leaf),
        "kind": entry.kind.value,
        "message_id": None if entry.message_id is None else show_message_id(entry.message_id),
        "agency": entry.agency,
        "time": iso(entry.time_ms),
        "checkpoint": _head_json(found.proven.head),
        "cosigned": [
            {"agency": one.agency, "time": iso(one.time_s * 1000)} for one in found.cosigners
        ],
    }


def _witnessing_json(found: Witnessing) -> dict[str, Json]:
    return {
        **_head_json(found.head),
        "witnesses": [
            {
                "agency": one.agency,
                "trusted": one.trusted,
                "size": one.size,
                "behind": one.behind,
                "time": None if one.time_s is None else iso(one.time_s * 1000),
            }
            for one in found.ours
        ],
        "witnessed": [
            {
                "agency": one.agency,
                "origin": one.origin,
                "size": one.size,
                "time": None if one.time_s is None else iso(one.time_s * 1000),
            }
            for one in found.theirs
        ],
    }
