"""What a node tells its operators while it runs: log lines, metrics and traces.

May import `config`, `settings` and `domain`, and may not know any use case: `watch` is what the use
cases tell. Nothing here carries the content of a message, and a fault here never stops one.
"""
