"""What a worker that only reads PostgreSQL demands of it before it goes on.

The relay and the API write, and refuse an unsafe server or role before they do anything. The
balances and mirror workers can work for days without PostgreSQL, so they do not wait for it:
they refuse at the start where it answers, and else as soon as it does. A read model of a
journal that forgets, or whose role could rewrite it, is worth no more than the journal.
"""

from __future__ import annotations

from typing import Final

import structlog

from chronos.errors import Unavailable
from chronos.store.outbox_layout import Layout
from chronos.store.startup_checks import Demand, Duty, check
from chronos.stream.app import ChronosApp

AGAIN_S: Final = 1.0

log = structlog.get_logger("agents.startup")


class ReaderCheck:
    """Ends its app, exit code 78, when the database or the reader's role is unsafe."""

    def __init__(self, app: ChronosApp):
        self._app = app

    async def open(self) -> None:
        """Checks now, or has it checked when PostgreSQL answers.

        Raises:
            SettingFault: PostgreSQL refuses the sign-in, or is written for another layout.
            UnsafeSetting: A setting of the server or a right of the role is unsafe.
        """
        if not await self._is_checked():
            self._app.add_future(self._until_checked())

    async def close(self) -> None:
        """Does nothing: what still waits ends with the app."""

    async def _until_checked(self) -> None:
        while not await self._is_checked():
            await self._app.sleep(AGAIN_S)

    async def _is_checked(self) -> bool:
        try:
            settings = self._app.settings
            layout = Layout.of(settings)
            demand = Demand(duty=Duty.READ, transactions_max=0, layout=layout)
            await check(settings.postgres_dsn, demand)
        except Unavailable as fault:
            log.warning("startup_checks_wait", reason=fault.detail)
            return False
        return True
