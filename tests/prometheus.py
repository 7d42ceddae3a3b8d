"""A real Prometheus for tests: the one on PATH, else Debian's package, unpacked into the cache.

Nothing is installed. Where there is neither, the tests that need it are skipped and say why.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from chronos.embedded.machine import Machine

TELEMETRY = Path(__file__).resolve().parents[1] / "chronos" / "telemetry"
FETCH_S = 180
START_S = 30
STOP_S = 10
PACKAGE = "prometheus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where the two programs are."""

    prometheus: Path
    promtool: Path

    def check(self, *arguments: str | Path) -> str:
        """Runs promtool and gives what it said; fails when it is not content."""
        done = subprocess.run(
            [self.promtool, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return said


async def eventually(condition: Callable[[], Awaitable[bool]], *, within_s: float) -> None:
    """Waits for a condition; a deadline that passes fails the test."""
    async with asyncio.timeout(within_s):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.1)


def find_tools() -> Tools:
    """Finds or fetches Prometheus; skips the test where neither can be done."""
    found = [shutil.which("prometheus"), shutil.which("promtool")]
    if all(found):
        return Tools(prometheus=Path(str(found[0])), promtool=Path(str(found[1])))
    home = Machine.detect(os.environ).cached("prometheus")
    if not (home / "unpacked").exists():
        _fetch(home)
    programs = home / "unpacked" / "usr" / "bin"
    return Tools(prometheus=programs / "prometheus", promtool=programs / "promtool")


def _fetch(home: Path) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        pytest.skip("no Prometheus on PATH, and no apt-get to fetch one")
    # Its own folder, and moved when it is whole: two test runs may fetch at once.
    with tempfile.TemporaryDirectory(dir=home) as folder:
        if _run(folder, "apt-get", "download", PACKAGE) != 0:
            # A fresh image has no lists yet.
            _run(folder, "apt-get", "update")
            if _run(folder, "apt-get", "download", PACKAGE) != 0:
                pytest.skip(f"no Prometheus on PATH, and apt-get cannot download {PACKAGE}")
        (archive,) = Path(folder).glob("*.deb")
        if _run(folder, "dpkg-deb", "-x", archive.name, "unpacked") != 0:
            pytest.skip(f"{archive.name} cannot be unpacked")
        if not (home / "unpacked").exists():
            (Path(folder) / "unpacked").rename(home / "unpacked")


def _run(folder: str, *command: str) -> int:
    try:
        return subprocess.run(
            command, cwd=folder, capture_output=True, check=False, timeout=FETCH_S
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return 1


def hastened(rules: str, *, every_s: int) -> str:
    """Gives the alert rules as a test can wait for them: nothing is changed but times.

    Each `for` becomes one evaluation, and each range of two minutes or less becomes four: what
    an alert looks at, and how much it takes, stay as they are.
    """
    loaded = yaml.safe_load(rules)
    for group in loaded["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = f"{every_s}s"
            for minutes in (1, 2):
                rule["expr"] = rule["expr"].replace(f"[{minutes}m]", f"[{4 * every_s}s]")
    return yaml.safe_dump(loaded, sort_keys=False)


class Prometheus:
    """One server on a folder of its own, with the repository's rules, asked by its API.

    Args:
        tools: The program.
        folder: For its files and data.
        targets: By kind of process, the addresses that it scrapes.
        port: Where it listens.
        every_s: How often it scrapes and evaluates.
    """

    def __init__(
        self,
        tools: Tools,
        folder: Path,
        targets: dict[str, list[str]],
        *,
        port: int,
        every_s: int,
    ):
        self._tools = tools
        self._folder = folder
        self._targets = targets
        self._address = f"127.0.0.1:{port}"
        self._every_s = every_s
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Prometheus:
        self._write_files()
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._tools.prometheus,
                f"--config.file={self._folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address={self._address}",
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        try:
            await eventually(self._is_ready, within_s=START_S)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self._process.wait(), STOP_S)

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Gives the series of an expression now."""
        result: list[dict[str, Any]] = (await self._get("query", query=expression))["result"]
        return result

    async def alerts(self) -> set[tuple[str, str]]:
        """Names the alerts that are pending or firing, with their state."""
        alerts = (await self._get("alerts"))["alerts"]
        return {(alert["labels"]["alertname"], alert["state"]) for alert in alerts}

    async def told(self, name: str) -> list[dict[str, str]]:
        """Gives the annotations of an alert as a person is told them."""
        alerts = (await self._get("alerts"))["alerts"]
        return [a["annotations"] for a in alerts if a["labels"]["alertname"] == name]

    async def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        url = f"http://{self._address}/api/v1/{path}"
        async with self._session.get(url, params=parameters) as answer:
            body: dict[str, Any] = await answer.json()
        assert body["status"] == "success", f"{parameters}: {body}"
        data: dict[str, Any] = body["data"]
        return data

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self._log()
        try:
            async with self._session.get(f"http://{self._address}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def _log(self) -> str:
        return (self._folder / "prometheus.log").read_text(errors="replace")

    def _write_files(self) -> None:
        configuration = yaml.safe_load((TELEMETRY / "prometheus.yml").read_text())
        every = f"{self._every_s}s"
        configuration["global"] = dict.fromkeys(configuration["global"], every)
        for job in configuration["scrape_configs"]:
            if "static_configs" in job:
                job["static_configs"] = [{"targets": [self._address]}]
        rules = hastened((TELEMETRY / "alerts.yml").read_text(), every_s=self._every_s)
        targets = [
            {"labels": {"process": process}, "targets": addresses}
            for process, addresses in self._targets.items()
        ]
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        (self._folder / "alerts.yml").write_text(rules)
        (self._folder / "targets.yml").write_text(yaml.safe_dump(targets))
