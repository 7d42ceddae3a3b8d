"""Headers and query parameters: each check alone."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from chronos.api.headers import check_accept, check_media_type, idempotency_key
from chronos.api.problems import HttpProblem
from chronos.api.query import AFTER, DRY_RUN, LIMIT, parse_query


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
    assert parse_query("", (AFTER, LIMIT)) == {"after": 0, "limit": 50}


def test_a_flag_is_true_or_false():
    assert parse_query("dry_run=true", (DRY_RUN,)) == {"dry_run": True}
    with pytest.raises(HttpProblem):
        parse_query("dry_run=yes", (DRY_RUN,))
