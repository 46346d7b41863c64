"""Counting what a check examined, and keeping its first findings and remarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from sesn_node.audit.codes import Code
from sesn_node.audit.verdict import KEPT_FINDINGS, Check, Finding, State
from sesn_node.domain.checks import printable
from sesn_node.errors import SesnError, VerificationError

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how much is done, and of how much."""

_MAX_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Subject:
    """What a check is.

    Args:
        number: Its number.
        name: One word or two, for programs.
        title: What holds if it holds.
    """

    number: int
    name: str
    title: str


class Problem(VerificationError):
    """Something does not hold; becomes a finding with this code.

    Args:
        kind: Kind of the finding.
        text: What is wrong.
    """

    def __init__(self, kind: Code, text: str) -> None:
        super().__init__(text, code=kind.value)
        self.kind = kind


class _First:
    """Counts findings, and keeps the first of them."""

    __slots__ = ("count", "kept")

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Count a finding; its text may quote what the bundle's maker, or a partner, wrote."""
        self.count += 1
        if len(self.kept) < KEPT_FINDINGS:
            text = printable(" ".join(finding.text.split()))[:_MAX_TEXT]
            self.kept.append(replace(finding, text=text))


class Tally:
    """A check under way."""

    __slots__ = ("_count", "_found", "_reason", "_remarked", "_subject")

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._count = 0
        self._found = _First()
        self._remarked = _First()
        self._reason = ""

    @property
    def failed(self) -> int:
        """How many findings there are so far."""
        return self._found.count

    def saw(self, count: int = 1) -> None:
        """Count things that were examined."""
        self._count += count

    @contextmanager
    def case(
        self,
        code: Code,
        member: str = "",
        index: int | None = None,
        message_id: bytes | None = None,
    ) -> Iterator[None]:
        """Examine one thing: an error of ours within the body is its finding, and goes no further.

        Args:
            code: Kind of the finding, unless the error is a `Problem`, which brings its own.
            member: Where the thing is.
            index: As in `Finding`.
            message_id: As in `Finding`.
        """
        self._count += 1
        try:
            yield
        except SesnError as error:
            self.fail_with(error, code, member, index, message_id)

    def fail_with(
        self,
        error: SesnError,
        code: Code,
        member: str = "",
        index: int | None = None,
        message_id: bytes | None = None,
    ) -> None:
        """Note an error as a finding."""
        if isinstance(error, Problem):
            code = error.kind
        self.fail(code, error.message, member, index, message_id)

    def fail(
        self,
        code: Code,
        text: str,
        member: str = "",
        index: int | None = None,
        message_id: bytes | None = None,
    ) -> None:
        """Note a finding."""
        self._found.add(Finding(code, text, member, index, message_id))

    def remark(
        self,
        code: Code,
        text: str,
        member: str = "",
        index: int | None = None,
        message_id: bytes | None = None,
    ) -> None:
        """Note what cannot be verified, or has to be known."""
        self._remarked.add(Finding(code, text, member, index, message_id))

    def cannot(self, reason: str) -> None:
        """Say why the check could not be made; findings that there are count all the same."""
        self._reason = self._reason or reason

    def result(self) -> Check:
        """Return what it came to."""
        state = State.NOT_MADE if self._reason else State.HOLDS
        return Check(
            number=self._subject.number,
            name=self._subject.name,
            title=self._subject.title,
            state=State.FAILS if self.failed else state,
            count=self._count,
            failed=self.failed,
            findings=tuple(self._found.kept),
            unverified=self._remarked.count,
            remarks=tuple(self._remarked.kept),
            reason="" if self.failed else self._reason,
        )


def require(holds: bool, kind: Code, text: str) -> None:  # noqa: FBT001 - reads like an assertion
    """Raise `Problem` unless something holds."""
    if not holds:
        raise Problem(kind, text)
