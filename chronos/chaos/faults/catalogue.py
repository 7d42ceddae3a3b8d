"""All faults of a run, gathered from the modules that know them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from chronos.chaos.fault import Fault
from chronos.chaos.faults.clock import clock_faults
from chronos.chaos.faults.copies import copy_faults
from chronos.chaos.faults.corruption import corruption_faults
from chronos.chaos.faults.disk import disk_faults
from chronos.chaos.faults.kafka import kafka_faults
from chronos.chaos.faults.network import network_faults
from chronos.chaos.faults.read_models import read_model_faults
from chronos.chaos.faults.relays import relay_faults
from chronos.chaos.faults.swizzle import swizzle_faults
from chronos.chaos.faults.total_loss import total_loss_faults
from chronos.chaos.faults.unsafe_settings import unsafe_settings
from chronos.chaos.faults.write_side import write_side_faults
from chronos.chaos.schedule import narrowed
from chronos.chaos.wounds import Wounds


def chosen_faults(kinds: Sequence[str], *, seed: int, wounds: Wounds) -> list[Fault]:
    """Gives the faults of these kinds, all of them when no kind is named.

    Raises:
        SettingFault: There is no fault of a kind that is named.
    """
    return narrowed(own_faults(Random(seed), wounds), kinds)  # noqa: S311 - repeatable


def own_faults(chance: Random, wounds: Wounds) -> tuple[Fault, ...]:
    """Gives every fault there is, in the order of their kinds."""
    return (
        *unsafe_settings(wounds),
        *write_side_faults(chance, wounds),
        *kafka_faults(wounds),
        *relay_faults(wounds),
        *read_model_faults(chance, wounds),
        *copy_faults(chance, wounds),
        *network_faults(chance, wounds),
        *disk_faults(wounds),
        *clock_faults(chance, wounds),
        *total_loss_faults(wounds),
        *swizzle_faults(chance, wounds),
        *corruption_faults(chance, wounds),
    )
