"""Numbers that carry their own proof: containers, ships, seals, bills of lading, legal entities.

A wrong number is evidence, never an error: every check returns a finding, whatever the text.
Patterns and check digits are judged here; codes that stand in a list, and may have stood there at
one time only, are judged by `sesn_node.codes`.
"""

from __future__ import annotations

import re

from stdnum import imo, iso6346
from stdnum.iso7064 import mod_97_10

from sesn_node.domain.findings import Field, Finding, Rule, capitals

# stdnum is asked only behind these patterns: its 2.2 raises on letters outside ASCII, takes `R` for
# an equipment category, and 0000000 for a ship.
_CONTAINER = re.compile(r"[A-Z]{3}[UJZ][0-9]{7}", re.ASCII)
_CONTAINER_SHAPE = re.compile(r"[A-Z]{4}[0-9]{7}", re.ASCII)
_CONTAINER_SEPARATORS = re.compile(r"[ \t\-/.]", re.ASCII)
_IMO = re.compile(r"(?:IMO)?[ :.\-]*([0-9]{7})", re.ASCII)
_NO_SHIP = "0000000"
_SEPARATORS = re.compile(r"[ \t\-/._#]", re.ASCII)
# What a seal or a bill bears: letters and digits, one digit at least.
_NUMBERED = re.compile(r"(?=[A-Z]*[0-9])[A-Z0-9]+", re.ASCII)
_LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}", re.ASCII)
_MAX_SEAL = 15
_MAX_BILL = 20


def check_container(observed: str, field: str = "container") -> Finding:
    """Check a container number: ISO 6346, check digit after its annex A."""
    here = Field(field, observed)
    number = _CONTAINER_SEPARATORS.sub("", capitals(observed))
    if _CONTAINER.fullmatch(number) is None:
        reason = "not an ISO 6346 number: expected 3 letters, U, J or Z, and 7 digits"
        if _CONTAINER_SHAPE.fullmatch(number) is not None:
            reason = f"the fourth letter is {number[3]}; ISO 6346 knows U, J and Z"
        return here.fail(Rule.CONTAINER_FORM, reason)
    expected = iso6346.calc_check_digit(number[:-1])
    if expected != number[-1]:
        return here.warn(Rule.CONTAINER_DIGIT, _digit(number, expected), number)
    if _remainder(number) == _REMAINDER_TEN:
        # ISO 6346 annex A advises against such serial numbers: 10 and 0 share a digit.
        reason = "check digit 0 stands for remainder 10, which ISO 6346 advises against"
        return here.warn(Rule.CONTAINER_TEN, reason, number)
    return here.ok(number)


def check_imo(observed: str, field: str = "imo") -> Finding:
    """Check a ship number: IMO resolution A.1117(30), seven digits, the last a check digit.

    A bad check digit only warns: ships with one are afloat.
    """
    here = Field(field, observed)
    match = _IMO.fullmatch(capitals(observed).strip())
    if match is None or match[1] == _NO_SHIP:
        reason = "not an IMO ship number: expected 7 digits, not all zero"
        return here.fail(Rule.IMO_FORM, reason)
    number = match[1]
    expected = imo.calc_check_digit(number)
    if expected != number[-1]:
        return here.warn(Rule.IMO_DIGIT, _digit(number, expected), number)
    return here.ok(number)


def check_seal(observed: str, field: str = "seal") -> Finding:
    """Check a seal: ISO 17712 asks for a unique number and has no check digit."""
    return _numbered(Field(field, observed), Rule.SEAL_FORM, "a seal number", _MAX_SEAL)


def check_bill_of_lading(observed: str, field: str = "bill_of_lading") -> Finding:
    """Check a bill of lading: the carrier's own number, at most 20 characters (DCSA)."""
    return _numbered(Field(field, observed), Rule.BILL_FORM, "a bill of lading number", _MAX_BILL)


def check_lei(observed: str, field: str = "lei") -> Finding:
    """Check a Legal Entity Identifier: ISO 17442, check digits after ISO/IEC 7064 MOD 97-10."""
    here = Field(field, observed)
    number = _SEPARATORS.sub("", capitals(observed))
    if _LEI.fullmatch(number) is None:
        reason = "not an ISO 17442 identifier: expected 18 letters and digits, then 2 digits"
        return here.fail(Rule.LEI_FORM, reason)
    expected = mod_97_10.calc_check_digits(number[:-2])
    if expected != number[-2:]:
        reason = f"check digits are {number[-2:]}, the identifier asks for {expected}"
        return here.warn(Rule.LEI_DIGITS, reason, number)
    return here.ok(number)


_REMAINDER_TEN = 10
_LETTER_VALUES = "0123456789A BCDEFGHIJK LMNOPQRSTU VWXYZ"


def _numbered(here: Field, rule: Rule, what: str, longest: int) -> Finding:
    number = _SEPARATORS.sub("", capitals(here.observed))
    if _NUMBERED.fullmatch(number) is None or len(number) > longest:
        return here.warn(
            rule,
            f"not written like {what}: expected up to {longest} letters and digits, "
            "with a digit among them",
        )
    return here.ok(number)


def _digit(number: str, expected: str) -> str:
    return f"check digit is {number[-1]}, the number asks for {expected}"


def _remainder(number: str) -> int:
    """The sum modulo 11 of ISO 6346 annex A, before 10 becomes 0: stdnum does not tell it."""
    return sum(_LETTER_VALUES.index(sign) << at for at, sign in enumerate(number[:10])) % 11
