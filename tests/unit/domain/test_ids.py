"""Names of agencies, messages and ledgers are checked before they reach a path or a note."""

from __future__ import annotations

import pytest

from sesn_node.domain.ids import (
    agency_id,
    ledger_origin,
    message_id,
    new_message_id,
    parse_message_id,
    parse_origin,
    show_message_id,
)
from sesn_node.errors import MalformedError


@pytest.mark.parametrize("text", ["nl.customs", "int.impel", "gh.epa.port-of-tema.desk.1"])
def test_agency_id_is_taken(text: str) -> None:
    """Country code or `int`, then one to four labels."""
    assert agency_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nl",
        "nld.customs",
        "NL.customs",
        "nl.",
        "nl.-a",
        "nl.a-",
        "nl.a.b.c.d.e",
        "nl.a\n",
        "nl./etc",
        "nl..a",
        "nl.cüstoms",
        "nl." + "a" * 33,
        "int." + ".".join(["a" * 32] * 4),
    ],
)
def test_agency_id_is_refused(text: str) -> None:
    """Everything else, also what only differs by a line feed or the length."""
    with pytest.raises(MalformedError, match="agency id"):
        agency_id(text)


def test_message_id_is_a_uuidv7() -> None:
    """A built id carries its time, and reads back from the form that people see."""
    built = new_message_id(1_796_000_000_000, bytes(10))
    assert int.from_bytes(built[:6], "big") == 1_796_000_000_000
    assert parse_message_id(show_message_id(built)) == built


@pytest.mark.parametrize("raw", [b"", bytes(16), b"\xff" * 16, bytes(15), bytes(17)])
def test_message_id_of_another_version_is_refused(raw: bytes) -> None:
    """Only 16 bytes with version 7 and the RFC 9562 variant are an id."""
    with pytest.raises(MalformedError, match="UUIDv7"):
        message_id(raw)


def test_origin_names_agency_and_epoch() -> None:
    """An origin reads back into its parts."""
    assert parse_origin(ledger_origin(agency_id("nl.customs"), 12)) == ("nl.customs", 12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nl.customs.sesn/ledger/0",
        "nl.customs.sesn/ledger/01",
        "nl.customs.sesn/ledger/1\n",
        "nl.customs/ledger/1",
        "NL.x.sesn/ledger/1",
        "a/b.sesn/ledger/1",
        "nl.customs.sesn/ledger/1234567890",
        "nl.customs.sesn/ledger/\u0661",
    ],
)
def test_origin_of_another_form_is_refused(text: str) -> None:
    """An epoch has no leading zero, no other digits and an end; the agency must be one."""
    with pytest.raises(MalformedError):
        parse_origin(text)
