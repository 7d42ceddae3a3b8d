"""What to try after the demo, ready to be pasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chronos.client.doors import Doors


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two accounts of the day."""

    source: str
    destination: str


def next_steps(
    doors: Doors, pair: Pair, *, program: str, data: str, metrics: Sequence[str]
) -> list[str]:
    """Gives the lines to print: commands with this instance's key and ports.

    Args:
        doors: Where the instance answers.
        pair: Who pays whom.
        program: How the command line is started here.
        data: The instance's data folder.
        metrics: The addresses of all metrics.
    """
    source, destination = pair.source, pair.destination
    key = f"-H 'Authorization: Bearer {doors.api_key}'"
    body = f'{{"from":"{source}","to":"{destination}","amount":1250,"currency":"EUR"}}'
    return [
        "",
        "Try next, in another terminal:",
        "",
        "# a transfer; send it twice: the second answer is the first one's replay",
        f"curl -i {key} -H 'Idempotency-Key: try-1' \\",
        "  -H 'Content-Type: application/json' \\",
        f"  -d '{body}' \\",
        f"  {doors.command}/v1/transfers",
        "",
        "# the balance from the Faust table, and from the journal",
        f"curl {key} {doors.query}/v1/accounts/{destination}/balance",
        f"curl {key} {doors.command}/v1/accounts/{destination}/balance",
        "",
        "# the same by command line; the records in Kafka; the proofs",
        f"{program} transfer {source} {destination} 12.50 EUR --data {data}",
        f"{program} events tail --from-beginning --limit 5 --data {data}",
        f"{program} reconcile --data {data}",
        "",
        "# metrics of every process",
        *(f"curl {url}" for url in metrics),
        "",
    ]
