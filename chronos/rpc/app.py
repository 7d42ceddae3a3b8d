"""The gRPC door of one process, put together."""

from __future__ import annotations

from collections.abc import Callable

from chronos.auth.credentials import Authenticator, JudgedHeaders
from chronos.clock import Clock, IdSource
from chronos.errors import InvariantBroken
from chronos.ledger.service import Ledger
from chronos.rpc.call import Gate, Parts
from chronos.rpc.door import Door
from chronos.rpc.following import Following, NewestVersions
from chronos.rpc.health import Health
from chronos.rpc.server import Rpc
from chronos.rpc.watching import Watch
from chronos.settings import Settings
from chronos.store.reads import Reads
from chronos.telemetry.logs import AccessLog


def create_rpc(  # noqa: PLR0913  the parts of a process, each by its name
    *,
    ledger: Ledger,
    reads: Reads,
    newest: NewestVersions,
    auth: Authenticator,
    gate: Gate,
    settings: Settings,
    clock: Clock,
    ids: IdSource,
    on_broken: Callable[[InvariantBroken], None],
    process: str = "api-0",
) -> Rpc:
    """Puts the door together.

    Args:
        ledger: Executes the commands; the same as HTTP's.
        reads: Answers the reads.
        newest: Tells followers how far their accounts have come.
        auth: Knows the API keys.
        gate: Knows whether work may be taken; the same as HTTP's.
        settings: The form of the access log.
        clock: For the access log and what is believed for a moment.
        ids: For request ids and the ids that a client leaves out.
        on_broken: Is told when stored facts contradict each other.
        process: Name of the process in its logs.
    """
    following = Following(newest)
    parts = Parts(
        ledger=ledger,
        reads=reads,
        following=following,
        credentials=JudgedHeaders(auth, clock),
    )
    watch = Watch(process=process, clock=clock, access_log=AccessLog(form=settings.log_format))
    door = Door(parts, gate, watch, ids=ids, on_broken=on_broken)
    return Rpc(door=door, health=Health(gate, clock), following=following, watch=watch)
