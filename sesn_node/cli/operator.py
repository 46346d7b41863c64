"""`sesn operator`: the people of this agency."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.text import Text

from sesn_node.bootstrap import operator_key_path
from sesn_node.cli.acting import VARIABLE
from sesn_node.cli.options import open_desk
from sesn_node.cli.passphrase import make_passphrase
from sesn_node.cli.show import AsJson, Json, console, iso, print_json, say, table
from sesn_node.crypto.keyring import Keyring, encrypt_keyring
from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.domain.people import MAY, Right, Role, operator_id
from sesn_node.domain.times import DAY_MS, utc_minute
from sesn_node.errors import ConflictError
from sesn_node.exchange.operators import Known, add_operator, operators, remove_operator
from sesn_node.store.files import replace_file

app = typer.Typer(no_args_is_help=True, add_completion=False)

_PRIVATE_FOLDER: Final = 0o700
_NEW_PASSPHRASE: Final = "SESN_NEW_OPERATOR_PASSPHRASE"  # noqa: S105 - the name of a variable

Name = Annotated[
    str, typer.Argument(metavar="ID", help="A pseudonym: a letter, then a-z, 0-9 and '-'.")
]


@app.command("add")
def add(
    context: typer.Context,
    name: Name,
    role: Annotated[
        Role,
        typer.Option(
            metavar="ROLE", help=f"{', '.join(Role)}: 'operator roles' shows what each may do."
        ),
    ],
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How long the key can sign.")] = 730,
    as_json: AsJson = False,
) -> None:
    """Add an operator with a key of its own, under a passphrase that only the operator knows.

    Let the operator type it. Partners see the pseudonym and the role, nothing else.
    """
    who = operator_id(name)
    with open_desk(context, Right.PEOPLE) as desk:
        path = operator_key_path(desk.config.home, who)
        if any(
            one.operator.operator == who and one.removed_ms is None
            for one in operators(desk.office)
        ):
            raise ConflictError(
                f"there is an operator {who}; remove it first, or take another name",
                code="OPERATOR_EXISTS",
            )
        passphrase = make_passphrase(_NEW_PASSPHRASE, who)
        now_ms = desk.office.clock()
        key = generate(
            KeyKind.OPERATOR,
            created_ms=now_ms,
            not_before_ms=now_ms,
            not_after_ms=now_ms + days * DAY_MS,
        )
        # The file first: an operator without a key could do nothing, a key without one is nothing.
        path.parent.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        replace_file(path, encrypt_keyring(Keyring((key,)), passphrase))
        known = add_operator(desk.office, who, role, key)
    if as_json:
        print_json(_json(known))
    else:
        say(
            f"Operator {who} ({role}) can sign until {utc_minute(known.operator.expires_ms)}.",
            "bold",
        )
        say(f"The key is in {path}. '--as {who}' asks for its passphrase, or takes {VARIABLE}.")


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List all operators, removed ones too."""
    with open_desk(context) as desk:
        found = operators(desk.office)
    if as_json:
        print_json({"operators": [_json(one) for one in found]})
        return
    if not found:
        say("There are no operators yet; 'sesn operator add ID --role ROLE' adds one.")
        return
    lines = table("operator", "role", "since", "until", "removed", flexible=())
    for one in found:
        operator = one.operator
        gone = "" if one.removed_ms is None else utc_minute(one.removed_ms)
        lines.add_row(
            Text(operator.operator, "bold" if one.removed_ms is None else "dim"),
            operator.role.value,
            utc_minute(operator.issued_ms),
            utc_minute(operator.expires_ms),
            Text(gone, "yellow"),
        )
    console().print(lines)


@app.command("remove")
def remove(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Take an operator's rights away. What the operator signed stands; the key file goes."""
    who = operator_id(name)
    with open_desk(context, Right.PEOPLE) as desk:
        known = remove_operator(desk.office, who)
        operator_key_path(desk.config.home, who).unlink(missing_ok=True)
    if as_json:
        print_json(_json(known))
    else:
        say(f"{who} is no operator any more.", "bold")


@app.command("roles")
def roles(as_json: AsJson = False) -> None:
    """Show what each role may do."""
    if as_json:
        print_json({role.value: sorted(MAY[role]) for role in Role})
        return
    lines = table("right", *(role.value for role in Role), flexible=())
    for right in Right:
        marks = (Text("yes", "green") if right in MAY[role] else Text("-", "dim") for role in Role)
        lines.add_row(right.value, *marks)
    console().print(lines)


def _json(known: Known) -> dict[str, Json]:
    operator = known.operator
    return {
        "operator": operator.operator,
        "role": operator.role.value,
        "since": iso(operator.issued_ms),
        "until": iso(operator.expires_ms),
        "removed": None if known.removed_ms is None else iso(known.removed_ms),
    }
