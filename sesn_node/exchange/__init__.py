"""What a node does: the use cases, one file a verb.

Each reads, decides purely, commits once and returns. Only the sequencer appends to the ledger.
Nothing here knows of gRPC or of a screen.
"""
