"""What can be wrong with the file of a bundle: stable codes, and errors that say where."""

from __future__ import annotations

from enum import StrEnum

from sesn_node.errors import MalformedError


class BundleCode(StrEnum):
    """Codes of the `MalformedError` that a bundle is refused with."""

    NOT_A_BUNDLE = "NOT_A_BUNDLE"
    """It does not end as a bundle does: another kind of file, one that was cut off, or one with
    something behind its end."""
    MALFORMED = "BUNDLE_MALFORMED"
    """Its layout is not the one that its members must have: gaps, overlaps, extra fields, comments,
    headers that contradict each other."""
    ENCRYPTED = "BUNDLE_ENCRYPTED"
    """A member is marked as encrypted."""
    COMPRESSED = "BUNDLE_COMPRESSED"
    """A member is compressed."""
    MEMBERS = "BUNDLE_MEMBERS"
    """A member is unknown, missing, there twice or out of order."""
    TOO_LARGE = "BUNDLE_TOO_LARGE"
    """A count or a length is beyond its limit."""
    DAMAGED = "BUNDLE_DAMAGED"
    """A member's bytes are not those that its CRC-32 or the manifest's SHA-256 was made of."""
    MANIFEST = "BUNDLE_MANIFEST"
    """The manifest cannot be read, or contradicts the file."""
    RECORD = "BUNDLE_RECORD"
    """A record cannot be read, or is out of order."""


def malformed(code: BundleCode, member: str, offset: int, problem: str) -> MalformedError:
    """Return the error to raise.

    Args:
        code: What kind of problem.
        member: The member that it is found in, or the part of the file.
        offset: Where, in bytes from the beginning of the file.
        problem: What is wrong, in words.
    """
    return MalformedError(
        f"audit bundle: {member}, at byte {offset:,} of the file: {problem}", code=code.value
    )
