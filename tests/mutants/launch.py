"""Brings a process up with a mistake in it: `python -m tests.mutants.launch M3 worker relay`.

What follows the name is a command of `chronos`; `driver` alone is the clients' driver of a
fault run. Nothing in the product knows of this.
"""

from __future__ import annotations

import runpy
import sys

import uvloop

from chronos.home import enter

DRIVER_MODULE = "chronos.chaos.load.driver"


def main() -> None:
    """Plants the mistake, then runs what is left of the command line."""
    _, name, *words = sys.argv
    # As the commands themselves: the loop before Faust, the rooms before what they import.
    uvloop.install()
    enter()
    from tests.mutants.planting import Planting  # noqa: PLC0415 - see above
    from tests.mutants.table import DRIVER, MUTANTS  # noqa: PLC0415 - see above

    MUTANTS[name].plant(Planting())
    module = DRIVER_MODULE if words == [DRIVER] else "chronos"
    sys.argv = [module, *words] if module == "chronos" else [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
