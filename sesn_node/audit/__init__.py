"""Audit bundles: evidence in one file, read and verified without trusting any node.

`records` says what a bundle holds, `archive` how its file is laid out, `codec` how its records are
written, `bundle` opens one. Given open binary files, never paths; no store, no network, no clock.
"""
