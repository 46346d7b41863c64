"""Counting what a verification looked at, and keeping the first failures of each kind."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sesn_node.errors import SesnError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

_KEPT_FAILURES = 5


@dataclass(frozen=True, slots=True)
class Check:
    """What one kind of check came to.

    Args:
        name: One word, for programs.
        title: What holds if it passed, for people.
        count: How many things were looked at.
        failed: How many of them do not hold.
        first: The first failures, at most five, in words.
    """

    name: str
    title: str
    count: int
    failed: int
    first: tuple[str, ...]


class Tally:
    """A check under way."""

    __slots__ = ("_count", "_failed", "_first", "_name", "_title")

    def __init__(self, name: str, title: str) -> None:
        self._name = name
        self._title = title
        self._count = 0
        self._failed = 0
        self._first: list[str] = []

    @contextmanager
    def case(self, what: str) -> Iterator[None]:
        """Look at one thing: an error of ours within the body is its failure, and goes no further.

        Args:
            what: Names the thing, for the failure's text.
        """
        self._count += 1
        try:
            yield
        except SesnError as error:
            self.fail(f"{what}: {error}")

    def fail(self, text: str) -> None:
        """Note a failure."""
        self._failed += 1
        if len(self._first) < _KEPT_FAILURES:
            self._first.append(text)

    def result(self) -> Check:
        """Return what it came to."""
        return Check(self._name, self._title, self._count, self._failed, tuple(self._first))


def require(holds: bool, problem: str) -> None:  # noqa: FBT001 - reads like an assertion
    """Raise `VerificationError` unless something holds."""
    if not holds:
        raise VerificationError(problem)


def groups(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Gather a stream in lists of `size`; the last one may be shorter."""
    found: list[T] = []
    for row in rows:
        found.append(row)
        if len(found) == size:
            yield found
            found = []
    if found:
        yield found
