"""What a report says of a run: its exit code, and why."""

import msgspec
import pytest

from chronos.chaos.fault import Injection, LeftOut
from chronos.chaos.history import Attempt, Kind, Operation, Outcome
from chronos.chaos.report import Counts, as_json, count, read_report, write_report
from chronos.chaos.verdict import VIOLATIONS_SHOWN_MAX, verdict
from tests.unit.chaos.reports import BEGUN_NS, injections, report, verdicts


def violated(count: int = 1):
    texts = [f"transfer t{n} is not stored" for n in range(count)]
    return (*verdicts()[:2], verdict("C3", "no lost ack", looked_at=9, violations=texts))


def counts(*, acks: int = 20_000, snapshots: int = 900) -> Counts:
    return Counts(
        operations={"transfer": {"ok": acks}, "snapshot": {"ok": snapshots}}, attempts=1
    )


def test_a_run_in_which_all_holds_ends_with_0():
    assert (report().exit_code, report().violations, report().invalid) == (0, (), ())


def test_a_violation_ends_with_1_and_is_told_with_its_checker():
    broken = report(verdicts=violated())

    assert broken.exit_code == 1
    assert broken.violations == ("C3: transfer t0 is not stored",)


def test_a_fault_that_broke_its_promise_ends_with_1():
    hurt = msgspec.structs.replace
    one, *others = injections()
    one.failure = "The API was not ready within 5 s."
    broken = hurt(report(), injections=(one, *others))

    assert broken.exit_code == 1
    assert broken.violations == ("T1 the API is killed: The API was not ready within 5 s.",)


def test_a_run_that_broke_a_promise_as_a_whole_ends_with_1():
    assert report(failures=("The read models were not quiet within 120 s.",)).exit_code == 1


def test_a_violation_counts_more_than_a_run_that_is_too_small():
    assert report(verdicts=violated(), counts=counts(acks=3)).exit_code == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"counts": counts(acks=14_999)}, "Too few transfers were acknowledged: 14,999;"),
        ({"counts": counts(snapshots=499)}, "Too few snapshots were read: 499;"),
        ({"injections": injections()[:11]}, "Too few faults were injected: 11;"),
        ({"wanted": ("T1", "T14")}, "T14 was never injected, and nothing says why"),
        ({"verdicts": ()}, "Nothing was checked"),
        ({"spoiled": ("The clients ended by themselves.",)}, "The clients ended"),
        (
            {"verdicts": (verdict("C8", "order", looked_at=0, violations=()),)},
            "C8 looked at nothing",
        ),
        (
            {
                "verdicts": (
                    verdict("C2", "s", looked_at=1, violations=(), invalid="few reads"),
                )
            },
            "C2: few reads",
        ),
    ],
)
def test_a_run_that_proves_nothing_ends_with_2_and_says_why(changes, reason):
    small = report(**changes)

    assert small.exit_code == 2
    assert [text for text in small.invalid if reason in text]
    assert small.violations == ()


def test_a_fault_that_was_left_out_with_a_reason_is_not_missed():
    left = LeftOut(kind="T14", name="a byte is flipped", reason="no superuser")

    assert report(wanted=("T1", "T14"), left_out=(left,)).exit_code == 0


def test_a_fault_that_nobody_healed_makes_a_run_invalid():
    open_ended = Injection(
        kind="T4", name="Kafka is paused", hits=("kafka",), begun_ns=BEGUN_NS
    )

    got = report(injections=(*injections(), open_ended))

    assert got.exit_code == 2
    assert got.invalid == ("T4 (Kafka is paused) was never healed.",)


def test_violations_that_are_not_kept_in_words_are_counted():
    got = report(verdicts=violated(VIOLATIONS_SHOWN_MAX + 5))

    assert len(got.violations) == VIOLATIONS_SHOWN_MAX + 1
    assert got.violations[-1] == "C3: 5 more of the same kind."


def test_a_report_comes_back_from_its_file_with_what_follows_from_it(tmp_path):
    path = tmp_path / "report.json"
    broken = report(verdicts=violated(), counts=counts(acks=3))

    write_report(broken, path)

    assert read_report(path) == broken
    told = msgspec.json.decode(as_json(broken))
    assert told["exit_code"] == 1
    assert told["violations"] == ["C3: transfer t0 is not stored"]
    assert "acknowledged: 3;" in told["invalid"][0]
    assert told["replay"] == "chronos chaos --profile smoke --seed 42"
    assert told["injections"][0]["kind"] == "T1"


def test_the_command_that_repeats_the_run_names_the_faults_asked_for():
    replay = report(only=("T4", "T5")).replay

    assert replay == "chronos chaos --profile smoke --seed 42 --only T4,T5"


def test_operations_are_counted_by_kind_and_by_how_they_ended():
    def operation(number: int, kind: Kind, *outcomes: Outcome) -> Operation:
        attempts = [Attempt(invoked_ns=1, completed_ns=2, outcome=o) for o in outcomes]
        return Operation(
            number=number, process=1, kind=kind, key="", method="POST", path="/", body="",
            attempts=attempts,
        )  # fmt: skip

    got = count(
        [
            operation(1, Kind.TRANSFER, Outcome.INFO, Outcome.OK),
            operation(2, Kind.TRANSFER, Outcome.FAIL),
            operation(3, Kind.HOLD, Outcome.INFO, Outcome.INFO),
            operation(4, Kind.SNAPSHOT, Outcome.INFO),
        ]
    )

    assert got.operations == {
        "hold": {"info": 1},
        "snapshot": {"info": 1},
        "transfer": {"fail": 1, "ok": 1},
    }
    assert (got.attempts, got.total, got.unknown) == (6, 4, 1)
    assert (got.of(Kind.TRANSFER, Outcome.OK), got.of(Kind.VOID, Outcome.OK)) == (1, 0)
