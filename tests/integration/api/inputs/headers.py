"""Requests whose head cannot be used: media types, keys, credentials, lengths."""

from __future__ import annotations

from collections.abc import Iterator

from tests.integration.api.inputs.row import Row, for_every_command, plain

MEDIA_TYPES = (
    (16, "text/plain"),
    (16, "application/x-www-form-urlencoded"),
    (16, "multipart/form-data; boundary=x"),
    (16, "application/jsonp"),
    (8, "application/json; charset=latin1"),
    (16, None),
)


def rows() -> Iterator[Row]:
    for number, media_type in MEDIA_TYPES:
        yield _transfer(
            number,
            f"content type {media_type}",
            415,
            "unsupported_media_type",
            {"Content-Type": media_type},
        )
    for name, accept in (
        ("text/csv", "text/csv"),
        ("never JSON", "application/json;q=0"),
        ("never anything", "*/*;q=0"),
    ):
        yield _transfer(18, f"accept {name}", 406, "not_acceptable", {"Accept": accept})
    yield _transfer(
        18, "expectation", 417, "expectation_failed", {"Expect": "the-spanish-inquisition"}
    )
    for key in ("", "x" * 256, "a b", "\u00e9", "a\tb"):
        yield _transfer(
            26, f"key {key[:8]!r}", 400, "idempotency_key_invalid", {"Idempotency-Key": key}
        )
    for credential in ("", "Basic YTpi", "Bearer", "Bearer x", "Bearer chk_a_b"):
        yield _transfer(
            22,
            f"credential {credential!r}",
            401,
            "unauthenticated",
            {"Authorization": credential},
            answer_headers=("www-authenticate",),
        )
    yield _transfer(21, "9 KiB", 431, "header_too_large", {"X-Large": "x" * 9000})
    yield _transfer(
        21, "200 headers", 431, "header_too_large", {f"X-Header-{n}": "x" for n in range(200)}
    )
    yield from rows_of_versions()
    yield from rows_of_every_command()


def rows_of_versions() -> Iterator[Row]:
    """If-Match where it means something, and where it does not."""
    for value in ("7", 'W/"7"', '"0"', '"x"', '"1", "2"', '"12345678901234567"', ""):
        yield Row(
            number=43,
            name=f"If-Match {value}",
            path="/v1/accounts/alice/freeze",
            headers={"If-Match": value},
            body=b"{}",
            status=400,
            code="if_match_invalid",
        )
    for path in ("/v1/transfers", "/v1/holds/h-open/void", "/v1/batches"):
        yield Row(
            number=43,
            name=f"If-Match at {path}",
            path=path,
            headers={"If-Match": '"1"'},
            body=b"{}",
            status=400,
            code="if_match_invalid",
        )


def rows_of_every_command() -> Iterator[Row]:
    yield from for_every_command(
        16,
        "text/plain",
        415,
        "unsupported_media_type",
        headers={"Content-Type": "text/plain"},
    )
    yield from for_every_command(
        18, "accept text/csv", 406, "not_acceptable", headers={"Accept": "text/csv"}
    )
    yield from for_every_command(
        22,
        "no credential",
        401,
        "unauthenticated",
        headers={"Authorization": None},
        answer_headers=("www-authenticate",),
    )
    yield from for_every_command(
        25,
        "no key",
        400,
        "idempotency_key_missing",
        headers={"Idempotency-Key": None},
    )


def _transfer(
    number: int,
    name: str,
    status: int,
    code: str,
    headers: dict[str, str | None],
    *,
    answer_headers: tuple[str, ...] = (),
) -> Row:
    return Row(
        number=number,
        name=name,
        body=plain(),
        headers=headers,
        status=status,
        code=code,
        answer_headers=answer_headers,
    )
