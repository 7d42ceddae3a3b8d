"""Batches of pages: nothing waits without need, and nobody behind waits at all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from chronos.stream.taking import pages_of

PACE_S = 0.05


@dataclass(frozen=True)
class Page:
    """The event of one page."""

    value: str


class Stream:
    """Gives pages as they are put; ends when it is told to, with a fault or without."""

    def __init__(self, *pages):
        self._queue = asyncio.Queue()
        self.put(*pages)

    def put(self, *pages):
        for page in pages:
            self._queue.put_nowait(Page(page))

    @property
    def left(self):
        return self._queue.qsize()

    def end(self, fault=None):
        self._queue.put_nowait(fault)

    async def events(self):
        while (page := await self._queue.get()) is not None:
            if isinstance(page, Exception):
                raise page
            yield page


def taking(stream, *, records_max=10, pace_s=PACE_S):
    return pages_of(stream, records_max=records_max, pace_s=pace_s)


async def take(pages):
    clock = asyncio.get_running_loop().time
    began_s = clock()
    taken = await pages.take()
    return [page.value for page in taken], clock() - began_s


async def test_a_lone_page_is_taken_at_once():
    async with taking(Stream("ab")) as pages:
        taken, took_s = await take(pages)

    assert taken == ["ab"]
    assert took_s < PACE_S / 2


async def test_what_comes_in_a_steady_stream_is_taken_in_steps_of_the_pace():
    stream = Stream("a")
    async with taking(stream) as pages:
        await take(pages)
        stream.put("b", "c")
        taken, took_s = await take(pages)

    assert taken == ["b", "c"]
    assert took_s >= PACE_S * 0.9


@pytest.mark.parametrize("enough", [("bcde", "f"), ("bc", "def", "ghijk")])
async def test_half_a_batch_waits_for_nothing(enough):
    stream = Stream("a")
    async with taking(stream, pace_s=60) as pages:
        await take(pages)
        stream.put(*enough)
        taken, took_s = await take(pages)

    assert taken == list(enough)
    assert took_s < 30


async def test_the_page_that_makes_enough_ends_the_wait():
    stream = Stream("a")
    async with taking(stream, pace_s=60) as pages:
        await take(pages)
        stream.put("b")
        asyncio.get_running_loop().call_later(0.01, stream.put, "cdef")
        taken, took_s = await take(pages)

    assert taken == ["b", "cdef"]
    assert took_s < 30


async def test_a_page_longer_than_a_batch_is_one_and_no_page_is_parted():
    async with taking(Stream("abcdef", "g", "hi", "jkl"), records_max=4) as pages:
        batches = [(await take(pages))[0] for _ in range(3)]

    assert batches == [["abcdef"], ["g", "hi"], ["jkl"]]


async def test_no_more_is_drawn_while_a_batch_waits():
    stream = Stream("abc", "de", "f", "g")
    async with taking(stream, records_max=5) as pages:
        await asyncio.sleep(0.01)
        left = stream.left
        first, _ = await take(pages)
        await asyncio.sleep(0.01)

        assert left == 2
        assert first == ["abc", "de"]
        assert stream.left == 0


async def test_what_came_before_the_end_of_a_stream_is_given_first():
    stream = Stream("a", "bc")
    stream.end()
    async with taking(stream, records_max=2, pace_s=60) as pages:
        batches = [(await take(pages))[0] for _ in range(3)]

    assert batches == [["a"], ["bc"], []]


async def test_the_fault_of_a_stream_is_raised_to_whoever_takes():
    stream = Stream("a")
    stream.end(KeyError("a bug"))
    async with taking(stream) as pages:
        assert (await take(pages))[0] == ["a"]
        with pytest.raises(KeyError, match="a bug"):
            await take(pages)


async def test_nothing_is_drawn_any_more_once_the_taker_has_left():
    stream = Stream()
    async with taking(stream):
        await asyncio.sleep(0.01)
    stream.put("a")
    await asyncio.sleep(0.01)

    assert stream.left == 1
