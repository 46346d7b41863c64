"""The codec between domain objects and bytes: the boundary against hostile input.

Every `decode_*` function parses strictly and raises `MalformedError`, never anything else, whatever
the bytes; every `encode_*` function serialises once, and its bytes decode to an equal object.

May import: protobuf, the generated code in `_pb`, `sesn_node.domain`, `sesn_node.errors`. Never
signs, verifies or hashes; callers keep the bytes that they received, and hash those.
"""
