"""What all tests share: the same examples on every run, and no time limits on examples."""

from __future__ import annotations

from hypothesis import settings

# Derandomized: a failure on one machine is a failure on every machine. No deadline: the machine
# may be slow, and no test measures time.
settings.register_profile("sesn", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("sesn")
