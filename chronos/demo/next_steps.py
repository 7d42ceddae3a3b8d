"""What to try after the demo, ready to be pasted."""

from __future__ import annotations

from collections.abc import Sequence

from chronos.client.ledger_client import Doors


def next_steps(
    doors: Doors, *, source: str, destination: str, data: str, metrics: Sequence[str]
) -> list[str]:
    """Gives the lines to print: commands with this instance's key and ports."""
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
        f"chronos transfer {source} {destination} 12.50 EUR --data {data}",
        f"chronos events tail --from-beginning --limit 5 --data {data}",
        f"chronos reconcile --data {data}",
        "",
        "# metrics of every process",
        *(f"curl {url}" for url in metrics),
        "",
    ]
