"""Codes of goods and wastes, checked against the lists in force on the day of the shipment.

Every check returns one finding, whatever the text. A code that a table here does not have is a
warning, never an error: the table may be the one that is wrong.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from sesn_node.codes.tables import Table, basel, eu_waste, harmonised, oecd, un_numbers, units
from sesn_node.domain.alert import Regime
from sesn_node.domain.findings import Field, Finding, Rule, capitals

_HS: Final = re.compile(r"[0-9]{6}", re.ASCII)
_HS_NATIONAL: Final = re.compile(r"[0-9]{8}(?:[0-9]{2})?", re.ASCII)
_HS_SEPARATORS: Final = re.compile(r"[ .]", re.ASCII)
_HS_EDITION: Final = re.compile(r"(?:HS)?[ \-]?((?:19|20)[0-9]{2})", re.ASCII)
_HS_EDITIONS: Final = (1996, 2002, 2007, 2012, 2017, 2022)
_BASEL: Final = re.compile(r"Y[1-9][0-9]?|[AB][1-4][0-9]{3}|H[1-9][0-9]?(?:\.[1-9])?", re.ASCII)
_OECD: Final = re.compile(r"[GRA][A-Z][0-9]{3}", re.ASCII)
_EU_WASTE: Final = re.compile(r"([0-9]{2})[ .]?([0-9]{2})[ .]?([0-9]{2}) ?(\*?)", re.ASCII)
_UN: Final = re.compile(r"(?:UN)?[ .\-]?([0-9]{4})", re.ASCII)
_MARK: Final = "*"


def check_hs(observed: str, edition: str, on: date, field: str = "hs_code") -> Finding:
    """Check a Harmonised System code: six digits that stand in the edition given.

    The first thing that is wrong is told: form, chapter, national digits, edition, table, date.
    """
    here = Field(field, observed)
    code = _HS_SEPARATORS.sub("", observed)
    longer = _HS_NATIONAL.fullmatch(code) is not None
    if not longer and _HS.fullmatch(code) is None:
        return here.fail(Rule.HS_FORM, "not an HS code: expected 6 digits")
    chapter = code[:2]
    if not "01" <= chapter <= "97" or chapter == "77":
        reason = f"the Harmonised System has no chapter {chapter} for international trade"
        return here.fail(Rule.HS_CHAPTER, reason)
    if longer:
        reason = f"{len(code)} digits: only the first 6 are international"
        return here.warn(Rule.HS_NATIONAL, reason, code[:6])
    match = _HS_EDITION.fullmatch(capitals(edition).strip())
    year = int(match[1]) if match else 0
    if year not in _HS_EDITIONS:
        known = ", ".join(f"HS{one}" for one in _HS_EDITIONS)
        reason = f"no edition is given that a table here has ({known}); codes differ between them"
        return here.warn(Rule.HS_EDITION, reason, code)
    return _hs_in(here, code, year, on)


def check_basel(observed: str, on: date, field: str = "basel_code") -> Finding:
    """Check a Basel code: Annex I and II (Y), III (H), VIII (A) or IX (B), in force on the day."""
    here = Field(field, observed)
    code = capitals(observed).replace(" ", "")
    if _BASEL.fullmatch(code) is None:
        reason = "not a Basel Convention code: expected Y1 to Y99, A or B and 4 digits, or H class"
        return here.fail(Rule.BASEL_FORM, reason)
    return _listed(here, code, basel(), on, (Rule.BASEL_UNLISTED, Rule.BASEL_DATE))


def check_oecd(observed: str, regime: Regime | None = None, field: str = "oecd_code") -> Finding:
    """Check an OECD code: green (G) or amber (A, R), for a shipment that the Decision governs."""
    here = Field(field, observed)
    code = capitals(observed).replace(" ", "")
    if _OECD.fullmatch(code) is None:
        reason = "not an OECD code: expected two letters, the first G, A or R, and 3 digits"
        return here.fail(Rule.OECD_FORM, reason)
    table = oecd()
    if code not in table.rows:
        return here.warn(Rule.OECD_UNLISTED, f"not in the table of {table.title}", code)
    if regime is Regime.BASEL:
        reason = "an OECD code, in a shipment under the Basel Convention alone"
        return here.warn(Rule.OECD_REGIME, reason, code)
    return here.ok(code)


def check_eu_waste(observed: str, on: date, field: str = "eu_waste_code") -> Finding:
    """Check a code of the European list of waste, and its mark (*) against the list of that day.

    The normal form has the mark that the list has.
    """
    here = Field(field, observed)
    match = _EU_WASTE.fullmatch(observed.strip(" "))
    if match is None:
        reason = "not a code of the European list of waste: expected 6 digits, and * if hazardous"
        return here.fail(Rule.EU_WASTE_FORM, reason)
    code, marked = " ".join(match.group(1, 2, 3)), bool(match[4])
    table = eu_waste()
    found = _listed(here, code, table, on, (Rule.EU_WASTE_UNLISTED, Rule.EU_WASTE_DATE))
    row = table.on(code, on)
    if found.rule is not None or row is None:
        return found
    listed = code + _MARK if row.hazardous else code
    if row.hazardous and not marked:
        reason = f"the list marks {listed} as hazardous, this document does not"
        return here.warn(Rule.EU_WASTE_MARK, reason, listed)
    if marked and not row.hazardous:
        reason = f"marked as hazardous here, and not in the list on {on}"
        return here.warn(Rule.EU_WASTE_MARK, reason, listed)
    return here.ok(listed)


def check_un(observed: str, field: str = "un_number") -> Finding:
    """Check a UN number of dangerous goods: four digits, in use."""
    here = Field(field, observed)
    match = _UN.fullmatch(capitals(observed).strip(" "))
    if match is None:
        return here.fail(Rule.UN_FORM, "not a UN number: expected 4 digits, such as UN 3480")
    number = f"UN{match[1]}"
    if match[1] not in un_numbers():
        reason = "not in the table of UN numbers in use, which ends with UN 3560"
        return here.warn(Rule.UN_UNLISTED, reason, number)
    return here.ok(number)


def check_unit(quantity: str, unit: str, field: str = "unit") -> Finding:
    """Check a unit, after UN/ECE Recommendation 20, and that there is any quantity of it."""
    here = Field(field, unit)
    code = units().get(unit.strip().lower()) if unit.isascii() else None
    if code is None:
        reason = "not in the table of units; kg, t, l, m3 and units are"
        return here.warn(Rule.UNIT_UNLISTED, reason)
    if quantity and not quantity.strip("0."):
        return here.warn(Rule.QUANTITY_ZERO, f"a quantity of {quantity} {unit} is none", code)
    return here.ok(code)


def _hs_in(here: Field, code: str, year: int, on: date) -> Finding:
    runs = harmonised().get(code, ())
    if not any(first <= year <= last for first, last in runs):
        where = ", ".join(
            f"HS{first}" if first == last else f"HS{first} to HS{last}" for first, last in runs
        )
        told = f"it is in {where}" if runs else "nor in that of another edition"
        return here.warn(Rule.HS_UNLISTED, f"not in the table of HS{year}; {told}", code)
    if on.year < year:
        reason = f"HS{year} is in force from {year}-01-01, the shipment is of {on}"
        return here.warn(Rule.HS_DATE, reason, code)
    newer = [one for one in _HS_EDITIONS if year < one <= on.year]
    if newer:
        reason = f"HS{newer[-1]} is in force since {newer[-1]}-01-01; some countries follow later"
        return here.warn(Rule.HS_DATE, reason, code)
    return here.ok(code)


def _listed(here: Field, code: str, table: Table, on: date, rules: tuple[Rule, Rule]) -> Finding:
    """Look a code up as at a day; the rules are that it is not listed, and not on that day."""
    unlisted, dated = rules
    rows = table.rows.get(code)
    if rows is None:
        return here.warn(unlisted, f"not in the table of {table.title}", code)
    if table.begins is not None and on < table.begins:
        reason = f"the table of {table.name} begins on {table.begins}, the shipment is of {on}"
        return here.warn(dated, reason, code)
    if table.on(code, on) is not None:
        return here.ok(code)
    ended = [row.until for row in rows if row.until is not None and row.until < on]
    if ended:
        return here.warn(dated, f"in force until {max(ended)}, the shipment is of {on}", code)
    first = min(row.since for row in rows if row.since is not None)
    return here.warn(dated, f"in force from {first} on, the shipment is of {on}", code)
