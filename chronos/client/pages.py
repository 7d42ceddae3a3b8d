"""Lists that come in pages, and how to go through one without minding its pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec

_T = TypeVar("_T")
_P = TypeVar("_P", bound="Page[Any]")


class PageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How to go on reading a list."""

    next: str | None = None
    has_more: bool = False


class Page(msgspec.Struct, Generic[_T], frozen=True, kw_only=True):
    """One page of a list."""

    data: tuple[_T, ...]
    page: PageInfo

    @property
    def next(self) -> str | None:
        """Gives the cursor to ask the next page with, or None at the end."""
        return self.page.next if self.page.has_more else None


class Listing(Generic[_P, _T]):
    """A list that is asked for page by page; nothing is asked before it is gone through.

    Going through it twice asks twice.

    Args:
        ask: Asks for the page behind a cursor; None is the first page.
    """

    def __init__(self, ask: Callable[[str | None], Awaitable[_P]]) -> None:
        self._ask = ask

    async def page(self, cursor: str | None = None) -> _P:
        """Reads one page: the first, or the one behind a cursor."""
        return await self._ask(cursor)

    async def pages(self) -> AsyncIterator[_P]:
        """Yields every page."""
        page = await self._ask(None)
        yield page
        while page.next is not None:
            page = await self._ask(page.next)
            yield page

    async def __aiter__(self) -> AsyncIterator[_T]:
        async for page in self.pages():
            for row in page.data:
                yield row
