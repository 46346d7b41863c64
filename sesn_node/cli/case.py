"""`sesn case`: a return to origin, from the request until it is closed."""

from __future__ import annotations

import typer

from sesn_node.cli.case_list import due_, list_
from sesn_node.cli.case_open import open_, request_
from sesn_node.cli.case_show import export_, file_, show_
from sesn_node.cli.case_steps import add_steps

app = typer.Typer(no_args_is_help=True, add_completion=False)

app.command("open")(open_)
app.command("request")(request_)
app.command("list")(list_)
app.command("due")(due_)
app.command("show")(show_)
add_steps(app)
app.command("export")(export_)
app.command("file")(file_)
