"""Measuring a node on this machine, through the public use cases and real connections."""
