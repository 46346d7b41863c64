"""Whom a node believes: agency cards, the certificates under them, and the directory of peers.

Everything here is decided from bytes and a time that the caller gives; nothing is fetched,
stored or remembered, but for the bounded cache of `certificates.LeafVerifier`. That a card is
*pinned* after an operator compared its fingerprint is the caller's duty.

May import: `sesn_node.ledger`, `sesn_node.wire`, `sesn_node.crypto`, `sesn_node.domain`,
`sesn_node.errors`, `cryptography` (for X.509 only), `rfc3161_client`, `mnemonic`. Must never: log,
open a connection or a file of the node, read the clock, or hold a private key beyond one call.
"""
