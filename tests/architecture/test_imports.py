"""The import ladder of pyproject.toml holds."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_imports_only_go_down_the_ladder():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("contract", "speakers"),
    [
        # The checkers read what they check with drivers of their own.
        ("postgresql-in-the-store", {"chronos.store", "chronos.chaos"}),
        ("mirrors-in-the-mirror", {"chronos.mirror", "chronos.chaos"}),
        ("grpc-in-its-door", {"chronos.rpc"}),
        ("opentelemetry-in-telemetry", {"chronos.telemetry"}),
    ],
)
def test_a_driver_is_forbidden_in_every_room_but_its_own(contract, speakers):
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    listed = {one["id"]: one.get("source_modules", ()) for one in options["contracts"]}
    rooms = {f"chronos.{file.parent.name}" for file in ROOT.glob("chronos/*/*.py")}
    outside = {name for name in options["root_packages"] if name != "chronos"}

    assert {*listed[contract], *listed["pure-core"]} == (rooms | outside) - speakers
