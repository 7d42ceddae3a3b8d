"""A process that is told to stop under load answers what it took, in a stated time."""

from __future__ import annotations

import concurrent.futures
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.databases import Database
from tests.integration.api.running import (
    STOP_S,
    Inspector,
    RunningApi,
    make_key,
    running_api,
    wait_until,
)
from tests.integration.api.wire import Answer, Door, connect, new_key, read_answer

CLIENTS = 24
BEFORE = 200
HEAL_S = 20
DRAIN_S = 10


@dataclass
class Sender:
    """Sends transfers of 1 until nobody listens any more, and notes what became of each."""

    door: Door
    answers: dict[str, Answer] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    refused: int = 0

    def run(self, over: threading.Event) -> None:
        while not over.is_set() and not self.refused:
            self._use_one_connection(over)

    def _use_one_connection(self, over: threading.Event) -> None:
        try:
            connection = connect(self.door.port)
        except ConnectionRefusedError:
            self.refused += 1
            return
        with connection:
            while not over.is_set():
                key = new_key()
                try:
                    connection.sendall(request(self.door, key))
                    answer = read_answer(connection)
                except OSError:
                    self.unknown.append(key)
                    return
                self.answers[key] = answer
                if answer.headers.get("connection") == "close":
                    return


def request(door: Door, key: str) -> bytes:
    body = b'{"from":"east","to":"west","amount":1,"currency":"EUR"}'
    headers = {"Idempotency-Key": key}
    return door.head("POST", "/v1/transfers", headers=headers, body=body) + body


@pytest.mark.parametrize("processes", [1, 2])
def test_under_load_every_request_is_answered_or_was_never_done_twice(
    own_database: Database, tmp_path: Path, processes: int
) -> None:
    api_key = make_key(own_database, f"loader-{processes}", "read", "write")
    settings = {"api_processes": processes, "drain_s": DRAIN_S}
    with (
        running_api(own_database, tmp_path, **settings) as api,
        concurrent.futures.ThreadPoolExecutor(CLIENTS) as threads,
    ):
        door = api.door(api_key)
        for name in ("east", "west"):
            assert door.open_account(name, kind="settlement").status in (201, 409)
        before = booked(own_database)
        senders = [Sender(door) for _ in range(CLIENTS)]
        over = threading.Event()
        running = [threads.submit(sender.run, over) for sender in senders]
        wait_until(lambda: sum(len(s.answers) for s in senders) > BEFORE, HEAL_S)

        told_s = time.monotonic()
        # Impatient people press again: it changes nothing.
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            api.process.send_signal(number)
        assert api.process.wait(STOP_S) == 0, api.log.read_text()
        assert time.monotonic() - told_s < DRAIN_S
        wait_until(lambda: all(s.refused for s in senders), HEAL_S)
        for one in running:
            one.result(STOP_S)

    answers = {key: answer for sender in senders for key, answer in sender.answers.items()}
    unknown = [key for sender in senders for key in sender.unknown]
    assert {answer.status for answer in answers.values()} == {201}
    # A connection may be closed between two requests; hardly more than one for each client.
    assert len(unknown) <= CLIENTS
    with running_api(own_database, tmp_path, **settings) as api:
        door = api.door(api_key)
        for key, answer in answers.items():
            again = asked_again(api, door, key)
            assert (again.status, again.body) == (201, answer.body)
            assert again.headers["idempotent-replayed"] == "true"
        for key in unknown:
            assert asked_again(api, door, key).status == 201
        assert api.stop() == 0
    assert booked(own_database) - before == len(answers) + len(unknown)


def asked_again(api: RunningApi, door: Door, key: str) -> Answer:
    """Sends the transfer with a key, again where that is the advice, and gives the answer."""
    answers = []

    def is_answered() -> bool:
        answers.append(door.transfer("east", "west", 1, key=key))
        return answers[-1].status != 503

    wait_until(is_answered, HEAL_S, api.log.read_text)
    return answers[-1]


def booked(database: Database) -> int:
    """Counts the transfers to the account `west`."""
    with Inspector(database) as inspector:
        query = "SELECT count(*) FROM events WHERE account_id = 'west' AND version > 1"
        return int(inspector.fetch(query)[0][0])
