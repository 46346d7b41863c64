"""The corpus of broken bundles: each is found out, by the right check, in the right place."""

from __future__ import annotations

import json
from io import BytesIO

import pytest

from sesn_node.audit.codes import Code
from sesn_node.audit.verify import verify
from tests.support.scribes import Freezer
from tests.vectors.tamper.generate import EXPECTED, FOLDER, FROZEN, corpus, findings
from tests.vectors.tamper.world import CATALOGUE

WAYS = json.loads(EXPECTED.read_text("ascii"))
_REMARKS = {
    Code.CARD_GAP,
    Code.CASE_DIFFERS,
    Code.CASE_STEP_REFUSED,
    Code.CONTENT_LOST,
    Code.COPY_OPEN,
    Code.ERASED,
    Code.NOT_VISIBLE,
    Code.RECOVERED,
    Code.TAIL_NOT_COSIGNED,
    Code.TIME_BACKWARDS,
}
"""Codes of what cannot be verified, or has to be known: they never make an audit fail."""


@pytest.mark.parametrize("name", WAYS)
def test_every_broken_bundle_is_found_out(name: str) -> None:
    """The finding is there that its maker expects, and no other than those on record."""
    way = WAYS[name]
    files = [(FOLDER / file).read_bytes() for file in way["files"]]
    found = findings(files, way["policy"], way["timestamp_roots"])
    assert (way["check"], way["code"]) in [(one["check"], one["code"]) for one in found]
    assert found == way["findings"]


def test_the_bundle_that_is_not_broken_holds() -> None:
    """What the corpus is made of is in order."""
    verdict = verify([BytesIO((FOLDER / "whole.sesnaudit").read_bytes())])
    assert verdict.holds
    assert all(check.failed == 0 for check in verdict.checks)


def test_the_corpus_is_what_its_makers_make() -> None:
    """Byte for byte; what a seed does not determine is frozen."""
    freezer = Freezer.load(FROZEN)
    made = corpus(freezer)
    kept = {path.name for path in FOLDER.glob("*.sesnaudit")} | {EXPECTED.name, FROZEN.name}
    assert set(made) == kept
    for name, data in made.items():
        assert (FOLDER / name).read_bytes() == data, name


def test_every_way_to_fail_has_a_broken_bundle() -> None:
    """A code that no bundle provokes might not work."""
    assert {way.code for way in CATALOGUE.values()} == set(Code) - _REMARKS


def test_the_corpus_stays_small() -> None:
    """It is part of every checkout."""
    assert sum(path.stat().st_size for path in FOLDER.glob("*.*")) < 3_250_000
    assert len(CATALOGUE) >= 40
