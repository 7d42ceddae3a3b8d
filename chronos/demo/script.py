"""The script of a bank's day: pure, and the same for the same seed.

The script keeps its own balances while it is written, with nothing but addition. So it knows
which payments the bank must refuse, and what every account must hold in the evening.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

CURRENCY = "EUR"
SETTLEMENT = "settlement"
PEOPLE_LEAST = 12
TRANSFERS_LEAST = 60
TRANSFERS_PER_PERSON = 40
RETRIES_PER_HUNDRED = 2
OVERDRAFTS_PER_HUNDRED = 1
POOR_BELOW = 2_000

FIRST_NAMES = (
    "ada", "alan", "barbara", "claude", "donald", "edsger", "frances", "grace", "hedy", "ivan",
    "jean", "katherine", "leslie", "margaret", "niklaus", "olga", "pat", "radia", "sophie",
)  # fmt: skip
LAST_NAMES = (
    "abel", "bauer", "costa", "dubois", "eriksen", "ferrari", "garcia", "horvat", "ito",
    "jansen", "keller", "lindt", "meyer", "novak", "okafor", "pereira", "quinn", "rossi",
)  # fmt: skip
SHOPS = ("bakery", "books", "cafe", "cinema", "garage", "grocer", "pharmacy", "trains")
LANDLORDS = ("elm", "harbour", "oldtown")
EMPLOYERS = ("acme", "hospital", "university", "shipyard")


class Phase(StrEnum):
    """A part of the day."""

    OPEN = "accounts opened"
    FUND = "employers funded"
    SALARY = "salaries"
    RENT = "rent"
    PURCHASE = "purchases"
    OVERDRAFT = "overdrafts refused"
    RETRY = "requests retried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An account to open."""

    account_id: str
    currency: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A transfer to ask for; amounts in minor units."""

    phase: Phase
    key: str
    source: str
    destination: str
    amount: int
    currency: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BankDay:
    """Everything that will be asked of the bank, part by part, and what must come of it."""

    openings: tuple[Opening, ...]
    payments: dict[Phase, tuple[Payment, ...]]
    """Parts in order; a part begins when the one before it is done."""
    retries: tuple[Payment, ...]
    """Payments that were booked and are sent again, unchanged."""
    expected: dict[str, int]
    """What each account holds in the evening, in minor units."""

    @property
    def transfers(self) -> int:
        """Counts the transfers that the bank must book."""
        booked = (part for phase, part in self.payments.items() if phase != Phase.OVERDRAFT)
        return sum(len(part) for part in booked)


def write_day(*, seed: int, transfers: int, suffix: str = "") -> BankDay:
    """Writes the script of a day with exactly `transfers` booked transfers.

    Args:
        seed: The same seed, the same day.
        transfers: At least `TRANSFERS_LEAST`.
        suffix: Ends the name of every account and key, for a bank that has seen a day before.
    """
    return _Author(seed=seed, suffix=suffix).write(max(transfers, TRANSFERS_LEAST))


@dataclass(slots=True, kw_only=True)
class _Author:
    seed: int
    suffix: str
    chance: random.Random = field(init=False)
    balances: Counter[str] = field(default_factory=Counter)
    keys: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - a story, not a secret

    def write(self, transfers: int) -> BankDay:
        people = self._people(max(PEOPLE_LEAST, transfers // TRANSFERS_PER_PERSON))
        parts = {
            Phase.FUND: tuple(self._fund(len(people))),
            Phase.SALARY: tuple(self._salaries(people)),
            Phase.RENT: tuple(self._rent(people)),
        }
        left = transfers - sum(len(part) for part in parts.values())
        parts[Phase.PURCHASE] = tuple(self._purchases(people, left))
        overdrafts = max(3, transfers * OVERDRAFTS_PER_HUNDRED // 100)
        parts[Phase.OVERDRAFT] = tuple(self._overdrafts(people, overdrafts))
        retries = max(3, transfers * RETRIES_PER_HUNDRED // 100)
        purchases = parts[Phase.PURCHASE]
        return BankDay(
            openings=tuple(self._openings(people)),
            payments=parts,
            retries=tuple(self.chance.sample(purchases, min(retries, len(purchases)))),
            expected={name + self.suffix: self.balances[name] for name in self._names(people)},
        )

    def _people(self, count: int) -> list[str]:
        names = [f"{first}.{last}" for first in FIRST_NAMES for last in LAST_NAMES]
        self.chance.shuffle(names)
        rounds = -(-count // len(names))
        many = [f"{name}{n or ''}" for n in range(rounds) for name in names]
        return many[:count]

    def _names(self, people: list[str]) -> list[str]:
        firms = [f"firm.{name}" for name in EMPLOYERS]
        firms += [f"landlord.{name}" for name in LANDLORDS]
        firms += [f"shop.{name}" for name in SHOPS]
        return [SETTLEMENT, *firms, *people]

    def _openings(self, people: list[str]) -> Iterator[Opening]:
        for name in self._names(people):
            kind = "settlement" if name == SETTLEMENT else "customer"
            yield Opening(account_id=name + self.suffix, currency=CURRENCY, kind=kind)

    def _fund(self, people: int) -> Iterator[Payment]:
        for name in EMPLOYERS:
            amount = people * 700_000
            yield self._pay(Phase.FUND, SETTLEMENT, f"firm.{name}", amount, "incoming payment")

    def _salaries(self, people: list[str]) -> Iterator[Payment]:
        for number, person in enumerate(people):
            employer = EMPLOYERS[number % len(EMPLOYERS)]
            amount = self.chance.randrange(180_000, 650_000)
            yield self._pay(Phase.SALARY, f"firm.{employer}", person, amount, "salary")

    def _rent(self, people: list[str]) -> Iterator[Payment]:
        for number, person in enumerate(people):
            landlord = LANDLORDS[number % len(LANDLORDS)]
            amount = self.balances[person] * 35 // 100
            yield self._pay(Phase.RENT, person, f"landlord.{landlord}", amount, "rent")

    def _purchases(self, people: list[str], count: int) -> Iterator[Payment]:
        for _ in range(count):
            person = self.chance.choice(people)
            shop = self.chance.choice(SHOPS)
            if self.balances[person] < POOR_BELOW:
                person, shop = SETTLEMENT, self.chance.choice(SHOPS)
            amount = self.chance.randrange(150, POOR_BELOW)
            yield self._pay(Phase.PURCHASE, person, f"shop.{shop}", amount, shop)

    def _overdrafts(self, people: list[str], count: int) -> Iterator[Payment]:
        """Asks for one minor unit more than an account has: the bank must refuse."""
        for number in range(count):
            person = people[number % len(people)]
            amount = self.balances[person] + 1
            shop = self.chance.choice(SHOPS)
            yield self._ask(Phase.OVERDRAFT, person, f"shop.{shop}", amount, "too much")

    def _pay(
        self, phase: Phase, source: str, destination: str, amount: int, description: str
    ) -> Payment:
        self.balances[source] -= amount
        self.balances[destination] += amount
        return self._ask(phase, source, destination, amount, description)

    def _ask(
        self, phase: Phase, source: str, destination: str, amount: int, description: str
    ) -> Payment:
        self.keys += 1
        return Payment(
            phase=phase,
            key=f"day-{self.seed}{self.suffix}-{self.keys}",
            source=source + self.suffix,
            destination=destination + self.suffix,
            amount=amount,
            currency=CURRENCY,
            description=description,
        )
