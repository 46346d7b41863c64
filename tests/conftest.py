"""What all tests share: the same examples on every run, and no time limits on examples."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Before any test imports grpc: its core reads once, when it is loaded, which cipher suites it may
# use, and that is what keeps TLS 1.2 out.
import sesn_node.transport as _transport

assert _transport is not None
# Derandomized: a failure on one machine is a failure on every machine. No deadline: the machine
# may be slow, and no test measures time.
settings.register_profile("sesn", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("sesn")

# Before the plugin imports them: their asserts then say what they compared.
pytest.register_assert_rewrite(
    "tests.support.check_copies",
    "tests.support.check_histories",
    "tests.support.check_node",
    "tests.support.snapshot",
)
pytest_plugins = ("tests.support.fixtures",)
