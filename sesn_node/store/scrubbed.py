"""What became of the bytes of erased content in the files of a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AT_MOST_BYTES: Final = 256 * 1024 * 1024
"""A larger database is written anew only when somebody asks for it: nobody writes meanwhile."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What was reached.

    Args:
        done: The files that the database uses hold none of it. What a PostgreSQL server keeps
            besides, its log above all, is in `remains` all the same.
        remains: Where some of it may still be and until when, in words, without a full stop.
    """

    done: bool
    remains: tuple[str, ...]
