"""Fakes around the balances agent: records without Kafka, a table without Faust."""

from types import SimpleNamespace

from agents.balances import head_of
from chronos.clock import SystemClock
from chronos.domain.chart import AccountKind
from chronos.errors import Unavailable
from chronos.stream.consume import Foreign, Taken
from chronos.stream.sleep_guard import SleepGuard
from chronos.wire.balance import encode_balance
from chronos.wire.headers import decode_headers
from tests.builders import MemoryBank, attempt, open_account, transfer


def record(row, *, headers=None, value=None, key=None):
    """Makes what Faust would hand the agent for an outbox row."""
    return SimpleNamespace(
        key=row.key if key is None else key,
        value=row.value if value is None else value,
        headers=decode_headers(row.headers) if headers is None else headers,
        partition=row.partition,
        topic="events",
        offset=0,
        timestamp=0,
    )


class MemoryTable:
    """Does what the agent asks of the table, in a dictionary."""

    def __init__(self):
        self.values = {}
        self.writes = []
        self.kept = []
        self.failures = 0
        self.page_balances = 500

    def read(self, key, _partition):
        return self.values.get(key)

    def write(self, changed):
        for _, balance in changed:
            self.values[balance.account_id.encode()] = balance
            self.writes.append((balance.account_id, balance.version))
        return [(b.account_id, b.version, encode_balance(b)) for _, b in changed]

    async def keep(self, records):
        if self.failures:
            self.failures -= 1
            raise Unavailable("kafka", "away")
        self.kept.extend((name, version) for name, version, _ in records)

    def owned(self):
        return [0]

    def page(self, _partition, after):
        keys = sorted(key for key in self.values if key > after)
        return [self.values[key] for key in keys[: self.page_balances]]


class MemoryJournal:
    """Answers from the events that a bank has booked; may be away for some questions."""

    def __init__(self, rows):
        self.rows = {(row.account_id, row.version): row for row in rows}
        self.failures = 0
        self.questions = 0

    async def events_of(self, account_id, after_version):
        self._ask()
        found = [r for (name, v), r in self.rows.items() if name == account_id]
        return sorted((r for r in found if r.version > after_version), key=lambda r: r.version)

    async def event_at(self, account_id, version):
        self._ask()
        return self.rows.get((account_id, version))

    def _ask(self):
        self.questions += 1
        if self.failures:
            self.failures -= 1
            raise Unavailable("postgresql", "away")


async def take(agent, events):
    """Does with a batch what the loop of consumption does; gives the foreign records."""
    foreign, batch = [], []
    for event in events:
        try:
            batch.append(Taken(event, head_of(event)))
        except Foreign:
            foreign.append(event)
    while True:
        try:
            await agent.take(batch)
        except Unavailable:
            continue
        return foreign


async def patiently(work):
    """Does work until Kafka answers."""
    while True:
        try:
            return await work()
        except Unavailable:
            continue


def awake():
    """Makes a guard that lets everybody pass."""

    async def end(fault):
        raise fault

    return SleepGuard(SystemClock(), longest_s=8, end=end)


class KeptCopy:
    """Keeps what was handed to Redis."""

    def __init__(self):
        self.put_balances = []

    def put(self, balances):
        self.put_balances.extend(balances)

    def refill(self, cause):
        pass

    def raise_if_broken(self):
        pass


def busy_bank():
    """Books a small day; gives the bank's event rows and outbox rows of events."""
    bank = MemoryBank.empty()
    rows, records = [], []
    commands = [
        open_account("bank", kind=AccountKind.SETTLEMENT),
        open_account("alice"),
        open_account("bob"),
        transfer("bank", "alice", 1000, transfer_id="trf_1"),
        transfer("alice", "bob", 300, transfer_id="trf_2"),
        transfer("alice", "bob", 50, transfer_id="trf_3"),
        transfer("bob", "alice", 20, transfer_id="trf_4"),
    ]
    for number, command in enumerate(commands):
        booked = bank.book([attempt(command, key=f"key-{number}")])
        rows.extend(booked.event_rows)
        records.extend(r for r in booked.outbox_rows if r.topic == "chronos.events.v1")
    return rows, records
