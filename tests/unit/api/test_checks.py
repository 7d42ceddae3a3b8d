"""Headers and query parameters: each check alone."""

from datetime import UTC, date, datetime, timedelta

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from chronos.api.headers import check_accept, check_media_type, idempotency_key
from chronos.api.problems import HttpProblem
from chronos.api.query import (
    AFTER,
    CURSOR,
    DRY_RUN,
    LIMIT,
    Bound,
    Choice,
    Day,
    Instant,
    Number,
    parse_query,
)

AT = Instant(name="at", text="A moment.", rounds_up=False)
ON = Day(name="on", text="A day.")
FROM = Bound(name="from", text="The beginning.")
FORMAT = Choice(name="format", text="The form.", words=("json", "csv"))
SIZE = Number(name="size", text="Lines.", low=1, high=9, default=None)
MOMENTS = (AT, ON, FROM, FORMAT, SIZE, CURSOR)
NOON = datetime(2026, 3, 2, 12, 0, 0, 500000, tzinfo=UTC)


def request(*headers: tuple[str, str]):
    return make_mocked_request("POST", "/v1/transfers", headers=CIMultiDict(headers))


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
def test_json_in_utf_8_is_taken(media_type):
    check_media_type(request(("Content-Type", media_type)))


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin1",
        "application/jsonp",
        "application/json, text/plain",
    ],
)
def test_another_media_type_is_refused(media_type):
    headers = () if media_type is None else (("Content-Type", media_type),)

    with pytest.raises(HttpProblem) as caught:
        check_media_type(request(*headers))

    assert caught.value.code == "unsupported_media_type"


def test_a_compressed_body_is_refused():
    with pytest.raises(HttpProblem) as caught:
        check_media_type(
            request(("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
        )

    assert caught.value.code == "unsupported_content_encoding"


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/*", "application/json", "text/html, application/json;q=0.1"],
)
def test_a_client_that_takes_json_is_served(accept):
    check_accept(request(("Accept", accept)))


@pytest.mark.parametrize("accept", ["text/csv", "text/*", "application/json;q=0"])
def test_a_client_that_takes_no_json_is_refused(accept):
    with pytest.raises(HttpProblem) as caught:
        check_accept(request(("Accept", accept)))

    assert caught.value.code == "not_acceptable"


@pytest.mark.parametrize("key", ["k", "!~", "x" * 255])
def test_a_visible_key_is_taken(key):
    assert idempotency_key(request(("Idempotency-Key", key))) == key


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "\u00e9", "a\x07", "a\x7f"])
def test_a_key_that_cannot_be_used_is_refused(key):
    with pytest.raises(HttpProblem) as caught:
        idempotency_key(request(("Idempotency-Key", key)))

    assert caught.value.code == "idempotency_key_invalid"


def test_a_key_sent_twice_is_refused():
    with pytest.raises(HttpProblem) as caught:
        idempotency_key(request(("Idempotency-Key", "a"), ("Idempotency-Key", "a")))

    assert caught.value.code == "idempotency_key_invalid"


def test_a_missing_key_is_told_apart():
    with pytest.raises(HttpProblem) as caught:
        idempotency_key(request())

    assert caught.value.code == "idempotency_key_missing"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=201",
        "limit=abc",
        "limit=1e3",
        "limit=",
        "limit=%D9%A1",
        "limit=+5",
        "limit=5&limit=5",
        "after=9007199254740992",
        "page=1",
        "limit",
        "=5",
        "%ff=1",
        "&".join(f"a{n}=1" for n in range(40)),
    ],
)
def test_a_parameter_out_of_bounds_or_unknown_is_refused(query):
    with pytest.raises(HttpProblem) as caught:
        parse_query(query, (AFTER, LIMIT))

    assert caught.value.code == "invalid_parameter"


def test_parameters_left_out_have_their_defaults():
    query = parse_query("", (AFTER, LIMIT, DRY_RUN, *MOMENTS))

    assert (query[AFTER], query[LIMIT], query[DRY_RUN]) == (0, 50, False)
    assert [query[parameter] for parameter in MOMENTS] == [None] * len(MOMENTS)


def test_a_flag_is_true_or_false():
    assert parse_query("dry_run=true", (DRY_RUN,))[DRY_RUN] is True
    assert parse_query("dry_run=false", (DRY_RUN,))[DRY_RUN] is False
    with pytest.raises(HttpProblem):
        parse_query("dry_run=yes", (DRY_RUN,))


@pytest.mark.parametrize(
    ("query", "parameter", "value"),
    [
        ("at=2026-03-02T12:00:00.5Z", AT, NOON),
        ("at=2026-03-02t13:00:00.5%2b01:00", AT, NOON),
        ("at=2026-03-02T13:00:00.5+01:00", AT, NOON),
        ("at=2026-03-02T12:00:00.5000009Z", AT, NOON),
        ("on=2024-02-29", ON, date(2024, 2, 29)),
        ("from=2026-03-02", FROM, date(2026, 3, 2)),
        ("from=2026-03-02T12:00:00.5Z", FROM, NOON),
        ("from=2026-03-02T12:00:00.5000009Z", FROM, NOON + timedelta(microseconds=1)),
        ("format=csv", FORMAT, "csv"),
        ("size=9", SIZE, 9),
        ("cursor=AbC-_9", CURSOR, "AbC-_9"),
    ],
)
def test_each_kind_of_parameter_is_read(query, parameter, value):
    read = parse_query(query, MOMENTS)[parameter]

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("at=", "Parameter at takes a date-time with its offset"),
        ("at=2026-03-02", "Parameter at takes a date-time with its offset"),
        ("at=2026-03-02T12:00:00", "Parameter at takes a date-time with its offset"),
        ("at=10000-01-01T00:00:00Z", "Parameter at takes a date-time with its offset"),
        ("at=2026-03-02T12:00:00Z&at=2026-03-02T12:00:00Z", "twice"),
        ("At=2026-03-02T12:00:00Z", "'At' is not known"),
        ("on=2023-02-29", "Parameter on takes a day"),
        ("on=2026-03-02T12:00:00Z", "Parameter on takes a day"),
        ("from=2023-02-29", "Parameter from takes a day such as 2031-05-06, or a date-time"),
        ("from=yesterday", "Parameter from takes a day such as 2031-05-06, or a date-time"),
        ("format=CSV", "Parameter format takes one of json, csv"),
        ("format=", "Parameter format takes one of json, csv"),
        ("size=10", "Parameter size takes a whole number from 1 to 9"),
        ("cursor=", "Parameter cursor takes 1 to 512 visible ASCII characters"),
        ("cursor=a%20b", "Parameter cursor takes 1 to 512 visible ASCII characters"),
        ("cursor=%00", "Parameter cursor takes 1 to 512 visible ASCII characters"),
        ("cursor=%C3%A9", "Parameter cursor takes 1 to 512 visible ASCII characters"),
        (f"cursor={'a' * 513}", "Parameter cursor takes 1 to 512 visible ASCII characters"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named_with_what_it_takes(query, detail):
    with pytest.raises(HttpProblem) as caught:
        parse_query(query, MOMENTS)

    assert (caught.value.status, caught.value.code) == (400, "invalid_parameter")
    assert detail in caught.value.detail


def test_the_document_says_of_a_parameter_what_its_reader_takes():
    assert AT.schema() == {"type": "string", "format": "date-time"}
    assert ON.schema() == {"type": "string", "format": "date"}
    assert FORMAT.schema() == {"type": "string", "enum": ["json", "csv"]}
    assert SIZE.schema() == {"type": "integer", "minimum": 1, "maximum": 9}
    assert LIMIT.schema() == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert DRY_RUN.schema() == {"type": "boolean", "default": False}
    assert FROM.schema()["anyOf"] == [{"format": "date"}, {"format": "date-time"}]
