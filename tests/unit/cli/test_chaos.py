"""What `chronos chaos` refuses, it refuses before it makes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronos.cli.main import main


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--only", "T99"], 78, "--only: names T99; it takes T0, T1,"),
        (["--only", "t4,T77,T99"], 78, "--only: names T77, T99;"),
        (["--only", "T4;T5"], 78, "--only: names T4;T5;"),
        (["--only", ","], 78, "--only: names no kind of fault"),
        (["--only", " "], 78, "--only: names no kind of fault"),
        (["--out", "taken/chaos"], 78, "--out: cannot be made"),
        (["--profile", "short"], 2, "'short' is not one of 'smoke', 'long'"),
        (["--seed", "-1"], 2, "-1 is not in the range"),
    ],
)
def test_a_run_that_cannot_be_is_refused_by_name_and_leaves_nothing(
    here, capsys, arguments, code, said
):
    (here / "taken").write_text("a file")

    with pytest.raises(SystemExit) as ended:
        main(["chaos", *arguments])

    assert ended.value.code == code
    assert said in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["taken"]
