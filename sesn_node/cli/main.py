"""The entry point: options that stand before every noun, the nouns, and how a command ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from sesn_node import __version__
from sesn_node.cli.ask import Interrupted
from sesn_node.cli.exits import ExitCode, exit_code, report, report_fault
from sesn_node.cli.lazy import LazyCommand, Noun
from sesn_node.cli.options import Options, lead_with_operator
from sesn_node.errors import SesnError

if TYPE_CHECKING:
    # typer carries its own copy of click, and types its methods with it.
    from typer._click import Context

NOUNS: Final = (
    Noun("init", "sesn_node.cli.init", "Make a node's home: keys, card, database and ledger."),
    Noun("card", "sesn_node.cli.card", "Agency cards: export ours, look into others."),
    Noun("keys", "sesn_node.cli.keys", "Our keys: how long they last, and new ones."),
    Noun("peer", "sesn_node.cli.peer", "Partner agencies: trust, list, revoke, release."),
    Noun("serve", "sesn_node.cli.serve", "Run this agency's node until it is stopped."),
    Noun("status", "sesn_node.cli.status", "Say whether the node serves, and how it stands."),
    Noun("operator", "sesn_node.cli.operator", "Our people: add, list, remove; what each may do."),
    Noun("alert", "sesn_node.cli.alert", "Alerts: send, read, decide, pass on, recall, erase."),
    Noun("approve", "sesn_node.cli.approve", "Four eyes: let go what another operator wrote."),
    Noun("conversation", "sesn_node.cli.conversation", "All messages of a conversation, in order."),
    Noun("request", "sesn_node.cli.request", "Requests for information: send, list, answer."),
    Noun("case", "sesn_node.cli.case", "Return to origin: have an illegal shipment taken back."),
    Noun("note", "sesn_node.cli.note", "Plain words to partners."),
    Noun("sighting", "sesn_node.cli.sighting", "Tell where a container or a ship was seen."),
    Noun("track", "sesn_node.cli.track", "Where a container or ship was, by all partners."),
    Noun("watch", "sesn_node.cli.watch", "What to mark in what arrives: add, list, remove."),
    Noun("group", "sesn_node.cli.group", "Named recipients, for --to @NAME."),
    Noun("outbox", "sesn_node.cli.outbox", "Where each message stands and why; try again."),
    Noun("trace", "sesn_node.cli.trace", "One message's life, step by step, on several nodes."),
    Noun("ledger", "sesn_node.cli.ledger", "Our ledger: prove, export, verify, recover it."),
    Noun("audit", "sesn_node.cli.audit", "Audit bundles: evidence in one file, for an auditor."),
    Noun("backup", "sesn_node.cli.backup", "Back up the database into one encrypted file."),
    Noun("restore", "sesn_node.cli.restore", "Make a backup the database of a home again."),
    Noun("doctor", "sesn_node.cli.doctor", "Look for what is wrong, and say what to do about it."),
    Noun("demo", "sesn_node.cli.demo", "Watch three agencies exchange alerts on this machine."),
    Noun("bench", "sesn_node.cli.bench", "Measure how fast two nodes exchange alerts here."),
)


class _Nouns(TyperGroup):
    """The command with all its nouns; tells Ctrl-C apart from how a command ends by itself."""

    def invoke(self, ctx: Context) -> object:
        """Run the command that the line names.

        Raises:
            Interrupted: Somebody pressed Ctrl-C.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("stopped; what was recorded before stands") from None


_app = typer.Typer(
    cls=_Nouns,
    help="Exchange sealed alerts on suspect consignments with other agencies, with proof.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sesn {__version__}")
        raise typer.Exit


@_app.callback()
def _options(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            envvar="SESN_HOME",
            show_envvar=True,
            help="Folder of the node: settings, keys, database.",
        ),
    ] = None,
    passphrase_fd: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Read the passphrase of the keys from this file descriptor. Without it: "
            "SESN_PASSPHRASE, then the systemd credential sesn-passphrase, then a prompt.",
        ),
    ] = None,
    acting: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="OPERATOR",
            help="Who is at the keyboard; may stand anywhere in the line. Asks for the operator's "
            "passphrase, unless SESN_OPERATOR_PASSPHRASE has it.",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            metavar="",
            help="Show the version and stop.",
        ),
    ] = False,
) -> None:
    del version  # Its callback has answered it.
    context.obj = Options(home, passphrase_fd, acting)


def main() -> NoReturn:
    """Run the `sesn` command with the arguments of this process, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a name shows its code points, and not a traceback.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the `sesn` command and return its exit code; see `exits` for what each means."""
    # Looked for before anything is parsed, since a line that cannot be parsed must answer too.
    as_json = "--json" in arguments
    try:
        line = lead_with_operator(arguments)
        code = _command().main(line, prog_name="sesn", standalone_mode=False)
    except SesnError as error:
        report(error.code, error.message, as_json=as_json)
        return exit_code(error)
    except Interrupted as error:
        # What was typed, or shown to be waited for, stands in the line.
        sys.stderr.write("\n")
        report("INTERRUPTED", str(error), as_json=as_json)
        return ExitCode.INTERRUPTED
    except typer.TyperException as error:
        message = _usage(error)
        if message or as_json:  # Without arguments the help was shown, which says it all.
            report("USAGE", message or "a command is missing", as_json=as_json)
        return ExitCode.USAGE
    except typer.Abort:
        report("ABORTED", "nothing was done", as_json=as_json)
        return ExitCode.USAGE
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback for an officer
        report_fault(error, as_json=as_json)
        return ExitCode.FAULT
    return code if isinstance(code, int) else ExitCode.DONE


def _usage(error: typer.TyperException) -> str:
    """Say what is wrong with a line, and where the words are that it may have."""
    # The prefix is a word of the library that reads the options.
    message = error.format_message().replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    if message.startswith("No such command") and context is not None:
        return f"{message.rstrip('.')}; '{context.command_path} --help' lists them"
    return message


def _command() -> TyperGroup:
    # `get_command`, since that adds the options of shell completion.
    group = cast("TyperGroup", get_command(_app))
    for noun in NOUNS:
        group.add_command(LazyCommand(noun))
    return group
