"""What came late may be asked for again; what never came may not."""

import itertools

import pytest

from tests import waiting


def true_after(looks):
    count = itertools.count(1)

    async def condition():
        return next(count) > looks and "it"

    return condition


async def test_what_comes_in_time_is_given():
    assert await waiting.until(true_after(2), str, within_s=5, pause_s=0) == "it"


async def test_what_comes_late_is_told_from_what_never_comes(monkeypatch):
    moments = itertools.count()
    monkeypatch.setattr(waiting, "monotonic", lambda: next(moments))

    with pytest.raises(waiting.CameLate, match=r"after 1\d.0 s only, of 10 s: events"):
        await waiting.until(true_after(10), lambda: "events", within_s=10, pause_s=0)
    with pytest.raises(AssertionError, match="never, in 20 s: events"):
        await waiting.until(true_after(10**6), lambda: "events", within_s=10, pause_s=0)
