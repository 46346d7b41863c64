"""Numbers of things, as people read them: one rule for commands, reports and messages."""

from __future__ import annotations


def many(count: int, one: str, several: str = "") -> str:
    """Write a number of things: `1 entry`, `2 entries`, `0 messages`.

    Args:
        count: How many.
        one: The word for one of them.
        several: The word for any other number; left out, it is `one` with an s.
    """
    return f"{count:,} {word_for(count, one, several)}"


def word_for(count: int, one: str, several: str = "") -> str:
    """Choose the word that goes with a number that stands elsewhere."""
    return one if count == 1 else several or f"{one}s"


def numbered(first: int, last: int, one: str, several: str = "") -> str:
    """Name things by their numbers: `entry 5`, `entries 5 to 9`."""
    word = word_for(last - first + 1, one, several)
    return f"{word} {first:,}" if first == last else f"{word} {first:,} to {last:,}"
