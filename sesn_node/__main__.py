"""Run the `sesn` command as `python -m sesn_node`."""

from __future__ import annotations

from sesn_node.cli.main import main

if __name__ == "__main__":
    main()
