"""Tries an OpenAPI document against its running server: schemathesis, in its own process.

Its examples come from a seed, so a run can be repeated; `TRIAL_EXAMPLES` asks for more of them
and `TRIAL_SEED` for others. What it finds is printed with the call that shows it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
EXAMPLES = os.environ.get("TRIAL_EXAMPLES", "40")
SEED = os.environ.get("TRIAL_SEED", "20")
TRIAL_S = 540
PHASES = ("examples", "coverage", "fuzzing", "stateful")
_PROGRAM = "from schemathesis.cli import schemathesis; schemathesis()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a run did, and what it found."""

    exit_code: int
    story: str
    report: dict[str, Any]

    def refused_everywhere(self) -> set[str]:
        """Names the operations of which no request was answered well."""
        return {
            operation
            for operation, phases in self.report["valid_rates"].items()
            if not sum(phase["accepted"] for phase in phases.values())
        }

    def tried(self) -> int:
        """Counts the operations that were tried; the document's own address is not."""
        operations = self.report["operations"]
        assert operations["tested"] == operations["total"], self.story
        return int(operations["tested"]) + 1

    def finished(self) -> set[str]:
        """Names the phases that ran and found nothing."""
        phases = self.report["phases"].items()
        return {name for name, phase in phases if phase["status"] == "success"}


def try_document(url: str, *, key: str, rules: str, folder: Path) -> Trial:
    """Runs every phase and every check.

    Args:
        url: Base address of the server.
        key: An API key that may do all that is tried.
        rules: File in this folder that says how to try it.
        folder: For the report; nothing is written elsewhere.
    """
    report = folder / "report.json"
    command = [sys.executable, "-c", _PROGRAM, "--config-file", str(HERE / rules)]
    command += ["run", f"{url}/openapi.json", "--checks", "all", "--no-color"]
    command += ["--phases", ",".join(PHASES), "--max-examples", EXAMPLES, "--seed", SEED]
    command += ["--report", "json", "--report-json-path", str(report)]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TRIAL_KEY": key},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TRIAL_S,
        check=False,
    )
    found = json.loads(report.read_text()) if report.exists() else {}
    return Trial(exit_code=done.returncode, story=done.stdout, report=found)
