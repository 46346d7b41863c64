"""`sesn ledger export`, `prove`, `checkpoint`, `vkey` and `witnesses`, as people and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.ids import show_message_id
from sesn_node.ledger.checkpoint import parse_checkpoint
from sesn_node.ledger.note import parse_note, parse_vkey
from sesn_node.ledger.policy import evaluate
from sesn_node.ledger.policyfile import parse_policy
from sesn_node.ledger.tlogproof import parse_tlog_proof
from tests.support.commands import sesn, untouched
from tests.support.exports import Ledgers, make_ledgers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Homes


@pytest.fixture(scope="module")
def ledgers(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Ledgers:
    """One ledger at two sizes."""
    return make_ledgers(homes, tmp_path_factory.mktemp("ledgers"))


def test_export_says_what_it_did(ledgers: Ledgers, tmp_path: Path) -> None:
    """To people and to programs; the home stays as it is, and no passphrase is asked for."""
    folder = tmp_path / "export"
    with untouched(ledgers.small):
        said = sesn("ledger", "export", "--tiles", folder, home=ledgers.small)
        assert said.code == 0, said
        assert "entries; 0 were there before" in said.out
        found = sesn("ledger", "export", "--tiles", folder, "--json", home=ledgers.small).json
        checked = sesn("ledger", "export", "--tiles", folder, "--verify", home=ledgers.small)
    assert found["written"] == 0
    assert found["size"] == found["size_before"]
    assert "is whole" in checked.out
    grown = sesn("ledger", "export", "--tiles", folder, "--quick", "--json", home=ledgers.large)
    assert grown.json["size_before"] == found["size"]
    checked = sesn("ledger", "export", "--tiles", folder, "--verify", "--json", home=ledgers.large)
    assert checked.json["verified"] is True
    sesn("ledger", "export", "--tiles", folder, home=ledgers.small).failed(7, "EXPORT_AHEAD")
    sesn("ledger", "export", "--tiles", folder, home=ledgers.forked).failed(7, "EXPORT_AHEAD")
    fork = tmp_path / "fork"
    assert sesn("ledger", "export", "--tiles", fork, "--blind", home=ledgers.forked).code == 0
    sesn("ledger", "export", "--tiles", fork, home=ledgers.large).failed(7, "EXPORT_FORK")
    assert sesn("ledger", "export", home=ledgers.small).code == 2


def test_prove_writes_a_proof_and_its_entry(ledgers: Ledgers, tmp_path: Path) -> None:
    """Neither over something else; a kind or partner that is not there is told."""
    proof, leaf = tmp_path / "x.tlog-proof", tmp_path / "x.leaf"
    files = ("-o", proof, "--leaf", leaf)
    ident = show_message_id(ledgers.message)
    said = sesn("ledger", "prove", ident, *files, home=ledgers.large)
    assert said.code == 0, said
    assert "SHARED" in said.out
    assert parse_tlog_proof(proof.read_bytes()).index >= 0
    sesn("ledger", "prove", ident, *files, home=ledgers.large).failed(9, "FILE_EXISTS")
    which = ("--kind", "acknowledged", "--agency", "be.police", "--force", "--json")
    found = sesn("ledger", "prove", ident, *files, *which, home=ledgers.large).json
    assert (found["kind"], found["agency"]) == ("ACKNOWLEDGED", "be.police")
    assert found["cosigned"]
    for kind, code, name in (
        ("acknowledged", 7, "AMBIGUOUS"),
        ("refused", 6, "NO_ENTRY"),
        ("undelivered", 6, "NO_ENTRY"),
    ):
        sesn("ledger", "prove", ident, "--kind", kind, *files, home=ledgers.large).failed(
            code, name
        )
    sesn("ledger", "prove", "beef", *files, home=ledgers.large).failed(4, "MALFORMED")


def test_checkpoint_is_verbatim(ledgers: Ledgers, tmp_path: Path) -> None:
    """On stdout, in a file, in JSON; with the lines of partners if asked for."""
    said = sesn("ledger", "checkpoint", home=ledgers.small)
    assert len(parse_checkpoint(said.out.encode()).note.signatures) == 2
    file = tmp_path / "checkpoint"
    assert sesn("ledger", "checkpoint", "-o", file, home=ledgers.small).code == 0
    assert file.read_text(encoding="utf-8") == said.out
    found = sesn("ledger", "checkpoint", "--cosigned", "--json", home=ledgers.small).json
    note = found["note"]
    assert isinstance(note, str)
    cosigned = found["cosigned"]
    assert isinstance(cosigned, list)
    assert len(parse_note(note.encode()).signatures) == 2 + 2 * len(cosigned) > 2


def test_keys_make_a_policy(ledgers: Ledgers) -> None:
    """The log's keys and a partner's witness keys, as they are printed, are lines of a policy."""
    own = sesn("ledger", "vkey", home=ledgers.small).out.splitlines()
    logs = [line for line in own if line.startswith("log ")]
    policy, names = list(logs), []
    for agency in ("gh.epa", "be.police"):
        found = sesn("ledger", "vkey", "--json", home=ledgers.small.parent / agency).json
        keys = found["witness"]
        assert isinstance(keys, list)
        for place, key in enumerate(keys):
            assert isinstance(key, dict)
            vkey = str(key["vkey"])
            assert parse_vkey(vkey).kind == key["type"]
            policy.append(f"witness {agency}{place} {vkey}")
        policy.append(f"group {agency} all {agency}0 {agency}1")
        names.append(agency)
    policy += [f"group partners any {' '.join(names)}", "quorum partners", ""]
    text = "\n".join(policy).encode()
    plain = sesn("ledger", "checkpoint", home=ledgers.small).out.encode()
    cosigned = sesn("ledger", "checkpoint", "--cosigned", home=ledgers.small).out.encode()
    assert not evaluate(parse_policy(text), plain).quorum or plain == cosigned
    assert evaluate(parse_policy(text), cosigned).quorum


def test_witnesses_are_listed(ledgers: Ledgers) -> None:
    """Who cosigned us, and whom we cosigned."""
    said = sesn("ledger", "witnesses", home=ledgers.large)
    assert "gh.epa" in said.out
    assert "be.police.sesn/ledger/1" in said.out
    found = sesn("ledger", "witnesses", "--json", home=ledgers.large).json
    witnesses = found["witnesses"]
    assert isinstance(witnesses, list)
    assert [one["agency"] for one in witnesses if isinstance(one, dict)] == ["be.police", "gh.epa"]
