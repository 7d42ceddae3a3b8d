"""What can be wrong with a request, numbered; and which test shows what the table cannot.

Most subjects are rows of the table (`ROWS` in `test_bad_inputs.py`). Some need more than one
request, a broken server, or the other half of the system: `ELSEWHERE` names the tests that show
them. `test_every_subject_is_tested_here_or_where_it_is_said_to_be` holds this list complete.
"""

from __future__ import annotations

SUBJECTS = {
    1: "an empty body",
    2: "a body that ends too early",
    3: "data after the body's end",
    4: "a body that is JSON, but no object",
    5: "a key twice in one object: flat, nested, escaped",
    6: "NaN and the infinities",
    7: "bytes that are not UTF-8",
    8: "UTF-16, UTF-32, a byte order mark, another charset",
    9: "half of a surrogate pair",
    10: "a NUL in a text",
    11: "nesting without end",
    12: "an integer of thousands of digits",
    13: "a body one byte above its route's limit, also in chunks",
    14: "a body that does not arrive",
    15: "a body whose length is said twice",
    16: "another media type, or none",
    17: "a compressed body, a bomb among them",
    18: "an Accept that JSON does not meet",
    19: "a method that the address does not have",
    20: "an address that is none",
    21: "a header too long, headers too many",
    22: "no credential, or nobody's",
    23: "a credential without the scope",
    24: "too many requests",
    25: "no idempotency key",
    26: "an unusable idempotency key",
    27: "a key used again with another body",
    28: "a key used again with the same meaning in other words",
    29: "a key used again on another route",
    30: "another principal's key",
    31: "a key whose first request still runs",
    32: "an amount that is no whole number",
    33: "an amount of zero",
    34: "an amount below zero",
    35: "an amount above the greatest",
    36: "a balance that would leave its range",
    37: "a currency that is none, or not in use",
    38: "a currency that is not the account's",
    39: "an account on both sides",
    40: "an account that is not there",
    41: "an account that is closed or frozen",
    42: "too little available, also by one and only because of holds",
    43: "a version that is not the account's",
    44: "postings that cannot be one entry",
    45: "a field that is not known",
    46: "an id that cannot be one",
    47: "a description that cannot be shown, and one that can",
    48: "metadata beyond their bounds",
    49: "a date that is none, or out of bounds",
    50: "a hold that cannot be captured or voided",
    51: "a transfer that cannot be reversed",
    52: "an account that exists already",
    53: "an account that cannot be closed",
    54: "a page or a cursor that cannot be",
    55: "a version that the read model does not have yet",
    56: "a batch that is too large, unreadable, or refused",
    57: "a database that is away, busy or full",
    58: "a client that hangs up",
    59: "a bug",
}

LATER = {24: "there is no rate limit yet"}
"""Subjects that nothing can show yet, and why."""

_HERE = "tests/integration/api/"
_REPEATED = _HERE + "test_idempotency.py::"
ELSEWHERE = {
    14: (_HERE + "test_bad_framing.py::test_a_body_that_stalls_is_given_up_in_bounded_time",),
    15: (
        _HERE + "test_bad_framing.py"
        "::test_a_body_whose_length_is_in_doubt_is_refused_and_the_connection_closed",
    ),
    23: (_HERE + "test_bad_framing.py::test_a_reader_may_not_write",),
    27: (_HERE + "test_commands.py::test_a_key_is_of_one_meaning_only",),
    28: (_REPEATED + "test_key_order_and_white_space_do_not_change_the_meaning",),
    29: (_HERE + "test_commands.py::test_a_key_is_of_one_route_only",),
    30: (_REPEATED + "test_the_same_key_of_another_principal_is_another_operation",),
    31: (_REPEATED + "test_a_key_that_another_process_works_on_is_told_to_wait",),
    55: (
        "tests/integration/balances/test_views.py"
        "::test_strange_questions_get_problem_documents",
        "tests/integration/mirror/test_views.py"
        "::test_min_version_beyond_the_head_ends_as_behind_within_its_bound",
    ),
    57: (
        _HERE + "test_outages.py"
        "::test_without_postgresql_a_command_gets_503_and_later_succeeds_with_its_key",
        "tests/unit/store/test_faults.py::test_a_server_that_does_not_serve_is_unavailable",
    ),
    58: (_REPEATED + "test_a_client_that_hangs_up_after_sending_is_served_once",),
    59: (
        _HERE + "test_outages.py"
        "::test_a_broken_invariant_is_told_once_and_ends_the_process_with_70",
        "tests/unit/api/test_door.py::test_an_unknown_exception_is_500_counted_and_tells_nothing",
    ),
}
"""Where a subject is shown that the table cannot show; a test checks that each is there."""
