"""The core and its book-keeping against the dictionaries, in long random histories."""

import os

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.machine import Bank

# In rounds, because Hypothesis remembers every choice of a run: 3 GB for 5,000 histories.
ROUNDS, STEPS = (25, 100) if os.environ.get("TEST_LONG_HISTORIES") else (2, 50)
EXAMPLES = 200


@pytest.fixture(params=range(ROUNDS))
def number(request):
    """Of the round."""
    return request.param


@pytest.mark.usefixtures("number")
def test_the_bank_does_what_the_dictionaries_foretell():
    run_state_machine_as_test(
        Bank,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            derandomize=False,
        ),
    )
