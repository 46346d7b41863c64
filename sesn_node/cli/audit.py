"""`sesn audit`: evidence for somebody who trusts no node."""

from __future__ import annotations

import typer

from sesn_node.cli.audit_export import export
from sesn_node.cli.audit_verify import verify_

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Audit bundles: evidence in one file, for somebody who trusts no node.",
)
app.command("export")(export)
app.command("verify")(verify_)
