"""The checks of a request's headers, each a refusal with its code or nothing."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from aiohttp.web import BaseRequest

from chronos.api.answer import JSON
from chronos.api.problems import HttpProblem
from chronos.wire.meaning import KEY_LENGTH_MAX, is_usable_key
from chronos.wire.problems import CONTENT_TYPE as PROBLEM_JSON

KEY_HEADER: Final = "Idempotency-Key"
_JSON_UTF8 = re.compile(
    r'application/json\s*(?:;\s*charset\s*=\s*"?utf-?8"?\s*)?', re.ASCII | re.IGNORECASE
)
_VERSION_TAG = re.compile(r'"([1-9][0-9]{0,15})"', re.ASCII)
_ZERO_QUALITY = re.compile(r";\s*q\s*=\s*0(?:\.0*)?\s*(?:;|$)", re.IGNORECASE)
_FITTING: Final = frozenset({"*/*", "application/*", JSON, PROBLEM_JSON})
_QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.IGNORECASE)


def check_media_type(request: BaseRequest) -> None:
    """Refuses a body that is not plain JSON in UTF-8."""
    encoding = request.headers.get("Content-Encoding")
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise HttpProblem(
            "unsupported_content_encoding",
            "Bodies are read as they come; send this one without a Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )
    media_type = request.headers.get("Content-Type")
    if media_type is None or not _is_json(media_type):
        raise HttpProblem(
            "unsupported_media_type",
            "Send the body with Content-Type: application/json, in UTF-8.",
            headers={"Accept": JSON},
        )


def check_accept(request: BaseRequest, others: tuple[str, ...] = ()) -> None:
    """Refuses a client that takes no JSON, and none of the other media types of the address."""
    accept = request.headers.get("Accept")
    if accept is None or _takes_json(accept):
        return
    if not any(_preference(accept, media_type) for media_type in others):
        known = " or ".join((JSON, *others))
        raise HttpProblem("not_acceptable", f"This address answers {known} only.")


def prefers(request: BaseRequest, media_type: str) -> bool:
    """Tells whether a client would rather have this media type than JSON."""
    accept = request.headers.get("Accept", "")
    return _preference(accept, media_type) > _preference(accept, JSON)


def idempotency_key(request: BaseRequest) -> str:
    """Gives the request's idempotency key.

    Raises:
        HttpProblem: It is missing, sent twice, or not 1 to 255 visible ASCII characters.
    """
    keys = request.headers.getall(KEY_HEADER, [])
    if not keys:
        raise HttpProblem(
            "idempotency_key_missing",
            f"Send a {KEY_HEADER} header: a name of your own for this attempt, the same for "
            "each retry of it.",
        )
    if len(keys) > 1:
        raise HttpProblem(
            "idempotency_key_invalid", f"{KEY_HEADER} was sent {len(keys)} times."
        )
    if not is_usable_key(keys[0]):
        raise HttpProblem(
            "idempotency_key_invalid",
            f"{KEY_HEADER} takes 1 to {KEY_LENGTH_MAX} visible ASCII characters, no spaces.",
        )
    return keys[0]


def expected_version(request: BaseRequest, *, taken: bool) -> int | None:
    """Gives the version that the If-Match header asks for; None for none, and for `*`.

    Args:
        request: The request.
        taken: Whether the address takes the header.

    Raises:
        HttpProblem: It is not one entity tag of ours, or means nothing at this address: a
            condition that is not understood must not be taken as met.
    """
    values = request.headers.getall("If-Match", [])
    if not values:
        return None
    if not taken:
        raise HttpProblem(
            "if_match_invalid",
            "This address takes no If-Match; name versions in expected_versions instead.",
        )
    value = values[0].strip()
    if len(values) == 1 and value == "*":
        return None
    tag = _VERSION_TAG.fullmatch(value)
    if len(values) > 1 or tag is None:
        raise HttpProblem(
            "if_match_invalid",
            'If-Match takes one version of the account, quoted as its ETag is, such as "7".',
        )
    return int(tag[1])


@lru_cache(maxsize=256)
def _is_json(media_type: str) -> bool:
    return _JSON_UTF8.fullmatch(media_type.strip()) is not None


@lru_cache(maxsize=256)
def _takes_json(accept: str) -> bool:
    for entry in accept.split(","):
        media_range, _, parameters = entry.partition(";")
        if media_range.strip().lower() in _FITTING and not _ZERO_QUALITY.search(
            ";" + parameters
        ):
            return True
    return not accept.strip()


@lru_cache(maxsize=256)
def _preference(accept: str, media_type: str) -> int:
    """Gives the quality of a media type in thousandths; the most specific range decides.

    Source: RFC 9110, section 12.5.1.
    """
    ranges = ("*/*", media_type.partition("/")[0] + "/*", media_type)
    found: dict[int, int] = {}
    for entry in accept.split(","):
        media_range, _, parameters = entry.partition(";")
        name = media_range.strip().lower()
        if name in ranges:
            quality = _QUALITY.search(";" + parameters)
            found[ranges.index(name)] = 1000 if quality is None else _thousandths(quality[1])
    return found[max(found)] if found else 0


def _thousandths(quality: str) -> int:
    whole, _, fraction = quality.partition(".")
    return min(1000, int(whole) * 1000 + int(fraction.ljust(3, "0")))
