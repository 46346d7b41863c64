"""The command line as agencies use it: real processes, real nodes, real TLS on loopback.

Nodes are processes of their own in every test. What is typed beside them starts a process on
SQLite; on PostgreSQL it runs in this one, since its way into a process is the same. So do the
commands that only prepare a test or look until something has come about.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sesn_node.cli import init
from sesn_node.founding import found
from tests.support import commands
from tests.support.engines import POSTGRESQL
from tests.support.homes import CHEAP
from tests.support.patience import PATIENCE_S, wait_until
from tests.support.serving import HOST, free_port
from tests.support.terminals import (
    PASSPHRASE,
    at_terminal,
    environment,
    serving,
    sesn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.commands import Ran
    from tests.support.engines import Engine

ALERT = Path(__file__).parents[2] / "configs" / "demo" / "10-transhipped-box-with-two-numbers.json"


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency that was set up by commands."""

    home: Path
    card: Path
    fingerprint: str
    port: int


@contextmanager
def _settings(*, passphrase: bool) -> Iterator[None]:
    """The environment of a command, and homes are founded whose keys open at once."""
    with pytest.MonkeyPatch.context() as patched, commands.logging_kept():
        for name in os.environ.keys() - environment(passphrase=False).keys():
            patched.delenv(name)
        for name, value in environment(passphrase=passphrase).items():
            patched.setenv(name, value)
        patched.setattr(init, "found", partial(found, kdf=CHEAP))
        yield


def _here(*arguments: object, home: Path | None = None, passphrase: bool = True) -> Ran:
    """Run a command in this process."""
    with _settings(passphrase=passphrase):
        return commands.sesn(*arguments, home=home)


@pytest.fixture
def typed(engine: Engine) -> Callable[..., Ran]:
    """Run a command: in a process of its own, or in this one on PostgreSQL."""
    return _here if engine.name == POSTGRESQL else sesn


def _set_up(engine: Engine, folder: Path, agency: str, role: str) -> Agency:
    home, card, port = folder / agency, folder / f"{agency}.sesncard", free_port()
    line = ["init", "--home", str(home), "--agency", agency, "--name", f"Agency {agency}"]
    line += ["--country", agency[:2].upper(), "--role", role, "--listen", f"{HOST}:{port}"]
    line += ["--database", engine.address(home)]
    made = _here(*line, "--json").json
    assert _here("card", "export", card, home=home).code == 0
    shown = _here("card", "show", card, "--json", passphrase=False).json
    assert shown["fingerprint"] == made["fingerprint"]
    return Agency(home, card, str(made["fingerprint"]), port)


def _pin(agency: Agency, other: Agency) -> None:
    line = ("peer", "add", other.card, "--fingerprint", other.fingerprint)
    assert _here(*line, home=agency.home).code == 0


@pytest.fixture(scope="module")
def founded(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Agency, Agency]:
    """Dutch customs and Ghana's environmental agency, who pinned each other's cards."""
    folder = tmp_path_factory.mktemp("founded")
    nl = _set_up(engine, folder, "nl.customs", "customs")
    gh = _set_up(engine, folder, "gh.epa", "environment")
    _pin(nl, gh)
    _pin(gh, nl)
    return nl, gh


@pytest.fixture
def pair(founded: tuple[Agency, Agency], engine: Engine, tmp_path: Path) -> tuple[Agency, Agency]:
    """Copies of both homes, as they were when nothing had been sent."""
    for agency in founded:
        engine.copy(agency.home, tmp_path / agency.home.name)
    nl, gh = (replace(agency, home=tmp_path / agency.home.name) for agency in founded)
    return nl, gh


def _send(
    typed: Callable[..., Ran], agency: Agency, *options: str
) -> tuple[int, str, list[tuple[str, str, bool]]]:
    """Send the alert to gh.epa: exit code, message id, and the recipients' states."""
    line = ("alert", "send", ALERT, "--to", "gh.epa", "--yes", "--json", *options)
    ran = typed(*line, home=agency.home)
    rows = ran.json["recipients"]
    assert isinstance(rows, list)
    states = [
        (str(row["agency"]), str(row["state"]), row["receipt"] is not None)
        for row in rows
        if isinstance(row, dict)
    ]
    return ran.code, str(ran.json["message_id"]), states


def _state(agency: Agency, message_id: str) -> object:
    ran = _here("alert", "show", message_id, "--json", home=agency.home)
    assert ran.code == 0, ran.err
    rows = ran.json["recipients"]
    assert isinstance(rows, list)
    (row,) = rows
    assert isinstance(row, dict)
    return row["state"]


def test_the_whole_trip(pair: tuple[Agency, Agency], typed: Callable[..., Ran]) -> None:
    """Send and wait, accept on the other side, see the decision, verify both ledgers."""
    nl, gh = pair
    with serving(nl.home), serving(gh.home):
        for agency in pair:
            status = typed("status", "--json", home=agency.home, passphrase=False)
            assert (status.code, status.json["ready"]) == (0, True)
            assert status.json["listen"] == f"{HOST}:{agency.port}"
        code, message_id, states = _send(typed, nl, "--wait", "60")
        assert (code, states) == (0, [("gh.epa", "acknowledged", True)])
        accepted = typed("alert", "accept", message_id, "--note", "Tomorrow", home=gh.home)
        assert accepted.code == 0

        def decided() -> bool:
            return bool(
                _here("alert", "show", message_id, "--json", home=nl.home).json["responses"]
            )

        wait_until(decided, "the decision arrived")
        shown = typed("alert", "show", message_id, home=nl.home).out
        assert "accepted" in shown
        assert "Tomorrow" in shown
        second = typed("serve", home=nl.home)
        second.failed(7, "ALREADY_SERVING", str(nl.home))
        for agency in pair:
            verified = typed("ledger", "verify", "--json", home=agency.home, passphrase=False)
            assert (verified.code, verified.json["verified"]) == (0, True)
    assert typed("status", home=nl.home).code == 8
    assert not (nl.home / "run" / "node.json").exists()


def test_partner_that_was_down_catches_up(
    pair: tuple[Agency, Agency], typed: Callable[..., Ran]
) -> None:
    """Queued while the partner is down; acknowledged without anybody's action once it serves."""
    nl, gh = pair
    with serving(nl.home):
        code, message_id, states = _send(typed, nl)
        assert (code, states) == (0, [("gh.epa", "queued", False)])

        def tried() -> bool:
            return ", failed " in _here("outbox", "list", home=nl.home).out

        wait_until(tried, "the outbox says that the partner is not reached")
        with serving(gh.home):
            wait_until(lambda: _state(nl, message_id) == "acknowledged", "the receipt came")
    assert "empty" in typed("outbox", "list", home=nl.home).out


def test_node_that_was_killed(pair: tuple[Agency, Agency], typed: Callable[..., Ran]) -> None:
    """After kill -9 the stale state file fools nobody, and the node starts again."""
    nl, _ = pair
    with serving(nl.home) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        assert (nl.home / "run" / "node.json").exists()
        assert typed("status", home=nl.home).code == 8
    with serving(nl.home):
        assert typed("status", home=nl.home).code == 0


@pytest.mark.engine("sqlite")
def test_port_in_use(pair: tuple[Agency, Agency]) -> None:
    """A node that cannot listen ends with the address in its error."""
    nl, gh = pair
    settings = gh.home / "node.toml"
    settings.write_text(settings.read_text().replace(str(gh.port), str(nl.port)))
    with serving(nl.home):
        ran = sesn("serve", home=gh.home)
        ran.failed(10, "CONFIG", f"{HOST}:{nl.port}")
        assert sesn("status", home=gh.home).code == 8


@pytest.mark.engine("sqlite")
def test_card_is_compared_at_a_terminal(
    tmp_path: Path, pair: tuple[Agency, Agency], engine: Engine
) -> None:
    """Without --fingerprint the card is shown, and only a yes pins it."""
    nl, _ = pair
    be = _set_up(engine, tmp_path, "be.police", "police")
    for answer, code, trusted in (("n", 2, False), ("y", 0, True)):
        with at_terminal("--home", nl.home, "peer", "add", be.card) as terminal:
            terminal.read_until("telephone number that you already know")
            assert be.fingerprint[:4] in terminal.shown
            terminal.answer("the same fingerprint? [y/N]:", answer)
            assert terminal.end() == code
        peers = sesn("peer", "list", home=nl.home, passphrase=False).out
        assert ("be.police" in peers) is trusted


def test_passphrase_is_asked_at_a_terminal(tmp_path: Path) -> None:
    """`init` asks twice, other commands once; what is typed is not shown."""
    home = tmp_path / "home"
    line = ["init", "--home", home, "--agency", "nl.customs", "--name", "Customs"]
    line += ["--country", "NL", "--role", "customs"]
    with at_terminal(*line, passphrase=False) as terminal:
        terminal.answer("New passphrase", PASSPHRASE)
        terminal.answer("The same again:", PASSPHRASE)
        terminal.read_until("Next:")
        assert PASSPHRASE not in terminal.shown
        assert terminal.end() == 0
    with at_terminal("--home", home, "alert", "list", passphrase=False) as terminal:
        terminal.answer("Passphrase:", PASSPHRASE)
        terminal.read_until("No alert was sent or received yet.")
        assert terminal.end() == 0


@pytest.mark.engine("sqlite")
def test_alert_is_looked_at_before_it_leaves(pair: tuple[Agency, Agency]) -> None:
    """At a terminal: what it says, what is doubtful in it, who will see it; then a yes."""
    nl, _ = pair
    line = ("--home", nl.home, "alert", "send", ALERT, "--to", "gh.epa")
    for answer, code in (("n", 2), ("y", 0)):
        with at_terminal(*line) as terminal:
            terminal.read_until("Send it? [y/N]:")
            for words in ("XNQU4713367", "check digit", "Agency gh.epa", "TLP:AMBER"):
                assert words in terminal.shown
            terminal.answer("Send it? [y/N]:", answer)
            assert terminal.end() == code
        alerts = sesn("alert", "list", "--json", home=nl.home).json["alerts"]
        assert isinstance(alerts, list)
        assert len(alerts) == (answer == "y")


def test_passphrase_from_a_descriptor(pair: tuple[Agency, Agency]) -> None:
    """A service manager hands the passphrase over a pipe; it stands in no environment."""
    nl, _ = pair
    read, write = os.pipe()
    os.write(write, PASSPHRASE.encode() + b"\n")
    os.close(write)
    line = ["--home", str(nl.home), "--passphrase-fd", str(read), "alert", "list", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "sesn_node", *line],
        capture_output=True,
        check=False,
        env=environment(passphrase=False),
        pass_fds=(read,),
        timeout=PATIENCE_S,
    )
    os.close(read)
    assert done.stdout == b'{"alerts": []}\n'
