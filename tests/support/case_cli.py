"""Officers who work on cases at the command line, in a network whose time is moved by hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node import bootstrap
from sesn_node.cli import case_list, operator
from sesn_node.crypto.keyring import encrypt_keyring
from sesn_node.domain.ids import show_message_id
from tests.support.casework import Casework
from tests.support.commands import logging_kept, rows, sesn
from tests.support.homes import CHEAP, PASSPHRASE

if TYPE_CHECKING:
    import pytest

    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.support.commands import JsonIn, Ran
    from tests.support.network import Network

OFFICER: Final = "k7"
SUPERVISOR: Final = "s2"
_PASSWORD: Final = "an operator's passphrase"


class Desks:
    """The command lines of all agencies of a network.

    Args:
        net: The network; commands read its clock.
        patched: Patches what commands take from their surroundings.
    """

    def __init__(self, net: Network, patched: pytest.MonkeyPatch) -> None:
        self.net = net
        # What holds between any two steps, `test_casework.py` and others look at.
        net.checking = False
        self.work = Casework(net)
        patched.setenv("SESN_PASSPHRASE", PASSPHRASE.decode())
        patched.setenv("SESN_OPERATOR_PASSPHRASE", _PASSWORD)
        patched.setenv("SESN_NEW_OPERATOR_PASSPHRASE", _PASSWORD)
        patched.setenv("COLUMNS", "100")
        for name in ("SESN_HOME", "SESN_TRACEBACK"):
            patched.delenv(name, raising=False)
        opened = partial(bootstrap.open_home, clock=self._now)
        patched.setattr(bootstrap, "open_home", opened)
        patched.setattr(case_list, "system_clock", self._now)
        patched.setattr(operator, "encrypt_keyring", partial(encrypt_keyring, params=CHEAP))

    def _now(self) -> int:
        return self.net.clock.now_ms

    def hire(self, agency: AgencyId) -> None:
        """Add an officer and a supervisor who can use the command line."""
        for name, role in ((OFFICER, "officer"), (SUPERVISOR, "supervisor")):
            line = ("operator", "add", name, "--role", role, "--json")
            assert self.typed(agency, *line).code == 0

    def typed(self, agency: AgencyId, *line: object) -> Ran:
        """Run any command."""
        self.net.rest()
        with logging_kept():
            ran = sesn(*line, home=self.net[agency].home)
        # Ids of one millisecond have no order; those of the next sort after them.
        self.net.pass_time(1)
        return ran

    def case(self, agency: AgencyId, *line: object) -> Ran:
        """Run a command about cases."""
        return self.typed(agency, "case", *line)

    def json(self, agency: AgencyId, *line: object) -> dict[str, JsonIn]:
        """Run a command about cases that succeeds; return what it tells programs."""
        ran = self.case(agency, *line, "--json")
        assert ran.code == 0, ran
        return ran.json

    def step(self, agency: AgencyId, case_id: str, action: str, *line: object) -> dict[str, JsonIn]:
        """Take a step, and let it arrive everywhere."""
        done = self.json(agency, action, case_id, *line, "--yes")
        self.work.post()
        return done

    def approve(self, agency: AgencyId, draft_id: object) -> str:
        """Let a draft go, and let it arrive everywhere; return the message."""
        line = ("approve", "give", draft_id, "--yes", "--as", SUPERVISOR, "--json")
        ran = self.typed(agency, *line)
        assert ran.code == 0, ran
        self.work.post()
        return str(ran.json["message_id"])

    def shown(self, agency: AgencyId, case_id: str) -> dict[str, JsonIn]:
        """Return all that a node tells of a case."""
        return self.json(agency, "show", case_id)


def actions(shown: dict[str, JsonIn]) -> list[JsonIn]:
    """Name the steps of a case that is shown."""
    return [one["action"] for one in rows(shown["steps"])]


def named(case_id: MessageId) -> str:
    """Write the id of a case as an officer types it."""
    return show_message_id(case_id)
