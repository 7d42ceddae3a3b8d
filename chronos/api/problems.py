"""What can be wrong with a request before the ledger sees it: one exception, one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chronos.api.answer import Answer
from chronos.wire.problems import CONTENT_TYPE, PROBLEMS, InputError, problem_body


class HttpProblem(Exception):
    """Ends the reading of a request with a problem document; caught by the one net.

    Args:
        code: A key of `PROBLEMS`.
        detail: One sentence about this occurrence.
        status: The status when it is not the code's own.
        errors: What is wrong with the input, field by field.
        headers: Further headers of the answer.
        close: Whether the connection cannot be used again.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        errors: Sequence[InputError] = (),
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.status = PROBLEMS[code].status if status is None else status
        self.errors = errors
        self.headers = headers or {}
        self.close = close


def unknown_account(account_id: str) -> HttpProblem:
    """Makes the refusal of an address whose account is not there."""
    return HttpProblem("account_not_found", f"There is no account {account_id}.", status=404)


def account_not_yet_opened(account_id: str, *, opened: str) -> HttpProblem:
    """Makes the refusal of a moment, or a banking day, before an account's opening.

    Args:
        account_id: The account.
        opened: When it was opened, in the terms that were asked in.
    """
    return HttpProblem(
        "account_not_found",
        f"There was no account {account_id} yet: it was opened {opened}.",
        status=404,
    )


def problem_answer(problem: HttpProblem, *, instance: str, request_id: str) -> Answer:
    """Writes the answer of a problem."""
    body = problem_body(
        problem.code,
        problem.detail,
        instance=instance,
        request_id=request_id,
        status=problem.status,
        errors=problem.errors,
    )
    return Answer(
        status=problem.status,
        body=body,
        content_type=CONTENT_TYPE,
        headers=problem.headers,
        code=problem.code,
        close=problem.close,
    )
