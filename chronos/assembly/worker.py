"""Composition of the three Faust workers: from settings to an app with everything registered.

Every agent, table and view of a role is named here or in the role's own module. Nothing is
found by looking around: a module that fails to import fails the worker.
"""

from __future__ import annotations

from chronos.assembly.balances import add_balances
from chronos.assembly.mirror import add_mirror
from chronos.assembly.relay import add_relay
from chronos.clock import SystemClock
from chronos.errors import SettingFault
from chronos.settings import Settings
from chronos.stream.app import ROLES, ChronosApp, make_app


def build_app(settings: Settings, role: str) -> ChronosApp:
    """Makes the app of one role with its agents, tables and views; opens nothing.

    Args:
        settings: The settings of this process; `postgres_dsn` is of the role's own sign-in.
        role: "relay", "balances" or "mirror".

    Raises:
        SettingFault: There is no such role, or a setting that it needs cannot be used.
    """
    if role not in ROLES:
        raise SettingFault("CHRONOS_ROLE", f"is {role!r}; it takes one of {', '.join(ROLES)}")
    app = make_app(settings, role)
    clock = SystemClock()
    if role == "relay":
        add_relay(app)
    elif role == "balances":
        add_balances(app, clock)
    else:
        add_mirror(app, clock)
    return app
