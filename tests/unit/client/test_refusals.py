"""A refusal is one sentence, and says nothing twice."""

from chronos.client.answers import FieldProblem, Problem
from chronos.client.refusals import Refused, problem_of


def test_a_field_that_repeats_the_detail_is_not_said_again():
    field = FieldProblem(pointer="/amount", detail="Too much.")
    problem = Problem(
        status=409, code="insufficient_funds", detail="Too much.", errors=(field,)
    )

    assert str(Refused(problem)) == "Too much [insufficient_funds]"


def test_fields_that_say_more_are_named():
    field = FieldProblem(pointer="/to", detail="No such account")
    problem = Problem(status=422, code="schema_violation", detail="Wrong", errors=(field,))

    assert str(Refused(problem)) == "Wrong (/to: No such account) [schema_violation]"


def test_a_page_of_a_proxy_becomes_a_problem_of_its_status():
    problem = problem_of(502, "text/html", b"<html>")

    assert (problem.status, problem.code, problem.detail) == (
        502,
        "unknown",
        "502 Bad Gateway.",
    )
