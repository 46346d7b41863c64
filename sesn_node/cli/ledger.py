"""`sesn ledger`: where our ledger stands, and whether it is whole. Needs no passphrase."""

from __future__ import annotations

import typer
from rich.text import Text

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.cli.exits import ExitCode
from sesn_node.cli.ledger_check import check_proof_
from sesn_node.cli.ledger_export import export
from sesn_node.cli.ledger_fork import fork
from sesn_node.cli.ledger_proofs import checkpoint, prove_, vkey, witnesses
from sesn_node.cli.ledger_recover import confirm, missing_json, missing_rows, recover
from sesn_node.cli.ledger_timestamps import timestamps
from sesn_node.cli.options import load_config, open_store
from sesn_node.cli.show import (
    AsJson,
    Json,
    console,
    error_console,
    facts,
    print_json,
    say,
    table,
)
from sesn_node.domain.counting import many
from sesn_node.exchange.closedviews import closed_ledgers
from sesn_node.exchange.recovered import missing
from sesn_node.exchange.standing import ledger_head
from sesn_node.exchange.tally import Check
from sesn_node.exchange.verify import Verification, verify_ledger
from sesn_node.ledger.encoding import encode_base64
from sesn_node.ledger.head import TreeHead
from sesn_node.store.headfile import HeadFile

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The ledger: where it stands, and whether it is whole.",
)
app.command("export")(export)
app.command("prove")(prove_)
app.command("check-proof")(check_proof_)
app.command("checkpoint")(checkpoint)
app.command("vkey")(vkey)
app.command("recover")(recover)
app.command("confirm")(confirm)
app.command("witnesses")(witnesses)
app.command("fork")(fork)
app.command("timestamps")(timestamps)


@app.command("status")
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show origin, size and root hash of our ledger."""
    with open_store(context) as store:
        head = ledger_head(store)
    if as_json:
        print_json(head_json(head))
        return
    listing = facts()
    listing.add_row("origin", head.origin)
    listing.add_row("size", many(head.size, "entry", "entries"))
    listing.add_row("root", encode_base64(head.root))
    console().print(listing)


@app.command("verify")
def verify(context: typer.Context, as_json: AsJson = False) -> None:
    """Hold all that this node recorded against the proofs and signatures that it kept.

    Ends with 5 if a check fails. It may run while the node serves.
    """
    config = load_config(context)
    # The status line is seen on a terminal alone; a large ledger takes a while.
    with open_store(context) as store, error_console().status("verifying"):
        found = verify_ledger(store, HeadFile(config.home / HEAD_FILE))
        with store.read() as transaction:
            lost = missing(transaction)
            closed = closed_ledgers(transaction).ledgers
    if as_json:
        print_json(
            {
                "verified": found.passed,
                **head_json(found.head),
                "checks": [_check_json(check) for check in found.checks],
                "missing": missing_json(lost),
            }
        )
    else:
        _print(found)
        for one in closed:
            say(f"Before it, {one.text}.", "yellow" if one.held < one.size else "")
        for _, text in missing_rows(lost):
            say(f"Of entries that came back from an export: {text}.", "yellow")
    if not found.passed:
        raise typer.Exit(ExitCode.VERIFICATION)


def _print(found: Verification) -> None:
    listing = table("", "check", "looked at", "failed", flexible=("check",))
    for check in found.checks:
        failed = Text(f"{check.failed:,}", "bold red") if check.failed else Text("-", "dim")
        mark = Text("fails", "bold red") if check.failed else Text("ok", "green")
        listing.add_row(mark, check.title, f"{check.count:,}", failed)
    for column in listing.columns[2:]:
        column.justify = "right"
    console().print(listing)
    for check in found.checks:
        for text in check.first:
            say(f"{check.name}: {text}", "red")
        if check.failed > len(check.first):
            say(f"{check.name}: and {check.failed - len(check.first):,} more", "red")
    say()
    if found.passed:
        entries = many(found.head.size, "entry", "entries")
        say(f"The ledger is whole: {entries}, and all that refers to them.")
    else:
        say("The ledger does not verify. Keep this home as it is.", "bold red")
        say("'sesn status' says what to do where the database is an old copy; else call for help.")


def _check_json(check: Check) -> dict[str, Json]:
    return {
        "name": check.name,
        "count": check.count,
        "failed": check.failed,
        "first_failures": list(check.first),
    }


def head_json(head: TreeHead) -> dict[str, Json]:
    """Show a ledger's head to a program; the root as in the checkpoint, base64."""
    return {"origin": head.origin, "size": head.size, "root": encode_base64(head.root)}
