"""`alert export` and `alert import`: what leaves is recorded, what others wrote becomes a draft."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import system_clock
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.exchange.erase import erase
from sesn_node.exchange.forwarding import forward
from sesn_node.exchange.update import update
from sesn_node.wire.payloads import alert_from_json
from tests.support.alerts import consignment
from tests.support.commands import rows, sesn, untouched
from tests.support.homes import BE, GH, NL
from tests.support.interop import alert_of, as_stix, data, whole
from tests.support.view import view

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.network import Network

pytestmark = pytest.mark.usefixtures("_wide")


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies that trust each other."""
    return connect(NL, GH, BE)


def _disclosed(net: Network) -> list[bytes | None]:
    found = view(net[NL].office).of_kind(EntryKind.DISCLOSED)
    return [entry.message_id for _, entry in found]


@pytest.mark.parametrize("form", ["stix", "misp"])
def test_there_and_back(net: Network, tmp_path: Path, form: str) -> None:
    """Exported, imported, and the same alert; DISCLOSED is in the ledger, once for each export."""
    payload = consignment()
    message_id = net.share(NL, GH, payload=payload)
    net.rest()
    file, draft = tmp_path / "out.json", tmp_path / "draft.json"
    ran = sesn(
        *("alert", "export", show_message_id(message_id), "--format", form, "-o", file),
        home=net[NL].home,
    )
    assert (ran.code, ran.out) == (0, "")
    assert "Marked TLP:AMBER. The file is not sealed." in ran.err
    assert _disclosed(net) == [message_id]
    assert file.stat().st_mode & 0o777 == 0o600
    with untouched(net[NL].home):
        ran = sesn("alert", "import", file, "--format", form, "-o", draft)
    assert ran.code == 0
    assert "becomes a message with an id of its own" in ran.err
    assert alert_from_json(draft.read_bytes()) == payload
    assert sesn("alert", "check", draft, "--json").code == 0
    net.check()


def test_json_and_stdout(net: Network) -> None:
    """One line for programs has the document and what it drops; else the document alone."""
    message_id = show_message_id(net.share(NL, GH, payload=consignment()))
    net.rest()
    line = ("alert", "export", message_id[:13], "--format", "misp")
    ran = sesn(*line, "--json", home=net[NL].home)
    assert ran.json["dropped"] == []
    assert json.loads(sesn(*line, home=net[NL].home).out) == ran.json["document"]


def test_file_that_is_there(net: Network, tmp_path: Path) -> None:
    """It stays as it is; and since nothing can leave, nothing is recorded."""
    message_id = show_message_id(net.share(NL, GH))
    net.rest()
    file = tmp_path / "out.json"
    file.write_text("mine")
    ran = sesn(*("alert", "export", message_id, "--format", "stix", "-o", file), home=net[NL].home)
    ran.failed(9, "FILE_EXISTS", "--force")
    assert (file.read_text(), _disclosed(net)) == ("mine", [])


def test_an_officer_may_not(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving content out is the auditor's right; what is refused leaves no entry."""
    net.pass_time(system_clock() - net.clock.now_ms)
    message_id = show_message_id(net.share(NL, GH))
    net.rest()
    for name in ("SESN_OPERATOR_PASSPHRASE", "SESN_NEW_OPERATOR_PASSPHRASE"):
        monkeypatch.setenv(name, "five quiet herons wade upstream")
    for name, role in (("anna", "officer"), ("dora", "auditor")):
        assert sesn("operator", "add", name, "--role", role, home=net[NL].home).code == 0
    line = ("alert", "export", message_id, "--format", "stix", "--as")
    sesn(*line, "anna", home=net[NL].home).failed(6, "ROLE", "auditor")
    assert _disclosed(net) == []
    assert sesn(*line, "dora", home=net[NL].home).code == 0


def test_what_stands_now_leaves(net: Network) -> None:
    """The newest update is what is written, and what the ledger says was disclosed."""
    message_id = net.share(NL, GH, payload=consignment())
    net.pass_time(7_000)
    body = replace(alert_of(consignment()), narrative="It sails tonight.")
    (later,) = update(net[NL].office, message_id, replace(consignment(), body=body), "News").queued
    net.rest()
    ran = sesn(
        *("alert", "export", show_message_id(message_id), "--format", "stix", "--json"),
        home=net[NL].home,
    )
    document = ran.json["document"]
    assert isinstance(document, dict)
    (report,) = [one for one in rows(document["objects"]) if one["type"] == "report"]
    assert report["description"] == "It sails tonight."
    assert str(report["modified"]) > str(report["created"])
    assert _disclosed(net) == [later.message_id]


def test_erased_content_does_not_leave(net: Network) -> None:
    """Nothing is recorded, and nothing written, of what is not there any more."""
    message_id = net.share(NL, GH)
    erase(net[NL].office, message_id, "Sent by mistake")
    net.rest()
    ran = sesn(
        *("alert", "export", show_message_id(message_id), "--format", "stix"), home=net[NL].home
    )
    ran.failed(6, "ERASED", "cannot be opened")
    assert ran.out == ""
    assert _disclosed(net) == []


def test_forward_is_its_originators(net: Network) -> None:
    """A forward leaves as what its originator wrote, under the same ids as the original."""
    granted = replace(consignment(), markings=Markings(Tlp.AMBER, onward=("be.*",)))
    message_id = net.share(NL, GH, payload=granted)
    net.deliver(NL, GH)
    forwarded = forward(net[GH].office, message_id, (BE,), text="For you").message_id
    net.deliver(GH, BE)
    net.rest()
    documents = []
    for member, about in ((NL, message_id), (BE, forwarded)):
        ran = sesn(
            *("alert", "export", show_message_id(about), "--format", "stix", "--json"),
            home=net[member].home,
        )
        documents.append(ran.json["document"])
    assert documents[0] == documents[1]


def test_import_needs_no_home_and_tells_all(tmp_path: Path) -> None:
    """Dropped and supplied, for people on stderr and for programs in the one line."""
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(data(as_stix(whole()).document))
    ran = sesn("alert", "import", bundle, "--format", "stix", "--json")
    assert list(ran.json) == ["document", "dropped", "supplied"]
    assert ran.json["supplied"] == []
    event = tmp_path / "event.json"
    tags = [{"name": f"galaxy {number}"} for number in range(60)]
    event.write_text(json.dumps({"Event": {"info": "Seen", "Tag": tags}}))
    ran = sesn("alert", "import", event, "--format", "misp")
    assert json.loads(ran.out)["markings"] == {"tlp": "RED"}
    assert "markings.tlp: RED: there is no label of TLP" in ran.err
    assert "and 20 more; --json has them all" in ran.err


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    """The one error, with the file and the place; nothing is written, and nothing replaced."""
    file, draft = tmp_path / "in.json", tmp_path / "draft.json"
    file.write_text('{"Event": {"info": "\\u001b[2J", "Object": 7}}')
    line = ("alert", "import", file, "--format", "misp", "-o", draft)
    sesn(*line).failed(4, "MALFORMED", str(file), "Event.Object: expected a list")
    assert not draft.exists()
    file.write_text('{"Event": {"info": "\\u001b[2J x"}}')
    draft.write_text("mine")
    sesn(*line).failed(9, "FILE_EXISTS", "--force")
    assert draft.read_text() == "mine"
    assert sesn(*line, "--force").code == 0
    assert alert_of(alert_from_json(draft.read_bytes())).subject == "[2J x"
    with file.open("wb") as large:
        large.truncate(8 * 1024 * 1024 + 1)
    sesn(*line, "--force").failed(4, "MALFORMED", "longer than 8,388,608 bytes")
