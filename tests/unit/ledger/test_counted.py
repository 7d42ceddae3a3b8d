"""What came of an attempt is counted once, whichever door it came through."""

import pytest

from chronos.errors import Unavailable
from chronos.ledger.counted import run_counted
from chronos.telemetry.metrics import REGISTRY
from chronos.wire.problems import problem_body
from chronos.wire.receipt import Receipt
from tests.builders import attempt, transfer

REFUSAL = problem_body("insufficient_funds", "No.", instance="/x", request_id="req_1")


class OneAnswer:
    def __init__(self, outcome):
        self.outcome = outcome

    async def execute(self, _attempt):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    preview = execute


def counted(outcome: str) -> float:
    labels = {"command": "TransferFunds", "outcome": outcome}
    return REGISTRY.get_sample_value("chronos_commands_total", labels) or 0.0


def rejections() -> float:
    labels = {"code": "insufficient_funds"}
    return REGISTRY.get_sample_value("chronos_rejections_total", labels) or 0.0


@pytest.mark.parametrize(
    ("receipt", "dry_run", "outcome", "refusals"),
    [
        (Receipt(status=201, body=b"{}"), False, "booked", 0),
        (Receipt(status=409, body=REFUSAL), False, "refused", 1),
        (Receipt(status=409, body=REFUSAL, replayed=True), False, "replayed", 0),
        (Receipt(status=409, body=REFUSAL), True, "previewed", 0),
    ],
)
async def test_each_outcome_has_its_count(receipt, dry_run, outcome, refusals):
    before, before_refusals = counted(outcome), rejections()

    answered = await run_counted(OneAnswer(receipt), attempt(transfer()), dry_run=dry_run)

    assert answered is receipt
    assert counted(outcome) == before + 1
    assert rejections() == before_refusals + refusals


async def test_a_server_that_is_away_is_counted_and_told():
    before = counted("unavailable")

    with pytest.raises(Unavailable):
        await run_counted(
            OneAnswer(Unavailable("postgresql", "away")), attempt(transfer()), dry_run=False
        )

    assert counted("unavailable") == before + 1
