"""The head gate: who waits for the head file, and who need not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sesn_node.exchange.headgate import HeadGate
from sesn_node.store.ledger import HeadRow

_HEAD = HeadRow("nl.customs.sesn/ledger/1", 3, bytes(32), b"", 7)
_LARGER = replace(_HEAD, size=4)


def test_nobody_waits_for_what_nobody_writes() -> None:
    """Whoever asks for such a head is told at once that the file does not cover it."""
    gate = HeadGate()
    assert not gate.wait(_HEAD)
    gate.writes(_HEAD)
    assert not gate.wait(_LARGER)


def test_a_written_head_covers_those_before_it() -> None:
    """Of both numbers, entries and witnessed ones; and it stays so when a later write fails."""
    gate = HeadGate()
    gate.writes(_LARGER)
    gate.written(_LARGER)
    assert gate.wait(_HEAD)
    assert not gate.wait(replace(_LARGER, witnessed=8))
    gate.writes(replace(_HEAD, size=5))
    gate.written(None)
    assert gate.wait(_LARGER)


def test_a_head_that_is_being_written_is_waited_for() -> None:
    """Until it is written, or could not be; whoever asks later learns the same."""
    for head, covered in ((_HEAD, True), (None, False)):
        gate = HeadGate()
        gate.writes(_HEAD)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(gate.wait, _HEAD)
            gate.written(head)
            assert waiting.result(10) is covered
