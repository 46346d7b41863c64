"""`sesn ledger`: where our ledger stands, and whether it is whole. Needs no passphrase."""

from __future__ import annotations

import typer

from sesn_node.cli.options import open_store
from sesn_node.cli.show import AsJson, Json, console, facts, print_json
from sesn_node.exchange.standing import ledger_head
from sesn_node.ledger.checkpoint import TreeHead
from sesn_node.ledger.encoding import encode_base64

app = typer.Typer(
    no_args_is_help=True, help="The ledger: where it stands, and whether it is whole."
)


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
    listing.add_row("size", f"{head.size:,} entries")
    listing.add_row("root", encode_base64(head.root))
    console().print(listing)


def head_json(head: TreeHead) -> dict[str, Json]:
    """Show a ledger's head to a program; the root as in the checkpoint, base64."""
    return {"origin": head.origin, "size": head.size, "root": encode_base64(head.root)}
