"""Our extensions as PyPI `stix2` is told of them, so that it judges every property of a bundle."""

from __future__ import annotations

from typing import Final

from stix2 import properties as kinds
from stix2.v21 import CustomExtension, CustomObservable

from sesn_node.interop import stix_ids as ids

_GOODS: Final = ("declared", "suspected", "found")


def _reference(kind: str) -> kinds.ReferenceProperty:
    return kinds.ReferenceProperty(valid_types=kind, spec_version="2.1")


@CustomObservable(
    ids.CONTAINER,
    [("number", kinds.StringProperty(required=True))],
    ["number"],
    extension_name=ids.OBJECT_EXTENSIONS[ids.CONTAINER],
)
class Container:
    """A container."""


@CustomObservable(
    ids.VESSEL,
    [("imo", kinds.StringProperty()), ("name", kinds.StringProperty())],
    ["imo", "name"],
    extension_name=ids.OBJECT_EXTENSIONS[ids.VESSEL],
)
class Vessel:
    """A ship."""


_CONSIGNMENT: Final = [
    ("containers", kinds.ListProperty(kinds.DictionaryProperty(spec_version="2.1"))),
    ("vessel_ref", _reference(ids.VESSEL)),
    ("voyage", kinds.StringProperty()),
    ("bill_of_lading", kinds.StringProperty()),
    ("route", kinds.ListProperty(kinds.DictionaryProperty(spec_version="2.1"))),
    *((stage, kinds.DictionaryProperty(spec_version="2.1")) for stage in _GOODS),
    ("parties", kinds.ListProperty(kinds.DictionaryProperty(spec_version="2.1"))),
    ("regime", kinds.EnumProperty(["BASEL", "OECD", "EU"])),
]


@CustomObservable(
    ids.CONSIGNMENT,
    _CONSIGNMENT,
    [name for name, _ in _CONSIGNMENT],
    extension_name=ids.OBJECT_EXTENSIONS[ids.CONSIGNMENT],
)
class Consignment:
    """A consignment."""


@CustomExtension(
    ids.ALERT_EXTENSION,
    [
        ("urgency", kinds.EnumProperty(["ROUTINE", "URGENT", "SHIP_SAILS"], required=True)),
        (
            "requested_action",
            kinds.EnumProperty(["NONE", "INFORM", "HOLD", "INSPECT"], required=True),
        ),
        ("respond_by", kinds.TimestampProperty()),
        ("consignment_ref", _reference(ids.CONSIGNMENT)),
        ("markings", kinds.DictionaryProperty(spec_version="2.1")),
    ],
)
class AlertExtension:
    """What a report says as an alert."""

    extension_type = "property-extension"


@CustomExtension(
    ids.TLP_EXTENSION,
    [
        (
            "tlp_2_0",
            kinds.EnumProperty(["clear", "green", "amber", "amber+strict", "red"], required=True),
        )
    ],
)
class TlpExtension:
    """TLP 2.0, as OASIS defines it."""

    extension_type = "property-extension"
