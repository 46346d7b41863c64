"""The `sesn` command, one file per noun.

It may import everything below it. It holds no rule of its own: it reads arguments, calls a use
case, and shows what came of it.
"""
