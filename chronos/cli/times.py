"""Days and instants as a person types them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

import click

from chronos.wire.moments import parse_day, parse_instant

_DAY_CHARACTERS: Final = len("2026-01-31")


class _Day(click.ParamType):
    """Reads a day of the calendar."""

    name = "YYYY-MM-DD"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        """Reads one; fails with a sentence that shows how it is written."""
        try:
            return parse_day(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day; write it like 2026-01-31.", param, ctx)


class _Instant(click.ParamType):
    """Reads a date-time with its offset."""

    name = "DATE-TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Reads one; fails with a sentence that shows how it is written."""
        try:
            return parse_instant(str(value), rounds_up=False)
        except ValueError:
            how = "write it with its offset, like 2026-01-31T12:00:00Z."
            self.fail(f"{value!r} is no instant; {how}", param, ctx)


class _Bound(click.ParamType):
    """Reads where a time begins or ends: a day, or a date-time with its offset."""

    name = "DAY|DATE-TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> date | datetime:
        """Reads one; fails with a sentence that shows how it is written."""
        text = str(value)
        try:
            if len(text) == _DAY_CHARACTERS:
                return parse_day(text)
            return parse_instant(text, rounds_up=True)
        except ValueError:
            how = "write it like 2026-01-31 or 2026-01-31T12:00:00Z."
            self.fail(f"{value!r} is neither a day nor an instant; {how}", param, ctx)


DAY: Final = _Day()
INSTANT: Final = _Instant()
BOUND: Final = _Bound()
