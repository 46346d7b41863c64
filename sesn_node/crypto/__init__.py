"""Every cryptographic operation of a node, for the suite `SESN-1`.

Purpose:
    Seal a message so that each recipient, and nobody else, opens it; sign what an agency
    states; keep private keys and content keys closed at rest. `primitives` holds every call
    into the `cryptography` package with the reason beside it; all other modules are framing.

Key management:
    Keys live in one passphrase-protected file (`keyring`). An agency has a P-256 root, which
    certifies P-256 seal and TLS keys; encryption keys (ML-KEM-768 with X25519); an Ed25519 and
    an ML-DSA-44 key for its ledger, and another pair as a witness; a symmetric storage key.
    Code that signs sees only `signers.Signer`, which a hardware module can fill.

Compatibility:
    What one release of `SESN-1` seals, signs or stores, every later release opens and
    verifies. The frozen files in `tests/vectors/crypto` hold that promise. Another format or
    primitive means another suite name, never a flag.

May import: `sesn_node.domain`, `sesn_node.errors`, `cryptography`, the standard library.
Must never: log, do I/O, read the clock, show a secret in a `repr` or an error message, or
draw randomness other than through `primitives.random_bytes` and the key generation and
encapsulation of `cryptography`.
"""
