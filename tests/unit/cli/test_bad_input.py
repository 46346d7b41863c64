"""Bad input at the command line: one clear error, the right exit code, and nothing changed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from sesn_node.wire.cards import MAX_SEALED_CARD_BYTES
from tests.support.commands import sesn, untouched
from tests.support.homes import BE, DE, GH, NL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Homes


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("nonsense",), "No such command"),
        (("alert", "nonsense"), "No such command"),
        (("alert", "list", "--nonsense"), "No such option"),
        (("alert", "send"), "Missing"),
        (("alert", "decline", "01234567"), "--reason"),
        (("card", "show", "/nowhere/x.sesncard"), "does not exist"),
        (("alert", "send", "/nowhere/x.json", "--to", "gh.epa"), "does not exist"),
        (("alert", "send", "/", "--to", "gh.epa"), "directory"),
        (("alert", "list", "--limit", "0"), "--limit"),
        (("--passphrase-fd", "-1", "alert", "list"), "--passphrase-fd"),
    ],
)
def test_wrong_usage(line: tuple[str, ...], words: str) -> None:
    """A line that cannot be understood ends with 2, before any home is looked at."""
    sesn(*line).failed(2, "USAGE", words)
    assert sesn(*line, "--json").json["error"]


def test_no_command_shows_the_help() -> None:
    """`sesn` alone, and a noun alone, show what there is."""
    for line in ((), ("alert",)):
        ran = sesn(*line)
        assert (ran.code, ran.err) == (2, "")
        assert "Usage: sesn" in ran.out


@pytest.mark.parametrize(
    "line",
    [
        ("card", "export", "x.sesncard"),
        ("card", "issue"),
        ("peer", "list"),
        ("serve",),
        ("status",),
        ("alert", "list"),
        ("outbox", "list"),
        ("ledger", "status"),
        ("ledger", "verify"),
    ],
)
def test_no_home(line: tuple[str, ...], tmp_path: Path) -> None:
    """Without a home, or with a folder that is none, the error says what to write."""
    sesn(*line).failed(10, "NO_HOME", "--home", "SESN_HOME")
    sesn(*line, home=tmp_path).failed(10, "CONFIG", "node.toml", "sesn init")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[agency]", "[agency", "TOML"),
        ("[agency]", "[agnecy]", "agnecy: unknown section"),
        ('id = "nl.customs"', "", "agency.id: missing"),
        ("poll_ms = 1000", "poll_ms = 0", "delivery.poll_ms"),
        ("poll_ms = 1000", 'poll_ms = "often"', "delivery.poll_ms"),
    ],
)
def test_broken_settings(home: Path, old: str, new: str, words: str) -> None:
    """Settings that cannot be used are told with file, section and key."""
    path = home / "node.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    with untouched(home):
        sesn("status", home=home).failed(10, "CONFIG", "node.toml", words)


def test_database_is_gone(home: Path) -> None:
    """A missing database is not replaced by an empty one."""
    (home / "node.db").unlink()
    for line in (("status",), ("alert", "list"), ("ledger", "verify"), ("serve",)):
        sesn(*line, home=home).failed(9, "STORAGE", "node.db", "not there")
    assert not (home / "node.db").exists()


def test_database_is_no_database(home: Path) -> None:
    """A file of another kind is told, and left alone."""
    (home / "node.db").write_bytes(b"\x89PNG" * 1000)
    for line in (("status",), ("alert", "list"), ("ledger", "verify")):
        sesn(*line, home=home).failed(9, "STORAGE", "node.db")
    assert (home / "node.db").read_bytes() == b"\x89PNG" * 1000


def test_key_file_is_damaged(home: Path) -> None:
    """Commands that need no key work on; the others say what is wrong."""
    (home / "keys" / "node.key").write_text("{}")
    sesn("alert", "list", home=home).failed(4, "MALFORMED", "key file")
    assert sesn("ledger", "status", home=home).code == 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--agency", "NL.customs", "agency.id"),
        ("--country", "DE", "country"),
        ("--name", " ", "agency.name"),
        ("--listen", "7443", "host:port"),
        ("--advertise", "sesn.example", "host:port"),
        ("--database", "mysql://x/y", "sqlite"),
    ],
)
def test_init_with_bad_settings(tmp_path: Path, option: str, value: str, words: str) -> None:
    """No home appears when a setting is wrong."""
    line = ["init", "--home", str(tmp_path / "new"), "--agency", "nl.customs", "--name", "Customs"]
    line += ["--country", "NL", "--role", "customs", option, value]
    sesn(*line).failed(10, "CONFIG", words)
    assert not list(tmp_path.iterdir())


def test_init_where_something_is(home: Path) -> None:
    """A home is never made over another."""
    line = ("init", "--agency", "nl.x", "--name", "X", "--country", "NL", "--role", "other")
    with untouched(home):
        sesn(*line, home=home).failed(10, "CONFIG", "holds a node already", "Do not remove it")
    (home / "new").mkdir()
    (home / "new" / "notes.txt").touch()
    with untouched(home):
        ran = sesn(*line, home=home / "new")
        ran.failed(10, "CONFIG", "is not empty; choose another --home")
        assert "remove" not in ran.err
    sesn(*line, "--role", "pirates", home=home).failed(2, "USAGE", "--role")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("{", "not JSON at line 1"),
        ('{"alert": {}}', "markings"),
        ('{"markings": {"tlp": "PINK"}, "alert": {}}', "markings.tlp"),
        ('{"markings": {"tlp": "RED"}, "alert": {"subjekt": "x"}}', "did you mean subject"),
        ('{"markings": {"tlp": "RED"}}', "alert: missing"),
        ("[]", "an object"),
        ("\xff", "UTF-8"),
        (" " * (1024 * 1024 + 1), "longer than"),
    ],
)
def test_alert_file_that_is_none(home: Path, alert_file: Path, change: str, words: str) -> None:
    """The error names the field and the problem; nothing is shared."""
    alert_file.write_bytes(change.encode("latin-1"))
    with untouched(home):
        ran = sesn("alert", "send", alert_file, "--to", GH, "--yes", home=home)
    ran.failed(4, "MALFORMED", words, str(alert_file))
    assert "longer than" in words or "configs/demo/ has examples" in ran.err


@pytest.mark.parametrize(
    ("to", "exit_code", "code", "words"),
    [
        (("fr.police",), 6, "NOT_TRUSTED", "fr.police is not a partner; 'sesn peer list'"),
        ((GH, "fr.police"), 6, "NOT_TRUSTED", "fr.police"),
        ((NL,), 6, "NOT_TRUSTED", "nl.customs"),
        (("Ghana",), 4, "MALFORMED", "'Ghana'"),
    ],
)
def test_alert_to_nobody_we_know(  # noqa: PLR0917 - fixtures and parameters add up
    home: Path, alert_file: Path, to: tuple[str, ...], exit_code: int, code: str, words: str
) -> None:
    """One unknown recipient stops the whole alert: nobody gets it."""
    options = [part for agency in to for part in ("--to", agency)]
    with untouched(home):
        ran = sesn("alert", "send", alert_file, *options, "--yes", home=home)
    ran.failed(exit_code, code, words)


def test_alert_needs_a_yes(home: Path, alert_file: Path) -> None:
    """Without a terminal nobody is asked, and nothing is sent."""
    with untouched(home):
        sesn("alert", "send", alert_file, "--to", GH, home=home).failed(10, "NO_TERMINAL", "--yes")


@pytest.mark.parametrize(
    ("text", "exit_code", "code", "words"),
    [
        ("0123456", 4, "MALFORMED", "at least its first 8 digits"),
        ("nonsense", 4, "MALFORMED", "at least its first 8 digits"),
        ("0123456789abcdef0123456789abcdef0", 4, "MALFORMED", "expected a UUID"),
        ("00000000-0000-4000-8000-000000000000", 4, "MALFORMED", "UUIDv7"),
        ("01234567", 6, "UNKNOWN_MESSAGE", "sesn alert list"),
        ("01234567-89ab-7cde-8123-456789abcdef", 6, "UNKNOWN_MESSAGE", "sesn alert list"),
    ],
)
@pytest.mark.parametrize("verb", ["show", "accept", "decline"])
def test_alert_that_is_not_there(  # noqa: PLR0917 - fixtures and parameters add up
    home: Path, verb: str, text: str, exit_code: int, code: str, words: str
) -> None:
    """A message id that cannot be read or found is told apart."""
    more = ("--reason", "not ours") if verb == "decline" else ()
    with untouched(home):
        sesn("alert", verb, text, *more, home=home).failed(exit_code, code, words)


def test_several_alerts_begin_alike(home: Path, alert_file: Path) -> None:
    """Too few digits are answered with the ids that they could mean."""
    line = ("alert", "send", alert_file, "--to", GH, "--yes", "--json")
    ids = [str(sesn(*line, home=home).json["message_id"]) for _ in range(2)]
    with untouched(home):
        ran = sesn("alert", "show", ids[0][:8], home=home)
    ran.failed(7, "AMBIGUOUS", *ids, "write more digits")


def test_own_alert_cannot_be_accepted(home: Path, alert_file: Path) -> None:
    """Only whoever received an alert decides on it."""
    line = ("alert", "send", alert_file, "--to", GH, "--yes", "--json")
    message_id = str(sesn(*line, home=home).json["message_id"])
    with untouched(home):
        ran = sesn("alert", "accept", message_id, home=home)
    ran.failed(6, "OWN_ALERT", "is our own alert; its recipients decide on it")


def test_card_that_is_none(home: Path, alert_file: Path) -> None:
    """A file of another kind is not taken for a card."""
    no_card = f"{alert_file}: this is no agency card"
    sesn("card", "show", alert_file).failed(4, "MALFORMED", no_card)
    with untouched(home):
        ran = sesn("peer", "add", alert_file, "--fingerprint", "0" * 64, home=home)
    ran.failed(4, "MALFORMED", no_card)
    sesn("peer", "add", alert_file, home=home).failed(4, "MALFORMED", no_card)
    alert_file.write_bytes(bytes(MAX_SEALED_CARD_BYTES + 1))
    sesn("card", "show", alert_file).failed(4, "MALFORMED", "no card")


def test_altered_card(homes: Homes, card_of_de: Path) -> None:
    """A card with one changed byte does not open."""
    sealed = bytearray(homes.card(DE).sealed)
    at = sealed.index(b"Agency de.port")
    sealed[at] ^= 0x20
    card_of_de.write_bytes(sealed)
    sesn("card", "show", card_of_de).failed(5, "BAD_SEAL", "de.port")


def test_wrong_fingerprint(home: Path, homes: Homes, card_of_de: Path) -> None:
    """A card is not pinned under another fingerprint than its own."""
    with untouched(home):
        other = homes.card(BE).fingerprint.hex()
        ran = sesn("peer", "add", card_of_de, "--fingerprint", other, home=home)
        ran.failed(5, "FINGERPRINT_MISMATCH", "de.port")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1234", "64 hex digits or 24 words"),
        (" ".join(["abandon"] * 24), "checksum"),
        (" ".join(["abandon"] * 23 + ["shipmate"]), "word 24"),
    ],
)
def test_fingerprint_that_is_none(home: Path, card_of_de: Path, text: str, words: str) -> None:
    """A misheard word is caught by the list or the checksum."""
    with untouched(home):
        ran = sesn("peer", "add", card_of_de, "--fingerprint", text, home=home)
    ran.failed(4, "MALFORMED", words)


def test_nobody_compared_the_fingerprint(home: Path, card_of_de: Path) -> None:
    """Without a terminal and without --fingerprint no card is pinned."""
    with untouched(home):
        ran = sesn("peer", "add", card_of_de, home=home)
    ran.failed(10, "NO_TERMINAL", "--fingerprint")


def test_own_card_is_no_partner(home: Path, homes: Homes, tmp_path: Path) -> None:
    """We do not pin ourselves."""
    card = homes.card(NL)
    path = tmp_path / "own.sesncard"
    path.write_bytes(card.sealed)
    with untouched(home):
        ran = sesn("peer", "add", path, "--fingerprint", card.fingerprint.hex(), home=home)
    ran.failed(6, "OWN_CARD", str(path), "this is our own card", "add theirs here")
    # Told before anybody is asked to compare it.
    sesn("peer", "add", path, home=home).failed(6, "OWN_CARD", "this is our own card")


def test_revoking_nobody(home: Path) -> None:
    """Only a pinned agency can be revoked, once, and not without a yes."""
    with untouched(home):
        sesn("peer", "revoke", GH, home=home).failed(10, "NO_TERMINAL", "--yes")
        sesn("peer", "revoke", DE, "--yes", home=home).failed(6, "UNKNOWN_PEER", "de.port")
        sesn("peer", "revoke", "nobody", "--yes", home=home).failed(4, "MALFORMED", "nobody")
    assert sesn("peer", "revoke", GH, "--yes", home=home).code == 0
    with untouched(home):
        sesn("peer", "revoke", GH, "--yes", home=home).failed(7, "CONFLICT", "revoked already")


def test_export_where_a_file_is(home: Path, tmp_path: Path) -> None:
    """A file is replaced only if that was asked for."""
    path = tmp_path / "nl.sesncard"
    path.write_text("mine")
    sesn("card", "export", path, home=home).failed(9, "FILE_EXISTS", "--force")
    assert path.read_text() == "mine"
    assert sesn("card", "export", path, "--force", home=home).code == 0
    sesn("card", "export", tmp_path / "no" / "x", home=home).failed(
        9, "STORAGE", "cannot be written"
    )


def test_issue_without_the_root_key(home: Path) -> None:
    """The root key may be kept elsewhere; a new card needs it back."""
    (home / "keys" / "root.key").unlink()
    with untouched(home):
        sesn("card", "issue", home=home).failed(10, "NO_ROOT_KEY", "root.key")


def test_old_copy_of_the_database(home: Path, alert_file: Path, tmp_path: Path) -> None:
    """A database put back from a backup is read, but nothing is sent on top of it."""
    shutil.copy(home / "node.db", tmp_path / "backup.db")
    line = ("alert", "send", alert_file, "--to", GH, "--yes")
    assert sesn(*line, home=home).code == 0
    shutil.copy(tmp_path / "backup.db", home / "node.db")
    with untouched(home):
        sesn(*line, home=home).failed(9, "OLD_COPY", "old copy")
        assert sesn("alert", "list", home=home).code == 0
    ran = sesn("ledger", "verify", home=home)
    assert ran.code == 5
    assert "old copy" in ran.out


def test_file_longer_than_any_card(tmp_path: Path) -> None:
    """What may be a card is parsed; one byte more than any card has is not even read."""
    path = tmp_path / "long.sesncard"
    path.write_bytes(bytes(MAX_SEALED_CARD_BYTES))
    sesn("card", "show", path).failed(4, "MALFORMED", "sealed card")
    path.write_bytes(bytes(MAX_SEALED_CARD_BYTES + 1))
    sesn("card", "show", path).failed(4, "MALFORMED", "longer than")
