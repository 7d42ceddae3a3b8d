"""How lists are paged: a bounded number of rows, and a cursor that is sealed with the filters.

A cursor belongs to the text of every parameter but those that do not choose rows. A parameter
that a list gains is bound to its cursors without anybody thinking of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chronos.errors import Unavailable
from chronos.wire.cursors import CURSOR_CHARACTERS_MAX, Cursors, InvalidCursor
from web.parameters import Parameters
from web.respond import Refusal

PAGE_ROWS = 50
PAGE_ROWS_MAX = 200
PAGING = frozenset({"cursor", "limit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Where a page begins, and how long it may be."""

    cursors: Cursors
    filters: Mapping[str, str]
    place: int | str | None
    """The sort value that the page stands behind; None for the first page."""
    rows_max: int

    @classmethod
    def read(cls, parameters: Parameters, cursors: Cursors, **bound_to: str) -> Paging:
        """Reads `cursor` and `limit`.

        Args:
            parameters: All parameters of the request.
            cursors: Those of the list.
            bound_to: What else chooses the rows, such as an account in the path.

        Raises:
            Refusal: `invalid_cursor`: it is not one of this list with these filters.
        """
        filters = {**parameters.given(but=PAGING | {"min_version"}), **bound_to}
        rows_max = parameters.whole("limit", low=1, high=PAGE_ROWS_MAX) or PAGE_ROWS
        cursor = parameters.text("cursor", length_max=CURSOR_CHARACTERS_MAX)
        try:
            place = None if cursor is None else cursors.open(cursor, filters)
        except InvalidCursor as error:
            raise invalid_cursor() from error
        return cls(cursors=cursors, filters=filters, place=place, rows_max=rows_max)

    @property
    def position(self) -> int | None:
        """The place in a list that is sorted by positions.

        Raises:
            Refusal: `invalid_cursor`.
        """
        if isinstance(self.place, str):
            raise invalid_cursor()
        return self.place

    @property
    def name(self) -> str | None:
        """The place in a list that is sorted by names.

        Raises:
            Refusal: `invalid_cursor`.
        """
        if isinstance(self.place, int):
            raise invalid_cursor()
        return self.place

    def document(self, following: int | str | None) -> dict[str, Any]:
        """Gives the member `page` of an answer, with the cursor of what follows, if any."""
        if following is None:
            return {"next": None, "has_more": False}
        return {"next": self.cursors.seal(following, self.filters), "has_more": True}


def invalid_cursor() -> Refusal:
    """Makes the refusal of a cursor that this list with these filters never gave out."""
    return Refusal(
        "invalid_cursor",
        "The cursor does not belong to this list with these filters.",
        parameter="cursor",
    )


def search_unavailable(fault: Unavailable) -> Refusal:
    """Makes the refusal of a search that has no Elasticsearch to ask."""
    return Refusal(
        "search_unavailable",
        "History and search do not answer now; balances and commands are not affected.",
        retry_after_s=fault.retry_after_s,
    )
