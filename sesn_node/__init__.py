"""A node of the Seaport Environmental Security Network (SESN).

Agencies that stop illegal shipments of hazardous waste each run one node. Nodes exchange sealed
alerts and keep a ledger of them that an auditor can verify. The command is `sesn`; the packages
and who may import whom are told in `docs/` and enforced by import-linter.
"""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("sesn-node")
