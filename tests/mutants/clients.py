"""A mistake of the clients of a fault run: M13."""

from __future__ import annotations

import dataclasses
from typing import Any

from chronos.chaos.history import Outcome
from chronos.chaos.load import sending
from tests.mutants.planting import Planting


def m13_no_answer_is_a_refusal(planting: Planting) -> None:
    """Clients take a time-out or a broken connection for a refusal."""

    def make(unanswered: Any) -> Any:
        def refused(error: Exception) -> Any:
            return dataclasses.replace(unanswered(error), outcome=Outcome.FAIL)

        return refused

    planting.swap(sending, "unanswered", make)
