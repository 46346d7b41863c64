"""A consignment on the screen: every field that it can have is shown as it was observed."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from sesn_node.cli.consignment_text import add_consignment
from sesn_node.cli.show import facts
from sesn_node.domain.alert import Consignment, Container
from tests.support.objects import consignment, goods


def _shown(some: Consignment) -> str:
    listing = facts()
    add_consignment(listing, some)
    stream = StringIO()
    Console(file=stream, width=200, markup=False, highlight=False).print(listing)
    return stream.getvalue()


def test_every_field_is_shown() -> None:
    """Codes under the name of their list, numbers of parties beside them."""
    shown = _shown(replace(consignment(), found=replace(goods(), description="Tubes, broken")))
    for label in ("containers", "vessel", "bill of lading", "route", "declared", "suspected"):
        assert label in shown
    for line in (
        "CSQU3054383  seal NL0001",
        "Harbour Lark, IMO 9319466, voyage 648S",
        "NLRTM  loading  2026-12-03 21:30",
        "24.5 t, HS2022 852872, Basel A1181 Y31, OECD GC020",
        "EU waste 20 01 35*, UN numbers UN 3480",
        "found           Tubes, broken",
        "NL, LEI 213800KUD8LAJWSQ9D15, VAT NL004495445B01",
        "regime          EU",
    ):
        assert line in shown


def test_what_is_not_known_has_no_line() -> None:
    """A container alone is one line."""
    assert _shown(Consignment(containers=(Container("CSQU3054383"),))).split() == [
        "containers",
        "CSQU3054383",
    ]
