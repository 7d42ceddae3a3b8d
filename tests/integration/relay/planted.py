"""Runs a relay whose publishing hangs: no switch of the product reaches this."""

from __future__ import annotations

import asyncio
import sys

from chronos.cli.main import main
from chronos.stream.publisher import Publisher


async def hang(_self, _records) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    Publisher.publish = hang
    main(sys.argv[1:])
