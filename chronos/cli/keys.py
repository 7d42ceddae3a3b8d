"""`chronos keys create | list | revoke`: who may speak to the command endpoint."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronos.cli.owner import data_option, key_secret_file, owner_dsn

if TYPE_CHECKING:
    from chronos.store.api_keys import StoredKey

_PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,63}")


@click.group()
def command() -> None:
    """Create, list and revoke API keys.

    Works as the owner of the database: of the instance on --data, or CHRONOS_POSTGRES_DSN and
    CHRONOS_KEY_SECRET_FILE. A revoked key is void everywhere within a minute.
    """


@command.command()
@data_option
@click.option("--principal", required=True, help="Whose key it is: 1-64 of A-Za-z0-9_.:@-")
@click.option("--scopes", default="read,write", show_default=True, help="read, write, admin.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the key there, readable by you alone, and show it not; when a valid key with "
    "this principal and these scopes stands there, none is made. Another file is refused.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def create(
    *, data: Path | None, principal: str, scopes: str, file: Path | None, as_json: bool
) -> None:
    """Make a key and show its text, this once."""
    from chronos.auth.keys import new_key, parse_scopes, read_server_secret
    from chronos.auth.principals import is_reserved
    from chronos.cli.key_file import Wanted, keep_key

    if not _PRINCIPAL.fullmatch(principal):
        raise click.BadParameter("1-64 of A-Za-z0-9_.:@-", param_hint="--principal")
    if is_reserved(principal):
        raise click.BadParameter(
            f"{principal} is Chronos itself; choose another name", param_hint="--principal"
        )
    try:
        allowed = sorted(parse_scopes(word.strip() for word in scopes.split(",")))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--scopes") from error
    dsn, secret = owner_dsn(data), read_server_secret(key_secret_file(data))
    if file is not None:
        wanted = Wanted(
            principal=principal, scopes=tuple(map(str, allowed)), server_secret=secret
        )
        key_id, text = asyncio.run(keep_key(dsn, file, wanted)), None
    else:
        key = new_key(secret)
        asyncio.run(_add(dsn, key.key_id, key.hmac, principal, allowed))
        key_id, text = key.key_id, key.text
    _say(key_id, principal, allowed, as_json=as_json, text=text)


def _say(
    key_id: str, principal: str, scopes: Iterable[str], *, as_json: bool, text: str | None
) -> None:
    if as_json:
        made = {"key_id": key_id, "principal": principal, "scopes": [*scopes]}
        print(json.dumps(made | ({} if text is None else {"key": text})))
        return
    if text is not None:
        print(text)
    print(f"key {key_id} of {principal} ({', '.join(scopes)})", file=sys.stderr)
    if text is not None:
        print(
            "It is shown this once: keep it where only its user can read it.", file=sys.stderr
        )


@command.command("list")
@data_option
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def list_keys(*, data: Path | None, as_json: bool) -> None:
    """List all keys, revoked ones too; their secrets are nowhere."""
    keys = asyncio.run(_list(owner_dsn(data)))
    if as_json:
        print(json.dumps({"keys": [_document(key) for key in keys]}))
        return
    for key in keys:
        end = f"revoked {key.revoked_at:%Y-%m-%d %H:%M:%S}" if key.revoked_at else "valid"
        print(f"{key.key_id}  {key.principal:<24} {','.join(key.scopes):<16} {end}")


@command.command()
@data_option
@click.argument("key_id")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def revoke(*, data: Path | None, key_id: str, as_json: bool) -> None:
    """End the key KEY_ID; exit code 1 when there is none to end."""
    is_ended = asyncio.run(_revoke(owner_dsn(data), key_id))
    if as_json:
        print(json.dumps({"key_id": key_id, "revoked": is_ended}))
    elif is_ended:
        print(f"revoked {key_id}")
    else:
        print(
            f"there is no valid key {key_id}; `chronos keys list` shows the ids",
            file=sys.stderr,
        )
    if not is_ended:
        sys.exit(1)


async def _add(
    dsn: str, key_id: str, hmac: bytes, principal: str, scopes: Iterable[str]
) -> None:
    from chronos.store.api_keys import open_key_office

    async with open_key_office(dsn) as office:
        await office.add(key_id, hmac, principal=principal, scopes=scopes)


async def _list(dsn: str) -> tuple[StoredKey, ...]:
    from chronos.store.api_keys import open_key_office

    async with open_key_office(dsn) as office:
        return await office.list()


async def _revoke(dsn: str, key_id: str) -> bool:
    from chronos.store.api_keys import open_key_office

    async with open_key_office(dsn) as office:
        return await office.revoke(key_id)


def _document(key: StoredKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "principal": key.principal,
        "scopes": [*key.scopes],
        "created_at": key.created_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }
