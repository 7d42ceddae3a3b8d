"""A rebuild tells its progress, and its errors, also where there is no terminal."""

import pytest

from chronos.cli import rebuild as module
from chronos.cli.main import main
from chronos.cli.rebuild import shown_progress


def test_without_a_terminal_a_phase_has_a_line_at_both_ends(capsys):
    with shown_progress() as told:
        told("filling", 0, 4000)
        told("filling", 2000, 4000)
        told("filling", 4000, 4000)
        told("filling", 4000, 4000)
        told("proving", 0, 4000)
        told("proving", 4000, 4000)

    assert capsys.readouterr().err.splitlines() == [
        "filling: 0 of 4,000",
        "filling: 4,000 of 4,000",
        "proving: 0 of 4,000",
        "proving: 4,000 of 4,000",
    ]


def test_a_long_phase_has_a_line_every_few_seconds(capsys, monkeypatch):
    now = iter(range(100))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(now)))

    with shown_progress() as told:
        for done in range(12):
            told("filling", done, 100)

    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == [
        "0",
        "5",
        "10",
    ]


def test_a_folder_without_an_instance_is_refused_and_stays_as_it_is(tmp_path, capsys):
    folder = tmp_path / "nothing"

    with pytest.raises(SystemExit) as ended:
        main(["rebuild", "redis", "--data", str(folder)])

    assert ended.value.code == 1
    assert "is not the data folder of an instance" in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize("target", ["table", "kafka"])
def test_what_keeps_no_old_copy_says_so(target, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["rebuild", target, "--drop-old"])

    assert not ended.value.code
    assert capsys.readouterr().out == (
        f"{target}: it is made anew in place, so there is no old copy to drop\n"
    )


@pytest.mark.parametrize("target", ["table", "kafka"])
def test_what_has_one_source_takes_no_other(target, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["rebuild", target, "--from", "postgresql"])

    assert ended.value.code == 2
    assert "No such option" in capsys.readouterr().err
