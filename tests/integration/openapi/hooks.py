"""What the trial of a document must know beyond it: names for attempts, and rules of the bank.

No check is switched off. A failure is dropped only when the answer is the refusal of a rule
that no schema can say, told by its code: whether an account is there, which day it is, what was
done before.

The parameters of a hook are named by schemathesis, used or not (ARG001).
"""

from __future__ import annotations

import itertools
import os
import re
import zlib
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, ServerError
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import MissingHeaderNotRejected, RejectedPositiveData

_numbers = itertools.count(1)
_USABLE_KEY = re.compile(r"[!-~]{1,200}")
_USABLE_CONDITION = re.compile(r'\*|"[1-9][0-9]{0,15}"')
_SELDOM_SENT = frozenset({"id", "transfer_id", "expected_versions"})
_SELDOM_ASKED = frozenset({"dry_run", "cursor", "last_event_id"})
_KEY_HEADER = "Idempotency-Key"

RULES = {
    "currency_invalid": "the standard's list changes, the bank shows its own",
    "account_not_found": "only the bank knows its accounts",
    "currency_mismatch": "only the bank knows the currency of an account",
    "invalid_cursor": "only the server can seal one",
    "date_invalid": "only the bank knows the day, and since when an account is open",
    "same_account": "no schema compares two members",
    "unbalanced": "no schema adds up",
    "version_conflict": "only the bank knows the version of an account",
}
"""Refusals of well-formed requests, and why no document can foretell them."""
RULES_BETWEEN = (
    "Parameters at and value_date exclude each other",
    "Parameters limit and cursor go with format=json",
    "Parameter from lies after parameter to",
    "`min_amount` is above max_amount",
    "`counterparty` needs `account`",
    "`q` cannot be searched for",
)
"""What one parameter asks of another, or of the index: no document says so."""


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:  # noqa: ARG001
    """Names each attempt anew, as a client would: a usable key is used once."""
    key = (case.headers or {}).get(_KEY_HEADER)
    if isinstance(key, str) and _USABLE_KEY.fullmatch(key):
        case.headers[_KEY_HEADER] = f"{key}.{os.getpid()}.{next(_numbers)}"


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:  # noqa: ARG001
    """Lets more of what is meant to be good reach the bank's rules."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return case
    body = _written_whole(case.body)
    if _is_one_of_most(case):
        if isinstance(body, dict):
            # A name that is taken and a version that is not there would hide all the rest.
            body = {name: value for name, value in body.items() if name not in _SELDOM_SENT}
        for name in _SELDOM_ASKED & set(case.query or ()):
            del case.query[name]
    if repr(body) != repr(case.body):
        case.body = body
    return case


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:  # noqa: ARG001
    """Keeps a failure unless a rule of the bank explains it."""
    if isinstance(failure, ServerError):
        # To ask for a version that is not there yet is told so with 503, after a moment.
        return response.status_code != 503 or response.json()["code"] != "read_model_behind"
    if isinstance(failure, RejectedPositiveData):
        return not _is_ruled(response)
    if isinstance(failure, AcceptedNegativeData | MissingHeaderNotRejected):
        return not _is_about_the_key_of_a_dry_run(case, response)
    return True


def _is_ruled(response: Any) -> bool:
    problem = response.json()
    if problem["code"] == "invalid_parameter":
        return any(rule in problem["detail"] for rule in RULES_BETWEEN)
    if problem["code"] != "schema_violation":
        return problem["code"] in RULES
    # An item of a batch; or versions of accounts that take no part: no schema compares those.
    errors = problem.get("errors", ())
    return bool(errors) and all(
        error["code"] in RULES or "/expected_versions/" in error["pointer"] for error in errors
    )


def _is_one_of_most(case: Any) -> bool:
    """Tells three cases of four from the rest, always the same ones."""
    return zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode()) % 4 > 0


def _written_whole(value: Any) -> Any:
    """JSON Schema takes 5.0 for an integer; the bank wants whole numbers without a fraction."""
    if isinstance(value, dict):
        return {name: _written_whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_written_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_about_the_key_of_a_dry_run(case: Any, response: Any) -> bool:
    """A dry run does not look at the key; the document asks for one all the same."""
    spoilt = {place for place, part in case.meta.components.items() if part.mode.is_negative}
    condition = (case.headers or {}).get("If-Match", "*")
    return (
        spoilt == {ParameterLocation.HEADER}
        and _USABLE_CONDITION.fullmatch(str(condition)) is not None
        and "dry_run=true" in (response.request.url or "")
    )
