"""A bank in memory behind a real client: the core and its book-keeping, served over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chronos.client.doors import Doors
from chronos.client.ledger_client import LedgerClient
from chronos.clock import SystemIds
from chronos.intake.files import Said, Unreadable
from chronos.intake.naming import Naming
from chronos.intake.outcome import Judged, Tally
from chronos.intake.rows import Reading
from chronos.intake.run import Intake
from chronos.wire.batch import BatchBody, command_of
from chronos.wire.bodies import OpenAccountBody
from chronos.wire.booking import Attempt, BatchAttempt
from chronos.wire.receipt import Receipt
from chronos.wire.terms import Asked
from tests import builders


@dataclass
class Bank:
    """The core, with what was asked of it."""

    memory: builders.MemoryBank = field(default_factory=builders.MemoryBank.empty)
    batches: list[BatchBody] = field(default_factory=list)
    dry_runs: int = 0
    refuse: Callable[[BatchBody], web.Response | None] = lambda _: None

    @property
    def booked(self) -> dict[str, int]:
        return {name: head.state.booked for name, head in self.memory.state.heads.items()}

    @property
    def versions(self) -> dict[str, int]:
        return {name: head.state.version for name, head in self.memory.state.heads.items()}

    def book(self, attempt: Attempt | BatchAttempt, *, dry_run: bool) -> Receipt:
        if not dry_run:
            return self.memory.book([attempt]).receipts[0]
        self.dry_runs += 1
        fresh = replace(self.memory.state, receipts={})
        return self.memory.keeper.book([attempt], fresh).receipts[0]

    async def run_batch(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read(), type=BatchBody)
        self.batches.append(body)
        if (refusal := self.refuse(body)) is not None:
            return refusal
        key = request.headers.get("Idempotency-Key", "dry")
        batch = BatchAttempt(
            items=tuple(
                builders.attempt(
                    command_of(item, SystemIds().new_id),
                    item.idempotency_key or f"{key} {number}",
                    request_hash=msgspec.json.encode(item)[:32],
                    has_own_key=item.idempotency_key is not None,
                )
                for number, item in enumerate(body.commands)
            ),
            is_atomic=body.atomic,
            principal="tester",
            idempotency_key=key,
            request_hash=b"",
            request_id="req_1",
            traceparent=builders.TRACEPARENT,
            instance="/v1/batches",
        )
        return answer(self.book(batch, dry_run="dry_run" in request.query))

    async def open_account(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read(), type=OpenAccountBody)
        command = body.command(Asked(fresh_id=SystemIds().new_id))
        attempt = builders.attempt(command, request.headers["Idempotency-Key"])
        return answer(self.book(attempt, dry_run=False))

    async def read_account(self, request: web.Request) -> web.Response:
        head = self.memory.state.heads.get(request.match_info["name"])
        if head is None:
            return problem(404, "account_not_found")
        state = head.state
        external = {owner: name for name, owner in self.memory.state.external_ids.items()}
        return web.Response(
            body=msgspec.json.encode(
                {
                    "id": state.account_id,
                    "currency": state.currency,
                    "kind": state.kind,
                    "status": state.status.label,
                    "version": state.version,
                    "booked": state.booked,
                    "held": state.held,
                    "available": state.available,
                    "overdraft_limit": state.overdraft_limit,
                    "external_id": external.get(state.account_id),
                    "metadata": {},
                    "opened_at": "",
                    "opened_on": state.opened_on,
                }
            ),
            content_type="application/json",
        )

    async def read_transfer(self, request: web.Request) -> web.Response:
        entry = self.memory.state.entries.get(request.match_info["name"])
        if entry is None:
            return problem(404, "transfer_not_found")
        return web.json_response(
            {
                "id": entry.transfer_id,
                "status": "booked",
                "position": 1,
                "recorded_at": "",
                "value_date": builders.TODAY.isoformat(),
                "from": None,
                "to": None,
                "amount": None,
                "currency": None,
                "external_id": None,
                "description": None,
                "metadata": {},
                "reverses": None,
                "postings": [
                    {"account": one.account_id, "amount": one.amount, "currency": one.currency}
                    for one in entry.postings
                ],
                "accounts": {},
            }
        )


def answer(receipt: Receipt) -> web.Response:
    media = "application/json" if receipt.status < 400 else "application/problem+json"
    return web.Response(body=receipt.body, status=receipt.status, content_type=media)


def problem(status: int, code: str, **more: Any) -> web.Response:
    document = {"status": status, "code": code, "detail": f"It is {code}.", **more}
    return web.json_response(document, status=status, content_type="application/problem+json")


@contextlib.asynccontextmanager
async def served(bank: Bank) -> AsyncIterator[LedgerClient]:
    app = web.Application()
    app.router.add_post("/v1/batches", bank.run_batch)
    app.router.add_post("/v1/accounts", bank.open_account)
    app.router.add_get("/v1/accounts/{name}", bank.read_account)
    app.router.add_get("/v1/transfers/{name}", bank.read_transfer)
    server = TestServer(app)
    await server.start_server()
    try:
        url = str(server.make_url("")).rstrip("/")
        async with LedgerClient(Doors(command=url, query=url, api_key="k")) as client:
            yield client
    finally:
        await server.close()


@pytest.fixture
def bank() -> Bank:
    return Bank()


@dataclass(frozen=True)
class Brought:
    """What came of one run."""

    tally: Tally
    rows: list[Judged]

    @property
    def outcomes(self) -> list[str]:
        return [row.outcome.value for row in sorted(self.rows, key=lambda row: row.line)]

    @property
    def codes(self) -> list[str | None]:
        return [row.code for row in sorted(self.rows, key=lambda row: row.line)]


class Today:
    """A clock that stands at the bank's day."""

    def now(self):
        return builders.NOW

    def monotonic_s(self) -> float:
        return 0.0


@pytest.fixture
async def bring_in(bank):
    """Brings rows in, as a new run each time."""
    async with served(bank) as client:

        async def bring(
            *rows: dict[str, Any], source: str = "", dry_run: bool = False
        ) -> Brought:
            said: list[Said | Unreadable] = [
                Said(line=number, value=row) for number, row in enumerate(rows, start=1)
            ]
            judged: list[Judged] = []
            intake = Intake(
                client,
                Reading(naming=Naming(source)),
                clock=Today(),
                ids=SystemIds(),
                dry_run=dry_run,
            )
            tally = await intake.bring_in(iter(said), judged.append)
            return Brought(tally, judged)

        yield bring
