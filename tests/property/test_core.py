"""The core and its book-keeping against the dictionaries, in long random histories."""

import os

from hypothesis import settings

from tests.property.machine import Bank

EXAMPLES, STEPS = (5_000, 100) if os.environ.get("TEST_LONG_HISTORIES") else (400, 50)

TestBank = Bank.TestCase
TestBank.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    derandomize=False,
)
