"""The page of `chronos top` on terminals of any width, and with hostile words on it."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len
from rich.console import Console

from chronos.cli.top_screen import Page, by_partition, short
from chronos.watch.figures import Oddities, Refusal, Traffic
from chronos.watch.snapshot import ProcessRow, Snapshot
from chronos.watch.stages import STAGES, StageLag

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil[red]"


def snapshot(**changed: object) -> Snapshot:
    parts = dict.fromkeys(range(8), 12)
    facts = {
        "as_of": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "traffic": Traffic(transfers_per_s=1234.4, events_per_s=2468.8, p50_ms=3.21, p99_ms=17),
        "refusals": (Refusal(code="insufficient_funds", per_s=2.5, total=1200),),
        "stages": tuple(
            StageLag(stage=name, status="ok", events=1_234_567, seconds=0.4, parts=parts)
            for name in STAGES
        ),
        "processes": (
            ProcessRow(
                name="elasticsearch",
                state="running",
                memory_bytes=4 << 30,
                cpu_share=1.25,
                up_s=7300.0,
                restarts=2,
                pid=4_194_303,
                open_files=65_000,
            ),
            ProcessRow(name="mirror", state="not ready", detail="recovering"),
        ),
        "oddities": Oddities(duplicates=3, gaps=1, undecodable=0, dead_letters=0, retries=2),
        "dead_letters_kept": 7,
    }
    return Snapshot(**facts | changed)


def shown(seen: Snapshot, width: int) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, markup=False)
    console.print(Page(seen, where="/data"))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width):
    assert max(map(cell_len, shown(snapshot(), width))) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_that_counts_is_cut_off_in_eighty_columns(width):
    text = "\n".join(shown(snapshot(), width))

    for wanted in (
        "1,234 transfers/s",
        "2,469 events/s",
        "p50 3.2 ms",
        "p99 17 ms",
        "insufficient_funds 2.5/s (1,200)",
        "outbox → Kafka",
        "Elastic accounts",
        "1,234,567",
        "0.4 s",
        "12 12 12 12 12 12 12 12",
        "elasticsearch",
        "running",
        "4,096 MiB",
        "125%",
        "2 h",
        "mirror is not ready: recovering",
        "7 dead letters",
        "3 duplicates",
        "1 gaps",
        "2 restarts",
        "1 of 2 processes are not well",
    ):
        assert wanted in text


def test_a_wide_terminal_shows_files_and_process_ids():
    assert "4194303" not in "\n".join(shown(snapshot(), 80))
    assert "4194303" in "\n".join(shown(snapshot(), 120))


def test_words_of_others_never_steer_the_terminal():
    hostile = snapshot(
        refusals=(Refusal(code=HOSTILE, per_s=1.0, total=1),),
        stages=(StageLag(stage=HOSTILE, status="unavailable", detail=HOSTILE),),
        processes=(ProcessRow(name=HOSTILE, state=HOSTILE, detail=HOSTILE),),
    )

    text = "\n".join(shown(hostile, 400))

    assert {one for one in text if not one.isprintable()} <= {"\n"}
    assert "evil[red]" in text


def test_what_is_not_known_is_not_shown_as_nothing():
    unknown = snapshot(
        traffic=Traffic(),
        stages=(StageLag(stage="redis", status="unavailable", detail="refused"),),
        dead_letters_kept=None,
    )

    text = "\n".join(shown(unknown, 80))

    assert "- transfers/s" in text
    assert "not known" in text
    assert "Redis is not known: refused" in text
    assert "- dead letters" in text


def test_many_partitions_are_told_by_the_worst():
    parts = dict.fromkeys(range(64), 0) | {3: 12_345, 40: 950, 7: 2, 8: 1}
    stage = StageLag(stage="balances", status="ok", events=13_298, parts=parts)

    assert by_partition(stage, 32) == "3:12k 40:950 7:2 8:1"
    assert by_partition(stage, 16) == "3:12k +3 more"
    assert by_partition(
        StageLag(stage="x", status="ok", parts=dict.fromkeys(range(64), 0)), 32
    ) == ("0 in all 64")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (9999, "10k"),
        (12_345, "12k"),
        (3_400_000, "3.4M"),
    ],
)
def test_counts_are_short(count, text):
    assert short(count) == text
