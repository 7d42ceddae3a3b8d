"""Finding a sampled trace at the end of headers, packed or not, without decoding the rest."""

from __future__ import annotations

import pytest

from chronos.wire.headers import TRACEPARENT, encode_headers, sampled_in, sampled_in_packed

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-1] + "0"


@pytest.mark.parametrize("before", [[], [("ce_id", b"x")], [("a", b"1")] * 20])
def test_it_is_found_behind_any_other_headers(before):
    headers = [*before, (TRACEPARENT, SAMPLED.encode())]

    assert sampled_in(headers) == SAMPLED
    assert sampled_in_packed(encode_headers(headers)) == SAMPLED


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(TRACEPARENT, UNSAMPLED.encode())],
        [(TRACEPARENT, b"")],
        [("other", SAMPLED.encode())],
        [(TRACEPARENT, SAMPLED.encode()), ("ce_id", b"1")],
    ],
)
def test_nothing_is_found_where_none_is_sampled(headers):
    assert sampled_in(headers) == ""
    assert sampled_in_packed(encode_headers(headers)) == ""


def test_nothing_of_a_stranger_breaks_the_search():
    assert sampled_in([(TRACEPARENT, None)]) == ""
    assert sampled_in(()) == ""
    assert sampled_in_packed(b"") == ""
    assert sampled_in_packed(b"1") == ""
    assert sampled_in([(TRACEPARENT, b"\xff1")])
