"""Who is at the keyboard: `--as OPERATOR`, wherever it stands in the line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import typer

from sesn_node.bootstrap import operator_key_path
from sesn_node.cli.options import command_of
from sesn_node.cli.passphrase import ask_passphrase
from sesn_node.cli.show import print_json, say
from sesn_node.config import Sign
from sesn_node.crypto.keyring import KEY_FILE_BYTES, decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.people import OperatorId, Right, operator_id, require
from sesn_node.errors import PolicyError
from sesn_node.exchange.approval import propose
from sesn_node.exchange.endorsing import OPERATOR_REQUIRED, ApprovalNeeded
from sesn_node.exchange.operators import UNKNOWN_OPERATOR, operators, unlock
from sesn_node.store.files import naming, read_file

if TYPE_CHECKING:
    from sesn_node.bootstrap import Desk
    from sesn_node.exchange.operators import Actor

VARIABLE: Final = "SESN_OPERATOR_PASSPHRASE"


def acting_desk(desk: Desk, name: str | None, right: Right) -> Desk:
    """Let whoever is at the keyboard use the home, if the role allows it.

    Raises:
        PolicyError: Nobody said who that is, and the settings ask for it (`OPERATOR_REQUIRED`); or
            as `unlock` and `require`.
        ConfigError: There is no passphrase.
        VerificationError: Wrong passphrase.
        StorageError: The key file cannot be read.
    """
    if name is None:
        # The first operators are added by whoever has the home.
        first = right is Right.PEOPLE and not operators(desk.office)
        if desk.config.people.sign is Sign.ALWAYS and not first:
            raise PolicyError(
                "this node wants to know who is at the keyboard: add --as OPERATOR; 'sesn operator "
                "list' shows who there is",
                code=OPERATOR_REQUIRED,
            )
        return desk
    actor = _unlocked(desk, operator_id(name))
    require(actor.operator.role, right)
    return replace(desk, office=replace(desk.office, actor=actor))


def _unlocked(desk: Desk, name: OperatorId) -> Actor:
    path = operator_key_path(desk.config.home, name)
    if not path.exists():
        raise PolicyError(
            f"there is no key of {name} in this home ({path}); 'sesn operator list' shows who "
            "there is",
            code=UNKNOWN_OPERATOR,
        )
    passphrase = ask_passphrase(VARIABLE, f"Passphrase of {name}: ")
    with naming(path):
        ring = decrypt_keyring(read_file(path, limit=KEY_FILE_BYTES), passphrase)
    return unlock(desk.office, name, ring.newest(KeyKind.OPERATOR, desk.office.clock()))


@contextmanager
def keeping_drafts(context: typer.Context, desk: Desk) -> Iterator[None]:
    """Keep as a draft what needs a second person, and end the command by saying so."""
    try:
        yield
    except ApprovalNeeded as needed:
        proposal = propose(desk.office, needed.draft)
        draft_id = show_message_id(proposal.draft_id)
        if context.params.get("as_json"):
            print_json({"draft_id": draft_id, "reason": proposal.reason})
        else:
            command = f"{command_of(context)} approve give {draft_id} --as OPERATOR"
            say(
                f"{proposal.reason}: a second person has to approve this. Nothing was sent.", "bold"
            )
            say(f"Draft {draft_id} waits: '{command}'.")
        raise typer.Exit from None
