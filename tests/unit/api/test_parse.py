"""Strict JSON: the quick way and the exact way agree, and nothing doubtful passes."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronos.api import parse
from chronos.api.parse import parse_body
from chronos.api.problems import HttpProblem
from chronos.wire.bodies import OpenAccountBody, TransferBody

PLAIN = {"from": "a", "to": "b", "amount": 1, "currency": "EUR"}


def body(**fields) -> bytes:
    return json.dumps({**PLAIN, **fields}).encode()


def code_of(raw: bytes) -> tuple[int, str]:
    with pytest.raises(HttpProblem) as caught:
        parse_body(raw, TransferBody)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b"  ", 400, "malformed_json"),
        (b'{"amount":', 400, "malformed_json"),
        (b"{}{}", 400, "malformed_json"),
        (b'{"a":1,}', 400, "malformed_json"),
        (b"{'a':1}", 400, "malformed_json"),
        (b'{"a":01}', 400, "malformed_json"),
        (b'{"a":NaN}', 400, "malformed_json"),
        (b'{"a":Infinity}', 400, "malformed_json"),
        (b'{"a":-Infinity}', 400, "malformed_json"),
        (b'{"amount":' + b"9" * 5000 + b"}", 400, "malformed_json"),
        (b'{"a":"line\nbreak"}', 400, "malformed_json"),
        (b"[]", 422, "schema_violation"),
        (b'"x"', 422, "schema_violation"),
        (b"null", 422, "schema_violation"),
        (b"1", 422, "schema_violation"),
        (b'{"amount":1,"amount":9}', 400, "duplicate_json_key"),
        (b'{"amount":1,"am\\u006funt":9}', 400, "duplicate_json_key"),
        (b'{"metadata":{"a":"1","a":"2"}}', 400, "duplicate_json_key"),
        (b'{"a":[{"b":1,"b":2}]}', 400, "duplicate_json_key"),
        (b'{"a":"\xff"}', 400, "invalid_encoding"),
        (b'{"a":"\xc0\x80"}', 400, "invalid_encoding"),
        (b'{"a":"\xed\xa0\x80"}', 400, "invalid_encoding"),
        ('{"a":1}'.encode("utf-16"), 400, "invalid_encoding"),
        ('{"a":1}'.encode("utf-16-le"), 400, "invalid_encoding"),
        ('{"a":1}'.encode("utf-32-be"), 400, "invalid_encoding"),
        (b"\xef\xbb\xbf{}", 400, "invalid_encoding"),
        (b'{"description":"\\ud800"}', 400, "invalid_encoding"),
        (b'{"\\udc00":1}', 400, "invalid_encoding"),
        (b'{"description":"\\u0000"}', 422, "invalid_characters"),
        (b'{"metadata":{"a\\u0000":"1"}}', 422, "invalid_characters"),
        (b"[" * 17 + b"]" * 17, 400, "too_deep"),
        (b"[" * 60_000, 400, "too_deep"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, 400, "too_deep"),
    ],
)
def test_what_is_not_readable_is_refused(raw, status, code):
    assert code_of(raw) == (status, code)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": "1000"}, "amount_invalid"),
        ({"amount": 10.0}, "amount_invalid"),
        ({"amount": True}, "amount_invalid"),
        ({"amount": None}, "amount_invalid"),
        ({"amount": 0}, "amount_not_positive"),
        ({"amount": -1}, "amount_not_positive"),
        ({"amount": 2**53}, "amount_too_large"),
        ({"amount": 2**63}, "amount_too_large"),
        ({"amount": 10**30}, "amount_too_large"),
        ({"currency": "eur"}, "currency_invalid"),
        ({"currency": "EU"}, "currency_invalid"),
        ({"currency": "EUR\n"}, "currency_invalid"),
        ({"currency": "XXX"}, "currency_invalid"),
        ({"currency": "XTS"}, "currency_invalid"),
        ({"currency": "\u0415UR"}, "currency_invalid"),
        ({"currency": None}, "currency_invalid"),
        ({"status": "booked"}, "schema_violation"),
        ({"__proto__": {}}, "schema_violation"),
        ({"id": "a" * 300}, "id_invalid"),
        ({"id": "'; drop table"}, "id_invalid"),
        ({"id": "../x"}, "id_invalid"),
        ({"id": "\U0001f600"}, "id_invalid"),
        ({"id": "a\u200d"}, "id_invalid"),
        ({"id": "a "}, "id_invalid"),
        ({"to": "e\u0301"}, "id_invalid"),
        ({"to": "\u00e9"}, "id_invalid"),
        ({"from": 7}, "id_invalid"),
        ({"description": "x" * 141}, "description_invalid"),
        ({"description": "a\u0007"}, "description_invalid"),
        ({"description": "a\u202eb"}, "description_invalid"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata_invalid"),
        ({"metadata": {"k" * 65: "x"}}, "metadata_invalid"),
        ({"metadata": {"k": {}}}, "metadata_invalid"),
        ({"metadata": {"k": 1}}, "metadata_invalid"),
        ({"value_date": "2024-02-30"}, "date_invalid"),
        ({"value_date": "2023-02-29"}, "date_invalid"),
        ({"value_date": "2024-02-28T00:00:00Z"}, "date_invalid"),
        ({"value_date": "10000-01-01"}, "date_invalid"),
        ({"expected_versions": {"stranger": 1}}, "schema_violation"),
        ({"expected_versions": {"a": 0}}, "schema_violation"),
    ],
)
def test_what_breaks_a_rule_is_named_by_code_and_pointer(fields, code):
    with pytest.raises(HttpProblem) as caught:
        parse_body(body(**fields), TransferBody)

    assert (caught.value.status, caught.value.code) == (422, code)
    (name,) = fields
    assert caught.value.errors[0].pointer.startswith(f"/{name}")


@pytest.mark.parametrize("raw", [b"10.0", b"1e2", b"1E400"])
def test_a_number_with_a_fraction_or_an_exponent_is_no_amount(raw):
    assert code_of(body(amount=777).replace(b"777", raw)) == (422, "amount_invalid")


def test_minus_zero_is_not_above_zero():
    assert code_of(body(amount=777).replace(b"777", b"-0")) == (422, "amount_not_positive")


def test_every_wrong_field_is_named_at_once():
    with pytest.raises(HttpProblem) as caught:
        parse_body(body(amount=0, currency="eur", colour="red"), TransferBody)

    assert caught.value.code == "schema_violation"
    assert {error.pointer for error in caught.value.errors} == {
        "/amount",
        "/currency",
        "/colour",
    }


def test_a_missing_field_is_named():
    with pytest.raises(HttpProblem) as caught:
        parse_body(b"{}", OpenAccountBody)

    assert [(e.pointer, e.code) for e in caught.value.errors] == [
        ("/currency", "schema_violation")
    ]


@pytest.mark.parametrize("code", ["amount_too_large", "amount_invalid"])
def test_an_overdraft_limit_has_the_codes_of_an_amount(code):
    limit = 2**53 if code == "amount_too_large" else -1

    with pytest.raises(HttpProblem) as caught:
        parse_body(b'{"currency":"EUR","overdraft_limit":%d}' % limit, OpenAccountBody)

    assert caught.value.code == code


def test_markup_and_an_escaped_letter_are_stored_as_they_are():
    parsed = parse_body(body(description="<script>caf\u00e9</script>"), TransferBody)

    assert parsed.description == "<script>caf\u00e9</script>"


def test_quotes_that_never_close_cost_no_more_than_their_length():
    assert code_of(b'"' + b'\\"' * 30_000) == (400, "malformed_json")


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "from": _VALUES | st.just("a"),
            "to": _VALUES | st.just("b"),
            "amount": _VALUES | st.integers(1, 2**53 - 1),
            "currency": _VALUES | st.just("EUR"),
            "description": _VALUES,
            "metadata": _VALUES | st.dictionaries(st.sampled_from("abc"), st.text()),
            "value_date": _VALUES | st.dates().map(str),
            "other": _VALUES,
        },
    ),
    st.booleans(),
)
def test_the_quick_way_takes_nothing_that_the_exact_way_refuses(fields, ascii_only):
    raw = json.dumps(fields, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    quick = parse._parse_quickly(raw, TransferBody)

    if quick is not None:
        assert parse._parse_exactly(raw, TransferBody) == quick


@given(
    st.binary(max_size=200)
    | st.text(alphabet='{}[]":,\\ud0aN1-.e', max_size=60).map(str.encode)
)
def test_any_bytes_end_in_a_value_or_a_problem(raw):
    with contextlib.suppress(HttpProblem):
        assert isinstance(parse_body(raw, TransferBody), TransferBody)
