r"""Fingerprints of agency roots, for comparing out of band before a card is pinned.

    SHA-256("sesn/v1/fingerprint\0" || u16 length || agency id || root certificate, DER)

All 256 bits are shown: a shortened fingerprint can be met by trying keys. The words are those
of BIP 39 (24 words, the last one with an eight-bit checksum), which can be read out over a
telephone; a misheard word is mostly caught by the list or the checksum before it is compared.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from mnemonic import Mnemonic

from sesn_node.crypto.framing import ascii_bytes, frame
from sesn_node.crypto.primitives import sha256
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import MalformedError

FINGERPRINT_BYTES: Final = 32
WORDS: Final = 24

_PREFIX: Final = b"sesn/v1/fingerprint\0"
_GROUP: Final = 4
_HEX: Final = re.compile(rf"[0-9a-f]{{{2 * FINGERPRINT_BYTES}}}", re.ASCII)
# Whatever people put between groups and words when they write them down or paste them.
_BETWEEN: Final = re.compile(r"[\s:;,.\-]+")
_MAX_TEXT: Final = 1_000


def fingerprint(agency: AgencyId, root_der: bytes) -> bytes:
    """Fingerprint an agency's root: 32 bytes.

    The id is hashed too, so that a root cannot be shown under one name and pinned under another.
    """
    return sha256(_PREFIX, frame(ascii_bytes(agency)), root_der)


def hex_groups(value: bytes) -> str:
    """Write a fingerprint as 16 groups of four lower-case hex digits, with spaces between."""
    digits = value.hex()
    return " ".join(digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP))


def words(value: bytes) -> tuple[str, ...]:
    """Write a fingerprint as 24 English words (BIP 39).

    Raises:
        MalformedError: `value` has not 32 bytes.
    """
    if len(value) != FINGERPRINT_BYTES:
        raise MalformedError(f"fingerprint: expected {FINGERPRINT_BYTES} bytes, got {len(value)}")
    return tuple(_word_list().to_mnemonic(value).split(" "))


def parse_fingerprint(text: str) -> bytes:
    """Read a fingerprint as people type it: hex in any grouping, or the 24 words, in any case.

    The two cannot be confused: 24 words of the list have at least 72 letters.

    Raises:
        MalformedError: Neither; or a word that is not in the list, or a wrong checksum.
    """
    if len(text) > _MAX_TEXT:
        raise MalformedError(f"fingerprint: longer than {_MAX_TEXT} characters")
    parts = [part for part in _BETWEEN.split(text.lower()) if part]
    joined = "".join(parts)
    if _HEX.fullmatch(joined) is not None:
        return bytes.fromhex(joined)
    if len(parts) != WORDS:
        raise MalformedError(
            f"fingerprint: expected {2 * FINGERPRINT_BYTES} hex digits or {WORDS} words; copy "
            "the whole of it"
        )
    return _from_words(parts)


def _from_words(parts: list[str]) -> bytes:
    known = frozenset(_word_list().wordlist)
    for place, word in enumerate(parts, start=1):
        if word not in known:
            raise MalformedError(
                f"fingerprint: word {place}, {word[:32]!a}, is not in the list; ask for it again"
            )
    try:
        return bytes(_word_list().to_entropy(parts))
    except ValueError as exc:
        raise MalformedError(
            "fingerprint: the checksum does not fit, so a word is wrong or out of its place; ask "
            "for all of them again"
        ) from exc


@functools.cache
def _word_list() -> Mnemonic:
    # Built at the first use, because it reads the list that is packed with `mnemonic`.
    return Mnemonic("english")
