"""The end of holds that nobody captured or voided in time.

One agent, `expiry.expire`, takes pages of due holds from a channel that one reader feeds. For
each hold it sends `ExpireHold` through the ledger in this process: the same locks, decision and
receipt as for any client's command, so the end of a hold is one event, whoever else tries.

Phases of a pass: the reader walks the due holds (`chronos.store.due_holds`) and puts a page on
the channel → the agent executes its commands, many at once, which group commit writes in few
transactions → the reader hears which holds are left, and reads the next page. After the pass it
sleeps until the next expiry, `hold_expiry_poll_s` at most.

The worker that Kafka has assigned partition 0 of `relay-control` reads, the others stand by.
That saves work and no more: of two readers, the second is given the first one's receipts.

What else may come of a command:

- `hold_not_open`: somebody ended the hold in between, which is as good.
- `idempotency_in_progress`, or PostgreSQL does not answer: the same is sent again, with growing
  pauses, until the hold is in other hands or the app stops.
- Another refusal, as when PostgreSQL's clock was set back after the reading (`date_invalid`):
  the hold rests for a minute, then it is sent under the hold's next key.
- A fault of ours: counted and logged, and the hold rests for a minute.

Nothing here ends the process, in which the relay works: only an address that is unsafe, or that
PostgreSQL refuses, does so at the start. A broken invariant ends the expiry of holds in this
process for good, and `/readyz` says so.

Bounds: one page on its way, `IN_FLIGHT_MAX` commands at once, `KEYS_MAX` keys of a hold, and
`RESTING_MAX` holds that rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, Final

import structlog

from chronos.auth.principals import SYSTEM
from chronos.clock import IdSource, SystemIds
from chronos.domain.ids import HoldId
from chronos.errors import InvariantBroken, Unavailable
from chronos.ledger.counted import Executor, run_counted
from chronos.ledger.expiring import KEYS_MAX, Expired, expiry_of, meaning_of
from chronos.store.due_holds import DueHold, DueHolds
from chronos.store.outbox_layout import Layout
from chronos.store.startup_checks import Demand, Duty, check
from chronos.stream.app import ChronosApp
from chronos.telemetry import stream_metrics as metrics
from chronos.wire.booking import Attempt
from chronos.wire.receipt import Receipt

EXPIRE: Final = "expiry.expire"
DSN_SETTING: Final = "CHRONOS_WRITER_DSN"
LANES: Final = 1
IN_FLIGHT_MAX: Final = 128
RESTING_MAX: Final = 10_000
REST_S: Final = 60.0
STUCK_AFTER_S: Final = 60.0
OFFER_AGAIN_S: Final = 5.0
_OWNER_PARTITION: Final = 0
_PAUSE_MIN_S: Final = 0.05
_FAULT_PAUSE_S: Final = 10.0
_RETRY_FIRST_S: Final = 0.1
_RETRY_MAX_S: Final = 2.0
_log = structlog.get_logger(room="agents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """What expiry needs of the write side, open."""

    ledger: Executor
    due: DueHolds


OpenBank = Callable[[], AbstractAsyncContextManager[Bank]]


class DuePage:
    """Is a page of due holds on its way to their end.

    Attributes:
        holds: The holds, by their expiry.
        left: Those that stay open, as far as is known.
        is_begun: The agent works on it.
        is_dropped: Nobody waits for it any more.
        finished: Is set once every hold of it was tried.
    """

    def __init__(self, holds: Sequence[DueHold], *, now: datetime):
        self.holds = holds
        self.left: list[DueHold] = []
        self.is_begun = False
        self.is_dropped = False
        self.finished = asyncio.Event()
        self._now = now
        self._read_at_s = monotonic()

    def lag_s(self, hold: DueHold) -> float:
        """Tells how long ago a hold has expired, by the clock that said it was due."""
        since_read_s = monotonic() - self._read_at_s
        return (self._now - hold.expires_at).total_seconds() + since_read_s


class Expiry:
    """Expires holds while Kafka has this process do it.

    Args:
        app: The app of the relay; its stop ends every wait.
        open_bank: Opens the write side; PostgreSQL need not answer yet.
        offer: Puts a page on the channel of `expiry.expire`.
        ids: Makes the ids of requests.
    """

    def __init__(
        self,
        app: ChronosApp,
        open_bank: OpenBank,
        *,
        offer: Callable[[DuePage], Coroutine[Any, Any, None]],
        ids: IdSource | None = None,
    ):
        self._app = app
        self._open_bank = open_bank
        self._offer = offer
        self._ids = ids or SystemIds()
        self._stack = AsyncExitStack()
        self._bank: Bank | None = None
        self._reader: asyncio.Future[None] | None = None
        self._resting: dict[HoldId, float] = {}
        self._is_checked = False
        self._is_waiting = False
        self._is_broken = False
        self._passed_at_s = self._progress_at_s = monotonic()

    async def open(self) -> None:
        """Refuses an unsafe sign-in of the writer, and opens the write side by it.

        Without an address it does nothing, here and later. A server that does not answer is
        asked again before the first hold is expired.

        Raises:
            SettingFault: PostgreSQL refuses the sign-in.
            UnsafeSetting: A setting of the server or a right of the role is unsafe.
        """
        if not self._app.settings.writer_dsn:
            _log.warning("hold_expiry_off", unset=DSN_SETTING)
            return
        try:
            await self._check()
        except Unavailable as fault:
            _log.warning("hold_expiry_check_waits", reason=fault.detail)
        self._bank = await self._stack.enter_async_context(self._open_bank())
        metrics.HOLD_EXPIRY_PASS_AGE_SECONDS.set_function(self._pass_age_s)

    async def close(self) -> None:
        """Stops, and closes the write side after what it has in hand."""
        await self.disown()
        await self._stack.aclose()

    def own(self) -> None:
        """Begins to look for due holds."""
        if self._bank is None or self._is_broken or self._reader is not None:
            return
        self._passed_at_s = self._progress_at_s = monotonic()
        self._reader = self._app.add_future(self._read(self._bank))

    async def disown(self) -> None:
        """Stops looking for due holds; commands in flight are not waited for."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def report(self) -> str:
        """Says in one word how the expiry of holds does; "idle": another worker does it."""
        is_stuck = monotonic() - self._progress_at_s > STUCK_AFTER_S
        states = (
            ("off", self._bank is None),
            ("broken", self._is_broken),
            ("idle", self._reader is None),
            ("waiting", self._is_waiting or not self._is_checked),
            ("stuck", is_stuck),
            ("refused", bool(self._resting)),
        )
        return next((word for word, is_so in states if is_so), "ok")

    async def expire(self, page: DuePage) -> None:
        """Ends the holds of a page, or tells by the page which are left."""
        if self._bank is None or page.is_begun or page.is_dropped:
            return
        page.is_begun = True
        holds = iter(page.holds)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(IN_FLIGHT_MAX, len(page.holds))):
                tasks.create_task(self._expire_each(self._bank, holds, page))
        page.finished.set()

    async def _check(self) -> None:
        settings = self._app.settings
        demand = Demand(
            duty=Duty.WRITE,
            transactions_max=LANES,
            setting=DSN_SETTING,
            layout=Layout.of(settings),
        )
        await check(settings.writer_dsn, demand)
        self._is_checked = True

    async def _read(self, bank: Bank) -> None:
        metrics.HOLD_EXPIRY_OWNED.set(1)
        _log.info("due_holds_taken")
        try:
            while not self._is_broken:
                pause_s = await self._turn(bank)
                await asyncio.sleep(max(_PAUSE_MIN_S, pause_s))
        finally:
            metrics.HOLD_EXPIRY_OWNED.set(0)
            _log.info("due_holds_given_up")

    async def _turn(self, bank: Bank) -> float:
        """Makes one pass, and tells how long to sleep after it."""
        poll_s = self._app.settings.hold_expiry_poll_s
        try:
            if not self._is_checked:
                await self._check()
            await self._pass(bank)
            pause_s = await bank.due.pause_s(poll_s)
        except Unavailable as fault:
            self._waits(fault)
            return float(poll_s)
        # The same net: whatever is wrong with the looking, the relay goes on.
        except Exception:  # noqa: BLE001 - see above
            metrics.HOLD_EXPIRY_FAILURES.labels("error").inc()
            _log.exception("due_holds_unread")
            return _FAULT_PAUSE_S
        self._goes_on()
        self._passed_at_s = monotonic()
        return pause_s

    async def _pass(self, bank: Bank) -> None:
        now_s = monotonic()
        self._resting = {one: until for one, until in self._resting.items() if until > now_s}
        async with aclosing(bank.due.due()) as pages:
            async for holds in pages:
                self._goes_on()
                wanted = [hold for hold in holds if hold.hold_id not in self._resting]
                page = DuePage(wanted, now=bank.due.began_at)
                page.left.extend(hold for hold in holds if hold.hold_id in self._resting)
                if wanted:
                    await self._hand_over(page)
                for hold in page.left:
                    bank.due.leave(hold)
                _log.info("due_holds_tried", tried=len(wanted), left=len(page.left))

    async def _hand_over(self, page: DuePage) -> None:
        try:
            while not page.finished.is_set():
                # A rebalance empties the channel; a page that nobody begun was lost there.
                if not page.is_begun:
                    await self._offer(page)
                try:
                    async with asyncio.timeout(OFFER_AGAIN_S):
                        await page.finished.wait()
                except TimeoutError:
                    continue
        finally:
            page.is_dropped = True

    async def _expire_each(self, bank: Bank, holds: Iterator[DueHold], page: DuePage) -> None:
        for hold in holds:
            if self._is_over(page) or not await self._is_ended(bank, hold, page):
                page.left.append(hold)

    async def _is_ended(self, bank: Bank, hold: DueHold, page: DuePage) -> bool:
        try:
            outcome = await self._end(bank, hold, page)
        except InvariantBroken as broken:
            self._break(hold, broken)
            return False
        # The net of this agent: a fault in the end of one hold must not end the relay.
        except Exception:  # noqa: BLE001 - see above
            metrics.HOLD_EXPIRY_FAILURES.labels("error").inc()
            _log.exception("hold_expiry_failed", hold_id=hold.hold_id)
            self._let_rest(hold)
            return False
        if outcome is None:
            return False
        metrics.HOLD_EXPIRIES.labels(outcome.value).inc()
        if outcome is Expired.EXPIRED:
            metrics.HOLD_EXPIRY_LAG_SECONDS.observe(page.lag_s(hold))
        return True

    async def _end(self, bank: Bank, hold: DueHold, page: DuePage) -> Expired | None:
        """Sends the command under the first key that is not spent; None: the hold is left."""
        answer = ""
        for number in range(1, KEYS_MAX + 1):
            attempt = expiry_of(hold.hold_id, number=number, principal=SYSTEM, ids=self._ids)
            receipt = await self._receipt(bank, attempt, page)
            if receipt is None:
                return None
            meaning = meaning_of(receipt)
            if meaning not in (Expired.SPENT, Expired.REFUSED):
                return meaning
            answer = receipt.body.decode("utf-8", "replace")
            if meaning is Expired.REFUSED:
                break
        metrics.HOLD_EXPIRY_FAILURES.labels("refused").inc()
        _log.error("hold_expiry_refused", hold_id=hold.hold_id, answer=answer)
        self._let_rest(hold)
        return None

    async def _receipt(self, bank: Bank, attempt: Attempt, page: DuePage) -> Receipt | None:
        """Executes an attempt until it is answered; None when nobody waits any more."""
        pause_s = _RETRY_FIRST_S
        while not self._is_over(page):
            try:
                receipt = await run_counted(bank.ledger, attempt, dry_run=False)
            except Unavailable as fault:
                self._waits(fault)
            else:
                self._goes_on()
                if meaning_of(receipt) is not Expired.BUSY:
                    return receipt
                metrics.HOLD_EXPIRY_FAILURES.labels("in_progress").inc()
            await self._app.sleep(pause_s)
            pause_s = min(pause_s * 2, _RETRY_MAX_S)
        return None

    def _is_over(self, page: DuePage) -> bool:
        return page.is_dropped or self._is_broken or self._app.should_stop

    def _let_rest(self, hold: DueHold) -> None:
        if len(self._resting) < RESTING_MAX:
            self._resting[hold.hold_id] = monotonic() + REST_S

    def _break(self, hold: DueHold, broken: InvariantBroken) -> None:
        self._is_broken = True
        metrics.HOLD_EXPIRY_FAILURES.labels("broken").inc()
        _log.critical(
            "hold_expiry_broken",
            hold_id=hold.hold_id,
            account_id=broken.account_id,
            reason=str(broken),
            run="chronos verify",
        )

    def _waits(self, fault: Unavailable) -> None:
        metrics.HOLD_EXPIRY_FAILURES.labels("unavailable").inc()
        if not self._is_waiting:
            _log.warning("hold_expiry_waits", service=fault.service, reason=fault.detail)
        self._is_waiting = True

    def _goes_on(self) -> None:
        self._is_waiting = False
        self._progress_at_s = monotonic()

    def _pass_age_s(self) -> float:
        return 0.0 if self._reader is None else monotonic() - self._passed_at_s


def register(app: ChronosApp, open_bank: OpenBank) -> Expiry:
    """Puts the agent on `app`, and has it follow Kafka's assignment."""
    pages: Any = app.channel(maxsize=2)
    expiry = Expiry(app, open_bank, offer=pages.put)
    app.add_resource(expiry)

    @app.agent(pages, name=EXPIRE, concurrency=1)
    async def expire_pages(stream: Any) -> None:
        async for page in stream:
            await expiry.expire(page)

    _follow_assignment(app, expiry)
    return expiry


def _follow_assignment(app: ChronosApp, expiry: Expiry) -> None:
    async def revoked(*_: Any, **__: Any) -> None:
        await expiry.disown()

    async def settled(*_: Any, **__: Any) -> None:
        owned = {(tp.topic, tp.partition) for tp in app.consumer.assignment()}
        if (app.names.relay_control, _OWNER_PARTITION) in owned:
            expiry.own()

    # Faust's signals pass on what these two have no use for.
    on_revoked: Any = app.on_partitions_revoked
    on_settled: Any = app.on_rebalance_complete
    on_stopping: Any = app.on_before_shutdown
    on_revoked.connect(revoked)
    on_settled.connect(settled)
    on_stopping.connect(revoked)
