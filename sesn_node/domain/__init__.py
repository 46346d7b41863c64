"""What officers and nodes speak about: alerts, identifiers, headers, ledger entries, cards.

Every object is valid by construction: a constructor that returns has checked every bound of
`proto/sesn/v1/*.proto`, and raises `MalformedError` with the path of the field otherwise.

May import: the standard library, `python-stdnum` and `sesn_node.errors`. Never logs, never does
I/O, never reads the clock, never draws randomness, and knows nothing of protobuf.
"""
