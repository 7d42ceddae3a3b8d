"""T14: a byte of PostgreSQL's data changes, on the disk or past every guard in the database.

A page whose checksum is wrong is refused by PostgreSQL, so whoever reads it is told 503 and not
a wrong balance, and the API counts it. An event whose bytes were changed by SQL looks whole to
PostgreSQL; the hash chain tells, and `chronos verify` names the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from time import monotonic

from chronos.chaos.fault import Fault, FaultFailed, Phase
from chronos.chaos.faults import commanding, metering, promise
from chronos.chaos.faults.asking import Reply
from chronos.chaos.faults.promise import Shape
from chronos.chaos.faults.write_side import POSTGRES_READY_S
from chronos.chaos.readers.pages import Pages, Place
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Promise, Wounds

NAMED = Promise(text="`chronos verify` names a changed event", within_s=60.0)
REFUSED_S = 10.0
SPARED = 3
"""Accounts on other pages that are read beside the damaged one."""
_SOME_EVENTS = 1_000
_LOGGED = "invalid page in block"


def corruption_faults(chance: Random, wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the faults of this module."""
    hits = frozenset({"postgres"})
    return (
        PageDamaged(
            kind="T14",
            name="one byte of a page of events changes on the disk",
            hits=hits,
            wounds=wounds,
            phase=Phase.AFTER,
            chance=chance,
        ),
        BodyChanged(
            kind="T14",
            name="one byte of an event is changed by a superuser",
            hits=hits,
            wounds=wounds,
            phase=Phase.AFTER,
            chance=chance,
        ),
    )


@dataclass(slots=True, kw_only=True)
class PageDamaged(Shape):
    """A page of the journal does not match its checksum."""

    chance: Random
    _place: Place | None = None

    async def inject(self, scene: Scene) -> str:
        """Damages it, and sees that nobody is told what is not true."""
        places = await self.wounds.seen(pages(scene).places)
        if not places:
            raise FaultFailed("The journal is too short: all accounts begin on its last page.")
        place = self.chance.choice(places)
        spared = [one.account_id for one in places if one.page != place.page]
        await _flip(scene, place)
        self._place = place
        before = await self.wounds.seen(lambda: metering.told(scene))
        await self._is_refused(scene, place)
        for name in self.chance.sample(spared, min(SPARED, len(spared))):
            await _is_read(self, scene, name)
        await self._is_counted_and_logged(scene, before)
        return f"page {place.page} of {place.path.name}, with account {place.account_id}"

    async def heal(self, scene: Scene) -> str:
        """Puts the byte back, and sees that the account is read again."""
        place, self._place = self._place, None
        if place is None:
            return ""
        await _flip(scene, place)
        await _is_read(self, scene, place.account_id)
        return "read again"

    async def _is_refused(self, scene: Scene, place: Place) -> None:
        last: list[Reply] = []

        async def is_refused() -> bool:
            last[:] = [await promise.doors(scene).first_event(place.account_id)]
            if last[0].status == 200:
                raise FaultFailed(
                    f"Account {place.account_id} was read from a damaged page: {last[0].body}"
                )
            # Right after the start of PostgreSQL connections may still be those of before.
            return last[0].is_busy and last[0].code == "unavailable"

        await self.wounds.until(
            is_refused,
            within=REFUSED_S,
            failure=lambda: f"A read of a damaged page was told {last[0]}, not 503.",
        )

    async def _is_counted_and_logged(self, scene: Scene, before: metering.Told) -> None:
        now = await self.wounds.seen(lambda: metering.told(scene))
        if now.errors > before.errors or now.unavailable <= before.unavailable:
            raise FaultFailed(f"The API counted {now} after a damaged page, {before} before.")
        log = (scene.pipeline.folder.log / "postgres.log").read_text(errors="replace")
        if _LOGGED not in log:
            raise FaultFailed("PostgreSQL's log does not tell of the damaged page.")


@dataclass(slots=True, kw_only=True)
class BodyChanged(Shape):
    """One event has other bytes than those that its hash was made of."""

    chance: Random
    _event: tuple[str, int, bytes] | None = None

    async def inject(self, scene: Scene) -> str:
        """Changes it, and sees that `chronos verify` names it."""
        account_id, version = self.chance.choice(
            await self.wounds.seen(lambda: pages(scene).some_events(_SOME_EVENTS))
        )
        body = await self.wounds.seen(lambda: pages(scene).body(account_id, version))
        self._event = (account_id, version, body)
        changed = bytearray(body)
        changed[self.chance.randrange(len(body))] ^= 1
        await pages(scene).change_body(account_id, version, bytes(changed))
        began_s = monotonic()
        code, report = await commanding.chronos(scene, "verify", within_s=NAMED.broken_after_s)
        took_s = monotonic() - began_s
        self.wounds.note(NAMED, took_s)
        found = [one for one in report["findings"] if one.get("position")]
        named = [(one.get("account_id"), one.get("version")) for one in found]
        if code == 0 or (account_id, version) not in named:
            raise FaultFailed(
                f"`chronos verify` ended with exit code {code} and named {named[:SPARED]}, "
                f"where account {account_id} has a changed event {version}."
            )
        return f"account {account_id}, version {version}; named after {took_s:.1f} s"

    async def heal(self, scene: Scene) -> str:
        """Puts the bytes back, and sees that the journal proves itself again."""
        event = self._event
        if event is None:
            return ""
        await pages(scene).change_body(*event)
        self._event = None
        code, report = await commanding.chronos(scene, "verify", within_s=NAMED.broken_after_s)
        if code != 0:
            raise FaultFailed(
                f"The journal does not prove itself again: {report['findings'][:SPARED]}"
            )
        return f"proved again: {report['counted']}"


def pages(scene: Scene) -> Pages:
    """Gives PostgreSQL's pages, at its direct address."""
    return Pages(scene.addresses.postgres)


async def _flip(scene: Scene, place: Place) -> None:
    await scene.stop("postgres")
    try:
        place.flip()
    finally:
        await scene.bring_up("postgres")
    await scene.until_ready("postgres", POSTGRES_READY_S)


async def _is_read(fault: Shape, scene: Scene, account_id: str) -> None:
    last: list[Reply] = []

    async def is_read() -> bool:
        last[:] = [await promise.doors(scene).first_event(account_id)]
        return last[0].status == 200

    await fault.wounds.until(
        is_read,
        within=REFUSED_S,
        failure=lambda: f"Account {account_id}, whose page is whole, was told {last[0]}.",
    )
