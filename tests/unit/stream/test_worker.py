"""How long a stop may take depends on what there is to finish."""

from __future__ import annotations

from chronos.errors import InvariantBroken
from chronos.stream.sleep_guard import Slept
from chronos.stream.worker import SLEPT_LEAVES_S, stop_s_of


def test_a_process_that_slept_has_nothing_to_finish():
    assert stop_s_of(Slept("It slept for 12 s."), 20) == SLEPT_LEAVES_S == 0


def test_every_other_stop_may_take_its_drain():
    assert stop_s_of(None, 20) == 20
    assert stop_s_of(InvariantBroken("Account a0, version 4."), 20) == 20
