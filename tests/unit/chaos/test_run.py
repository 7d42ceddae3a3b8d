"""What becomes of a run that does not go as it should: always an answer, never a traceback."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from chronos.chaos import run
from chronos.chaos.page import write_page
from chronos.chaos.profile import SMOKE
from chronos.chaos.run import NotStarted, Order, run_chaos
from chronos.chaos.summary import print_summary
from chronos.clock import SystemClock
from chronos.embedded.report import Silence
from chronos.errors import EmbeddedFault, SettingFault


@pytest.fixture
def stage(monkeypatch):
    """Puts a stage in the place of the pipeline; what it raises at its start is given."""

    def install(error: Exception | None = None) -> None:
        class Stage:
            def __init__(self, *_args, **_named):
                self.stopped = False

            async def __aenter__(self):
                if error is not None:
                    raise error
                return self

            async def __aexit__(self, *_error):
                self.stopped = True

        monkeypatch.setattr(run, "Scene", Stage)

    return install


async def chaos(tmp_path, *only: str):
    order = Order(
        profile=SMOKE, seed=1, only=only, folder=tmp_path, history=tmp_path / "history.jsonl"
    )
    return await run_chaos(order, environment={}, news=Silence(), clock=SystemClock())


@pytest.mark.parametrize("kind", [EmbeddedFault, OSError])
async def test_a_pipeline_that_does_not_start_proves_nothing(stage, tmp_path, kind):
    stage(kind("kafka does not start: no room."))

    with pytest.raises(NotStarted, match="Nothing was tried: kafka does not start") as failed:
        await chaos(tmp_path)

    assert failed.value.exit_code == 2


async def test_a_setting_that_cannot_be_used_keeps_its_own_exit_code(stage, tmp_path):
    stage(SettingFault("CHRONOS_JAVA", "is no Java"))

    with pytest.raises(SettingFault, match="CHRONOS_JAVA"):
        await chaos(tmp_path)


async def test_a_run_that_falls_over_is_told_in_its_report(stage, tmp_path, monkeypatch):
    stage()

    async def falls_over(*_args):
        raise KeyError("a mistake of the run's own")

    monkeypatch.setattr(run, "sort_out", falls_over)

    report = await chaos(tmp_path)

    assert report.exit_code == 2
    assert report.violations == ()
    assert "The run itself fell over" in report.spoiled[0]
    assert "a mistake of the run's own" in report.spoiled[0]
    assert report.seconds < 60
    write_page(report, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "a mistake of the run" in page
    shown = Console(file=io.StringIO(), width=80)
    print_summary(report, shown)
    assert "The run itself fell over" in shown.file.getvalue()


@pytest.mark.parametrize(
    ("only", "needed"), [((), 12), (("T14",), 1), (("T12",), 1), (("T0", "T14"), 3)]
)
async def test_a_narrowed_run_needs_as_many_faults_as_it_can_have(
    stage, tmp_path, monkeypatch, only, needed
):
    stage()

    async def every_fault(_scene, faults):
        return list(faults), []

    async def nothing(*_args, **_named):
        return []

    monkeypatch.setattr(run, "sort_out", every_fault)
    for phase in ("_in_turn", "_under_load", "_quiet", "_judged"):
        monkeypatch.setattr(run._Run, phase, nothing)

    report = await chaos(tmp_path, *only)

    assert report.spoiled == ()
    assert report.profile.faults_min == needed
    assert any(f"Too few faults were injected: 0; a smoke run needs {needed}" in why
               for why in report.invalid)  # fmt: skip
