"""`init`, `card`, `peer`, `status` and `ledger`: what they do when all is well."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import open_home
from sesn_node.cli.runfile import NodeState, encode_state, serving_node
from sesn_node.config import load
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import ledger_origin
from sesn_node.store.files import locked
from tests.support.commands import sesn, untouched
from tests.support.homes import BE, DE, GH, NL, PASSPHRASE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Homes


def _init(folder: Path, *more: str) -> Path:
    home = folder / "new"
    line = ["init", "--home", str(home), "--agency", "nl.customs", "--name", "Netherlands Customs"]
    ran = sesn(*line, "--country", "NL", "--role", "customs", *more)
    assert ran.code == 0, ran.err
    return home


@pytest.mark.parametrize(
    ("listen", "advertised"),
    [
        ((), ()),
        (("--listen", "127.0.0.1:7443"), ("127.0.0.1:7443",)),
        (("--listen", "127.0.0.1:0"), ()),
        (("--listen", "0.0.0.0:7443"), ()),
        (("--listen", "[::]:7443", "--advertise", "sesn.example:443"), ("sesn.example:443",)),
    ],
)
def test_init_advertises_what_can_be_dialled(
    tmp_path: Path, listen: tuple[str, ...], advertised: tuple[str, ...]
) -> None:
    """The listening address goes into the card if partners could dial it."""
    home = _init(tmp_path, *listen)
    assert load(home / "node.toml").node.advertise == advertised
    sesn("card", "export", tmp_path / "card", home=home)
    assert sesn("card", "show", tmp_path / "card", "--json").json["endpoints"] == list(advertised)


def test_init_of_an_agency_that_had_a_node_before(tmp_path: Path) -> None:
    """`--epoch` names the ledger, in the settings and in the card; bad ones make no home."""
    home = _init(tmp_path, "--epoch", "3")
    assert load(home / "node.toml").agency.ledger_epoch == 3
    with open_home(home, PASSPHRASE) as desk:
        assert desk.office.directory().own.current_origin == ledger_origin(NL, 3)
        assert desk.office.log_keys.origin == ledger_origin(NL, 3)
    line = ("init", "--agency", "gh.epa", "--name", "EPA", "--country", "GH", "--role", "other")
    for bad in ("0", "1000000000", "x"):
        assert sesn(*line, "--epoch", bad, home=tmp_path / bad).code != 0
        assert not (tmp_path / bad).exists()


def test_init_tells_what_comes_next(tmp_path: Path) -> None:
    """The fingerprint is shown whole, as hex groups and words, with the next steps."""
    home = tmp_path / "new"
    line = ("init", "--agency", "gh.epa", "--name", "EPA", "--country", "GH", "--role", "other")
    ran = sesn(*line, home=home)
    assert ran.code == 0
    sesn("card", "export", tmp_path / "card", home=home)
    shown = sesn("card", "show", tmp_path / "card", "--json").json
    text = ran.out.split()
    words = shown["fingerprint_words"]
    assert isinstance(words, list)
    assert len(words) == 24
    assert all(word in text for word in words)
    assert str(shown["fingerprint"])[:4] in text
    assert "card export" in ran.out
    assert "peer add" in ran.out


def test_init_with_json_and_a_database_elsewhere(tmp_path: Path) -> None:
    """One line of JSON; the database is where it was asked for."""
    home = tmp_path / "new"
    line = ["init", "--agency", "gh.epa", "--name", "EPA", "--country", "GH", "--role", "other"]
    line += ["--database", f"sqlite:///{tmp_path}/elsewhere.db", "--json"]
    ran = sesn(*line, home=home)
    assert ran.json["home"] == str(home)
    assert ran.json["agency"] == "gh.epa"
    assert len(str(ran.json["fingerprint"])) == 64
    assert (tmp_path / "elsewhere.db").exists()
    assert sesn("ledger", "status", home=home).code == 0


def test_home_from_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SESN_HOME replaces --home, and --home beats it."""
    monkeypatch.setenv("SESN_HOME", str(home))
    assert sesn("ledger", "status", "--json").json["origin"] == "nl.customs.sesn/ledger/1"
    other = home.parent / GH
    assert sesn("ledger", "status", "--json", home=other).json["origin"] == "gh.epa.sesn/ledger/1"


def test_peer_is_added_by_hex_or_by_words(homes: Homes, tmp_path: Path) -> None:
    """Either form of the fingerprint pins the card; pinning it again changes nothing."""
    home = homes.copy((NL,), tmp_path / "alone", pinned=False)[NL]
    path = tmp_path / "gh.sesncard"
    path.write_bytes(homes.card(GH).sealed)
    shown = sesn("card", "show", path, "--json").json
    words = shown["fingerprint_words"]
    assert isinstance(words, list)
    ran = sesn("peer", "add", path, "--fingerprint", " ".join(map(str, words)), "--json", home=home)
    assert ran.json == {"agency": GH, "state": "trusted", "fingerprint": shown["fingerprint"]}
    with untouched(home):
        again = sesn("peer", "add", path, "--fingerprint", shown["fingerprint"], home=home)
        assert again.code == 0


def test_peer_list(home: Path) -> None:
    """Each partner is listed with its state, its card and its link."""
    peers = sesn("peer", "list", "--json", home=home).json["peers"]
    assert isinstance(peers, list)
    assert [peer["agency"] for peer in peers if isinstance(peer, dict)] == [BE, GH]
    sesn("peer", "revoke", GH, "--yes", home=home)
    ran = sesn("peer", "list", home=home)
    assert "cut off, revoked" in ran.out
    assert "not tried yet" in ran.out


def test_peer_list_is_empty(homes: Homes, tmp_path: Path) -> None:
    """A node without partners says what to do."""
    home = homes.copy((DE,), tmp_path / "alone", pinned=False)[DE]
    told = " ".join(sesn("peer", "list", home=home).out.split())
    assert f"'sesn --home {home} peer add'" in told
    assert sesn("peer", "list", "--json", home=home).json == {"peers": []}


def test_revoking_tells_what_is_not_delivered(home: Path, tmp_path: Path) -> None:
    """Copies that were queued for the agency end, and are counted."""
    path = tmp_path / "alert.json"
    alert = {"subject": "x", "urgency": "ROUTINE", "requested_action": "NONE", "narrative": "y"}
    path.write_text(json.dumps({"markings": {"tlp": "GREEN"}, "alert": alert}))
    sesn("alert", "send", path, "--to", GH, "--to", BE, "--yes", home=home)
    ran = sesn("peer", "revoke", GH, "--yes", "--json", home=home)
    assert ran.json == {"agency": GH, "state": "revoked", "undelivered": 1}
    rows = sesn("outbox", "list", "--json", home=home).json["outbox"]
    assert isinstance(rows, list)
    found = {str(row["agency"]): row for row in rows if isinstance(row, dict)}
    assert (found[GH]["state"], found[GH]["code"]) == ("dead", "PEER_REVOKED")
    assert (found[BE]["state"], found[BE]["code"]) == ("queued", None)
    assert f"{GH} was revoked" in " ".join(sesn("outbox", "list", home=home).out.split())


def test_card_is_issued_anew(home: Path, tmp_path: Path) -> None:
    """The next card carries the settings as they are now, and is recorded in the ledger."""
    settings = home / "node.toml"
    old, new = 'focal_point = ""', 'focal_point = "Environmental crime desk"'
    settings.write_text(settings.read_text().replace(old, new))
    assert sesn("card", "issue", "--json", home=home).json["sequence"] == 2
    sesn("card", "export", tmp_path / "card", home=home)
    shown = sesn("card", "show", tmp_path / "card").out
    assert "Environmental crime desk" in shown
    assert "number 2" in shown
    with open_home(home, PASSPHRASE) as desk, desk.office.store.read() as transaction:
        *_, last = transaction.ledger.entries(0, 100)
    assert last.kind == EntryKind.KEY.value


@pytest.mark.usefixtures("_wide")
def test_status_of_a_node_that_does_not_serve(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no passphrase, ends with 8, and still tells what the database knows."""
    monkeypatch.delenv("SESN_PASSPHRASE")
    with untouched(home):
        ran = sesn("status", "--json", home=home)
    assert ran.code == 8
    assert (ran.json["ready"], ran.json["pid"]) == (False, None)
    assert ran.json["agency"] == NL
    ran = sesn("status", home=home)
    assert ran.code == 8
    assert f"'sesn --home {home} serve'" in ran.out


def test_status_of_a_node_that_serves(home: Path) -> None:
    """Whoever holds the lock and wrote the state file serves; a problem is passed on."""
    run = home / "run"
    (run / "node.json").write_bytes(encode_state(NodeState(4711, "127.0.0.1:7443", "old copy")))
    with locked(run / "node.lock", wait=False):
        ran = sesn("status", "--json", home=home)
        assert ran.code == 0
        assert ran.json["ready"] is True
        assert (ran.json["pid"], ran.json["listen"]) == (4711, "127.0.0.1:7443")
        assert ran.json["problem"] == "old copy"
        assert "old copy" in sesn("status", home=home).out


def test_state_file_of_a_node_that_was_killed(home: Path) -> None:
    """Without its lock, a state file is what a killed node left behind."""
    run = home / "run"
    (run / "node.json").write_bytes(encode_state(NodeState(os.getpid(), "127.0.0.1:7443", "")))
    assert serving_node(run) is None
    (run / "node.lock").touch()
    assert serving_node(run) is None
    assert sesn("status", home=home).code == 8


@pytest.mark.parametrize("state", [None, b"", b"[]", b'{"pid": 1}'])
def test_node_that_starts(home: Path, state: bytes | None) -> None:
    """Between taking the lock and serving, a node is not ready."""
    run = home / "run"
    if state is not None:
        (run / "node.json").write_bytes(state)
    with locked(run / "node.lock", wait=False):
        assert serving_node(run) is None


def test_second_node(home: Path) -> None:
    """Two nodes of one home would fight over its port; the second is told."""
    with locked(home / "run" / "node.lock", wait=False), untouched(home):
        sesn("serve", home=home).failed(7, "ALREADY_SERVING", "sesn status")


def test_ledger_status_and_verify(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither needs a passphrase; a whole ledger passes every check."""
    monkeypatch.delenv("SESN_PASSPHRASE")
    with untouched(home):
        status = sesn("ledger", "status", "--json", home=home).json
        verified = sesn("ledger", "verify", "--json", home=home).json
        assert sesn("ledger", "verify", home=home).code == 0
    assert set(status) == {"origin", "size", "root"}
    assert status["size"] == 3
    assert verified["verified"] is True
    assert {name: verified[name] for name in status} == status
