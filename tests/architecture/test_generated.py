"""The code in chronos/rpc/pb is what the locked grpcio-tools makes of the .proto file."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("chronos/rpc/pb")
PROTO = FOLDER / "ledger.proto"
GENERATED = ("ledger_pb2.py", "ledger_pb2.pyi", "ledger_pb2_grpc.py")
COMMAND = (
    "python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. "
    f"{PROTO.as_posix()}"
)


def test_the_generated_code_is_up_to_date(tmp_path):
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    done = subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outputs, PROTO.as_posix()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for name in GENERATED:
        made = (tmp_path / FOLDER / name).read_text()
        assert (ROOT / FOLDER / name).read_text() == made, f"{name} is old: {COMMAND}"


def test_nothing_else_lies_beside_it():
    found = {path.name for path in (ROOT / FOLDER).iterdir() if path.is_file()}
    assert found == {"__init__.py", PROTO.name, *GENERATED}
