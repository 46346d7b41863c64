"""The transparency ledger: Merkle tree, signed notes, checkpoints, cosignatures, witnessing.

Pure functions over bytes, in the formats of RFC 6962 and C2SP (c2sp.org), unchanged, so that
tools that nobody here wrote can verify a node. Each module does one text:

    encoding     what all of them share: canonical base64, decimals, text
    merkle       RFC 6962 section 2.1, with the storage order of Go's sumdb/tlog
    note         C2SP signed-note
    checkpoint   C2SP tlog-checkpoint, signed by the ledger's own two keys
    cosignature  C2SP tlog-cosignature, by a witness's two keys
    witness      C2SP tlog-witness, the `add-checkpoint` call
    tiles        C2SP tlog-tiles: which files a tree is, and how they are named
    bundles      C2SP tlog-tiles, entry bundles
    tiletree     a tree read back from tiles, each verified
    tlogproof    C2SP tlog-proof
    policy       C2SP tlog-policy: what it says of a checkpoint
    policyfile   C2SP tlog-policy, the file

It may import `crypto`, `domain` and `errors`. It never does I/O, logs, reads a clock or draws
randomness, and it never trusts a hash or a signature that it has not checked.
"""
