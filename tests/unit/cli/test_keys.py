"""`sesn keys`: list, rotate and destroy, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE, NODE_KEY, ROOT_KEY, open_home
from sesn_node.cli.exits import ExitCode
from sesn_node.crypto.keyring import decrypt_keyring
from sesn_node.crypto.keys import KeyKind
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.verify import verify_ledger
from sesn_node.store.headfile import HeadFile
from tests.support.commands import sesn, untouched
from tests.support.homes import PASSPHRASE

if TYPE_CHECKING:
    from pathlib import Path

    from sesn_node.crypto.keyring import Keyring


def _ring(home: Path) -> Keyring:
    return decrypt_keyring((home / NODE_KEY).read_bytes(), PASSPHRASE)


def test_list(home: Path) -> None:
    """Every key with what it is for, its id, how it stands and until when; nothing is changed."""
    with untouched(home):
        ran = sesn("keys", "list", home=home)
        as_json = sesn("keys", "list", "--json", home=home).json
    assert ran.code == 0
    for record in _ring(home).records:
        (line,) = [one for one in ran.out.splitlines() if record.key_id.hex()[:12] in one]
        assert line.startswith(record.kind.value)
        assert "in use" in line
    listed = as_json["keys"]
    assert isinstance(listed, list)
    kinds = {str(one["kind"]) for one in listed if isinstance(one, dict)}
    assert kinds == set(KeyKind) - {KeyKind.OPERATOR}
    assert as_json["card"] is not None
    assert as_json["prompts"] == []
    assert all(record.private.hex() not in ran.out for record in _ring(home).records)


@pytest.mark.parametrize("what", list(Rotatable))
def test_rotate(home: Path, what: Rotatable) -> None:
    """The new key is in use at once, partners get a card if they need one, the ledger is whole."""
    before = _ring(home)
    ran = sesn("keys", "rotate", what.value, "--json", home=home)
    assert ran.code == 0, ran
    rotated = ran.json["rotated"]
    assert isinstance(rotated, list)
    made = {str(one["kind"]): str(one["id"]) for one in rotated if isinstance(one, dict)}
    assert set(made) == set(what.kinds)
    ring = _ring(home)
    for kind in what.kinds:
        assert ring.of_kind(kind)[-1].key_id.hex() == made[kind]
        assert ring.of_kind(kind)[-1] not in before.records
    assert ran.json["card"] == (2 if what.on_card else None)
    destroyed = [one.key_id.hex() for one in before.of_kind(KeyKind.STORAGE)]
    assert ran.json["destroyed"] == (destroyed if what is Rotatable.STORAGE else [])
    with open_home(home, PASSPHRASE) as desk:
        assert verify_ledger(desk.office.store, HeadFile(home / HEAD_FILE)).passed


def test_rotate_several_with_one_card(home: Path) -> None:
    """What goes on the card goes on one card; a kind that is named twice is rotated once."""
    ran = sesn("keys", "rotate", "seal", "encryption", "tls", "seal", "--json", home=home)
    assert ran.json["card"] == 2
    rotated = ran.json["rotated"]
    assert isinstance(rotated, list)
    assert len(rotated) == 3


def test_rotate_says_what_was_done(home: Path) -> None:
    """In sentences, with the day until which it lasts, and what to do next: nothing."""
    ran = sesn("keys", "rotate", "seal", "storage", home=home)
    assert ran.code == 0
    assert "A new seal key" in ran.out
    assert "Card 2 is issued; partners take it by themselves." in ran.out
    assert "content keys are wrapped under the new key, 0 of them by this command." in ran.out
    assert "need not be restarted" in ran.out


def test_rotate_without_the_root_key(home: Path) -> None:
    """Nothing is made; the storage key needs no root."""
    (home / ROOT_KEY).rename(home.parent / "root.key")
    with untouched(home):
        for what in ("seal", "tls"):
            ran = sesn("keys", "rotate", what, home=home)
            ran.failed(
                ExitCode.CONFIG, "NO_ROOT_KEY", str(home / ROOT_KEY), "put the root key back"
            )
    assert sesn("keys", "rotate", "storage", home=home).code == 0


def test_rotate_with_another_passphrase(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made with a wrong passphrase."""
    monkeypatch.setenv("SESN_PASSPHRASE", "another passphrase")
    with untouched(home):
        for what in ("seal", "storage"):
            sesn("keys", "rotate", what, home=home).failed(
                ExitCode.VERIFICATION, "WRONG_PASSPHRASE"
            )


@pytest.mark.parametrize("what", ["", "root", "index", "SEAL"])
def test_rotate_what_cannot_be_rotated(home: Path, what: str) -> None:
    """The line says what can be."""
    with untouched(home):
        sesn("keys", "rotate", what, home=home).failed(ExitCode.USAGE, "USAGE", "encryption")


def test_rotate_nothing(home: Path) -> None:
    """A rotation of nothing is a mistake."""
    assert sesn("keys", "rotate", home=home).code == ExitCode.USAGE


def test_prepare(home: Path) -> None:
    """The key is made and shown, not used; the rotation that follows uses it."""
    ran = sesn("keys", "rotate", "seal", "--prepare", home=home)
    assert ran.code == 0
    assert "not in use yet" in ran.out
    made = _ring(home).of_kind(KeyKind.SEAL)[-1].key_id.hex()
    assert made[:16] in ran.out
    again = sesn("keys", "rotate", "seal", "--prepare", "--json", home=home).json["prepared"]
    assert isinstance(again, list)
    assert [one["id"] for one in again if isinstance(one, dict)] == [made]
    rotated = sesn("keys", "rotate", "seal", "--json", home=home).json["rotated"]
    assert isinstance(rotated, list)
    assert [one["id"] for one in rotated if isinstance(one, dict)] == [made]


def test_prepare_a_tls_key(home: Path) -> None:
    """It would be in use once it is made."""
    with untouched(home):
        sesn("keys", "rotate", "tls", "--prepare", home=home).failed(
            ExitCode.CONFIG, "CONFIG", "TLS"
        )


def test_destroy_expired(home: Path) -> None:
    """Nothing is due in a home that was just made."""
    with untouched(home):
        ran = sesn("keys", "destroy-expired", home=home)
        assert (ran.code, ran.out.strip()) == (0, "No key is due.")
        assert sesn("keys", "destroy-expired", "--json", home=home).json == {"destroyed": []}
