"""Moments as a caller writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chronos.wire.codec import format_instant
from chronos.wire.moments import EARLIEST, LATEST, end_of, parse_day, parse_instant, start_of

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-02T12:00:00Z", NOON),
        ("2026-03-02t12:00:00z", NOON),
        ("2026-03-02T12:00:00.0Z", NOON),
        ("2026-03-02T13:00:00+01:00", NOON),
        ("2026-03-02T13:00:00 01:00", NOON),
        ("2026-03-02T06:30:00-05:30", NOON),
        ("2026-03-02T12:00:00-00:00", NOON),
        ("2026-03-03T11:59:00+23:59", NOON),
        ("2026-03-02T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
        ("2026-03-02T12:00:00.000001Z", NOON + timedelta(microseconds=1)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", EARLIEST),
        ("9999-12-31T23:59:59.999999Z", LATEST),
    ],
)
def test_an_instant_is_read_as_utc(text, instant):
    assert parse_instant(text, rounds_up=False) == instant
    assert parse_instant(text, rounds_up=True) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-03-02",
        "2026-03-02T12:00:00",
        "2026-03-02T12:00Z",
        "2026-03-02 12:00:00Z",
        "2026-03-02T12:00:00.Z",
        "2026-03-02T12:00:00,5Z",
        "2026-03-02T12:00:00Zx",
        "2026-03-02T12:00:00Z\n",
        " 2026-03-02T12:00:00Z",
        "2026-03-02T12:00:00+1",
        "2026-03-02T12:00:00+0100",
        "2026-03-02T12:00:00+24:00",
        "2026-03-02T12:00:00+01:60",
        "2026-03-02T24:00:00Z",
        "2026-03-02T12:60:00Z",
        "2026-03-02T23:59:60Z",
        "2023-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-W10-1T12:00:00Z",
        "20260302T120000Z",
        "٢٠٢٦-03-02T12:00:00Z",
        "-2026-03-02T12:00:00Z",
        "1772452800",
        f"2026-03-02T12:00:00.{'1' * 25}Z",
    ],
)
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_instant(text, rounds_up=False)


def test_digits_beyond_the_microsecond_round_to_the_side_that_is_asked_for():
    text = "2026-03-02T12:00:00.000000001Z"

    assert parse_instant(text, rounds_up=False) == NOON
    assert parse_instant(text, rounds_up=True) == NOON + timedelta(microseconds=1)
    assert parse_instant("2026-03-02T12:00:00.000000000Z", rounds_up=True) == NOON


def test_the_last_instant_cannot_be_rounded_up():
    with pytest.raises(ValueError, match="calendar"):
        parse_instant("9999-12-31T23:59:59.9999999Z", rounds_up=True)


@given(st.datetimes(timezones=st.just(UTC)), st.booleans())
def test_what_the_journal_writes_is_read_back(instant, rounds_up):
    assert parse_instant(format_instant(instant), rounds_up=rounds_up) == instant


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_with_one_kind_of_error(text):
    for parse in (parse_day, lambda given: parse_instant(given, rounds_up=True)):
        try:
            read = parse(text)
        except ValueError:
            continue
        assert isinstance(read, date)


@pytest.mark.parametrize(
    "text",
    ["", "2023-02-29", "2026-3-2", "20260302", "2026-W10-1", "10000-01-01", "0000-01-01",
     "2026-03-02T00:00:00Z", "2026-03-02\n", "٢٠٢٦-03-02"],
)  # fmt: skip
def test_what_is_no_day_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_day(text)


def test_a_day_is_read():
    assert parse_day("2024-02-29") == date(2024, 2, 29)


@pytest.mark.parametrize(
    ("zone", "day", "start", "end"),
    [
        ("UTC", (2026, 3, 2), "2026-03-02T00:00", "2026-03-03T00:00"),
        ("Europe/Rome", (2026, 3, 2), "2026-03-01T23:00", "2026-03-02T23:00"),
        # 23 hours, 25 hours.
        ("Europe/Rome", (2026, 3, 29), "2026-03-28T23:00", "2026-03-29T22:00"),
        ("Europe/Rome", (2026, 10, 25), "2026-10-24T22:00", "2026-10-25T23:00"),
        # The clock jumps from 0:00 to 1:00; it goes back from 1:00 to 0:00.
        ("Africa/Cairo", (2024, 4, 26), "2024-04-25T22:00", "2024-04-26T21:00"),
        ("America/Havana", (2026, 11, 1), "2026-11-01T04:00", "2026-11-02T05:00"),
        # The day that Samoa left out.
        ("Pacific/Apia", (2011, 12, 30), "2011-12-30T10:00", "2011-12-30T10:00"),
    ],
)
def test_a_day_begins_and_ends_where_the_zone_says(zone, day, start, end):
    begins, ends = start_of(date(*day), ZoneInfo(zone)), end_of(date(*day), ZoneInfo(zone))

    assert begins.isoformat().startswith(start)
    assert ends.isoformat().startswith(end)
    assert begins.tzinfo is UTC


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from(["UTC", "Europe/Rome", "America/Havana", "Africa/Cairo", "Pacific/Apia"]),
)
def test_an_instant_lies_within_its_own_day(instant, name):
    zone = ZoneInfo(name)
    assume(timedelta(days=1) < min(instant - EARLIEST, LATEST - instant))
    day = instant.astimezone(zone).date()

    assert start_of(day, zone) <= instant < end_of(day, zone)


def test_the_ends_of_the_calendar_are_reached_in_every_zone():
    for name in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        zone = ZoneInfo(name)
        assert start_of(date.min, zone) >= EARLIEST
        assert end_of(date.max, zone) == LATEST
