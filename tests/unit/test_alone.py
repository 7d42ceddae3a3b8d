"""A test that is alone waits for the others, and they for it."""

import threading
import time

from tests.alone import alone, beside_others


def test_who_is_alone_waits_for_others_and_keeps_new_ones_waiting(tmp_path):
    told: list[str] = []
    first_may_end = threading.Event()

    def first():
        with beside_others(tmp_path):
            told.append("first")
            first_may_end.wait(10)
            told.append("first ended")

    def measuring():
        with alone(tmp_path):
            told.append("alone")
            time.sleep(0.3)
            told.append("alone ended")

    def late():
        with beside_others(tmp_path):
            told.append("late")

    threads = [threading.Thread(target=act) for act in (first, measuring, late)]
    threads[0].start()
    while not told:
        time.sleep(0.01)
    threads[1].start()
    while not (tmp_path / "waits").exists():
        time.sleep(0.01)
    threads[2].start()
    time.sleep(0.3)
    assert told == ["first"]
    first_may_end.set()
    for thread in threads:
        thread.join(10)

    assert told == ["first", "first ended", "alone", "alone ended", "late"]
    assert not (tmp_path / "waits").exists()


def test_others_run_beside_each_other(tmp_path):
    with beside_others(tmp_path), beside_others(tmp_path):
        pass
