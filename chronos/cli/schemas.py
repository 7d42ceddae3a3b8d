"""`chronos schemas`: what the topics carry, for consumers to read and to pin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chronos.cli.show import print_json, print_table
from chronos.settings import Settings

if TYPE_CHECKING:
    from chronos.wire.contract.schemas import Schema

_SUFFIX = ".json"


@click.command(name="schemas")
@click.option("--show", metavar="NAME", help="Print one: a schema, or `asyncapi`.")
@click.option(
    "--write",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write them all as files, unless one there would lose what consumers rely on.",
)
def command(show: str | None, write: Path | None) -> None:
    """List, print or write the JSON Schemas of all records, and the AsyncAPI document.

    The names of topics follow the settings of the environment.
    """
    from chronos.wire.contract.asyncapi import DOCUMENT

    documents = _documents(Settings.from_environment())
    if write is not None:
        _write(write, documents)
    elif show is None:
        descriptions = [
            (name, document.get("description") or document["info"]["title"])
            for name, document in documents.items()
        ]
        print_table(("name", "what it describes"), descriptions)
    elif show in documents:
        print_json(documents[show])
    else:
        known = ", ".join(name for name in documents if name != DOCUMENT)
        raise click.BadParameter(
            f"there is no {show}; there are {DOCUMENT}, {known}.", param_hint="--show"
        )


def _documents(settings: Settings) -> dict[str, Schema]:
    from chronos import __version__
    from chronos.wire.contract.asyncapi import DOCUMENT, asyncapi_document
    from chronos.wire.contract.schemas import all_schemas
    from chronos.wire.topics import Names

    asyncapi = asyncapi_document(
        Names(settings.namespace),
        partitions=settings.partitions,
        shards=settings.relay_shards,
        version=__version__,
    )
    return {**all_schemas(), DOCUMENT: asyncapi}


def _write(folder: Path, documents: dict[str, Schema]) -> None:
    """Writes all files or none."""
    from chronos.wire.contract.asyncapi import DOCUMENT
    from chronos.wire.contract.compatibility import broken_promises
    from chronos.wire.contract.schemas import written

    given_out = {path.stem: path for path in folder.glob("*" + _SUFFIX)}
    given_out.pop(DOCUMENT, None)
    committed = {name: json.loads(path.read_bytes()) for name, path in given_out.items()}
    broken = broken_promises(committed, documents)
    for sentence in broken:
        print(f"chronos: {sentence}", file=sys.stderr)
    if broken:
        sys.exit(1)
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (folder / (name + _SUFFIX)).write_text(written(document), encoding="utf-8")
    print(f"{len(documents)} files in {folder}")
