"""One call on its way through the door, and what the methods may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import unquote

from grpc.aio import ServicerContext

from chronos.auth.credentials import JudgedHeaders
from chronos.auth.principals import Principal, Scope
from chronos.clock import IdSource
from chronos.ledger.service import Ledger
from chronos.rpc.following import Following
from chronos.rpc.problems import RpcProblem, Trailer
from chronos.store.reads import Reads
from chronos.telemetry.spans import begin

REQUEST_ID_TRAILER: Final = "x-request-id"
REPLAYED_TRAILER: Final = "idempotent-replayed"

Context = ServicerContext[bytes, bytes]


class Gate(Protocol):
    """Knows whether this process may be sent work; the same for every door of it."""

    def refuse_when_closed(self) -> None:
        """Lets work through, unless the start-up checks have not passed.

        Raises:
            Unavailable: They have not.
        """
        ...

    async def ask(self) -> None:
        """Asks whether the process is ready.

        Raises:
            Unavailable: It is not.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the methods work with."""

    ledger: Ledger
    reads: Reads
    following: Following
    credentials: JudgedHeaders


@dataclass(slots=True, kw_only=True)
class Call:
    """One call: begun by the door, read by its method."""

    method: str
    """Full name, as in the path: /chronos.v1.Ledger/GetBalance."""
    request_id: str
    traceparent: str
    authorizations: Sequence[str]
    remote: str
    caller_span: str | None = None
    """The span that the call is below, empty without one; None: its own is not recorded."""
    principal: Principal | None = None
    replayed: bool = False
    """Set by a command that was answered before."""

    @classmethod
    def begin(cls, method: str, context: Context, ids: IdSource) -> Call:
        """Begins a call with what its metadata says."""
        metadata = _texts(context.invocation_metadata() or ())
        traceparent, caller_span = begin(next(iter(metadata.get("traceparent", ())), None))
        return cls(
            method=method,
            request_id=ids.new_id("req_"),
            traceparent=traceparent,
            caller_span=caller_span,
            authorizations=metadata.get("authorization", ()),
            remote=remote_of(context.peer()),
        )

    def fresh_id(self, prefix: str) -> str:
        """Makes an id for what the client did not name: unique, as the call's own id is."""
        return prefix + self.request_id.partition("_")[2]

    def holder(self) -> Principal:
        """Gives the principal, which the door's checks have found."""
        if self.principal is None:
            raise TypeError(f"{self.method} is answered for nobody")
        return self.principal

    def trailers(self) -> tuple[Trailer, ...]:
        """Gives the metadata that ends every answer."""
        replayed = ((REPLAYED_TRAILER, "true"),) if self.replayed else ()
        return (REQUEST_ID_TRAILER, self.request_id), *replayed


async def authorize(call: Call, scope: Scope, credentials: JudgedHeaders) -> None:
    """Finds the call's principal, and refuses one that may not do this.

    Raises:
        RpcProblem: There is no key, more than one, nobody's, or one without the scope.
        Unavailable: The key cannot be judged now.
    """
    principal = await credentials.holder(call.authorizations)
    if principal is None:
        raise RpcProblem(
            "unauthenticated",
            "Send the metadata authorization: Bearer and an API key that is not revoked.",
        )
    call.principal = principal
    if not principal.may(scope):
        raise RpcProblem("insufficient_scope", f"The API key lacks the scope {scope.value}.")


def remote_of(peer: str) -> str:
    """Gives the client's address without port, as the access log of HTTP has it."""
    kind, _, address = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer
    return address.rpartition(":")[0].strip("[]")


def _texts(metadata: Iterable[tuple[str, str | bytes]]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for name, value in metadata:
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found
