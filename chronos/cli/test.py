"""`chronos test`: the tests of a checkout, in the environment that runs this command."""

from __future__ import annotations

import importlib.util
import os
import sys

import click

from chronos.errors import MissingPart
from chronos.home import home_folder


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="run the tests",
)
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def command(pytest_arguments: tuple[str, ...]) -> None:
    """Run pytest with these arguments in the checkout.

    The first test that asks for them starts real servers in a temporary folder.
    """
    home = home_folder()
    if not (home / "tests").is_dir() or importlib.util.find_spec("pytest") is None:
        raise MissingPart(
            "Tests need a checkout and its development environment: run "
            "`python3 -m chronos test` in the checkout's folder, which makes it."
        )
    os.chdir(home)
    sys.stdout.flush()
    os.execv(  # noqa: S606 - the same Python, as pytest
        sys.executable, [sys.executable, "-m", "pytest", *pytest_arguments]
    )
