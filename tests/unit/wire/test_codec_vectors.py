"""The frozen encodings still mean what they meant, and the frozen attacks still fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sesn_node.errors import MalformedError
from sesn_node.wire.entries import decode_entry, encode_entry
from sesn_node.wire.envelopes import decode_header, encode_header
from sesn_node.wire.payloads import decode_payload, encode_payload

_FILE = Path(__file__).resolve().parents[2] / "vectors/wire/codec.json"
CASES: list[dict[str, str]] = json.loads(_FILE.read_text(encoding="utf-8"))
AGAIN: dict[str, Callable[[bytes], bytes]] = {
    "header": lambda data: encode_header(decode_header(data)),
    "entry": lambda data: encode_entry(decode_entry(data)),
    "payload": lambda data: encode_payload(decode_payload(data)),
}


def _name(case: dict[str, str]) -> str:
    return f"{case['object']}: {case['case']}"


@pytest.mark.parametrize("case", [case for case in CASES if "code" not in case], ids=_name)
def test_frozen_encoding_is_read_and_written(case: dict[str, str]) -> None:
    """A valid case decodes, and encodes to the same bytes."""
    data = bytes.fromhex(case["hex"])
    assert AGAIN[case["object"]](data) == data


@pytest.mark.parametrize("case", [case for case in CASES if "code" in case], ids=_name)
def test_frozen_attack_is_refused(case: dict[str, str]) -> None:
    """An invalid case is refused with its code, by the path of what is wrong."""
    with pytest.raises(MalformedError) as refused:
        AGAIN[case["object"]](bytes.fromhex(case["hex"]))
    assert refused.value.code == case["code"]
    assert refused.value.message.startswith(case["message_starts"])
