"""Every mutant: what it does wrong, where, which faults bring it out, and who must find it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.mutants import clients, read_side, relay, write_side
from tests.mutants.planting import Planting

DRIVER: Final = "driver"
"""Stands for the process of the clients among the roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake."""

    name: str
    plant: Callable[[Planting], None]
    """Its docstring says what is wrong."""
    roles: tuple[str, ...]
    """The processes that have it: api, relay, balances, mirror, or the clients' driver."""
    faults: tuple[str, ...]
    """Kinds of fault under which it shows."""
    found_by: frozenset[str]
    """The checkers of which at least one must find it."""

    @property
    def sentence(self) -> str:
        """Says what is wrong."""
        return (self.plant.__doc__ or "").splitlines()[0]


def _mutant(
    plant: Callable[[Planting], None], roles: str, faults: str, found_by: str
) -> Mutant:
    return Mutant(
        name=plant.__name__.partition("_")[0].upper(),
        plant=plant,
        roles=tuple(roles.split()),
        faults=tuple(faults.split()),
        found_by=frozenset(found_by.split()),
    )


_ALL: Final = (
    _mutant(write_side.m1_commit_without_the_disk, "api", "T2", "C3 C8"),
    _mutant(write_side.m2_outbox_in_a_second_transaction, "api", "T1 T3", "C6"),
    _mutant(relay.m3_marked_before_the_ack, "relay", "T4 T5", "C6"),
    _mutant(relay.m4_polls_beyond_the_last_position, "relay", "T3 T4", "C6"),
    _mutant(read_side.m5_no_version_guard, "balances", "T2 T4 T6", "C7"),
    _mutant(read_side.m6_four_at_once, "balances", "T3 T4", "C7"),
    _mutant(read_side.m7_plain_redis_writes, "balances", "T7", "C7"),
    _mutant(read_side.m8_documents_without_version, "mirror", "T8", "C7"),
    _mutant(write_side.m9_receipts_in_a_second_transaction, "api", "T1 T3", "C3 C4 C9"),
    _mutant(write_side.m10_funds_checked_before_the_lock, "api", "T3", "C10"),
    _mutant(write_side.m11_amounts_as_fractions, "api", "T3", "C2 C5"),
    _mutant(write_side.m12_partition_by_transfer, "api", "T4", "C6"),
    _mutant(clients.m13_no_answer_is_a_refusal, DRIVER, "T1 T2", "C4"),
    _mutant(write_side.m14_strong_reads_from_redis, "api", "T7", "C8"),
    _mutant(relay.m15_two_readers_of_one_shard, "relay", "T4 T5", "C6"),
)
MUTANTS: Final[Mapping[str, Mutant]] = {mutant.name: mutant for mutant in _ALL}
