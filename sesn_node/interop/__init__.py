"""Interoperation: an alert as STIX 2.1 or as a MISP event, and one of these as a draft.

Pure: domain objects in, JSON documents out, and back. What the other side has no place for is
named, never lost in silence: `docs/interoperation.md` has the tables.
"""
