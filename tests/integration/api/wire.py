"""HTTP as bytes over a socket: what a test sends is what the server gets."""

from __future__ import annotations

import itertools
import json
import os
import socket
from dataclasses import dataclass
from typing import Any

ANSWER_S = 20
_keys = itertools.count(1)


def new_key() -> str:
    return f"key-{os.getpid()}-{next(_keys)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One address of a server, and the key that its client holds."""

    port: int
    api_key: str

    def get(self, path: str, **headers: str | None) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(
        self, path: str, body: Any, *, key: str | None = None, **headers: str | None
    ) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask(
            "POST", path, body=raw, headers={"Idempotency-Key": key or new_key(), **headers}
        )

    def made(self, path: str, fields: Any = None, *, status: int = 201, **headers: str) -> Any:
        """Sends a command that must be granted, without a body for None; gives its document."""
        answer = self.post(path, b"" if fields is None else fields, **headers)
        assert answer.status == status, answer.json
        return answer.json

    def transfer(self, source: str, to: str, amount: int, *, key: str | None = None) -> Answer:
        body = {"from": source, "to": to, "amount": amount, "currency": "EUR"}
        return self.post("/v1/transfers", body, key=key)

    def open_account(self, account_id: str, currency: str = "EUR", **fields: Any) -> Answer:
        return self.post("/v1/accounts", {"id": account_id, "currency": currency, **fields})

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str | None] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Sends one request; a header of None is left out."""
        return exchange(
            self.port, self.head(method, path, headers=headers, body=body) + (body or b"")
        )

    def head(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str | None] | None = None,
        body: bytes | None = None,
    ) -> bytes:
        all_headers: dict[str, str | None] = {
            "Host": "localhost",
            "Authorization": f"Bearer {self.api_key}",
        }
        if body is not None:
            all_headers["Content-Type"] = "application/json"
            all_headers["Content-Length"] = str(len(body))
        all_headers |= {name.replace("_", "-"): text for name, text in (headers or {}).items()}
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{name}: {text}" for name, text in all_headers.items() if text is not None]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def exchange(port: int, raw: bytes) -> Answer:
    """Sends bytes on a connection of their own and reads one answer."""
    with connect(port) as connection:
        connection.sendall(raw)
        return read_answer(connection)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)


def read_answer(connection: socket.socket) -> Answer:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    if status == 100:
        return read_answer(connection)
    headers = {
        name.strip().lower(): text.strip()
        for name, _, text in (line.partition(":") for line in lines[1:])
    }
    if headers.get("transfer-encoding") == "chunked":
        body = _dechunked(connection, body)
    while len(body) < int(headers.get("content-length", 0)):
        body += _more(connection)
    return Answer(status=status, headers=headers, body=body)


def _dechunked(connection: socket.socket, received: bytes) -> bytes:
    body = []
    while True:
        while b"\r\n" not in received:
            received += _more(connection)
        size, _, received = received.partition(b"\r\n")
        while len(received) < int(size, 16) + 2:
            received += _more(connection)
        chunk, received = received[: int(size, 16)], received[int(size, 16) + 2 :]
        if not chunk:
            return b"".join(body)
        body.append(chunk)


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionError("the server closed the connection")
    return chunk
