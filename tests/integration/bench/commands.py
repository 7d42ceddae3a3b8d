"""`chronos bench` as a person runs it: by its command line."""

from __future__ import annotations

import os
import subprocess
import sys

from chronos.home import code_folder

STAGE_DEADLINE_S = 600


def run_bench(
    *words: str, deadline_s: float, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs a command with no other settings than these, and gives how it ended."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOS_")}
    return subprocess.run(
        [sys.executable, "-m", "chronos", "bench", *words],
        cwd=code_folder(),
        env=plain | variables,
        capture_output=True,
        text=True,
        timeout=deadline_s,
        check=False,
    )


def bench(*words: str, deadline_s: float = STAGE_DEADLINE_S, **variables: str) -> None:
    """Runs a command that is to succeed."""
    done = run_bench(*words, deadline_s=deadline_s, **variables)
    assert done.returncode == 0, done.stderr + done.stdout
