"""gRPC over mutual TLS 1.3: the server, the links to partners, and the running node.

The only package that imports grpc. It turns calls into use cases and errors into statuses; it
decides nothing about messages.
"""

from __future__ import annotations

import os

# grpcio still accepts TLS 1.2 and has no option against it. A list that holds nothing but a suite
# for pre-shared keys, which nobody has here, leaves TLS 1.2 without a usable one, whatever
# certificate a partner presents; the suites of TLS 1.3 are not affected by it. Read by the core
# when it is loaded, hence here, before any import of grpc. `admission` checks the version of
# every connection besides.
os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-PSK-CHACHA20-POLY1305"

# The core writes to stderr in a format of its own: of each compressed call, which a partner could
# make by the million, at ERROR; of failed handshakes of strangers, which never reach Python, at
# INFO. What ends a call of ours we are told anyway.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
