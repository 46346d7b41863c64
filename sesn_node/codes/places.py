"""Ports and countries, checked against UN/LOCODE and ISO 3166-1."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Final

import pycountry

from sesn_node.domain.findings import Field, Finding, Rule, capitals

LOCODE_EDITION: Final = "UN/LOCODE, edition 2023-1"

_PORT: Final = re.compile(r"[A-Z]{2}[A-Z2-9]{3}", re.ASCII)
# Three rows of the edition have a 0, against Recommendation 16: a member of the list is a port.
_PORT_SHAPE: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{3}", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)
# Kosovo, by a code that ISO leaves to its users; UN/LOCODE's international waters.
_BESIDE_ISO: Final = frozenset({"XK", "XZ"})
_INTERNATIONAL: Final = "int"
"""How this network writes an international body instead of a country, as in agency ids."""


def check_port(observed: str, field: str = "port") -> Finding:
    """Check a UN/LOCODE: country, then three of A-Z and 2-9 (UNECE Recommendation 16), a port.

    The list's coordinates are unreliable and not read.
    """
    here = Field(field, observed)
    code = capitals(observed).replace(" ", "")
    shaped = _PORT_SHAPE.fullmatch(code) is not None
    is_port = _is_port(code) if shaped else None
    if not shaped or (is_port is None and _PORT.fullmatch(code) is None):
        reason = "not a UN/LOCODE: expected two letters, then three of A-Z and 2-9"
        return here.fail(Rule.PORT_FORM, reason)
    if is_port is None:
        return here.warn(Rule.PORT_UNLISTED, f"not in the table of {LOCODE_EDITION}", code)
    if not is_port:
        return here.warn(Rule.PORT_FUNCTION, f"no port, says {LOCODE_EDITION}", code)
    return here.ok(code)


def check_country(observed: str, field: str = "country") -> Finding:
    """Check a country: ISO 3166-1 alpha-2, XK, XZ, or `int`."""
    here = Field(field, observed)
    if observed.strip(" ") == _INTERNATIONAL:
        return here.ok(_INTERNATIONAL)
    code = capitals(observed).strip(" ")
    if _COUNTRY.fullmatch(code) is None:
        return here.fail(Rule.COUNTRY_FORM, "not a country code: expected two letters")
    if code not in _BESIDE_ISO and pycountry.countries.get(alpha_2=code) is None:
        return here.warn(Rule.COUNTRY_UNLISTED, "not in the table of ISO 3166-1", code)
    return here.ok(code)


@lru_cache(maxsize=4096)
def _is_port(code: str) -> bool | None:
    """Whether a place of the list is a port; None if the list does not have it.

    The package's own class opens its database to write; here it is opened as it was shipped.
    """
    with (
        as_file(files("pyunlocode") / "unlocode.db") as path,
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as database,
    ):
        found = database.execute(
            "SELECT is_port FROM location WHERE country_code = ? AND location_code = ?",
            (code[:2], code[2:]),
        ).fetchone()
    return None if found is None else bool(found[0])
