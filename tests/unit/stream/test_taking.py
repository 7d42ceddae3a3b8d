"""Batches of pages: nothing waits without need, and nobody behind waits at all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from chronos.stream.taking import pages_of

PACE_S = 0.05


@dataclass(frozen=True)
class Message:
    """The part of Faust's message that is asked for: which partition it is of."""

    tp: str


@dataclass(frozen=True)
class Page:
    """The event of one page; its first letter says which partition it is of, if it is great."""

    value: str

    @property
    def message(self):
        return Message(self.value[0] if self.value[0].isupper() else "small")


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


def taking(stream, *, records_max=10, pace_s=PACE_S, takers=1):
    return pages_of(stream, records_max=records_max, pace_s=pace_s, takers=takers)


async def take(pages):
    clock = asyncio.get_running_loop().time
    began_s = clock()
    taken = await pages.take()
    pages.done(taken)
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


async def take_soon(pages):
    """Gives what a second taker gets while the batches of others are under way, if anything."""
    async with asyncio.timeout(PACE_S * 4):
        return await pages.take()


def values(batch):
    return [page.value for page in batch]


async def test_two_batches_under_way_have_no_partition_in_common():
    async with taking(Stream("Aa", "Ab", "Ba", "Ca", "Bb"), records_max=4, takers=2) as pages:
        first = await pages.take()
        second = await take_soon(pages)

    assert values(first) == ["Aa", "Ab"]
    assert values(second) == ["Ba", "Ca"]


async def test_what_waits_behind_a_batch_under_way_is_passed_over_until_that_is_done():
    async with taking(Stream("Aa", "Ab", "Ba", "Ac"), records_max=2, takers=2) as pages:
        first = await pages.take()
        second = await take_soon(pages)
        with pytest.raises(TimeoutError):
            await take_soon(pages)
        waiter = asyncio.create_task(pages.take())
        await asyncio.sleep(0.01)
        pages.done(second)
        await asyncio.sleep(PACE_S * 2)
        assert not waiter.done()
        pages.done(first)
        third = await waiter
        pages.done(third)
        fourth = await take_soon(pages)

    assert [values(batch) for batch in (first, second, third, fourth)] == [
        ["Aa"], ["Ba"], ["Ab"], ["Ac"],
    ]  # fmt: skip


async def test_no_later_page_of_a_partition_overtakes_one_that_was_too_long():
    async with taking(Stream("Aa", "Abcdef", "Ba", "Ag"), records_max=4, takers=2) as pages:
        batches = [(await take(pages))[0] for _ in range(3)]

    assert batches == [["Aa"], ["Abcdef"], ["Ba", "Ag"]]


async def test_a_batch_for_each_taker_is_drawn():
    stream = Stream("Aa", "Ab", "Ac", "Ba", "Bb")
    async with taking(stream, records_max=2, takers=2) as pages:
        await asyncio.sleep(0.01)
        drawn = 5 - stream.left
        await pages.take()
        await asyncio.sleep(0.01)

        assert drawn == 2
        assert stream.left == 2


async def test_less_than_half_a_batch_is_not_taken_beside_another():
    stream = Stream("Aa", "Ba")
    async with taking(stream, records_max=100, takers=2) as pages:
        first = await pages.take()
        stream.put("Ca")
        with pytest.raises(TimeoutError):
            await take_soon(pages)
        pages.done(first)
        second = await take_soon(pages)

    assert values(first) == ["Aa", "Ba"]
    assert values(second) == ["Ca"]


async def test_the_end_of_a_stream_waits_for_what_is_behind_a_batch_under_way():
    stream = Stream("Aa", "Ab")
    stream.end()
    async with taking(stream, records_max=2, takers=2) as pages:
        first = await pages.take()
        others = [asyncio.create_task(pages.take()) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert not any(other.done() for other in others)
        pages.done(first)
        async with asyncio.timeout(1):
            assert sorted(map(values, await asyncio.gather(*others))) == [[], ["Ab"]]
