"""People: who wrote a message, who approved it, and what nobody may do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import system_clock
from sesn_node.config import load, render
from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.crypto.secrets import seal_secret
from sesn_node.domain.approval import WORDS, Demand, needs_second
from sesn_node.domain.ids import MessageId, parse_message_id
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.people import Act, OperatorId, Role, operator_id
from sesn_node.errors import PolicyError
from sesn_node.exchange.approval import approve, awaits, proposals, propose, withdraw
from sesn_node.exchange.endorsing import PeoplePolicy
from sesn_node.exchange.open import open_received
from sesn_node.exchange.operators import (
    Actor,
    add_operator,
    operators,
    remove_operator,
    unlock,
)
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.share import Draft, share
from sesn_node.trust.people import verify_endorsements
from tests.support.commands import rows, sesn
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.network import DAY_MS, alert
from tests.support.rotations import bring_in, rotate_all_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.crypto.storage import StorageKeys
    from sesn_node.exchange.office import Office
    from tests.support.network import Member, Network

PASSWORD = "five quiet herons wade upstream"


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Two agencies that trust each other."""
    return connect(NL, GH)


def _add(member: Member, name: str, role: Role) -> Actor:
    """Add an operator and let him act."""
    now_ms = member.now_ms()
    key = generate(
        KeyKind.OPERATOR,
        created_ms=now_ms,
        not_before_ms=now_ms,
        not_after_ms=now_ms + 10 * DAY_MS,
    )
    who = operator_id(name)
    add_operator(member.office, who, role, key)
    return unlock(member.office, who, key)


def _as(member: Member, actor: Actor | None, **policy: object) -> Office:
    """The office as one operator uses it, under a policy."""
    people = PeoplePolicy(**policy)  # type: ignore[arg-type] # fields by name
    return replace(member.office, actor=actor, people=people)


def _received(net: Network, message_id: MessageId) -> list[tuple[str, str]]:
    """Deliver, and return who stood behind the message, as Ghana sees it."""
    net.deliver(NL, GH)
    ghana = net[GH].office
    with ghana.store.read() as transaction:
        (row,) = transaction.inbox.find(message_id)
    payload = open_received(ghana, row)
    card = ghana.directory().peers[NL].card
    found = verify_endorsements(card, payload, to=[GH], in_reply_to=None)
    return [(one.act.value, one.operator) for one in found]


def test_author_is_known_to_the_partner(net: Network) -> None:
    """What an operator sends is signed by that operator, inside the encryption."""
    anna = _add(net[NL], "anna", Role.OFFICER)
    message_id = share(_as(net[NL], anna), Draft(alert(), (GH,)))
    assert _received(net, message_id) == [("AUTHORED", "anna")]


def test_nobody_signs_unless_asked(net: Network) -> None:
    """Without an operator a message leaves as before; where signing is asked for, it does not."""
    draft = Draft(alert(), (GH,))
    assert _received(net, share(net[NL].office, draft)) == []
    with pytest.raises(PolicyError) as error:
        share(_as(net[NL], None, sign=True), draft)
    assert error.value.code == "OPERATOR_REQUIRED"


def test_four_eyes(net: Network) -> None:
    """A draft waits for somebody else; then it leaves once, with both signatures."""
    anna, boris = _add(net[NL], "anna", Role.OFFICER), _add(net[NL], "boris", Role.SUPERVISOR)
    policy = {"four_eyes": ("INSPECT",)}
    draft = Draft(alert(), (GH,))
    office = _as(net[NL], anna, **policy)
    assert awaits(office, draft) == "INSPECT"
    with pytest.raises(PolicyError) as error:
        share(office, draft)
    assert error.value.code == "NEEDS_APPROVAL"
    proposal = propose(office, draft)
    assert [(one.author, one.reason) for one in proposals(office)] == [("anna", "INSPECT")]
    with pytest.raises(PolicyError) as error:
        approve(office, proposal.draft_id)
    assert error.value.code == "ROLE"
    message_id = approve(_as(net[NL], boris, **policy), proposal.draft_id)
    assert proposals(office) == []
    assert _received(net, message_id) == [("AUTHORED", "anna"), ("APPROVED", "boris")]
    with pytest.raises(PolicyError) as error:
        approve(_as(net[NL], boris, **policy), proposal.draft_id)
    assert error.value.code == "UNKNOWN_DRAFT"


def test_own_draft(net: Network) -> None:
    """A supervisor does not approve what he wrote himself."""
    boris = _add(net[NL], "boris", Role.SUPERVISOR)
    office = _as(net[NL], boris, four_eyes=("alert",))
    proposal = propose(office, Draft(alert(), (GH,)))
    with pytest.raises(PolicyError) as error:
        approve(office, proposal.draft_id)
    assert error.value.code == "OWN_DRAFT"
    withdraw(office, proposal.draft_id)
    assert proposals(office) == []


def test_draft_survives_a_new_storage_key(net: Network) -> None:
    """A draft is kept like a message: a rotated storage key opens it, nobody reads it without."""
    anna = _add(net[NL], "anna", Role.OFFICER)
    office = _as(net[NL], anna, four_eyes=("alert",))
    proposal = propose(office, Draft(alert("A word that nobody else uses"), (GH,)))
    with office.store.read() as transaction:
        (row,) = transaction.secrets.every("draft")
    assert b"nobody else" not in row.ciphertext
    bring_in(net[NL], Rotatable.STORAGE)
    assert [one.draft_id for one in proposals(office)] == [proposal.draft_id]


def test_draft_that_a_new_storage_key_overtakes(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encrypted under a key that is retired before the draft is stored: it is encrypted again."""
    member = net[NL]
    anna, boris = _add(member, "anna", Role.OFFICER), _add(member, "boris", Role.SUPERVISOR)
    office = _as(member, anna, four_eyes=("alert",))
    tags: list[bytes] = []

    def overtaken(keys: StorageKeys, data: bytes, *, table: str, row: bytes) -> tuple[bytes, bytes]:
        done = seal_secret(keys, data, table=table, row=row)
        tags.append(keys.tag)
        if len(tags) == 1:
            net.pass_time(1)
            rotate_all_of(member, Rotatable.STORAGE)
        return done

    monkeypatch.setattr("sesn_node.exchange.secrets.seal_secret", overtaken)
    proposal = propose(office, Draft(alert(), (GH,)))
    assert len(set(tags)) == len(tags) == 2
    member.reopen()
    office = _as(member, boris, four_eyes=("alert",))
    assert _received(net, approve(office, proposal.draft_id)) == [
        ("AUTHORED", "anna"),
        ("APPROVED", "boris"),
    ]


def test_removed_and_expired_operators(net: Network) -> None:
    """Who is none any more, or whose key is over, acts no more; what was signed stands."""
    member = net[NL]
    now_ms = member.now_ms()
    key = generate(
        KeyKind.OPERATOR, created_ms=now_ms, not_before_ms=now_ms, not_after_ms=now_ms + DAY_MS
    )
    who = OperatorId("anna")
    add_operator(member.office, who, Role.OFFICER, key)
    message_id = share(_as(member, unlock(member.office, who, key)), Draft(alert(), (GH,)))
    net.pass_time(DAY_MS)
    with pytest.raises(PolicyError) as error:
        unlock(member.office, who, key)
    assert error.value.code == "OPERATOR_EXPIRED"
    remove_operator(member.office, who)
    with pytest.raises(PolicyError) as error:
        unlock(member.office, who, key)
    assert error.value.code == "UNKNOWN_OPERATOR"
    assert [one.removed_ms for one in operators(member.office)] == [member.now_ms()]
    assert _received(net, message_id) == [("AUTHORED", "anna")]


@pytest.mark.parametrize("demand", [Demand.AUTHOR, Demand.APPROVAL])
def test_partner_that_does_not_show_what_we_demand(net: Network, demand: Demand) -> None:
    """A message without author, or without approval, is refused where we ask for it."""
    ghana = net[GH]
    ghana.receiver = type(ghana.receiver)(_as(ghana, None, demand=demand))
    anna = _add(net[NL], "anna", Role.OFFICER)
    actor = anna if demand is Demand.APPROVAL else None
    message_id = share(_as(net[NL], actor), Draft(alert(), (GH,)))
    net.deliver(NL, GH)
    assert net[NL].copies(message_id)[GH].code == "POLICY"


def test_forged_author(net: Network) -> None:
    """An author whose signature is over other words is refused, by its code."""
    anna = _add(net[NL], "anna", Role.OFFICER)
    signed = anna.endorse(alert("Other words"), Act.AUTHORED, to=[GH], in_reply_to=None, at_ms=1)
    forged = replace(alert(), endorsements=(signed,))
    message_id = share(net[NL].office, Draft(forged, (GH,)))
    net.deliver(NL, GH)
    assert net[NL].copies(message_id)[GH].code == "POLICY"


def test_words_of_four_eyes() -> None:
    """Each word of the settings names what it says."""
    red = replace(alert(), markings=Markings(Tlp.RED))
    assert needs_second(red, ("RED",)) == "RED"
    assert needs_second(red, ("AMBER", "forward")) is None
    assert needs_second(red, ("alert", "RED")) == "alert"
    assert not {"destruction", "recall"} & set(WORDS)


@pytest.mark.engine("sqlite")
def test_commands(net: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The whole way at the command line, with passphrases of their own."""
    net.pass_time(system_clock() - net.clock.now_ms)
    home = net[NL].home
    file = tmp_path / "alert.json"
    file.write_text(
        '{"markings": {"tlp": "RED"}, "alert": {"subject": "s", "urgency": "URGENT", '
        '"requested_action": "HOLD", "narrative": "n"}}'
    )
    monkeypatch.setenv("SESN_PASSPHRASE", PASSPHRASE.decode())
    monkeypatch.setenv("SESN_NEW_OPERATOR_PASSPHRASE", PASSWORD)
    monkeypatch.setenv("SESN_OPERATOR_PASSPHRASE", PASSWORD)
    net.rest()
    for name, role in (("anna", "officer"), ("boris", "supervisor"), ("carl", "administrator")):
        assert sesn("operator", "add", name, "--role", role, "--json", home=home).code == 0
    sesn("operator", "add", "anna", "--role", "officer", home=home).failed(7, "OPERATOR_EXISTS")
    config = load(home / "node.toml")
    people = replace(config.people, four_eyes=("RED",), sign=type(config.people.sign)("always"))
    (home / "node.toml").write_text(render(replace(config, people=people)))
    send = ("alert", "send", file, "--to", GH, "--yes", "--json")
    sesn(*send, home=home).failed(6, "OPERATOR_REQUIRED", "--as")
    sesn(*send, "--as", "carl", home=home).failed(6, "ROLE", "officer or supervisor")
    sesn(*send, "--as", "nobody", home=home).failed(6, "UNKNOWN_OPERATOR")
    draft_id = str(sesn(*send, "--as", "anna", home=home).json["draft_id"])
    listed = sesn("approve", "list", home=home).out
    assert draft_id in listed
    assert "RED; by anna to " in listed
    (waiting,) = rows(sesn("approve", "list", "--json", home=home).json["drafts"])
    assert (waiting["draft_id"], waiting["author"], waiting["reason"]) == (draft_id, "anna", "RED")
    give = ("approve", "give", draft_id, "--yes", "--json")
    sesn(*give, "--as", "anna", home=home).failed(6, "ROLE", "supervisor")
    monkeypatch.setenv("SESN_OPERATOR_PASSPHRASE", "another one altogether")
    sesn(*give, "--as", "boris", home=home).failed(5, "WRONG_PASSPHRASE")
    monkeypatch.setenv("SESN_OPERATOR_PASSPHRASE", PASSWORD)
    message_id = str(sesn(*give, "--as=boris", home=home).json["message_id"])
    net[NL].reopen()
    assert _received(net, parse_message_id(message_id)) == [
        ("AUTHORED", "anna"),
        ("APPROVED", "boris"),
    ]
    sesn("operator", "remove", "anna", home=home).failed(6, "OPERATOR_REQUIRED")
    for line in (("card", "issue"), ("keys", "rotate", "tls")):
        sesn(*line, home=home).failed(6, "OPERATOR_REQUIRED")
        sesn(*line, "--as", "boris", home=home).failed(6, "ROLE")
    assert sesn("operator", "remove", "anna", "--as", "carl", home=home).code == 0
    sesn(*send, "--as", "anna", home=home).failed(6, "UNKNOWN_OPERATOR")
