"""How commands for the owner of the database find it."""

from __future__ import annotations

from pathlib import Path

import click

from chronos.embedded.addresses import read_addresses
from chronos.embedded.folder import DataFolder
from chronos.errors import MissingPart
from chronos.settings import Settings

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of a running `chronos up`; CHRONOS_DATA_DIR when omitted.",
)


def owner_dsn(data: Path | None) -> str:
    """Finds the owner's address of the database.

    CHRONOS_POSTGRES_DSN counts when no folder is named; it must be the owner's then.

    Raises:
        MissingPart: Neither a running instance nor an address is there.
    """
    settings = Settings.from_environment()
    if data is None and settings.postgres_dsn:
        return settings.postgres_dsn
    return read_addresses(data_folder(data).addresses).postgres


def key_secret_file(data: Path | None) -> Path:
    """Finds the file with the secret that API keys are hashed with.

    Raises:
        MissingPart: Neither a running instance nor a file is named.
    """
    settings = Settings.from_environment()
    if data is None and settings.key_secret_file is not None:
        return settings.key_secret_file
    return data_folder(data).key_secret


def data_folder(data: Path | None) -> DataFolder:
    """Names the folder of the instance that is meant.

    Raises:
        MissingPart: None is.
    """
    path = data or Settings.from_environment().data_dir
    if path is None:
        raise MissingPart(
            "no database is named: give the folder of a running `chronos up` with --data, or "
            "the owner's address in CHRONOS_POSTGRES_DSN"
        )
    return DataFolder(path)
