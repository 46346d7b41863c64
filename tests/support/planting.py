"""Bugs that are planted on purpose: a check that does not find them finds nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Replaced: TypeAlias = "Iterator[tuple[object, str, object]]"
"""What a bug replaces: (owner, name, value)."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug.

    Args:
        words: What is wrong.
        planted: Plants it until its context ends.
    """

    words: str
    planted: Callable[[], AbstractContextManager[None]]


class Mutants(dict[str, Mutant]):
    """Bugs, by the names of the functions that yield what they replace."""

    def named(self, words: str) -> Callable[[Callable[[], Replaced]], None]:
        """Register a bug, and say in words what is wrong."""

        def register(replaced: Callable[[], Replaced]) -> None:
            @contextmanager
            def planted() -> Iterator[None]:
                with ExitStack() as stack:
                    for owner, name, value in replaced():
                        stack.enter_context(patch.object(owner, name, value))
                    yield

            self[replaced.__name__.strip("_").replace("_", "-")] = Mutant(words, planted)

        return register
