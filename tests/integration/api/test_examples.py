"""The examples of the state machine through HTTP, on the real store.

The machine is that of `tests/property`; its model foretells every status and code. Each example
begins with an empty bank. No hold expires: nobody moves PostgreSQL's clock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.databases import Database
from tests.integration.api.driving import HttpDriver, empty
from tests.integration.api.running import Inspector, RunningApi, make_key, running_api
from tests.integration.api.wire import Door
from tests.property.machine import Bank
from tests.property.model import Model

EXAMPLES, STEPS = (500, 60) if os.environ.get("TEST_LONG_HISTORIES") else (20, 30)
NOON = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
"""A zone in which it is about noon: no day ends while the examples run."""


@pytest.fixture(scope="module")
def api(
    own_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningApi]:
    with running_api(own_database, tmp_path_factory.mktemp("api"), time_zone=NOON) as running:
        yield running
        assert running.stop() == 0
        assert "internal_error" not in running.log.read_text()


@pytest.fixture(scope="module")
def door(api: RunningApi) -> Door:
    return api.door(make_key(api.database, "tester", "read", "write"))


def test_the_examples_through_http_on_the_real_store(api: RunningApi, door: Door) -> None:
    with Inspector(api.database) as inspector:

        class HttpBank(Bank):
            def make_driver(self):
                empty(inspector)
                return HttpDriver(door, inspector, ZoneInfo(NOON))

            def teardown(self):
                super().teardown()
                if self.is_sound:
                    compare_reads(self.model, self.driver)

        run_state_machine_as_test(
            HttpBank,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                print_blob=True,
                derandomize=False,
                phases=[Phase.reuse, Phase.generate, Phase.shrink],
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )


def compare_reads(model: Model, driver: HttpDriver) -> None:
    """What the API says of everything at the end is what the model knows."""
    for name, account in model.accounts.items():
        shown = driver.get(f"/v1/accounts/{name}")
        known = {
            **model.balances(name),
            "status": account["status"],
            "overdraft_limit": account["limit"],
            "opened_on": account["opened_on"].isoformat(),
            "external_id": account["external_id"],
            "metadata": account["metadata"],
        }
        assert {member: shown[member] for member in known} == known
    for hold_id, hold in model.holds.items():
        shown = driver.get(f"/v1/holds/{hold_id}")
        assert (shown["status"], shown["amount"]) == (hold["status"], hold["amount"])
    for entry_id, entry in model.entries.items():
        postings = driver.get(f"/v1/transfers/{entry_id}")["postings"]
        assert [(p["account"], p["amount"]) for p in postings] == entry["postings"]
