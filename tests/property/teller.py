"""Sends requests to the bank, and holds each answer and each event against the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from chronos.domain.commands import Command, ExchangeFunds, ReverseTransfer
from tests.property.driver import (
    REFUSED,
    Answer,
    Driver,
    Item,
    MemoryDriver,
    Request,
    Several,
    Single,
)
from tests.property.model import Model, Moment, status_of
from tests.property.witness import Projector, Witness

REUSED = "idempotency_key_reused"
SKIPPED = "skipped"
Outcome = Answer | str | None
"""What becomes of a command: a known answer again, a refusal's code, or None if granted."""


@dataclass(frozen=True)
class Foretold:
    """A request, and what has to come of it."""

    request: Request
    outcomes: tuple[Outcome, ...]
    """Of each command that is decided."""
    balances: Mapping[str, Any]
    """Of the accounts that it changes, after it."""


class Teller(RuleBasedStateMachine):
    """The part of the machine that knows requests, answers and keys."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = self.make_driver()
        self.model = Model()
        self.imagined = self.model
        """The model as it will be after what lies in the basket; without one, the model."""
        self.witness = Witness()
        self.projector = Projector()
        self.done: dict[str, tuple[Request, Answer]] = {}
        """What was decided under the key of a request."""
        self.done_items: dict[str, tuple[Item, Answer]] = {}
        """What was decided under the key of a batch's item: it is done once, in any batch."""
        self.basket: list[Item] | None = None
        self.basket_size, self.is_atomic = 0, False
        self.queue: list[Foretold] = []
        """Requests that will share a transaction; the model has done them already."""
        self.queue_size = 1
        self.is_sound = True
        """Whether everything that was compared so far agreed."""
        self.count = 0

    def make_driver(self) -> Driver:
        return MemoryDriver()

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return self.driver.own(f"{prefix}{self.count}")

    def command(self, command: Command, key: str | None = None) -> None:
        """Sends a command, or puts it into the basket, which is sent when it is full."""
        if self.basket is None:
            self.send(Single(self.fresh("key-"), command))
            return
        if key is None and self.count % 2:
            key = self.fresh("item-")
        self.basket.append(Item(key, command))
        self.imagined.do(command, self.driver.moment())
        if len(self.basket) == self.basket_size:
            items, self.basket = tuple(self.basket), None
            self.send(Several(self.fresh("batch-"), items, self.is_atomic))
            self.imagined = self.model

    def begin_basket(self, size: int, *, is_atomic: bool) -> None:
        self.basket, self.basket_size, self.is_atomic = [], size, is_atomic
        self.imagined = self.model.copy()
        self.imagined.look_up()

    def send(self, request: Request) -> None:
        """Sends a request whose key is new, perhaps with others in one transaction."""
        if _is_looked_up(request):  # before its transaction: so what it names is not in there
            self.flush()
        before = self.model.versions()
        outcomes = self.foretell(request, self.driver.moment())
        changed = self.model.versions().items() - before.items()
        balances = {name: self.model.balances(name) for name, _ in changed}
        self.queue.append(Foretold(request, outcomes, balances))
        if len(self.queue) >= self.queue_size:
            self.flush()

    def flush(self) -> None:
        """Sends what waits, and compares everything that comes of it."""
        queue, self.queue, self.queue_size = self.queue, [], 1
        if not queue:
            return
        self.is_sound = False
        code = self.previewed(queue[0].request)
        answers = self.driver.send([foretold.request for foretold in queue])
        assert code == SKIPPED or code == answers[0].code
        rows = self.driver.new_rows()
        positions = {row.position for row in rows}
        for foretold, answer in zip(queue, answers, strict=True):
            self.compare(foretold, answer)
            self.done[foretold.request.key] = (foretold.request, answer)
            assert not foretold.balances or answer.document["position"] in positions
        for row in rows:
            self.witness.see(row)
        self.projector.publish(rows)
        self.is_sound = True

    def previewed(self, request: Request) -> str | None:
        """Asks now and then what would become of a command; a preview knows no keys."""
        if isinstance(request, Several) or self.count % 4:
            return SKIPPED
        return self.driver.preview(request).code

    def send_again(self, request: Request) -> Answer:
        """Sends a request whose key is known: nothing may happen."""
        self.flush()
        (answer,) = self.driver.send([request])
        assert not self.driver.new_rows()
        return answer

    def foretell(self, request: Request, at: Moment) -> tuple[Outcome, ...]:
        """Does a request in the model."""
        self.model.look_up()
        if isinstance(request, Single):
            return (self.model.do(request.command, at),)
        before = self.model.copy()
        outcomes: list[Outcome] = []
        for item in request.items:
            outcome = self.known(item) or self.model.do(item.command, at)
            outcomes.append(outcome)
            if request.is_atomic and _is_refusal(outcome):
                self.model = before
                break
        return tuple(outcomes)

    def known(self, item: Item) -> Outcome:
        """What becomes of an item whose key was used before; None for a new one."""
        if item.key in self.done:
            return REUSED
        if item.key is None or item.key not in self.done_items:
            return None
        first, answer = self.done_items[item.key]
        return replace(answer, replayed=True) if first == item else REUSED

    def compare(self, foretold: Foretold, answer: Answer) -> None:
        request, outcomes = foretold.request, foretold.outcomes
        if isinstance(request, Single):
            code = outcomes[0]
            assert (answer.status, answer.code) == (status_of(request.command, code), code)
        elif request.is_atomic and _is_refusal(outcomes[-1]):
            document = answer.document
            assert (answer.status, answer.code) == (409, "batch_rejected")
            assert document["index"] == len(outcomes) - 1
            assert document["refusal"]["code"] == _code(outcomes[-1])
        else:
            assert answer.status == 200
            results = answer.document["results"]
            for item, outcome, result in zip(request.items, outcomes, results, strict=True):
                self.compare_result(item, outcome, _as_answer(result))
        if answer.status < REFUSED:
            assert answer.document["accounts"] == foretold.balances

    def compare_result(self, item: Item, outcome: Outcome, result: Answer) -> None:
        if isinstance(outcome, Answer):
            assert result == outcome
            return
        status = 422 if outcome == REUSED else status_of(item.command, outcome)
        assert (result.status, result.code, result.replayed) == (status, outcome, False)
        if item.key is not None and outcome != REUSED:
            self.done_items[item.key] = (item, result)


def _as_answer(result: Mapping[str, Any]) -> Answer:
    return Answer(result["status"], result["body"], result["location"], result["replayed"])


def _is_refusal(outcome: Outcome) -> bool:
    return outcome.status >= REFUSED if isinstance(outcome, Answer) else outcome is not None


def _code(outcome: Outcome) -> str | None:
    return outcome.code if isinstance(outcome, Answer) else outcome


def _is_looked_up(request: Request) -> bool:
    items = (request,) if isinstance(request, Single) else request.items
    return any(isinstance(item.command, ExchangeFunds | ReverseTransfer) for item in items)
