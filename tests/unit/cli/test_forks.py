"""What an operator sees of a fork, and how a partner is released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import EVIDENCE, NODE_KEY, open_home, system_clock
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.ids import ledger_origin
from sesn_node.exchange.forks import Seen, raise_unproven
from sesn_node.exchange.witness import add_checkpoint
from sesn_node.ledger.checkpoint import sign_checkpoint
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.witness import format_add_checkpoint
from tests.support.commands import Ran, assert_commands_exist, sesn
from tests.support.homes import BE, GH, NL, PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId
    from tests.support.homes import Homes


@pytest.fixture
def homes_of(homes: Homes, tmp_path: Path) -> Mapping[AgencyId, Path]:
    """Homes of nl.customs, gh.epa and be.police, which trust each other."""
    return homes.copy((NL, GH, BE), tmp_path / "homes")


def _note(home: Path, root: bytes, size: int = 3) -> bytes:
    ring = decrypt_keyring((home / NODE_KEY).read_bytes(), PASSPHRASE)
    now_ms = system_clock()
    return sign_checkpoint(
        TreeHead(ledger_origin(GH, 1), size, root),
        ed25519=signer_for(ring.newest(KeyKind.LOG_ED25519, now_ms)),
        mldsa44=signer_for(ring.newest(KeyKind.LOG_MLDSA44, now_ms)),
        time_s=now_ms // 1000,
    )


@pytest.fixture
def forked(homes_of: Mapping[AgencyId, Path]) -> Path:
    """The home of nl.customs, to which be.police has shown that gh.epa forked."""
    with open_home(homes_of[NL], PASSPHRASE) as desk:
        for root in (b"1" * 32, b"2" * 32):
            body = format_add_checkpoint(0, (), _note(homes_of[GH], root))
            add_checkpoint(desk.office, BE, body)
    return homes_of[NL]


def _listed(ran: Ran, name: str) -> list[dict[str, object]]:
    """Return a list of objects that a command answered with."""
    found = ran.json[name]
    assert isinstance(found, list)
    objects: list[dict[str, object]] = []
    for one in found:
        assert isinstance(one, dict)
        objects.append(dict(one))
    return objects


def test_status_shows_it_first(forked: Path) -> None:
    """What was found, where the evidence is, and each step, with commands that exist."""
    ran = sesn("status", home=forked)
    assert ran.out.startswith("gh.epa signed two histories of gh.epa.sesn/ledger/1 at size 3")
    assert_commands_exist(ran.out)
    (alarm,) = _listed(sesn("status", "--json", home=forked), "alarms")
    assert (alarm["kind"], alarm["agency"], alarm["shown_by"]) == ("fork", GH, BE)
    assert alarm["quarantined"] is True
    assert str(alarm["file"]).startswith(str(forked / EVIDENCE))


def test_doctor_shows_it_first(forked: Path) -> None:
    """The first diagnosis is the fork, with the remedy."""
    ran = sesn("doctor", "--offline", "--json", home=forked)
    assert ran.code == 11
    first = _listed(ran, "checks")[0]
    assert (first["check"], first["grade"], first["subject"]) == ("fork", "failed", GH)
    assert f"sesn --home {forked} peer release gh.epa" in str(first["remedy"])
    assert_commands_exist(str(first["remedy"]))


def test_release(forked: Path) -> None:
    """It shows the evidence and trusts again; then nothing is left to show."""
    assert "quarantined" in sesn("peer", "list", home=forked).out
    ran = sesn("peer", "release", "gh.epa", "--yes", home=forked)
    assert ran.code == 0, ran.err
    assert "signed two histories" in ran.out
    assert "gh.epa is trusted again." in ran.out
    assert sesn("status", "--json", home=forked).json["alarms"] == []
    assert len(list((forked / EVIDENCE).iterdir())) == 1
    again = sesn("peer", "release", "gh.epa", "--yes", "--json", home=forked)
    assert again.code != 0
    assert "nothing to release" in again.err + again.out


def test_release_needs_a_yes(forked: Path) -> None:
    """Without a terminal nobody is asked, and nothing is done."""
    ran = sesn("peer", "release", "gh.epa", home=forked)
    assert ran.code != 0
    assert "--yes" in ran.err
    assert sesn("status", "--json", home=forked).json["alarms"]


def test_release_as_json(forked: Path) -> None:
    """A program learns what was put down."""
    told = sesn("peer", "release", "gh.epa", "--yes", "--json", home=forked).json
    assert (told["state"], told["released"], told["queued"]) == ("trusted", True, 0)


def test_adding_it_again_is_refused(forked: Path, homes_of: Mapping[AgencyId, Path]) -> None:
    """Pinning the card once more is no release."""
    card = forked.parent / "gh.sesncard"
    exported = sesn("card", "export", str(card), home=homes_of[GH])
    assert exported.code == 0, exported.err
    shown = sesn("card", "show", str(card), "--json").json
    ran = sesn("peer", "add", str(card), "--fingerprint", str(shown["fingerprint"]), home=forked)
    assert ran.code != 0
    assert "peer release gh.epa" in ran.err


def test_evidence_verifies_offline(forked: Path, homes_of: Mapping[AgencyId, Path]) -> None:
    """`sesn ledger fork` needs no home; with a card it tells whose keys these are."""
    (file,) = (forked / EVIDENCE).iterdir()
    ran = sesn("ledger", "fork", str(file))
    assert ran.code == 0, ran.err
    assert "The fork is proven" in ran.out
    for agency, code in ((GH, 0), (BE, 5)):
        card = forked.parent / f"{agency}.sesncard"
        sesn("card", "export", str(card), home=homes_of[agency])
        ran = sesn("ledger", "fork", str(file), "--card", str(card), "--json")
        assert ran.code == code, ran.err
        if code == 0:
            assert ran.json["replaced"] is False


def test_evidence_under_replaced_keys(forked: Path, homes_of: Mapping[AgencyId, Path]) -> None:
    """They may have been stolen, which whoever holds the newest card is told."""
    (file,) = (forked / EVIDENCE).iterdir()
    card = forked.parent / "gh.sesncard"
    assert sesn("keys", "rotate", "log", home=homes_of[GH]).code == 0
    sesn("card", "export", str(card), home=homes_of[GH])
    ran = sesn("ledger", "fork", str(file), "--card", str(card))
    assert ran.code == 0, ran.err
    assert "a thief may have signed" in " ".join(ran.out.split())
    assert sesn("ledger", "fork", str(file), "--card", str(card), "--json").json["replaced"] is True


@pytest.mark.parametrize("data", [b"", b"garbage", b"sesn-fork-v1\n"])
def test_evidence_that_is_none(tmp_path: Path, data: bytes) -> None:
    """A file that proves nothing is refused, by its name."""
    file = tmp_path / "some.fork"
    file.write_bytes(data)
    ran = sesn("ledger", "fork", str(file))
    assert ran.code != 0
    assert str(file) in ran.err


def test_unproven_ledger(homes_of: Mapping[AgencyId, Path]) -> None:
    """Nobody is cut off; status and doctor tell it, and an operator can put it down."""
    home = homes_of[NL]
    heads = [TreeHead(ledger_origin(GH, 1), size, bytes([size]) * 32) for size in (3, 5)]
    held, shown = (Seen(one, _note(homes_of[GH], one.root, one.size)) for one in heads)
    with open_home(home, PASSPHRASE) as desk:
        assert raise_unproven(desk.office, GH, held, shown, shown_by=BE)
        assert not raise_unproven(desk.office, GH, held, shown, shown_by=BE)
    ran = sesn("status", home=home)
    assert ran.out.startswith("gh.epa has not proven")
    assert_commands_exist(ran.out)
    checks = _listed(sesn("doctor", "--offline", "--json", home=home), "checks")
    assert checks[0]["check"] == "unproven"
    ran = sesn("peer", "release", "gh.epa", "--yes", home=home)
    assert "it was trusted all the time" in ran.out
