"""What a check says of an identifier or of two that belong together: ok, warn or fail, and why.

Findings are computed wherever they are shown and never sent: two editions of a code list must not
disagree about a signed message. `docs/identifiers.md` has every rule with its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How far an identifier may be relied upon."""

    OK = "ok"
    WARN = "warn"
    """Plausible, with a doubt that the reason tells."""
    FAIL = "fail"
    """Not such an identifier at all."""


class Rule(StrEnum):
    """What a finding that is not ok was found by."""

    CONTAINER_FORM = "container-form"
    CONTAINER_DIGIT = "container-digit"
    CONTAINER_TEN = "container-ten"
    CONTAINER_REPEATED = "container-repeated"
    SEAL_FORM = "seal-form"
    SEAL_REPEATED = "seal-repeated"
    IMO_FORM = "imo-form"
    IMO_DIGIT = "imo-digit"
    BILL_FORM = "bill-form"
    PORT_FORM = "port-form"
    PORT_UNLISTED = "port-unlisted"
    PORT_FUNCTION = "port-function"
    COUNTRY_FORM = "country-form"
    COUNTRY_UNLISTED = "country-unlisted"
    HS_FORM = "hs-form"
    HS_CHAPTER = "hs-chapter"
    HS_NATIONAL = "hs-national"
    HS_EDITION = "hs-edition"
    HS_UNLISTED = "hs-unlisted"
    HS_DATE = "hs-date"
    BASEL_FORM = "basel-form"
    BASEL_UNLISTED = "basel-unlisted"
    BASEL_DATE = "basel-date"
    OECD_FORM = "oecd-form"
    OECD_UNLISTED = "oecd-unlisted"
    OECD_REGIME = "oecd-regime"
    EU_WASTE_FORM = "eu-waste-form"
    EU_WASTE_UNLISTED = "eu-waste-unlisted"
    EU_WASTE_DATE = "eu-waste-date"
    EU_WASTE_MARK = "eu-waste-mark"
    UN_FORM = "un-form"
    UN_UNLISTED = "un-unlisted"
    UNIT_UNLISTED = "unit-unlisted"
    QUANTITY_ZERO = "quantity-zero"
    LEI_FORM = "lei-form"
    LEI_DIGITS = "lei-digits"
    VAT_FORM = "vat-form"
    VAT_DIGITS = "vat-digits"
    VAT_UNKNOWN = "vat-unknown"
    VAT_COUNTRY = "vat-country"
    GOODS_HS = "goods-hs"
    GOODS_BASEL = "goods-basel"
    ROUTE_ORDER = "route-order"
    ROUTE_KINDS = "route-kinds"
    ROUTE_SAME_DAY = "route-same-day"
    RESPOND_BY_PAST = "respond-by-past"
    RESPOND_BY_LATE = "respond-by-late"
    ACROSS_SAME_DAY = "across-same-day"
    ACROSS_SEAL = "across-seal"
    CASE_REGIME = "case-regime"
    CASE_DAYS = "case-days"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says of one field.

    Args:
        field: Path of the field, such as `consignment.containers[2].number`.
        observed: The text as it was given.
        normalised: The normal form to search and compare by; empty if there is none.
        result: ok, warn or fail.
        reason: Why not ok, in words; empty if ok.
        rule: What it was found by; None if ok.
    """

    field: str
    observed: str
    normalised: str
    result: Result
    reason: str = ""
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field under examination: where it stands, and what stands there."""

    path: str
    observed: str

    def ok(self, normalised: str) -> Finding:
        """Nothing is wrong."""
        return Finding(self.path, self.observed, normalised, Result.OK)

    def warn(self, rule: Rule, reason: str, normalised: str = "") -> Finding:
        """Plausible, with a doubt."""
        return Finding(self.path, self.observed, normalised, Result.WARN, reason, rule)

    def fail(self, rule: Rule, reason: str) -> Finding:
        """Not such an identifier at all."""
        return Finding(self.path, self.observed, "", Result.FAIL, reason, rule)


def capitals(observed: str) -> str:
    """Capitals of an ASCII text, nothing of another: Python takes some letters into ASCII."""
    return observed.upper() if observed.isascii() else ""
