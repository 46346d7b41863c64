"""Numbers of parties that depend on their country."""

from __future__ import annotations

import re
from typing import Final

from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError
from stdnum.gb import vat as gb_vat

from sesn_node.domain.findings import Field, Finding, Rule, capitals

_SEPARATORS: Final = re.compile(r"[ .\-/]", re.ASCII)
_VAT: Final = re.compile(r"([A-Z]{2})[A-Z0-9+*]{2,13}", re.ASCII)
_GREECE: Final = "EL"
"""What VAT numbers write for GR."""
_GREAT_BRITAIN: Final = "GB"
_NORTHERN_IRELAND: Final = "XI"


def check_vat(observed: str, country: str = "", field: str = "vat") -> Finding:
    """Check a VAT number: the form and check digits of its country, and that it is the party's.

    Rules are known for the European Union and the United Kingdom (python-stdnum, after VIES).

    Args:
        observed: The number, with the prefix of its country.
        country: The party's country in its normal form; empty if it is not known.
        field: Path of the field.
    """
    here = Field(field, observed)
    number = _SEPARATORS.sub("", capitals(observed))
    match = _VAT.fullmatch(number)
    if match is None:
        reason = "not a VAT number: expected the prefix of a country, then up to 13 characters"
        return here.fail(Rule.VAT_FORM, reason)
    prefix = match[1]
    if not _known(prefix):
        reason = f"no rule is held for VAT numbers of {prefix}"
        return here.warn(Rule.VAT_UNKNOWN, reason, number)
    if not _valid(prefix, number):
        reason = f"does not have the form or the check digits of a VAT number of {prefix}"
        return here.warn(Rule.VAT_DIGITS, reason, number)
    at = {_GREECE: "GR", _NORTHERN_IRELAND: _GREAT_BRITAIN}.get(prefix, prefix)
    if country and country != at:
        reason = f"a VAT number of {at}, and the party's country is {country}"
        return here.warn(Rule.VAT_COUNTRY, reason, number)
    return here.ok(number)


def _known(prefix: str) -> bool:
    if prefix in {_GREECE, _GREAT_BRITAIN}:
        return True
    # Greece is a member under EL alone.
    return prefix != "GR" and prefix.lower() in eu_vat.MEMBER_STATES


def _valid(prefix: str, number: str) -> bool:
    try:
        if prefix in {_GREAT_BRITAIN, _NORTHERN_IRELAND}:
            gb_vat.validate(number)
        else:
            eu_vat.validate(number)
    except ValidationError:
        return False
    return True
