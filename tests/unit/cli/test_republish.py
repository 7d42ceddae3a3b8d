"""Which positions `chronos republish` takes."""

from __future__ import annotations

import pytest

from chronos.cli.main import main


@pytest.mark.parametrize("position", ["-1", "x", "1.5", "", "9223372036854775808", "1e30"])
def test_what_is_no_position_of_a_journal_is_refused_by_its_option(capsys, position):
    with pytest.raises(SystemExit) as ended:
        main(["republish", "--from", position])

    assert ended.value.code == 2
    assert "Invalid value for '--from'" in capsys.readouterr().err


def test_the_greatest_position_is_one(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["republish", "--from", "9223372036854775807", "--data", str(tmp_path)])

    assert ended.value.code == 1
    assert "No Chronos is running" in capsys.readouterr().err
