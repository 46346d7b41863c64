"""Identifiers of consignments: what was observed, its normal form, and what is wrong with it.

A wrong number is evidence, never an error: every check returns a finding, whatever the text.
Patterns and check digits are judged here; whether a code exists, or was in force on the date, is a
matter of dated code lists and not of this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from stdnum import imo, iso6346

from sesn_node.domain.alert import Alert, Consignment, Goods

# stdnum is asked only behind these patterns: its 2.2 raises on letters outside ASCII, takes `R` for
# an equipment category, and 0000000 for a ship.
_CONTAINER = re.compile(r"[A-Z]{3}[UJZ][0-9]{7}", re.ASCII)
_CONTAINER_SHAPE = re.compile(r"[A-Z]{4}[0-9]{7}", re.ASCII)
_CONTAINER_SEPARATORS = re.compile(r"[ \t\-/.]", re.ASCII)
_IMO = re.compile(r"(?:IMO)?[ :.\-]*([0-9]{7})", re.ASCII)
_NO_SHIP = "0000000"
_PORT = re.compile(r"[A-Z]{2}[A-Z2-9]{3}", re.ASCII)
_HS = re.compile(r"[0-9]{6}", re.ASCII)
_HS_NATIONAL = re.compile(r"[0-9]{8}(?:[0-9]{2})?", re.ASCII)
_HS_SEPARATORS = re.compile(r"[ .]", re.ASCII)
_HS_EDITIONS = frozenset(
    {"HS1988", "HS1992", "HS1996", "HS2002", "HS2007", "HS2012", "HS2017", "HS2022"}
)
_LAST_Y_CODE = 49
_BASEL_Y = re.compile(r"Y([1-9][0-9]?)", re.ASCII)
_BASEL_LIST = re.compile(r"[AB][1-4][0-9]{3}", re.ASCII)
# Annex III of the Convention: the classes of hazardous characteristics.
_BASEL_H = frozenset(
    {"H1", "H3", "H4.1", "H4.2", "H4.3", "H5.1", "H5.2", "H6.1", "H6.2", "H8"}
    | {"H10", "H11", "H12", "H13"}
)


class Result(StrEnum):
    """How far an identifier may be relied upon."""

    OK = "ok"
    WARN = "warn"
    """Plausible, with a doubt that the reason tells."""
    FAIL = "fail"
    """Not such an identifier at all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says of one identifier.

    Args:
        field: Path of the field, such as `consignment.containers[2].number`.
        observed: The text as it was given.
        normalised: The normal form to search and compare by; empty if there is none.
        result: ok, warn or fail.
        reason: Why not ok, in words; empty if ok.
    """

    field: str
    observed: str
    normalised: str
    result: Result
    reason: str = ""


def check_container(observed: str, field: str = "container") -> Finding:
    """Check a container number: ISO 6346, check digit after its annex A."""
    number = _CONTAINER_SEPARATORS.sub("", _capitals(observed))
    if _CONTAINER.fullmatch(number) is None:
        reason = "not an ISO 6346 number: expected 3 letters, U, J or Z, and 7 digits"
        if _CONTAINER_SHAPE.fullmatch(number) is not None:
            reason = f"the fourth letter is {number[3]}; ISO 6346 knows U, J and Z"
        return Finding(field, observed, "", Result.FAIL, reason)
    expected = iso6346.calc_check_digit(number[:-1])
    if expected != number[-1]:
        reason = f"check digit is {number[-1]}, the number asks for {expected}"
        return Finding(field, observed, number, Result.WARN, reason)
    if _remainder(number) == _REMAINDER_TEN:
        # ISO 6346 annex A advises against such serial numbers: 10 and 0 share a digit.
        reason = "check digit 0 stands for remainder 10, which ISO 6346 advises against"
        return Finding(field, observed, number, Result.WARN, reason)
    return Finding(field, observed, number, Result.OK)


def check_imo(observed: str, field: str = "imo") -> Finding:
    """Check a ship number: IMO resolution A.1117(30), seven digits, the last a check digit.

    A bad check digit only warns: ships with one are afloat.
    """
    match = _IMO.fullmatch(_capitals(observed).strip())
    if match is None or match[1] == _NO_SHIP:
        reason = "not an IMO ship number: expected 7 digits, not all zero"
        return Finding(field, observed, "", Result.FAIL, reason)
    number = match[1]
    expected = imo.calc_check_digit(number)
    if expected != number[-1]:
        reason = f"check digit is {number[-1]}, the number asks for {expected}"
        return Finding(field, observed, number, Result.WARN, reason)
    return Finding(field, observed, number, Result.OK)


def check_port(observed: str, field: str = "port") -> Finding:
    """Check the pattern of a UN/LOCODE: country, then three of A-Z and 2-9 (UNECE Rec. 16)."""
    code = _capitals(observed).replace(" ", "")
    if _PORT.fullmatch(code) is None:
        reason = "not a UN/LOCODE: expected two letters, then three of A-Z and 2-9"
        return Finding(field, observed, "", Result.FAIL, reason)
    return Finding(field, observed, code, Result.OK)


def check_hs(observed: str, edition: str = "", field: str = "hs_code") -> Finding:
    """Check the pattern of a Harmonised System code: six digits, chapter 01 to 97 without 77."""
    code = _HS_SEPARATORS.sub("", observed)
    longer = _HS_NATIONAL.fullmatch(code) is not None
    if not longer and _HS.fullmatch(code) is None:
        return Finding(field, observed, "", Result.FAIL, "not an HS code: expected 6 digits")
    chapter = code[:2]
    if not "01" <= chapter <= "97" or chapter == "77":
        reason = f"the Harmonised System has no chapter {chapter} for international trade"
        return Finding(field, observed, "", Result.FAIL, reason)
    if longer:
        reason = f"{len(code)} digits: only the first 6 are international"
        return Finding(field, observed, code[:6], Result.WARN, reason)
    if edition not in _HS_EDITIONS:
        reason = "no known edition given, such as HS2022; codes differ between editions"
        return Finding(field, observed, code, Result.WARN, reason)
    return Finding(field, observed, code, Result.OK)


def check_basel(observed: str, field: str = "basel_code") -> Finding:
    """Check the pattern of a Basel code: Y1 to Y49, A or B and 4 digits, or H (Annex III)."""
    code = _capitals(observed).replace(" ", "")
    y_code = _BASEL_Y.fullmatch(code)
    known = (
        (y_code is not None and int(y_code[1]) <= _LAST_Y_CODE)
        or _BASEL_LIST.fullmatch(code) is not None
        or code in _BASEL_H
    )
    if not known:
        reason = "not a Basel Convention code: expected Y1 to Y49, A or B and 4 digits, or H class"
        return Finding(field, observed, "", Result.FAIL, reason)
    return Finding(field, observed, code, Result.OK)


def findings(alert: Alert) -> tuple[Finding, ...]:
    """Check every identifier of an alert, in the order of its fields; unset ones are skipped."""
    consignment = alert.consignment
    if consignment is None:
        return ()
    found = [
        check_container(container.number, f"consignment.containers[{index}].number")
        for index, container in enumerate(consignment.containers)
    ]
    if consignment.vessel is not None and consignment.vessel.imo:
        found.append(check_imo(consignment.vessel.imo, "consignment.vessel.imo"))
    found += [
        check_port(call.port, f"consignment.route[{index}].port")
        for index, call in enumerate(consignment.route)
    ]
    found += _goods_findings(consignment)
    return tuple(found)


_REMAINDER_TEN = 10
_LETTER_VALUES = "0123456789A BCDEFGHIJK LMNOPQRSTU VWXYZ"


def _capitals(observed: str) -> str:
    """Capitals of an ASCII text, nothing of another: Python takes some letters into ASCII."""
    return observed.upper() if observed.isascii() else ""


def _remainder(number: str) -> int:
    """The sum modulo 11 of ISO 6346 annex A, before 10 becomes 0: stdnum does not tell it."""
    return sum(_LETTER_VALUES.index(sign) << at for at, sign in enumerate(number[:10])) % 11


def _goods_findings(consignment: Consignment) -> list[Finding]:
    found: list[Finding] = []
    both: tuple[tuple[str, Goods | None], ...] = (
        ("declared", consignment.declared),
        ("suspected", consignment.suspected),
    )
    for name, goods in both:
        if goods is None:
            continue
        place = f"consignment.{name}"
        if goods.hs_code:
            found.append(check_hs(goods.hs_code, goods.hs_edition, f"{place}.hs_code"))
        found += [
            check_basel(code, f"{place}.basel_codes[{index}]")
            for index, code in enumerate(goods.basel_codes)
        ]
    return found
