"""A topic that begins behind what was read has lost records that nobody read."""

from __future__ import annotations

import pytest
from faust.types import TP

from chronos.stream.whole import CutShort, prove_whole

HERE, THERE = TP("events", 3), TP("events", 4)


def test_what_was_read_may_be_deleted():
    prove_whole({HERE: 7, THERE: 0}, {HERE: 7, THERE: None})


def test_what_was_not_read_is_named_and_ends_the_worker_for_good():
    with pytest.raises(CutShort, match="the records 7 to 8 of events, partition 3") as cut:
        prove_whole({THERE: 9, HERE: 7}, {HERE: 9, THERE: 0})

    assert cut.value.exit_code == 70
