"""How long a fault run is, how hard, and what makes it count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The size of a run and the least that makes it valid. Times in seconds."""

    name: str
    load_s: float
    """Time under load with faults; before it comes a base line without."""
    base_s: float
    """Time under load before the first fault, for the base of latencies and rates."""
    clients: int
    pause_s: tuple[float, float]
    """Shortest and longest time between the beginnings of two faults (exponential between)."""
    fault_s: tuple[float, float]
    """Shortest and longest time that a fault lasts."""
    overlapping_max: int
    quiescence_s: float
    """Longest time from the last heal until every read model has caught up."""
    acks_min: int
    """Acknowledged transfers of a valid run."""
    faults_min: int
    """Injected faults of a valid run."""
    snapshots_min: int
    disk_bytes: int
    """Size of PostgreSQL's disk, where it can have one of its own: what the run writes, twice.

    An event takes 1.4 kB with its receipt and indices and 0.6 kB more while it waits in the
    outbox; the log takes a sixth of the disk.
    """


SMOKE = Profile(
    name="smoke",
    load_s=195,
    base_s=15,
    clients=16,
    pause_s=(4, 12),
    fault_s=(3, 12),
    overlapping_max=2,
    quiescence_s=120,
    acks_min=15_000,
    faults_min=12,
    snapshots_min=500,
    disk_bytes=1_536 << 20,
)

LONG = Profile(
    name="long",
    load_s=3_000,
    base_s=60,
    clients=16,
    pause_s=(10, 30),
    fault_s=(5, 40),
    overlapping_max=2,
    quiescence_s=120,
    acks_min=150_000,
    faults_min=60,
    snapshots_min=5_000,
    disk_bytes=3_072 << 20,
)

PROFILES = {profile.name: profile for profile in (SMOKE, LONG)}
