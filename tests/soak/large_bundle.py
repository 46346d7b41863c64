"""Make a large audit bundle with real keys and signatures, and measure what its audit costs.

    python -m tests.soak.large_bundle --messages 100000 --batch 32

Half of the messages are sent to a partner, half are received from it, in batches. The audit runs in
a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sesn_node.audit.verify import verify
from tests.support.bundling import Draft
from tests.support.homes import GH, NL
from tests.support.scribes import Scribe

_KIB_A_MIB = 1024


def make(messages: int, batch: int, sent_percent: int) -> tuple[bytes, bytes]:
    """Make the bundles of an agency and its partner, after so many messages in such batches."""
    one, other = Scribe(NL, seed=1), Scribe(GH, seed=1)
    one.trust(other)
    other.trust(one)
    sent = 0
    for done in range(0, messages, batch):
        count = min(batch, messages - done)
        forth = sent * 100 < sent_percent * (done + count)
        sender, receiver = (one, other) if forth else (other, one)
        sender.deliver(receiver, [sender.share(receiver) for _ in range(count)])
        sent += count if forth else 0
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{done + count:,} messages")
    return Draft.of(one).write(), Draft.of(other).write()


def measure(paths: Sequence[Path]) -> None:
    """Audit bundles together, and say what it took."""
    started, used = time.perf_counter(), time.process_time()
    with ExitStack() as stack:
        verdict = verify([stack.enter_context(path.open("rb")) for path in paths])
    seconds, processor = time.perf_counter() - started, time.process_time() - used
    peak = _peak_kib() / _KIB_A_MIB
    size = sum(path.stat().st_size for path in paths) / 1e6
    for check in verdict.checks:
        for finding in check.findings:
            sys.stdout.write(f"{check.number} {finding.code} {finding.place}: {finding.text}\n")
    for check in verdict.checks:
        sys.stdout.write(f"{check.number:3} {check.name:14} {check.state:9} {check.count:>9,}\n")
    sys.stdout.write(
        f"holds: {verdict.holds}; {size:.0f} MB; {seconds:.1f} s, {processor:.1f} s of one "
        f"processor; {peak:.0f} MiB at most\n"
    )


def _peak_kib() -> int:
    """The most memory that this process has had; `getrusage` counts that of its parent, too."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=32, help="messages a checkpoint")
    parser.add_argument("--sent", type=int, default=50, help="of a hundred messages")
    parser.add_argument("--matched", action="store_true", help="audit the partner's bundle too")
    parser.add_argument("--keep", type=Path, help="write the bundles into this folder")
    parser.add_argument("--audit", type=Path, nargs="+", help="measure the audit of these bundles")
    options = parser.parse_args()
    if options.audit is not None:
        measure(options.audit)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        paths = [folder / "ours.sesnaudit", folder / "theirs.sesnaudit"]
        made = make(options.messages, options.batch, options.sent)
        for path, data in zip(paths, made, strict=True):
            path.write_bytes(data)
        audited = [str(path) for path in paths[: 1 + options.matched]]
        command = [sys.executable, "-m", "tests.soak.large_bundle", "--audit", *audited]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
