"""A managed Kafka: one process that is broker and controller (KRaft)."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chronos.embedded.artefacts import Artefacts, locked_artefacts
from chronos.embedded.folder import DataFolder, make_owned, write_owned
from chronos.embedded.java import Java, find_java
from chronos.embedded.machine import Machine
from chronos.embedded.ports import LOOPBACK, check_free
from chronos.embedded.probes import kafka_serves
from chronos.embedded.process import Command, run_to_end

HEAP = ("-Xms160m", "-Xmx256m")
YOUNG = "-Xmn96m"
"""Large for the heap. With the 21 MB that Java takes by itself the broker stood still for 8 ms
once a second at 500 transfers a second: the slowest hundredth of them."""
_FORMAT_S = 120.0
# Values that fit one broker on a small machine. The short session time-out halves the time to
# serve again after a kill; the many small internal topics of a big cluster are made small.
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners={listeners},CONTROLLER://{host}:{controller_port}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=8
message.max.bytes=8388608
num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=2
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=8388608
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
controlled.shutdown.enable=true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaListener:
    """One door of the broker: where it listens, and where it tells its clients that it is.

    The two differ where something stands between: clients follow the advertised port.
    """

    name: str
    """Upper case letters, the listener's name in Kafka's settings."""
    port: int
    advertised_port: int


class ManagedKafka:
    """Runs Kafka on a data folder.

    Args:
        machine: The account and the Java to run with.
        folder: The data folder.
        artefacts: Fetches Kafka's jars.
        port: Where it listens.
        controller_port: Where its controller listens.
        more: Further listeners.
    """

    name = "kafka"
    ready_s = 180.0

    def __init__(
        self,
        machine: Machine,
        folder: DataFolder,
        artefacts: Artefacts,
        *,
        port: int,
        controller_port: int,
        more: Sequence[KafkaListener] = (),
    ):
        self._machine = machine
        self._folder = folder
        self._artefacts = artefacts
        self._port = port
        self._controller_port = controller_port
        own = KafkaListener(name="PLAINTEXT", port=port, advertised_port=port)
        self._listeners = (own, *more)

    @property
    def address(self) -> str:
        """Gives host:port."""
        return f"{LOOPBACK}:{self._port}"

    async def command(self) -> Command:
        """Fetches the jars where needed, formats the storage once, checks the ports.

        Raises:
            ChronosError: Java is missing, a fetch failed, or a port is busy.
        """
        java = await find_java(self._machine)
        jars = await asyncio.to_thread(self._artefacts.ensure, locked_artefacts(self.name))
        for listener in self._listeners:
            check_free(listener.port, "Kafka")
        check_free(self._controller_port, "Kafka's controller")
        run_as = self._machine.run_as
        home = self._folder.server(self.name, run_as)
        for part in ("data", "tmp"):
            make_owned(home / part, run_as)
        settings = home / "server.properties"
        write_owned(settings, self._settings(home / "data"), run_as)
        class_path = os.pathsep.join(map(str, jars))
        # Kafka writes this file last when it formats its storage.
        if not (home / "data" / "meta.properties").exists():
            await self._format(java, class_path, home, settings)
        return self._java(
            home,
            java,
            *HEAP,
            YOUNG,
            "-XX:+UseSerialGC",
            # It moves as many events without the second compiler, and takes a quarter less of
            # the first minutes' processor time.
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            f"-Djava.io.tmpdir={home / 'tmp'}",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            *("-cp", class_path, "kafka.Kafka", str(settings)),
        )

    async def probe(self) -> bool:
        """Tells whether the broker answers with its metadata."""
        return await kafka_serves(self.address)

    def _settings(self, data: Path) -> str:
        known = self._listeners
        return _SETTINGS.format(
            host=LOOPBACK,
            controller_port=self._controller_port,
            data=data,
            listeners=",".join(f"{at.name}://{LOOPBACK}:{at.port}" for at in known),
            advertised=",".join(f"{at.name}://{LOOPBACK}:{at.advertised_port}" for at in known),
            protocols=",".join(f"{at.name}:PLAINTEXT" for at in known),
        )

    async def _format(self, java: Java, class_path: str, home: Path, settings: Path) -> None:
        cluster_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        command = self._java(
            home,
            java,
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            *("-cp", class_path, "kafka.tools.StorageTool", "format"),
            # An id that began with a dash would be taken for an option.
            *(f"--cluster-id={cluster_id}", f"--config={settings}", "--ignore-formatted"),
        )
        await run_to_end(command, purpose="formatting Kafka's storage", deadline_s=_FORMAT_S)

    def _java(self, home: Path, java: Java, *options: str) -> Command:
        return Command(
            argv=(java.program, *java.quiet_options, *options),
            environment={"PATH": self._machine.path, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            folder=home,
            log=self._folder.log / f"{self.name}.log",
            run_as=self._machine.run_as,
        )
