"""Reading a trust policy (C2SP tlog-policy, "Policy file syntax and structure"); see `policy`.

The file is bytes. Names, URLs and comments may contain any byte above 0x7F, compared as it is:
whether two names are the same depends on no version of Unicode.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sesn_node.errors import MalformedError
from sesn_node.ledger.note import SignatureType, VerifierKey, parse_vkey
from sesn_node.ledger.policy import NONE, GroupLine, LogLine, Policy, WitnessLine

MAX_POLICY_BYTES: Final = 1 << 20
MAX_LINES: Final = 256
"""Logs, witnesses and groups that a policy may have of each; the text asks for at least 32."""

_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_SPACES = re.compile(rb"[ \t]+")
_THRESHOLD = re.compile(rb"[1-9][0-9]{0,5}")
_LOG_KINDS = frozenset({SignatureType.ED25519, SignatureType.MLDSA44})
_WITNESS_KINDS = frozenset({SignatureType.ED25519_COSIGNATURE, SignatureType.MLDSA44})
_SHOWN = 40


def parse_policy(data: bytes) -> Policy:
    """Read a policy.

    Raises:
        MalformedError: Over 1 MiB; a control character; no final newline; an unknown line; a key
            of a type that logs or witnesses do not use; a key, name or member twice; a name that
            is not defined before it is used; not exactly one quorum line. The message starts with
            the number of the line.
    """
    if len(data) > MAX_POLICY_BYTES:
        raise MalformedError(f"policy: {len(data)} bytes, the limit is {MAX_POLICY_BYTES}")
    if found := _FORBIDDEN.search(data):
        raise MalformedError(
            f"policy: control character 0x{found[0].hex()} at byte {found.start()}"
        )
    if data and not data.endswith(b"\n"):
        raise MalformedError("policy: the last line does not end in a newline: cut off?")
    reader = _Reader()
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        words = [word for word in _SPACES.split(line) if word]
        if words and not words[0].startswith(b"#"):
            try:
                reader.take(words)
            except MalformedError as error:
                raise MalformedError(f"policy line {number}: {error.message}") from error
    return reader.finish()


class _Reader:
    """What the lines so far have defined."""

    def __init__(self) -> None:
        self._logs: list[LogLine] = []
        self._witnesses: dict[bytes, WitnessLine] = {}
        self._groups: dict[bytes, GroupLine] = {}
        self._members: set[bytes] = set()
        self._quorum: bytes | None = None
        self._takers: Mapping[bytes, Callable[[list[bytes]], None]] = {
            b"log": self._log,
            b"witness": self._witness,
            b"group": self._group,
            b"quorum": self._take_quorum,
        }

    def take(self, words: list[bytes]) -> None:
        """Take a line that is not empty."""
        taker = self._takers.get(words[0])
        if taker is None:
            raise MalformedError(f"{_show(words[0])}: expected log, witness, group or quorum")
        taker(words[1:])

    def finish(self) -> Policy:
        """Return the policy, after the last line."""
        if self._quorum is None:
            raise MalformedError(
                "policy: no quorum line, so nothing would be asked for; write 'quorum none' if "
                "that is meant"
            )
        return Policy(
            tuple(self._logs),
            MappingProxyType(self._witnesses),
            MappingProxyType(self._groups),
            self._quorum,
        )

    def _log(self, words: list[bytes]) -> None:
        _check_words(words, 1, 2, "log <vkey> [<url>]")
        _check_room(self._logs)
        key = _key(words[0], _LOG_KINDS, "log")
        if any(line.key.public == key.public for line in self._logs):
            raise MalformedError("this key is listed as a log already")
        self._logs.append(LogLine(key, _optional(words, 1)))

    def _witness(self, words: list[bytes]) -> None:
        _check_words(words, 2, 3, "witness <name> <vkey> [<url>]")
        _check_room(self._witnesses)
        self._check_new(words[0])
        key = _key(words[1], _WITNESS_KINDS, "witness")
        # Else one signer would count twice (tlog-policy, "Defining a witness").
        if any(line.key.public == key.public for line in self._witnesses.values()):
            raise MalformedError("this key is listed as a witness already")
        self._witnesses[words[0]] = WitnessLine(words[0], key, _optional(words, 2))

    def _group(self, words: list[bytes]) -> None:
        _check_words(words, 3, None, "group <name> all|any|<k> <name>...")
        _check_room(self._groups)
        name, rule, *members = words
        self._check_new(name)
        for member in members:
            self._check_defined(member)
            if member in self._members:
                raise MalformedError(f"{_show(member)}: a member of a group already")
            self._members.add(member)
        self._groups[name] = GroupLine(name, _threshold(rule, len(members)), tuple(members))

    def _take_quorum(self, words: list[bytes]) -> None:
        _check_words(words, 1, 1, "quorum <name>")
        if self._quorum is not None:
            raise MalformedError("a second quorum line")
        if words[0] != NONE:
            self._check_defined(words[0])
        self._quorum = words[0]

    def _check_new(self, name: bytes) -> None:
        if name == NONE or name in self._witnesses or name in self._groups:
            raise MalformedError(f"{_show(name)}: this name is taken")

    def _check_defined(self, name: bytes) -> None:
        if name not in self._witnesses and name not in self._groups:
            raise MalformedError(f"{_show(name)}: not defined on a line before this one")


def _key(word: bytes, kinds: frozenset[SignatureType], what: str) -> VerifierKey:
    try:
        text = word.decode()
    except UnicodeDecodeError as exc:
        raise MalformedError(f"{what} key {_show(word)}: not UTF-8") from exc
    key = parse_vkey(text)
    if key.kind not in kinds:
        expected = " or ".join(f"0x{kind:02x}" for kind in sorted(kinds))
        raise MalformedError(f"{what} key of type 0x{key.kind:02x}: expected {expected}")
    return key


def _threshold(rule: bytes, members: int) -> int:
    if rule == b"all":
        return members
    if rule == b"any":
        return 1
    if _THRESHOLD.fullmatch(rule) is None or int(rule) > members:
        raise MalformedError(f"{_show(rule)}: expected all, any, or a number from 1 to {members}")
    return int(rule)


def _check_words(words: list[bytes], least: int, most: int | None, form: str) -> None:
    if len(words) < least or (most is not None and len(words) > most):
        raise MalformedError(f"expected '{form}'")


def _check_room(held: list[LogLine] | dict[bytes, WitnessLine] | dict[bytes, GroupLine]) -> None:
    if len(held) >= MAX_LINES:
        raise MalformedError(f"more than {MAX_LINES} lines of this kind")


def _optional(words: list[bytes], at: int) -> bytes | None:
    return words[at] if len(words) > at else None


def _show(word: bytes) -> str:
    return ascii(word[:_SHOWN].decode("utf-8", "backslashreplace"))
