"""`sesn ledger check-proof`: verify a proof file, anybody's, offline. Needs no home and no keys."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from sesn_node.cli.files import input_file
from sesn_node.cli.show import AsJson, Json, console, facts, iso, print_json, say
from sesn_node.domain.checks import printable
from sesn_node.domain.counting import many
from sesn_node.domain.entries import MAX_ENTRY_BYTES, Entry
from sesn_node.domain.times import utc_second
from sesn_node.errors import MalformedError
from sesn_node.ledger.encoding import encode_base64
from sesn_node.ledger.note import SignatureType, VerifierKey, parse_vkey
from sesn_node.ledger.policy import NONE
from sesn_node.ledger.policyfile import MAX_POLICY_BYTES, parse_policy
from sesn_node.ledger.proofcheck import CheckedProof, check_proof
from sesn_node.ledger.tlogproof import MAX_TLOG_PROOF_BYTES
from sesn_node.wire.entries import decode_entry

_SCHEMES: Final = {SignatureType.ED25519: "Ed25519", SignatureType.MLDSA44: "ML-DSA-44"}


def check_proof_(
    proof: Annotated[
        Path,
        typer.Argument(
            metavar="PROOF",
            help="The proof (C2SP tlog-proof).",
            show_default=False,
            exists=True,
            dir_okay=False,
        ),
    ],
    leaf: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The entry that is proven, verbatim.", exists=True, dir_okay=False
        ),
    ],
    policy: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Which ledgers and witnesses you trust, and how many (C2SP tlog-policy).",
            exists=True,
            dir_okay=False,
        ),
    ],
    vkey: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VKEY",
            help="A key of the ledger besides those of the policy; each must have signed. Repeat "
            "it for a second one.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that an entry is in a ledger, and that enough witnesses have seen that ledger.

    Ends with 0 only if the ledger's signatures, the proof and the quorum of the policy all hold;
    with 5 if one does not, and with 4 if a file cannot be read as what it should be. A policy
    with the line 'quorum none' asks for no witness.
    """
    data = input_file(proof, limit=MAX_TLOG_PROOF_BYTES, what="proof")
    entry = input_file(leaf, limit=MAX_ENTRY_BYTES, what="entry")
    asked = parse_policy(input_file(policy, limit=MAX_POLICY_BYTES, what="policy"))
    found = check_proof(data, entry, asked, [_key(one) for one in vkey or ()])
    if as_json:
        print_json(_json(found, entry))
        return
    proven = found.proven
    say(f"{leaf} is entry {proven.index:,} of {proven.head.origin}.", "green")
    listing = facts()
    listing.add_row("under", many(proven.head.size, "entry", "entries"))
    listing.add_row("root", encode_base64(proven.head.root))
    listing.add_row("leaf hash", encode_base64(proven.leaf))
    listing.add_row("signed with", " and ".join(_schemes(found)))
    for name, time_s in found.outcome.cosigned.items():
        listing.add_row("cosigned by", f"{_name(name)}, {utc_second(time_s * 1000)} UTC")
    listing.add_row("quorum", "none is asked for" if asked.quorum == NONE else _name(asked.quorum))
    read = _read(entry)
    if read is not None:
        listing.add_row("it says", f"{read.kind.value} {read.code}".rstrip())
        listing.add_row("dated", f"{utc_second(read.time_ms)} UTC, by the ledger's owner")
    console().print(listing)


def _key(text: str) -> VerifierKey:
    try:
        # As `sesn ledger vkey` writes them.
        return parse_vkey(text.strip().removeprefix("log "))
    except MalformedError as error:
        raise MalformedError(f"--vkey: {error.message}") from error


def _read(entry: bytes) -> Entry | None:
    """Read what the entry says, if it is one of this network: another ledger may hold anything."""
    with suppress(MalformedError):
        return decode_entry(entry)
    return None


def _schemes(found: CheckedProof) -> list[str]:
    return [_SCHEMES[kind] for kind in sorted(found.outcome.schemes)]


def _name(name: bytes) -> str:
    return printable(name.decode("utf-8", "backslashreplace"))


def _json(found: CheckedProof, entry: bytes) -> dict[str, Json]:
    head, read = found.proven.head, _read(entry)
    return {
        "holds": True,
        "origin": head.origin,
        "size": head.size,
        "root": encode_base64(head.root),
        "index": found.proven.index,
        "leaf_hash": encode_base64(found.proven.leaf),
        "signed_with": _schemes(found),
        "cosigned": [
            {"witness": _name(name), "time": iso(time_s * 1000)}
            for name, time_s in found.outcome.cosigned.items()
        ],
        "quorum": found.outcome.asked,
        "entry": None
        if read is None
        else {"kind": read.kind.value, "code": read.code or None, "time": iso(read.time_ms)},
    }
