"""What people are told of an old copy: whole, true, and with commands that exist."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sesn_node.exchange import oldcopy
from sesn_node.exchange.oldcopy import READ_ONLY, OldCopy, Scene, Trouble
from sesn_node.store.headfile import Released
from sesn_node.store.ledger import HeadRow
from tests.support.commands import assert_commands_exist

_HEAD = HeadRow("nl.customs.sesn/ledger/3", 1_000, bytes(32), b"", 20)
_SCENE = Scene(Path("/srv/sesn/nl/ledger.head"), _HEAD, 1_795_417_269_000, ["gh.epa"])
_RELEASED = Released(b"", 1_234, 25)
_ALL = [
    oldcopy.behind(_SCENE, _RELEASED, 1_795_417_300),
    oldcopy.witness_behind(_SCENE, _RELEASED),
    oldcopy.no_head_file(_SCENE),
    oldcopy.other_timeline(_SCENE, replace(_RELEASED, timeline="00000001")),
    oldcopy.other_history(_SCENE, _RELEASED),
    oldcopy.foreign_head_file(_SCENE, "no signature"),
    oldcopy.damaged(_SCENE, "the newest entries do not hash to the root"),
]


def test_every_trouble_has_a_text() -> None:
    """No trouble is left without words."""
    assert {one.trouble for one in _ALL} == set(Trouble)


def _whole(found: OldCopy) -> str:
    return " ".join((found.what, *found.steps))


@pytest.mark.parametrize("found", _ALL, ids=lambda found: found.trouble.value)
def test_one_line(found: OldCopy) -> None:
    """A log and an error have the finding, and the command that tells the steps: not the steps."""
    assert (
        found.message
        == f"{found.what} {READ_ONLY} 'sesn --home /srv/sesn/nl status' says what to do."
    )
    assert_commands_exist(found.message)


@pytest.mark.parametrize("found", _ALL, ids=lambda found: found.trouble.value)
def test_what_everybody_is_told(found: OldCopy) -> None:
    """Each step in a sentence, where the head file is, and how to go on."""
    whole = _whole(found)
    assert all(step.endswith((".", ")")) for step in found.steps)
    assert str(_SCENE.head_file) in whole
    assert "'sesn init --agency nl.customs --epoch 4 ...'" in whole
    assert "\n" not in whole
    assert_commands_exist(whole)


def test_how_much_is_missing() -> None:
    """Count, since when, until when, who may hold it, and what a newer copy must have."""
    found = oldcopy.behind(_SCENE, _RELEASED, 1_795_417_300)
    for words in (
        "holds 1,000 ledger entries, the newest of 2026-11-23 07:01:09 UTC",
        "signed 1,234",
        "2026-11-23 07:01:40 UTC",
        "234 entries are missing",
        "gh.epa may hold it",
        "It takes 1,234 entries or more",
        "since 2026-11-23 07:01:09 UTC",
    ):
        assert words in _whole(found), words


def test_one_entry_is_missing() -> None:
    """One is one."""
    found = oldcopy.behind(_SCENE, replace(_RELEASED, size=1_001), 1_795_417_300)
    assert "1 entry is missing" in _whole(found)


def test_head_file_under_newer_keys() -> None:
    """An old database may not know the keys of the head file: then no time is claimed."""
    found = oldcopy.behind(_SCENE, _RELEASED, None)
    assert "keys that it does not know" in _whole(found)


@pytest.mark.parametrize(
    ("partners", "words"),
    [
        ([], "the partners"),
        (["a.b"], "a.b"),
        (["a.b", "c.d", "e.f"], "a.b, c.d, e.f"),
        (["a.b", "c.d", "e.f", "g.h", "i.j"], "a.b, c.d, e.f and 2 more partners"),
    ],
)
def test_whom_to_ask(partners: list[str], words: str) -> None:
    """A few partners are named, many are counted."""
    found = oldcopy.behind(replace(_SCENE, partners=partners), _RELEASED, 1_795_417_300)
    assert f"ask {words} for" in _whole(found)


def test_damaged_origin() -> None:
    """A database whose very ledger has no name still gets advice."""
    scene = replace(_SCENE, head=replace(_HEAD, origin="\0"), newest_ms=None)
    assert "ledger verify" in oldcopy.damaged(scene, "its head is unreadable").steps[0]
