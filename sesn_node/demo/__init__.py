"""What `sesn demo` shows: three agencies on this machine exchange alerts.

Built on the public use cases, as the commands are; the three nodes are `sesn serve` processes.
"""
