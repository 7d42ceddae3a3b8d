"""How commands for the owner of the database find it."""

from __future__ import annotations

from pathlib import Path

import click

from chronos.embedded.addresses import read_addresses
from chronos.embedded.folder import DataFolder
from chronos.settings import Settings

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Data folder of a running `chronos up`.",
)


def owner_dsn(data: Path | None) -> str:
    """Finds the owner's address of the database.

    CHRONOS_POSTGRES_DSN counts when no folder is named; it must be the owner's then.

    Raises:
        MissingPart: Nothing runs on the folder.
    """
    settings = Settings.from_environment()
    if data is None and settings.postgres_dsn:
        return settings.postgres_dsn
    return read_addresses(data_folder(data).addresses).postgres


def key_secret_file(data: Path | None) -> Path:
    """Finds the file with the secret that API keys are hashed with."""
    settings = Settings.from_environment()
    if data is None and settings.key_secret_file is not None:
        return settings.key_secret_file
    return data_folder(data).key_secret


def data_folder(data: Path | None) -> DataFolder:
    """Names the folder of the instance that is meant: given, set, or the usual one."""
    from chronos.cli.instance import default_data_folder

    return DataFolder(data or Settings.from_environment().data_dir or default_data_folder())
