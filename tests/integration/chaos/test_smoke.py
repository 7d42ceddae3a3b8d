"""The smoke run of `chronos chaos`, as anybody would start it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SEED = "1"
DEADLINE_S = 900


@pytest.mark.alone
def test_nothing_is_lost_and_nothing_invented(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "chronos", "chaos", "--profile", "smoke", "--seed", SEED,
         "--out", tmp_path],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=DEADLINE_S, text=True, check=False,
    )  # fmt: skip

    assert (tmp_path / "report.json").exists(), done.stdout[-4000:]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["violations"] == [], done.stdout[-6000:]
    assert report["invalid"] == [], done.stdout[-6000:]
    assert done.returncode == 0
    assert {verdict["checker"] for verdict in report["verdicts"]} == {
        f"C{number}" for number in range(1, 13)
    }
    met = {one["kind"] for one in report["injections"] + report["left_out"]}
    assert met == {f"T{number}" for number in range(15)}
    assert (tmp_path / "report.html").stat().st_size > 10_000
