"""All faults of a run, gathered from the modules that know them."""

from __future__ import annotations

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
from chronos.chaos.wounds import Wounds


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
